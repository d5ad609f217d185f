"""Verdict and total of one setting on plain numbers: what a search over thousands of settings asks.

The same terms as `fit`, without figures, sources, reasons, or the searches for the largest context and concurrency.
"""

from typing import NamedTuple

from assay.reason.memory import overhead as extra
from assay.reason.memory.fit import Prepared, Setting, available_memory, load_of, need_of, placed_weights, prepare
from assay.reason.memory.objections import objection
from assay.types.plan import Verdict, Workload
from assay.types.quantity import Quantity

Ends = tuple[float, float]
ANY = Workload(1, 1, 1)
"""What a runtime takes for itself is the same for every workload."""


class Fixed(NamedTuple):
    """What no workload changes: (low, high) bytes on one card, and what was objected; None where it is not known.

    Attributes:
        weights, overhead: bytes taken.
        available: bytes that the runtime allows itself.
        against: the verdict that memory cannot better.
        prepared: the fullest card's layers and pool.
    """

    weights: Ends | None
    overhead: Ends | None
    available: Ends | None
    against: Verdict | None
    prepared: Prepared


class Outcome(NamedTuple):
    """The three-way verdict, and (low, high) bytes on one card; `total` leaves out what is not known.

    `complete` tells whether `total` is all of it.
    """

    verdict: Verdict
    total: Ends
    available: Ends | None
    complete: bool


def _ends(figure: Quantity) -> Ends | None:
    low, high = figure.lowest, figure.highest
    return None if low is None or high is None else (low, high)


def fixed_of(setting: Setting) -> Fixed:
    """What all workloads of a setting share."""
    model, runtime, card = setting.model, setting.runtime, setting.card
    against = objection(model, runtime, card.cards)
    if against is not None:
        verdict: Verdict | None = against[0]
    else:
        verdict = "unknown" if model.doubts else None
    own = None
    if runtime.memory is not None:
        load = load_of(setting, ANY)
        own = _ends(extra.overhead(model, runtime.memory, load, extra.process_bytes(card.usable)))
    return Fixed(
        _ends(placed_weights(setting)), own, _ends(available_memory(card, runtime.memory)), verdict, prepare(setting)
    )


def _judged(total: Ends, available: Ends | None, *, complete: bool) -> Verdict:
    if available is not None and total[0] > available[1]:
        return "no"
    return "yes" if complete and available is not None and total[1] <= available[0] else "unknown"


def outcome(setting: Setting, workload: Workload, fixed: Fixed | None = None) -> Outcome:
    """Whether a setting fits, as `fit` would answer.

    Args:
        setting: model, runtime, cards, KV format.
        workload: context and sequences.
        fixed: of the setting, where it is known already.
    """
    known = fixed or fixed_of(setting)
    grown = need_of(known.prepared, workload.context, workload.concurrency)
    memory = setting.runtime.memory
    active = memory is not None and (memory.activation or memory.compute) is not None
    weights, overhead = known.weights or (0.0, 0.0), known.overhead or (0.0, 0.0)
    total = (
        weights[0] + overhead[0] + grown.low,
        weights[1] + overhead[1] + grown.high,
    )
    complete = active and known.weights is not None and known.overhead is not None
    verdict = _judged(total, known.available, complete=complete)
    if verdict != "no" and known.against is not None:
        verdict = known.against
    return Outcome(verdict, total, known.available, complete)
