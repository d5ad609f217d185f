"""A log while it is read: facts are put down as their lines come by, and frozen at the end."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Literal, NamedTuple

from assay.types.log import BufferKind, LogBuffer, LogFigure, LogLine, LogText, LogTrouble, Role, Selection, ServerLog
from assay.types.message import Parameter

GIB, MIB = 2**30, 2**20
MAX_NAME = 200
"""Characters of a name that are kept."""
MOST = 200
"""Selections, buffers and devices that are kept: a log of more repeats itself, or is none."""
Which = Literal["first", "last", "least", "most"]


Note = Callable[["Draft", re.Match[str], int], None]


class Rule(NamedTuple):
    """What a line may say.

    Attributes:
        key: a text that every such line holds: looked for first, which is a hundred times cheaper.
        pattern: what is searched then; what it repeats is bounded, or a hostile line would take its square in time.
        note: puts the match down.
        mark: whether such a line shows which runtime wrote the log.
    """

    key: str
    pattern: re.Pattern[str]
    note: Note
    mark: bool


def rule(key: str, pattern: str, note: Note, *, mark: bool = False) -> Rule:
    """A rule of a pattern's text."""
    return Rule(key, re.compile(pattern), note, mark)


def number(text: str) -> float | None:
    """A printed number, thousands separated by commas; None for what is none, or is beyond any memory."""
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None


def size(text: str | None, unit: float = GIB) -> float:
    """A printed size in bytes, 0 where there is none."""
    return (number(text or "") or 0.0) * unit


def count(text: str | None) -> int:
    """A printed count, 0 where there is none."""
    return int(number(text or "") or 0)


def rounding(text: str) -> float:
    """Half of the last printed digit: 0.005 for `5.01`, 0 for an integer."""
    _, point, digits = text.partition(".")
    return 0.5 * 10.0 ** -len(digits) if point else 0.0


def puts_figure(name: str, unit: float = 1.0, which: Which = "last") -> Note:
    """Puts down the first group that matched as a figure of `unit` base units; of several lines, that of `which`."""
    return lambda draft, match, line: draft.figure(name, next(filter(None, match.groups())), line, unit, which)


def puts_text(name: str) -> Note:
    """Puts down the first group as a word."""
    return lambda draft, match, line: draft.text(name, match[1], line)


def puts_flag(name: str) -> Note:
    """Puts down that the line stood there."""
    return lambda draft, _match, _line: draft.flags.add(name)


def puts_selection(role: Role, target: str) -> Note:
    """Puts down the first group as a kernel or backend for a target."""
    return lambda draft, match, line: draft.select(role, match[1], target, line)


OUT_OF_MEMORY = rule(
    "emory",
    r"(?:OutOfMemoryError|CUDA out of memory)(?:.{0,200}?Tried to allocate ([\d.]{1,20}) (GiB|MiB))?",
    lambda draft, match, line: draft.trouble(
        "out_of_memory", line, asked=f"{match[1]} {match[2]}" if match[1] else "?"
    ),
)
"""PyTorch's own words, whichever server runs on it."""
VALUE = r"'?(?P<value>[^',(){}\[\]\s]{1,300})"
"""A value of a dictionary or of keyword arguments."""


def value_of(keys: str, text: str) -> str | None:
    """What is given for a key, or for one of several (`a|b`): `'key': value`, or `key=value`."""
    found = re.search(rf"\b(?:{keys})(?:'\s*:\s*|=){VALUE}", text)
    return None if found is None else found["value"]


class Draft:
    """What was found so far of one runtime's log."""

    def __init__(self, runtime: str) -> None:
        self.runtime = runtime
        self.marks = 0
        self.clear()

    def clear(self) -> None:
        """Forget everything: a new start begins in the same file."""
        self.found: dict[str, Any] = {}
        self.devices: dict[str, LogText] = {}
        self.features: dict[str, LogText] = {}
        self.types: dict[str, int] = {}
        self.selections: dict[tuple[str, str, str], Selection] = {}
        self.buffers: list[LogBuffer] = []
        self.troubles: dict[str, LogTrouble] = {}
        self.flags: set[str] = set()

    def text(self, name: str, text: str | None, line: int, *, last: bool = False) -> None:
        """A word; the first one counts, unless `last`."""
        if text and (last or name not in self.found) and text != "None":
            self.found[name] = LogText(text[:MAX_NAME], line)

    def figure(self, name: str, text: str, line: int, unit: float = 1.0, which: Which = "last") -> None:
        """A figure printed in `unit` base units; of several, that of `which`."""
        value = number(text)
        if value is None:
            return
        new = LogFigure(value * unit, rounding(text) * unit, line)
        old = self.found.get(name)
        keep = old is not None and (
            which == "first"
            or (which == "least" and old.value <= new.value)
            or (which == "most" and old.value >= new.value)
        )
        if not keep:
            self.found[name] = new

    def device(self, key: str, name: str, line: int) -> None:
        """A device by what the log calls it (`CUDA0`)."""
        if len(self.devices) < MOST:
            self.devices.setdefault(key, LogText(name.strip()[:MAX_NAME], line))

    def feature(self, text: str, line: int) -> None:
        """What a build says of itself."""
        if text and len(self.features) < MOST:
            self.features.setdefault(text[:MAX_NAME], LogText(text[:MAX_NAME], line))

    def select(self, role: Role, name: str, target: str, line: int) -> None:
        """A kernel or backend; every rank says it, it is kept once."""
        key = (role, name[:MAX_NAME], target[:MAX_NAME])
        if len(self.selections) < MOST:
            self.selections.setdefault(key, Selection(role, key[1], key[2], line))

    def buffer(self, device: str, kind: BufferKind, text: str, line: int) -> None:
        """A buffer printed in MiB."""
        value = number(text)
        if value is not None and len(self.buffers) < MOST:
            figure = LogFigure(value * MIB, rounding(text) * MIB, line)
            self.buffers.append(LogBuffer(device[:MAX_NAME], kind, figure))

    def trouble(self, code: str, line: int, **parameters: Parameter) -> None:
        """A known error; it is repeated up the stack and kept once."""
        self.troubles.setdefault(code, LogTrouble(code, tuple(parameters.items()), line))

    def freeze(self) -> ServerLog:
        """The log as a value."""
        return ServerLog(
            self.runtime,
            devices=tuple(self.devices.values()),
            features=tuple(self.features.values()),
            tensor_types=tuple(self.types.items()),
            selections=tuple(self.selections.values()),
            buffers=tuple(self.buffers),
            flags=frozenset(self.flags),
            troubles=tuple(self.troubles.values()),
            **self.found,
        )


def apply(draft: Draft, rules: Iterable[Rule], line: LogLine) -> None:
    """Put down what every rule that matches makes of a line."""
    text = line.text
    for key, pattern, note, mark in rules:
        if key in text:
            match = pattern.search(text)
            if match is not None:
                note(draft, match, line.number)
                draft.marks += mark
