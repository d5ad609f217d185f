"""What the owner's own measurements change of a prediction.

A measurement of the same model in the same weights moves its predictions by as much as it was off, and halves the
interval. One of another model on the same card and runtime moves them by a share, and leaves the interval as it is:
both are bounds of our own. A measurement of the very same load is not corrected with but shown.
"""

from collections.abc import Iterable
from math import exp, log
from typing import NamedTuple

from assay.reason.speed import step
from assay.reason.speed.step import Factors, Prepared
from assay.types.speed import SpeedKind

SHARE = 0.5
"""How much of what another model was off moves a prediction: bounds of our own, between nothing and all."""
SAME_LOAD = 0.1
"""Tokens that differ by less than a tenth are the same load."""


class Own(NamedTuple):
    """One stored measurement.

    Attributes:
        id: its number in the store.
        kind, sequences, prompt, output: the load; `prompt` is the depth where nothing else was read.
        seconds: between tokens of each sequence, or of reading the prompt.
        same: whether it is of the same model in the same weights; `prepared` is the model that was measured.
    """

    id: int
    kind: SpeedKind
    sequences: float
    prompt: float
    output: float
    seconds: float
    same: bool
    prepared: Prepared


class Correction(NamedTuple):
    """What times of one kind are multiplied by, the share of the interval that is left, and the measurements behind."""

    factor: float
    width: float
    ids: tuple[int, ...]


NONE = Correction(1.0, 1.0, ())


def predicted_seconds(own: Own, factors: Factors) -> float:
    """What the model says of a measurement's load."""
    if own.kind == "prefill":
        return sum(step.prefill(own.prepared, factors, own.prompt))
    if own.kind == "decode":
        return sum(step.decode(own.prepared, factors, 1.0, own.prompt + own.output / 2))
    return sum(step.serving(own.prepared, factors, own.sequences, own.prompt, own.output))


def _alike(one: SpeedKind, other: SpeedKind) -> bool:
    """Steps are alike whether one sequence or many take part; prompts are another matter."""
    return (one == "prefill") == (other == "prefill")


def correction(kind: SpeedKind, measured: Iterable[tuple[Own, Factors]]) -> Correction:
    """The correction of one kind of times by measurements with the factors of their own models.

    Of the same model, where there is one, else of the others.
    """
    found = [
        (own, log(own.seconds / predicted_seconds(own, factors))) for own, factors in measured if _alike(own.kind, kind)
    ]
    same = [(own, off) for own, off in found if own.same]
    chosen = same or found
    if not chosen:
        return NONE
    mean = sum(off for _, off in chosen) / len(chosen)
    ids = tuple(sorted(own.id for own, _ in chosen))
    return Correction(exp(mean), 0.5, ids) if same else Correction(exp(mean * SHARE), 1.0, ids)


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= SAME_LOAD * max(one, other, 1.0)


def exactly(measured: Iterable[Own], kind: SpeedKind, sequences: float, tokens: float) -> Own | None:
    """The newest measurement of the same model under the same load.

    Args:
        measured: what is stored.
        kind: what is asked.
        sequences: at once.
        tokens: behind each sequence, or in the prompt.
    """
    same = [
        own
        for own in measured
        if own.same and own.kind == kind and own.sequences == sequences
        and _near(own.prompt if kind == "prefill" else own.prompt + own.output / 2, tokens)
    ]  # fmt: skip
    return max(same, key=lambda own: own.id, default=None)
