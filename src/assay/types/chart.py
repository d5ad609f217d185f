"""A picture before it is drawn: bars of one whole, and series over an axis, each with its interval.

Values stand in base units and words are `Message`: the renderer (terminal, SVG) chooses digits, language and shapes.
"""

from typing import Literal, NamedTuple

from assay.types.message import Message
from assay.types.quantity import Quantity

Fill = Literal["weights", "cache", "runtime", "free", "kept", "unknown", "short"]
Scale = Literal["linear", "log"]
Form = Literal["line", "step"]


class Piece(NamedTuple):
    """A stretch of a bar; `possible` marks what the upper end of an interval may take on top of its lower end."""

    start: float
    end: float
    fill: Fill
    possible: bool = False


class Part(NamedTuple):
    """What takes a share of a bar, with its figure; a part that is not known has no pieces, and its figure says why."""

    label: Message | str
    figure: Quantity
    pieces: tuple[Piece, ...]


class Bar(NamedTuple):
    """One whole and its parts, which fill it from 0 to `end` without gaps.

    Attributes:
        label: whose whole it is.
        whole: its size as a figure.
        parts: in the order in which they are named.
        end: where the last piece ends.
        edge: where the whole ends; pieces beyond hang over it. None where its size is not known.
        number: how many such wholes there are.
        short: what hangs over the edge, all in all; it lies where pieces of the parts lie.
    """

    label: Message | str
    whole: Quantity
    parts: tuple[Part, ...]
    end: float
    edge: float | None
    number: int = 1
    short: Part | None = None


class Axis(NamedTuple):
    """What runs along an edge of a plot, in which base unit, from where to where, with marked values."""

    label: Message
    unit: str
    scale: Scale
    low: float
    high: float
    ticks: tuple[float, ...]


class Point(NamedTuple):
    """A value of a series with the interval it lies in."""

    x: float
    y: Quantity


class Series(NamedTuple):
    """Values by rising x.

    A `step` holds each value back to the one before it: for an amount that falls with x, never more than is known.
    `possible` says what its interval means, `fill` which kind of thing it is of.
    """

    label: Message
    possible: Message
    points: tuple[Point, ...]
    form: Form = "line"
    fill: Fill = "cache"


class Mark(NamedTuple):
    """One point that is pointed out."""

    label: Message
    x: float
    y: float


class Plot(NamedTuple):
    """Series over two axes; without series the notes say why there is nothing to draw."""

    title: Message
    x: Axis | None
    y: Axis | None
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()
    notes: tuple[Message, ...] = ()


class Chart(NamedTuple):
    """A picture: bars first, then plots, then what to know about them."""

    title: Message
    bars: tuple[Bar, ...]
    plots: tuple[Plot, ...]
    notes: tuple[Message, ...] = ()
