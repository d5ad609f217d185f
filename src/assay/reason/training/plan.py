"""Whether a training step fits, part by part, and how far it goes.

Three answers, as for inference: *yes* if the pessimistic need fits into the pessimistic room, *no* if even the
optimistic need does not fit into the optimistic room, *unknown* between. The peak is in the backward pass, beside the
logits or beside one layer computed again, whichever is larger, or in the optimizer's step.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from assay.reason.memory.fit import CardMemory, available_memory
from assay.reason.training import activations, sharing, states
from assay.reason.training.bounds import NOTHING, Bounds, Part, Terms, figure
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.plan import Verdict
from assay.types.quantity import Quantity, derive, total, unknown
from assay.types.training import Training, TrainingPlan

MOST_BATCHES = 1 << 16
UNSTATED_CONTEXT = 1 << 20


class Subject(NamedTuple):
    """What is trained on what: the model, the card (with its number), and the terms."""

    model: Model
    card: CardMemory
    terms: Terms


ADDED = ("weights", "adapters", "gradients", "optimizer", "peak", "gathered")
"""Parts that meet; with `overhead` they add up to the need."""
PEAK_PARTS = ("activations", "logits", "layer", "step")
PEAK = "activations + larger of (logits, one layer), or the optimizer's step where that is more"


def parts(subject: Subject, training: Training) -> dict[str, Part]:
    """Every part of the plan by name."""
    model, cards, terms = subject.model, subject.card.cards, subject.terms
    trained = states.trained_parameters(model, training)
    found = {
        "weights": states.weights(model, training, cards, terms),
        "adapters": states.adapters(training, trained, cards, terms),
        "gradients": states.gradients(training, trained, cards, terms),
        "optimizer": states.optimizer(model, training, trained, cards, terms),
        "activations": activations.kept(model, training, terms),
        "logits": activations.logits(model, training, terms),
        "layer": activations.recomputed(model, training, terms),
        "step": states.step(model, training, trained, cards, terms),
        "gathered": sharing.gathered(model, training, trained, cards, terms),
    }
    beside = found["logits"].size.or_more(found["layer"].size)
    backward = found["activations"].size + beside
    names = tuple(dict.fromkeys(name for part in PEAK_PARTS for name in found[part].terms))
    found["peak"] = Part(backward.or_more(found["step"].size), PEAK, names)
    held = sum((found[name].size for name in ADDED), NOTHING)
    found["overhead"] = sharing.overhead(model, training, held, terms)
    return found


def need(subject: Subject, training: Training) -> Bounds:
    """All bytes on one card, on plain numbers."""
    found = parts(subject, training)
    return sum((found[name].size for name in (*ADDED, "overhead")), NOTHING)


def plan(subject: Subject, training: Training) -> TrainingPlan:
    """The parts as figures."""
    found = {name: figure(part, subject.terms, subject.model) for name, part in parts(subject, training).items()}
    whole = total("B", [(name, found[name]) for name in (*ADDED, "overhead")])
    available = available_memory(subject.card, None)
    free = derive(
        "B",
        "available - total",
        [("available", available), ("total", whole)],
        lambda room, used: room - used,
        rising=(True, False),
    )
    return TrainingPlan(**found, total=whole, available=available, free=free)


def verdict(found: TrainingPlan) -> tuple[Verdict, tuple[Message, ...]]:
    """The three-way answer and its reasons."""
    needed, room = found.total, found.available
    if needed.lowest is None or needed.highest is None or room.lowest is None or room.highest is None:
        reason = needed.note or room.note
        return "unknown", (reason,) if reason else ()
    if needed.lowest > room.highest:
        return "no", (message("check.short", size=needed.lowest - room.highest),)
    if needed.highest <= room.lowest:
        return "yes", ()
    return "unknown", (
        message(
            "check.too_close",
            "warning",
            low=needed.lowest,
            high=needed.highest,
            least=room.lowest,
            most=room.highest,
        ),
    )


def fits(subject: Subject, training: Training) -> tuple[bool, bool]:
    """Whether it (surely, possibly) fits; neither where the card's memory is not known."""
    room = available_memory(subject.card, None)
    if room.lowest is None or room.highest is None:
        return False, False
    needed = need(subject, training)
    return needed.high <= room.lowest, needed.low <= room.highest


def _largest(accepts: Callable[[int], bool], limit: int) -> int:
    """The largest n in 1..limit that is accepted, where smaller ones are if a larger one is; 0 if none."""
    low, high = 0, limit + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if accepts(middle) else (low, middle)
    return low


def _search(
    unit: str, formula: str, limit: int, known: Callable[[int], tuple[bool, bool]], found: TrainingPlan
) -> Quantity:
    tried = cache(known)
    surely = _largest(lambda n: tried(n)[0], limit)
    possibly = max(surely, _largest(lambda n: tried(n)[1], limit))
    whole = found.total
    return Quantity(
        surely,
        unit,
        "derived",
        whole.sources,
        low=surely if possibly > surely else None,
        high=possibly if possibly > surely else None,
        weakest=whole.weakest,
        weakest_share=whole.weakest_share,
        formula=formula,
        inputs=(("available", found.available), ("total", whole)),
    )


def reach(subject: Subject, training: Training, found: TrainingPlan) -> tuple[Quantity, Quantity]:
    """(longest sequence at this micro-batch, largest micro-batch at this length) whose pessimistic total fits."""
    if found.available.value is None or found.total.value is None:
        reason = found.available.note or found.total.note or message("unknown.total")
        return unknown("token", reason), unknown("sequence", reason)
    longest = _search(
        "token",
        "longest sequence whose pessimistic total fits, up to the model's own limit",
        subject.model.max_context or UNSTATED_CONTEXT,
        lambda tokens: fits(subject, training._replace(sequence=tokens)),
        found,
    )
    largest = _search(
        "sequence",
        "largest micro-batch whose pessimistic total fits",
        MOST_BATCHES,
        lambda count: fits(subject, training._replace(micro_batch=count)),
        found,
    )
    return longest, largest
