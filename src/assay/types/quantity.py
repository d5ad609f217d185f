"""A figure that says where it comes from: value, unit, basis, sources.

No number travels alone (the first law). A sum or product is `derived` and carries its weakest input and how much
of the value rests on it. What is not known is `None` with a reason: never 0, never a guess.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

from assay.types.message import Message

Basis = Literal["measured", "reported", "compiled", "documented", "derived", "assumed"]
Unit = Literal[
    "B",
    "B/s",
    "FLOP/s",
    "OP/s",
    "Hz",
    "W",
    "s",
    "token",
    "token/s",
    "sequence",
    "instance",
    "ratio",
    "USD",
    "USD/h",
]

# Strongest first; `derived` is never a root: it passes on the weakest of its inputs.
STRENGTH: tuple[Basis, ...] = ("measured", "reported", "compiled", "documented", "derived", "assumed")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A value in a base unit, with the interval it may lie in and the evidence it rests on.

    Attributes:
        value: the figure in `unit`, or None when it is not known (then `note` says why).
        low, high: the ends of the interval, in `unit`, when the figure is one.
        basis: what kind of evidence this is; there is no default.
        sources: ids of the catalogue's sources.
        weakest, weakest_share: for a derived figure, its weakest input and the share (0..1) that rests on it.
        note: why the value is unknown, or what to know about it.
        formula, inputs: for `--explain`: how it was computed, from which named figures.
    """

    value: float | None
    unit: str
    basis: Basis
    sources: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    weakest: Basis | None = None
    weakest_share: float | None = None
    note: Message | None = None
    formula: str | None = None
    inputs: tuple[tuple[str, "Quantity"], ...] = ()

    def __post_init__(self) -> None:
        """Refuse a figure that breaks the first law.

        Raises:
            ValueError: an unknown value without a reason, a value that is not finite, an interval that does not
                hold its value, or a derived figure that does not say how.
        """
        if self.value is None:
            if self.note is None:
                raise ValueError("an unknown value needs a note that says why")
            return
        if not isfinite(self.value):
            raise ValueError("a value is finite or unknown")
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        if not low <= self.value <= high:
            raise ValueError("the interval must hold the value")
        if self.basis == "derived" and self.formula is None:
            raise ValueError("a derived figure names its formula")

    @property
    def lowest(self) -> float | None:
        """The lower end of the interval, or the value itself."""
        return self.value if self.low is None else self.low

    @property
    def highest(self) -> float | None:
        """The upper end of the interval, or the value itself."""
        return self.value if self.high is None else self.high

    @property
    def root(self) -> Basis:
        """The basis that this figure finally rests on: its own, or its weakest input's."""
        return self.weakest or self.basis if self.basis == "derived" else self.basis


def unknown(unit: str, note: Message) -> Quantity:
    """A figure that is not known, and why."""
    return Quantity(None, unit, "assumed", note=note)


def exact(value: float, unit: str, basis: Basis, *sources: str, note: Message | None = None) -> Quantity:
    """A figure without an interval."""
    return Quantity(value, unit, basis, sources, note=note)


ASKED = "as-asked"
"""The source of a number that the question itself gave: tokens, sequences, cards."""


def _merged_sources(parts: Sequence[Quantity]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source for part in parts for source in part.sources))


def _weakest(parts: Sequence[Quantity]) -> Basis:
    return max((part.root for part in parts), key=STRENGTH.index, default="assumed")


def _missing(parts: Sequence[tuple[str, Quantity]], unit: str) -> Quantity | None:
    for _, part in parts:
        if part.value is None:
            return Quantity(None, unit, "derived", note=part.note, inputs=tuple(parts))
    return None


def total(unit: str, parts: Sequence[tuple[str, Quantity]], formula: str | None = None) -> Quantity:
    """The sum of named figures of one unit; unknown as soon as one part is unknown.

    The share that rests on the weakest basis is weighed by value: 3 GiB assumed in 60 GiB is 5 %.
    """
    missing = _missing(parts, unit)
    if missing is not None:
        return missing
    figures = [part for _, part in parts]
    value = sum(part.value or 0 for part in figures)
    weakest = _weakest(figures)
    resting = sum(
        abs(part.value or 0) * (1.0 if part.weakest_share is None else part.weakest_share)
        for part in figures
        if part.root == weakest
    )
    magnitude = sum(abs(part.value or 0) for part in figures)
    interval = any(part.low is not None or part.high is not None for part in figures)
    return Quantity(
        value,
        unit,
        "derived",
        _merged_sources(figures),
        low=sum(part.lowest or 0 for part in figures) if interval else None,
        high=sum(part.highest or 0 for part in figures) if interval else None,
        weakest=weakest,
        weakest_share=resting / magnitude if magnitude else 1.0,
        formula=formula or " + ".join(name for name, _ in parts),
        inputs=tuple(parts),
    )


def derive(
    unit: str,
    formula: str,
    inputs: Sequence[tuple[str, Quantity]],
    function: Callable[..., float],
    *,
    rising: Sequence[bool] | None = None,
    note: Message | None = None,
) -> Quantity:
    """A figure computed from others by `function(*values)`; unknown as soon as one input is unknown.

    Args:
        unit: unit of the result.
        formula: the formula in words and input names; it is this figure's source.
        inputs: named input figures, in the order of `function`'s arguments.
        function: plain arithmetic on floats.
        rising: for each input, whether the result rises with it (default: all do); the interval's ends are computed
            from the inputs' ends accordingly.
        note: what to know about the result.
    """
    missing = _missing(inputs, unit)
    if missing is not None:
        return missing
    figures = [figure for _, figure in inputs]
    direction = tuple(rising) if rising is not None else (True,) * len(figures)
    value = function(*(figure.value for figure in figures))
    low = high = None
    if any(figure.low is not None or figure.high is not None for figure in figures):
        low = function(*(f.lowest if up else f.highest for f, up in zip(figures, direction, strict=True)))
        high = function(*(f.highest if up else f.lowest for f, up in zip(figures, direction, strict=True)))
    weakest = _weakest(figures)
    shares = [1.0 if f.weakest_share is None else f.weakest_share for f in figures if f.root == weakest]
    return Quantity(
        value,
        unit,
        "derived",
        _merged_sources(figures),
        low=low,
        high=high,
        weakest=weakest,
        weakest_share=max(shares, default=1.0),
        note=note,
        formula=formula,
        inputs=tuple(inputs),
    )


def annotated(figure: Quantity, note: Message) -> Quantity:
    """The same figure with a note."""
    return replace(figure, note=note)
