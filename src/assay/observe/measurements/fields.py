"""The fields of one result in a benchmark's file, each refused by name where it cannot be what it says."""

from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any

from assay.errors import MalformedFile
from assay.types.measurement import Percentiles
from assay.types.message import message

MAX_SHOWN = 40
"""Characters of a value that a message repeats."""
AGREE = 0.02
"""How far two figures of one run may be from each other: tools print rounded ones."""


def malformed(
    file: str, reason: str, field: str | None = None, *, line: int | None = None, value: str = ""
) -> MalformedFile:
    """The error for a benchmark's file; `reason` is the last part of a message code."""
    return MalformedFile(
        message(f"error.bench.{reason}", file=Path(file).name, field=field, line=line, value=value),
        message("hint.bench.file" if reason in {"kind", "empty", "binary"} else "hint.bench.again"),
        file=file,
        field=field,
    )


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


class Fields:
    """One result; `file` and `row` name it in errors, `alone` where the file has no other."""

    def __init__(self, body: dict[str, Any], file: str, row: int, *, alone: bool = False) -> None:
        self.body = body
        self.file = file
        self.row = row
        self.alone = alone
        self._prefix = "" if alone else f"[{row}]."

    def wrong(self, reason: str, name: str, value: Any = "") -> MalformedFile:
        """The error about one field."""
        return malformed(self.file, reason, f"{self._prefix}{name}", value=_shown(value))

    def has(self, name: str) -> bool:
        """Whether the field is there and says something."""
        return self.body.get(name) not in (None, "")

    def text(self, name: str) -> str | None:
        """The field's text, None where there is none.

        Raises:
            MalformedFile: it is something else.
        """
        value = self.body.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise self.wrong("text", name, value)
        return value

    def number(self, name: str, *, least: float = 0.0, above: bool = False) -> float:
        """A finite number not below `least`, or above it.

        Raises:
            MalformedFile: it is missing, no number, not finite, or too small.
        """
        value = self.body.get(name)
        if value is None or value == "":
            raise self.wrong("missing", name)
        if isinstance(value, str):  # CSV has nothing but text
            try:
                value = float(value)
            except ValueError:
                raise self.wrong("number", name, value) from None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong("number", name, value)
        try:
            found = float(value)
        except OverflowError:
            raise self.wrong("number", name, value) from None
        if not isfinite(found):
            raise self.wrong("number", name, value)
        if found < least:
            raise self.wrong("negative", name, value)
        if above and found == least:
            raise self.wrong("positive", name, value)
        return found

    def optional(self, name: str, *, least: float = 0.0, above: bool = False) -> float | None:
        """The number, None where the field is missing or null."""
        return self.number(name, least=least, above=above) if self.has(name) else None

    def whole(self, name: str, *, least: int = 0) -> int:
        """A whole number not below `least`.

        Raises:
            MalformedFile: anything else.
        """
        found = self.number(name, least=least)
        if not found.is_integer():
            raise self.wrong("whole", name, self.body[name])
        return int(found)

    def flag(self, name: str) -> bool:
        """Whether the field is set: true, or 1 in CSV."""
        return self.body.get(name) in (True, 1, "1", "true")

    def agrees(self, name: str, given: float, expected: float, slack: float = AGREE) -> None:
        """Hold a figure against what others of the same run give.

        Raises:
            MalformedFile: they contradict each other, as figures of different units do.
        """
        if abs(given - expected) > slack * max(abs(given), abs(expected)):
            raise self.wrong("units", name, f"{given:g} ≠ {expected:g}")

    def milliseconds(self, metric: str) -> Percentiles:
        """`mean_`, `median_`, `p90_` and `p99_<metric>_ms` as seconds.

        Raises:
            MalformedFile: one of them is negative or none, or they do not rise.
        """
        names = (f"mean_{metric}_ms", f"median_{metric}_ms", f"p90_{metric}_ms", f"p99_{metric}_ms")
        mean, *quantiles = (self.optional(name) for name in names)
        known = [(name, value) for name, value in zip(names[1:], quantiles, strict=True) if value is not None]
        for (_, lower), (name, upper) in pairwise(known):
            if upper < lower:
                raise self.wrong("order", name, upper)
        return Percentiles(*(None if value is None else value / 1000 for value in (mean, *quantiles)))
