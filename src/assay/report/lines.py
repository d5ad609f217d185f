"""Lines of text before they meet a terminal: wrapping, widths, and what must never reach a screen."""

import re
from textwrap import wrap
from typing import Literal, NamedTuple
from unicodedata import east_asian_width

Style = Literal[
    "plain", "good", "bad", "unsure", "headline", "title", "strong", "faint",
    "weights", "cache", "runtime", "free", "kept", "unknown", "short",
]  # fmt: skip

MAX_WIDTH = 100
# Control characters and direction overrides: a model's name must not steer the terminal that shows it.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
ONE_FOR_ONE = str.maketrans("–—−─·×µ≠≈\u00a0\u2009\u202f’“”«»²", '----|xu#~   \'""""2')
DRAWN = str.maketrans("█▓▒╱░▚▏│◆", "#=+/.-:|*")
"""What charts are drawn with, and the characters that stand for it where a stream lacks one of them."""
ASCII_FOR = ONE_FOR_ONE | DRAWN | str.maketrans({"…": "...", "≥": ">=", "≤": "<=", "→": "->"})


class Span(NamedTuple):
    """Characters of a line that have a style of their own."""

    start: int
    end: int
    style: Style


class Line(NamedTuple):
    """One line of output and how it is meant; it reads the same without the styles."""

    text: str
    style: Style = "plain"
    spans: tuple[Span, ...] = ()


def clean(text: str) -> str:
    """The text on one line, with nothing in it that a terminal would obey."""
    return UNPRINTABLE.sub("?", text.replace("\n", " ").replace("\t", " "))


def width_of(text: str) -> int:
    """Columns of a terminal that the text takes."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def wrapped(text: str, width: int, indent: str = "", hanging: str | None = None) -> list[str]:
    """Prose broken at spaces; no-break spaces hold, words longer than the line (addresses) are left whole."""
    rest = indent if hanging is None else hanging
    found = wrap(
        clean(text),
        width,
        initial_indent=indent,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return found or [indent.rstrip()]


def prose(text: str, width: int, style: Style = "plain", indent: str = "", hanging: str | None = None) -> list[Line]:
    """Prose as lines of one style."""
    return [Line(line, style) for line in wrapped(text, width, indent, hanging)]
