"""The most of a model that surely trains on some cards, and what casts doubt on such an answer."""

from typing import Literal

from assay.answers.asked import CardCount
from assay.answers.judged import memory_of
from assay.reason.memory.fit import available_memory
from assay.reason.training import states
from assay.reason.training.bounds import Terms
from assay.reason.training.plan import Subject, fits
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.plan import Verdict
from assay.types.training import METHODS, Training

TRAINABLE = frozenset({"catalogue", "config", "safetensors", "torch"})
"""Containers whose weights a trainer reads."""
NVIDIA = "NVIDIA"
Most = Literal["full", "lora", "qlora", "none", "unknown"]


def doubted(model: Model, column: tuple[CardCount, ...], verdict: Verdict) -> tuple[Verdict, tuple[Message, ...]]:
    """A yes about what was not understood, or about a card whose runtime no term was compared with, is unknown."""
    others = {entry.card.gpu.vendor for entry in column} - {NVIDIA}
    said = (*model.doubts, *(message("train.other_vendor", "warning", vendor=name) for name in sorted(others)))
    return ("unknown" if said and verdict == "yes" else verdict), said


def most_of(model: Model, column: tuple[CardCount, ...], terms: Terms) -> Most:
    """The most that surely trains with the settings that hold unless others are asked for; `none` if nothing may."""
    subject = Subject(model, memory_of(column), terms)
    room = available_memory(subject.card, None).highest
    if room is None or model.container not in TRAINABLE or not model.hidden_size or not model.layers:
        return "unknown"
    smallest = Training("qlora", shard="fsdp" if subject.card.cards > 1 else "none")
    # The weights alone refuse most models on most cards, and are quickly counted.
    lightest = states.weights(model, smallest, subject.card.cards, terms).size.low
    if lightest > room or not fits(subject, smallest)[1]:
        return "none"
    for method in METHODS:
        if fits(subject, smallest._replace(method=method))[0]:
            return method if doubted(model, column, "yes")[0] == "yes" else "unknown"
    return "unknown"
