"""Opens what a user names: regular files only, with a bound on every read."""

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from assay.errors import MalformedFile, UnreadableFile
from assay.types.message import message

MAX_JSON_BYTES = 32 * 2**20
"""The longest published configuration has 3 MB; an index of 200,000 tensors 20 MB."""
MAX_TREE_BYTES = 80 * 10**6
KEY_BYTES, COMMA_BYTES, BRACKET_BYTES = 230, 75, 25
"""What a key, a further value and a container take at most as Python's objects, measured beside their text."""
MAX_SHOWN = 120
"""Characters of a name that an error repeats."""

_REASONS = {
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.ENXIO: "not_regular",
}


def unreadable(path: Path, error: OSError | None = None) -> UnreadableFile:
    """The error for a path that exists and cannot be used: what the system said, or that it is no regular file."""
    code = 0 if error is None else error.errno or 0
    reason = "not_regular" if error is None else _REASONS.get(code, "failed")
    return UnreadableFile(
        message(f"error.unreadable.{reason}", file=path.name, system=errno.errorcode.get(code, "")),
        message("hint.unreadable_file"),
        file=str(path),
    )


def _short(field: str | None) -> str | None:
    """A name as an error can print it: a hostile one has a million characters."""
    return field if field is None or len(field) <= MAX_SHOWN else f"{field[:MAX_SHOWN]}…"


def malformed(file: str, reason: str, field: str | None = None, offset: int | None = None) -> MalformedFile:
    """The error for a file that breaks its format; `reason` is the last part of a message code."""
    return MalformedFile(
        message(f"error.malformed.{reason}", file=Path(file).name, field=_short(field), offset=offset),
        message("hint.malformed_file"),
        file=file,
        field=field,
        offset=offset,
    )


def present(path: Path) -> bool:
    """Whether something has this path, be it a link that leads nowhere: to read that fails, and nothing is passed over.

    A name longer than the system allows has nothing.

    Raises:
        UnreadableFile: the system does not let us look.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last: a NUL in the name
        return False
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise unreadable(path, error) from error
    return True


def reachable(path: Path) -> bool:
    """Whether a path leads to something; a link that leads nowhere, or a name too long, does not.

    Raises:
        UnreadableFile: the system does not let us look.
    """
    try:
        return path.exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise unreadable(path, error) from error


def open_regular(path: Path) -> tuple[int, int]:
    """(descriptor, size in bytes) of a regular file; a FIFO or a device is never waited for.

    Raises:
        UnreadableFile: it cannot be opened, or is no regular file.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise unreadable(path, error) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise unreadable(path)
    return descriptor, status.st_size


def beginning(path: Path, count: int) -> bytes:
    """The first `count` bytes of a regular file, fewer where it is shorter.

    Raises:
        UnreadableFile: it cannot be opened or read.
    """
    descriptor, _ = open_regular(path)
    with os.fdopen(descriptor, "rb") as stream:
        try:
            return stream.read(count)
        except OSError as error:
            raise unreadable(path, error) from error


def read_at_most(path: Path, limit: int) -> bytes:
    """The whole content of a regular file of at most `limit` bytes.

    Raises:
        UnreadableFile: it cannot be opened or read.
        MalformedFile: it is longer.
    """
    descriptor, size = open_regular(path)
    with os.fdopen(descriptor, "rb") as stream:
        if size > limit:
            raise malformed(str(path), "too_long")
        try:
            content = stream.read(limit + 1)
        except OSError as error:
            raise unreadable(path, error) from error
    if len(content) > limit:
        raise malformed(str(path), "too_long")
    return content


class RepeatedKeyError(ValueError):
    """An object names a key twice: two readers would see two models."""


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object whose keys are all different: a hook of the parser.

    Raises:
        RepeatedKeyError: a key stands twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        # `add` answers None: the first name that is already there ends the walk, in linear time.
        raise RepeatedKeyError(next(name for name, _ in pairs if name in seen or seen.add(name)))  # type: ignore[func-returns-value]
    return found


def _tree_bytes(content: bytes) -> int:
    """Memory that a JSON document takes at most while it is parsed: 60 MB of `[],[],…` would take 1.6 GB."""
    text = len(content) * (3 if content.isascii() else 9)  # itself, decoded, and its strings
    brackets = content.count(b"[") + content.count(b"{")
    return text + KEY_BYTES * content.count(b":") + COMMA_BYTES * content.count(b",") + BRACKET_BYTES * brackets


def parse_object(content: bytes, file: str) -> dict[str, Any]:
    """A JSON object; no key twice, no nesting beyond the interpreter's limit.

    Raises:
        MalformedFile: anything else.
    """
    if _tree_bytes(content) > MAX_TREE_BYTES:
        raise malformed(file, "too_long")
    try:
        document = json.loads(content.decode("utf-8"), object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise malformed(file, "json", offset=error.pos) from error
    except UnicodeDecodeError as error:
        raise malformed(file, "json", offset=error.start) from error
    except RecursionError as error:
        raise malformed(file, "nesting") from error
    except RepeatedKeyError as error:
        raise malformed(file, "repeated_key", field=str(error)) from error
    except ValueError as error:  # an integer of thousands of digits
        raise malformed(file, "json") from error
    if not isinstance(document, dict):
        raise malformed(file, "not_object")
    return document


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        UnreadableFile, MalformedFile: see `read_at_most` and `parse_object`.
    """
    return parse_object(read_at_most(path, MAX_JSON_BYTES), str(path))
