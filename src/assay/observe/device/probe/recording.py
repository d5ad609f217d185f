"""Recordings of probes (`assay.recording/1`): everything that a device answered, in a JSON file that replays it.

A recording holds what was asked and what came back, not what follows from it: rates and verdicts are computed again
when it is replayed. `synthetic` says that nobody measured its figures. docs/recordings.md has every key.
"""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from assay.errors import MalformedFile, PermissionRefused, UnreadableFile
from assay.types.message import message
from assay.types.probe import Fill, Identity, Refused, Sample, Trouble, Workload

SCHEMA = "assay.recording/1"
LARGEST_BYTES = 64 * 2**20
MOST_WORKLOADS = 4096


class Batch(NamedTuple):
    """One timing: launches, seconds that they took on the device, and when they ended on its clock (s)."""

    launches: int
    seconds: float
    ended_at: float


class Entry(NamedTuple):
    """A workload that was prepared.

    Attributes:
        workload: what was asked.
        began_at: when, on the device's clock (s).
        refused: why it does not run, or None.
        work: operations or B of one launch.
        wrong: what its check said, or None.
        batches: every timing, in order.
        samples: of clock and power.
    """

    workload: Workload
    began_at: float
    refused: Refused | None = None
    work: float = 0.0
    wrong: str | None = None
    batches: tuple[Batch, ...] = ()
    samples: tuple[Sample, ...] = ()


class Met(NamedTuple):
    """A trouble: during `identity`, `memory` or a workload's name, after so many timings of it, in these words."""

    during: str
    after: int
    trouble: Trouble
    words: str


class Recording(NamedTuple):
    """A whole probe as the device answered it.

    Attributes:
        synthetic: whether the figures were made up, for a test.
        made: date and time of the run (ISO 8601, UTC).
        assay_version: of the program that recorded.
        budget_s, fill, force: what was asked for.
        identity: what the device said of itself; None where it said nothing.
        memory: (free, total) in B.
        workloads: everything that could have been asked, in order.
        entries: those that were prepared.
        troubles: what was met; the last may have ended it early.
        note: of whoever made it.
    """

    synthetic: bool
    made: str
    assay_version: str
    budget_s: float
    fill: Fill
    force: bool
    identity: Identity | None
    memory: tuple[int, int]
    workloads: tuple[Workload, ...]
    entries: tuple[Entry, ...]
    troubles: tuple[Met, ...] = ()
    note: str = ""


class _Wrong(Exception):
    """A value is not what its place asks for; carries the path to it."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def _plain(hint: Any, value: Any, path: str) -> Any:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is float and number and value == value and abs(value) != float("inf"):  # noqa: PLR0124 -- NaN
        return float(value)
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if hint in {str, bool, NoneType} and isinstance(value, hint):
        return value
    raise _Wrong(path)


def _decoded(hint: Any, value: Any, path: str) -> Any:
    """A value of a hint's type: plain values, literals, unions, tuples and named tuples.

    Raises:
        _Wrong: it is none.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        if value in arguments:
            return value
        raise _Wrong(path)
    if origin in {UnionType, Union}:
        if value is None and NoneType in arguments:
            return None
        return _decoded(next(one for one in arguments if one is not NoneType), value, path)
    if origin is tuple:
        return _sequence(arguments, value, path)
    if isinstance(hint, type) and hasattr(hint, "_fields"):
        return _named(hint, value, path)
    return _plain(hint, value, path)


def _sequence(arguments: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _Wrong(path)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_decoded(arguments[0], one, f"{path}[{place}]") for place, one in enumerate(value))
    if len(value) != len(arguments):
        raise _Wrong(path)
    pairs = zip(arguments, value, strict=True)
    return tuple(_decoded(hint, one, f"{path}[{place}]") for place, (hint, one) in enumerate(pairs))


_HINTS: dict[type, dict[str, Any]] = {}


def _named(shape: Any, value: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise _Wrong(path)
    hints = _HINTS.setdefault(shape, get_type_hints(shape))
    unknown = set(value) - set(hints)
    if unknown:
        raise _Wrong(f"{path}.{min(unknown)}")
    missing = set(hints) - set(value) - set(shape._field_defaults)
    if missing:
        raise _Wrong(f"{path}.{min(missing)}")
    return shape(**{key: _decoded(hints[key], one, f"{path}.{key}") for key, one in value.items()})


def _encoded(value: Any) -> Any:
    """Named tuples as objects without what is left at its default."""
    if hasattr(value, "_fields"):
        defaults = value._field_defaults
        pairs = zip(value._fields, value, strict=True)
        return {key: _encoded(one) for key, one in pairs if key not in defaults or one != defaults[key]}
    if isinstance(value, tuple):
        return [_encoded(one) for one in value]
    return value


def to_text(recording: Recording) -> str:
    """The recording as JSON."""
    return json.dumps({"schema": SCHEMA, **_encoded(recording)}, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _malformed(file: str, reason: str) -> MalformedFile:
    return MalformedFile(
        message("error.recording", file=file, field=reason), message("hint.recording"), file=file, field=reason
    )


def from_text(text: str, file: str) -> Recording:
    """The recording that a file's text holds.

    Raises:
        MalformedFile: not JSON, another schema, or a value out of place; `field` says which.
    """
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _malformed(file, "JSON") from error
    if not isinstance(body, dict) or body.pop("schema", None) != SCHEMA:
        raise _malformed(file, "schema")
    try:
        found: Recording = _decoded(Recording, body, "")
    except _Wrong as wrong:
        raise _malformed(file, wrong.path.lstrip(".")) from wrong
    _checked(found, file)
    return found


def _checked(found: Recording, file: str) -> None:
    if len(found.workloads) > MOST_WORKLOADS:
        raise _malformed(file, "workloads")
    if not 0 < found.budget_s <= 86_400:
        raise _malformed(file, "budget_s")
    for place, entry in enumerate(found.entries):
        where = f"entries[{place}]"
        if any(batch.launches < 1 or batch.seconds <= 0 for batch in entry.batches):
            raise _malformed(file, f"{where}.batches")
        if entry.refused is None and entry.wrong is None and entry.work <= 0:
            raise _malformed(file, f"{where}.work")


def write(path: Path, recording: Recording) -> None:
    """Write a recording to a file.

    Raises:
        PermissionRefused: it cannot be written.
    """
    try:
        path.write_text(to_text(recording), encoding="utf-8")
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PermissionRefused(
            message("error.recording_write", file=str(path), reason=reason),
            message("hint.recording_write"),
            file=str(path),
        ) from error


def read(path: Path) -> Recording:
    """The recording in a file.

    Raises:
        UnreadableFile: it cannot be opened, or is no regular file.
        MalformedFile: see `from_text`; or it is larger than 64 MiB.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UnreadableFile(
                    message("error.unreadable.not_regular", file=str(path)), message("hint.recording"), file=str(path)
                )
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnreadableFile(
            message("error.recording_unreadable", file=str(path), reason=reason),
            message("hint.recording"),
            file=str(path),
        ) from error
    if len(content) > LARGEST_BYTES:
        raise MalformedFile(
            message("error.limit.bytes", file=str(path), limit=LARGEST_BYTES), message("hint.recording"), file=str(path)
        )
    return from_text(content.decode("utf-8", "replace"), str(path))
