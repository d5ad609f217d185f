"""How far a slow reading has come: one line on a terminal's standard error, gone when the answer is there."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from assay.cli.door import Door
from assay.types.message import Message

PAUSE_SECONDS = 0.1
FIRST_SECONDS = 0.3
"""What is done by then needs no line."""
ERASE = "\r\x1b[K"


def wanted(stream: TextIO | None) -> bool:
    """Whether this stream is a terminal that can go back to the beginning of a line."""
    return stream is not None and stream.isatty() and os.environ.get("TERM") not in (None, "", "dumb")


class _Line:
    """Rewrites one line of a terminal."""

    __slots__ = ("door", "next", "shown", "stream")

    def __init__(self, stream: TextIO, door: Door) -> None:
        self.stream = stream
        self.door = door
        self.shown = False
        self.next = time.monotonic() + FIRST_SECONDS

    def __call__(self, step: Message | None) -> None:
        if step is None:
            self.erase()
        elif time.monotonic() >= self.next:
            self.next = time.monotonic() + PAUSE_SECONDS
            self._show(step)

    def _show(self, step: Message) -> None:
        from assay.report.lines import clean
        from assay.report.screen import encodes, width_for
        from assay.report.words import say

        language = self.door.language if encodes(self.stream, "Ы") else "en"
        text = clean(say(step, language))[: width_for(self.stream) - 1]
        self.stream.write(ERASE + text)
        self.stream.flush()
        self.shown = True

    def erase(self) -> None:
        """Leave the terminal as it was."""
        if self.shown:
            self.stream.write(ERASE)
            self.stream.flush()
            self.shown = False


@contextmanager
def shown(stream: TextIO, door: Door) -> Iterator[None]:
    """Show the steps of whatever is read in this context."""
    from assay.observe.progress import heard_by

    line = _Line(stream, door)
    try:
        with heard_by(line):
            yield
    finally:
        line.erase()
