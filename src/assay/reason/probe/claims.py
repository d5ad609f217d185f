"""What a data sheet and a compiler claim of a card, held against what was measured."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from assay.reason.probe.verdict import Cell
from assay.types.gpu import Peak
from assay.types.probe import Measurement, Regime
from assay.types.quantity import Quantity

Holds = Literal["holds", "short", "fails", "unknown"]
INSTRUCTION = (0.85, 0.75)
"""(holds from, fails below): a loop in registers has nothing to wait for; published ones reach 88 % of the sheet."""
LIBRARY = (0.80, 0.55)
"""Published libraries reach 61 to 117 % of the sheet, the least on cards that their power holds back; a card that is
sold at 58 % of its sibling's rates reaches about 51 % of the sibling's sheet."""
MEMORY = (0.80, 0.70)
"""Published copies reach 82 to 94 % of the sheet."""


class Claim(NamedTuple):
    """A figure of the catalogue beside the best that was measured of it.

    Attributes:
        what: number-format id, or `memory`.
        accumulate: the accumulator that the figure names; None for memory.
        documented: the catalogue's figure.
        at_clock: the same arithmetic at the clock measured, or None where it cannot be made.
        measured: the measurement that comes nearest, or None.
        share: of the catalogue's figure, of the faster regime; None without both.
        share_at_clock: of `at_clock`.
        holds: what follows.
    """

    what: str
    accumulate: str | None
    documented: Quantity
    at_clock: Quantity | None
    measured: Measurement | None
    share: float | None
    share_at_clock: float | None
    holds: Holds


def _limits(measurement: Measurement) -> tuple[float, float]:
    kind = measurement.workload.kind
    return {"micro": INSTRUCTION, "gemm": LIBRARY}.get(kind, MEMORY)


def _share(rate: Regime | None, figure: Quantity | None) -> float | None:
    if rate is None or figure is None or not figure.value:
        return None
    return rate.rate / figure.value


def held(share: float | None, limits: tuple[float, float]) -> Holds:
    """What a share of the data sheet says: `short` between the two limits."""
    if share is None:
        return "unknown"
    enough, least = limits
    if share >= enough:
        return "holds"
    return "fails" if share < least else "short"


def claim(
    what: tuple[str, str | None], documented: Quantity, at_clock: Quantity | None, found: Sequence[Measurement]
) -> Claim:
    """One claim; of several measurements the fastest speaks."""
    rated = [one for one in found if one.best is not None]
    best = max(rated, key=lambda one: one.best.rate if one.best else 0.0, default=None)
    rate = None if best is None else best.best
    share = _share(rate, documented)
    holds = "unknown" if best is None else held(share, _limits(best))
    return Claim(*what, documented, at_clock, best, share, _share(rate, at_clock), holds)


def measured_of(peak: Peak, measurements: Iterable[Measurement]) -> list[Measurement]:
    """The measurements that a dense matrix peak speaks of; `unstated` accumulators are met by any."""
    return [
        one
        for one in measurements
        if one.workload.format == peak.format
        and one.workload.kind in {"micro", "gemm"}
        and peak.accumulate in {one.workload.accumulate, "unstated"}
    ]


def contradicted(cell: Cell, documented: str | None) -> bool:
    """Whether a measured verdict is not the one that documents or a compiler's output give.

    Only what was measured contradicts: a refusal by a library, or what was not tried, says nothing of the card.
    """
    if cell.verdict not in {"native", "emulated"} or documented not in {"native", "emulated", "absent"}:
        return False
    if cell.workload.kind != "micro":
        return cell.verdict == "native" and documented == "absent"
    return cell.verdict != documented
