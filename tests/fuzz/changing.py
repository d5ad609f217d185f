"""A file that changes while it is read: it is cut short, overwritten, or another takes its place."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from harness import aside

from assay.observe.checkpoint import files

CONTROL_BYTES = 4
"""At the end of an input: after which opening, how, and two bytes for where."""
OPENINGS = 4
KEPT = "control"


def _kept(_path: Path, _where: int) -> None:
    pass


def _cut(path: Path, where: int) -> None:
    os.truncate(path, where * min(path.stat().st_size, 1024) // 2**16)


def _overwritten(path: Path, where: int) -> None:
    with path.open("r+b") as stream:
        stream.seek(where * min(path.stat().st_size, 1024) // 2**16)
        stream.write(b"\xff\x7f\x00\x01\x02{}\x80" * 4)


def _replaced(path: Path, where: int) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes()[where % 4096 :])
    other.replace(path)


def _gone(path: Path, _where: int) -> None:
    path.unlink()


CHANGES = (_kept, _cut, _overwritten, _replaced, _gone)


@contextmanager
def changing(path: Path, control: bytes) -> Iterator[None]:
    """Change this file once it was opened as often as the control says."""
    padded = control.ljust(CONTROL_BYTES, b"\0")
    left, change = padded[0] % OPENINGS + 1, CHANGES[padded[1] % len(CHANGES)]
    opened = files.open_regular

    def opening(which: Path) -> tuple[int, int]:
        nonlocal left
        found = opened(which)
        left -= which == path
        if not left and which == path:
            with aside():
                change(path, int.from_bytes(padded[2:4], "little"))
        return found

    with patch.object(files, "open_regular", opening):
        yield
