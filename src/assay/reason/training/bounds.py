"""Arithmetic on (low, typical, high) in bytes, and the terms that a part of the plan was computed from."""

from collections.abc import Mapping
from typing import NamedTuple

from assay.types.model import Model
from assay.types.quantity import STRENGTH, Basis, Quantity

Terms = Mapping[str, Quantity]
"""The terms of data/training.toml by name."""


class Bounds(NamedTuple):
    """The ends of an interval and what is typical between them."""

    low: float
    typical: float
    high: float

    def __mul__(self, factor: object) -> "Bounds":
        """Each end times a number, or times the same end of another interval."""
        if isinstance(factor, Bounds):
            return Bounds(*(mine * theirs for mine, theirs in zip(self, factor, strict=True)))
        if isinstance(factor, (int, float)):
            return Bounds(*(mine * factor for mine in self))
        return NotImplemented

    def __add__(self, other: object) -> "Bounds":
        """The sum, end by end."""
        if isinstance(other, Bounds):
            return Bounds(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))
        return NotImplemented

    def or_more(self, other: "Bounds") -> "Bounds":
        """The larger of two that do not meet, end by end."""
        return Bounds(*(max(mine, theirs) for mine, theirs in zip(self, other, strict=True)))


NOTHING = Bounds(0.0, 0.0, 0.0)


def term(terms: Terms, name: str) -> Bounds:
    """A term's interval."""
    found = terms[name]
    return Bounds(found.lowest or 0.0, found.value or 0.0, found.highest or 0.0)


class Part(NamedTuple):
    """Bytes of one part of the plan, its formula, and the names of the terms in it."""

    size: Bounds
    formula: str
    terms: tuple[str, ...] = ()


def figure(part: Part, terms: Terms, model: Model) -> Quantity:
    """The part as a figure, on the weakest of its terms and of the model's description."""
    used = [(name.replace("_", " "), terms[name]) for name in part.terms]
    described: Basis = "assumed" if model.like else "documented"
    weakest = max((described, *(found.root for _, found in used)), key=STRENGTH.index)
    low, typical, high = (float(round(end)) for end in part.size)
    return Quantity(
        typical,
        "B",
        "derived",
        tuple(dict.fromkeys((*model.sources, *(source for _, found in used for source in found.sources)))),
        low=low if low < high else None,
        high=high if low < high else None,
        weakest=weakest,
        weakest_share=1.0,
        formula=part.formula,
        inputs=tuple(used),
    )
