"""What measurements say of a number format: native, emulated, no instruction, refused by a library, or not tried."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from assay.types.probe import Measurement, Regime, Workload

CellVerdict = Literal["native", "emulated", "absent", "refused", "not_tried"]
NotTried = Literal["memory", "missing", "tool", "time", "lost", "wrong"]
Proof = Literal["native", "emulated", "absent", "unknown"]
RANK: dict[CellVerdict, int] = {"native": 0, "emulated": 1, "not_tried": 2, "refused": 3, "absent": 4}
"""What was not tried stands above a refusal: it could be better."""
WIDTHS = {
    "fp64": 64, "fp32": 32, "tf32": 32, "bf16": 16, "fp16": 16, "fp8_e4m3": 8, "fp8_e5m2": 8, "mxfp8": 8, "int8": 8,
    "fp6_e3m2": 6, "fp6_e2m3": 6, "mxfp6": 6, "fp4_e2m1": 4, "mxfp4": 4, "nvfp4": 4, "int4": 4, "int1": 1,
}  # fmt: skip
"""Bits of an element; TF32 takes the room of 32."""
FASTER = 1.2
"""A narrower format that gains less than this over the next wider native one gains nothing from hardware of its own."""
AS_FAST = 0.8
"""Below this share of the wider format's rate it is made of other instructions, whatever the assembler shows."""


class Cell(NamedTuple):
    """One number format through one door.

    Attributes:
        workload: the one that decides.
        verdict: see `CellVerdict`.
        rate: the measured one, or None.
        wider: the format that it was compared with, or None.
        gain: its rate / the wider format's, or None.
        why: of `not_tried`.
        words: of whoever refused, or what was wrong.
        proof: what a compiler's output shows of the same format, or None.
    """

    workload: Workload
    verdict: CellVerdict
    rate: Regime | None = None
    wider: str | None = None
    gain: float | None = None
    why: NotTried | None = None
    words: str | None = None
    proof: Proof | None = None

    @property
    def no_faster(self) -> bool:
        """Whether an instruction of its own gains nothing over the wider format."""
        return self.verdict == "native" and self.gain is not None and self.gain < FASTER


def _key(workload: Workload) -> tuple[str, str | None, str | None, str, bool | None, str | None]:
    one = workload
    return one.door, one.format, one.accumulate, one.scaling, one.fast, one.weights


def _large(measurement: Measurement) -> bool:
    """Products of few rows are bound by memory and say nothing of an instruction."""
    shape = measurement.workload.shape
    return shape is None or min(shape) > 256


def _not_run(measurement: Measurement, proof: Proof | None) -> Cell:
    workload, refused = measurement.workload, measurement.refused
    if measurement.wrong is not None:
        return Cell(workload, "not_tried", why="wrong", words=measurement.wrong, proof=proof)
    if refused is None:
        return Cell(workload, "not_tried", why="lost", proof=proof)
    if refused.why == "no_instruction":
        return Cell(workload, "absent", words=refused.words, proof=proof)
    if refused.why == "library":
        return Cell(workload, "refused", words=refused.words, proof=proof)
    return Cell(workload, "not_tried", why=refused.why, words=refused.words, proof=proof)


def _integer(name: str) -> bool:
    return name.startswith("int")


def _wider(cell: Measurement, natives: Sequence[Measurement]) -> Measurement | None:
    """The fastest of the next wider native formats: of the same door, kind and accumulator where there is one.

    Six bits are no step of their own: matrix units run them as they run eight.
    """
    name = cell.workload.format or ""
    width = max(WIDTHS.get(name, 0), 6)
    found = [one for one in natives if _width(one) > width]
    for same in (
        lambda one: one.workload.door == cell.workload.door,
        lambda one: _integer(one.workload.format or "") == _integer(name),
        lambda one: one.workload.accumulate == cell.workload.accumulate,
    ):
        found = [one for one in found if same(one)] or found
    if not found:
        return None
    nearest = min(_width(one) for one in found)
    return max((one for one in found if _width(one) == nearest), key=_rate)


def _width(measurement: Measurement) -> int:
    return WIDTHS.get(measurement.workload.format or "", 0)


def _rate(measurement: Measurement) -> float:
    return 0.0 if measurement.best is None else measurement.best.rate


def _judged(one: Measurement, natives: Sequence[Measurement], proof: Proof | None) -> Cell:
    best = one.best
    if best is None:
        return _not_run(one, proof)
    wider = _wider(one, natives)
    if wider is None:
        return Cell(one.workload, "native", best, proof=proof)
    gain = best.rate / _rate(wider)
    own = gain >= FASTER or (gain >= AS_FAST and proof == "native")
    return Cell(one.workload, "native" if own else "emulated", best, wider.workload.format, gain, proof=proof)


def _proof_of(workload: Workload, proofs: dict[tuple[str, str], Proof]) -> Proof | None:
    return proofs.get((workload.format or "", workload.door))


def cells(measurements: Iterable[Measurement], proofs: dict[tuple[str, str], Proof]) -> tuple[Cell, ...]:
    """A cell for each door, format, accumulator and scaling; the fastest of several shapes stands for all.

    Args:
        measurements: of one card.
        proofs: by (format, door) what a compiler's output shows of the card's instruction set.
    """
    asked = [one for one in measurements if one.workload.format is not None and _large(one)]
    groups: dict[tuple[str, str | None, str | None, str, bool | None, str | None], list[Measurement]] = {}
    for one in asked:
        groups.setdefault(_key(one.workload), []).append(one)
    deciding = [max(found, key=_rate) for found in groups.values()]
    judged: dict[str, Cell] = {}
    natives: list[Measurement] = []
    for one in sorted(deciding, key=_width, reverse=True):  # a format is compared with wider ones, judged before it
        cell = judged[one.workload.name] = _judged(one, natives, _proof_of(one.workload, proofs))
        if cell.verdict == "native":
            natives.append(one)
    return tuple(judged[one.workload.name] for one in deciding)


def of_formats(found: Iterable[Cell]) -> dict[str, Cell]:
    """The cell that speaks for each number format: the best verdict, then the highest rate."""
    best: dict[str, Cell] = {}
    for cell in found:
        name = cell.workload.format or ""
        if name not in best or _order(cell) < _order(best[name]):
            best[name] = cell
    return best


def _order(cell: Cell) -> tuple[int, float]:
    return RANK[cell.verdict], -(cell.rate.rate if cell.rate is not None else 0.0)
