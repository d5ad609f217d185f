"""A document before it has words: what every renderer (text, Markdown, HTML) is given.

Cells hold `Quantity` and `Message` values, never formatted text: the renderer chooses digits, units, basis letters and
language.
"""

from typing import Literal, NamedTuple

from assay.types.chart import Chart
from assay.types.message import Message
from assay.types.quantity import Quantity

Cell = Quantity | Message | str | int | None
Tone = Literal["good", "bad", "unsure", "plain"]


class Row(NamedTuple):
    """A labelled row of a table; `differs` marks a row whose columns disagree; `strong` a total."""

    label: Message | str
    cells: tuple[Cell, ...]
    strong: bool = False
    differs: bool = False


class Table(NamedTuple):
    """A table: the first column holds the labels, `columns` heads the others.

    `listing` marks a long list of like things: a column's unit stands in its head, and long labels wrap.
    """

    title: Message | None
    columns: tuple[Message | str, ...]
    rows: tuple[Row, ...]
    listing: bool = False


class Notes(NamedTuple):
    """Lines of prose under an optional title."""

    title: Message | None
    lines: tuple[Message, ...]


class Command(NamedTuple):
    """A command line to copy."""

    title: Message | None
    line: str


class Figure(NamedTuple):
    """A named figure for the explanation: its formula, inputs and sources are printed on request."""

    label: Message | str
    figure: Quantity


Block = Table | Notes | Command | Chart


class Report(NamedTuple):
    """One answer as a document.

    Attributes:
        headline: the answer; its first message is the first line printed.
        tone: how the headline is meant.
        blocks: what follows, in order.
        figures: every figure shown, for the explanation.
        sources: ids of all sources cited, in order of mention.
    """

    headline: tuple[Message, ...]
    tone: Tone
    blocks: tuple[Block, ...]
    figures: tuple[Figure, ...] = ()
    sources: tuple[str, ...] = ()
