"""Opens what a user names: regular files only, with a bound on every read."""

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

from assay.errors import MalformedFile, UnreadableFile, UnsupportedFile
from assay.types.message import message

MAX_JSON_BYTES = 32 * 2**20
"""The longest published configuration has 3 MB; an index of 200,000 tensors 20 MB."""
MAX_TREE_BYTES = 80 * 10**6
KEY_BYTES, COMMA_BYTES, BRACKET_BYTES = 230, 75, 25
"""What a key, a further value and a container take at most as Python's objects, measured beside their text."""
SAMPLE_BYTES = 2**16
"""Of a file that is too long: a configuration or an index has a value in 10 bytes or more, a bomb one in 2."""
LONG_NUMBER = re.compile(rb"[0-9]{4000,}")
POINTER = b"version https://git-lfs.github.com/spec/"
POINTER_BYTES = 1024
"""A git-lfs pointer begins so and is shorter than this (git-lfs, docs/spec.md)."""
MAX_SHOWN = 120
"""Characters of a name that a message repeats."""
DOCUMENT = "document"
"""The field of an error about a JSON file as a whole."""
DEEPEST = 100
"""Levels after which an error about nesting says where; published configurations have under ten."""

_REASONS = {
    errno.EACCES: "permission",
    errno.EPERM: "permission",
    errno.ENOENT: "missing",
    errno.ENOTDIR: "missing",
    errno.ENXIO: "not_regular",
    errno.ELOOP: "loop",
}


def unreadable(path: Path, error: OSError | None = None) -> UnreadableFile:
    """The error for a path that exists and cannot be used: what the system said, or that it is no regular file."""
    from assay.observe.checkpoint import hints  # noqa: PLC0415 - wanted for errors only

    code = 0 if error is None else error.errno or 0
    reason = "not_regular" if error is None else _REASONS.get(code, "failed")
    if reason == "missing" and path.is_symlink():
        reason = "dangling"
    return UnreadableFile(
        message(f"error.unreadable.{reason}", file=path.name, system=errno.errorcode.get(code, "")),
        message(hints.of_unreadable(reason)),
        file=str(path),
    )


def short(name: str) -> str:
    """A name of a file's as a message can repeat it: a hostile one has a million characters, or none."""
    if not name:
        return '""'
    return name if len(name) <= MAX_SHOWN else f"{name[:MAX_SHOWN]}…"


def malformed(file: str, reason: str, field: str | None = None, offset: int | None = None) -> MalformedFile:
    """The error for a file that breaks its format; `reason` is the last part of a message code."""
    from assay.observe.checkpoint import hints  # noqa: PLC0415 - same

    return MalformedFile(
        message(f"error.malformed.{reason}", file=Path(file).name, field=None if field is None else short(field)),
        message(hints.of_malformed(reason)),
        file=file,
        field=field,
        offset=offset,
    )


def beyond(file: str, code: str, limit: int, field: str | None = None, offset: int | None = None) -> UnsupportedFile:
    """The error for a file that may be whole and is larger than what is read.

    Args:
        file: its path.
        code: what there is too much of, the last part of a message code.
        limit: the most that is read, a bound of Assay's own.
        field: what says how much there is.
        offset: where in the file it does.
    """
    return UnsupportedFile(
        message(f"error.limit.{code}", file=Path(file).name, limit=limit),
        message("hint.limit"),
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
        MalformedFile: it is a pointer that git-lfs left in the file's place.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise unreadable(path, error) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise unreadable(path)
    if status.st_size < POINTER_BYTES and _is_pointer(descriptor):
        os.close(descriptor)
        raise malformed(str(path), "lfs_pointer", "version", 0)
    return descriptor, status.st_size


def _is_pointer(descriptor: int) -> bool:
    """Whether a file is a git-lfs pointer; one that cannot be read is left to its reader to say so."""
    try:
        return os.pread(descriptor, len(POINTER), 0) == POINTER
    except OSError:
        return False


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
    """The whole content of a JSON file of at most `limit` bytes.

    Raises:
        UnreadableFile: it cannot be opened or read.
        UnsupportedFile: it is longer.
        MalformedFile: it is longer, and no object or made of brackets and commas.
    """
    descriptor, size = open_regular(path)
    with os.fdopen(descriptor, "rb") as stream:
        try:
            content = stream.read(min(limit, size) + 1)
        except OSError as error:
            raise unreadable(path, error) from error
    if len(content) <= limit:
        return content
    sample = content[:SAMPLE_BYTES].lstrip()
    if sample and not sample.startswith(b"{"):
        raise malformed(str(path), "not_object" if sample.startswith(b"[") else "json", DOCUMENT, 0)
    if _values(sample) > SAMPLE_BYTES // 4:
        raise malformed(str(path), "json_bomb", DOCUMENT, 0)
    raise beyond(str(path), "bytes", limit, DOCUMENT, limit)


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


def _values(content: bytes) -> int:
    """Brackets, commas and colons of a JSON text, more or less one for each value."""
    return sum(map(content.count, (b"[", b"{", b",", b":")))


def _tree_bytes(content: bytes) -> int:
    """Memory that the values of a JSON document take at most: 60 MB of `[],[],…` would take 1.6 GB."""
    brackets = content.count(b"[") + content.count(b"{")
    return KEY_BYTES * content.count(b":") + COMMA_BYTES * content.count(b",") + BRACKET_BYTES * brackets


def _text_bytes(content: bytes) -> int:
    """Memory that a JSON document takes beside its values: itself, decoded, and its strings."""
    return len(content) * (3 if content.isascii() else 9)


def parse_object(content: bytes, file: str) -> dict[str, Any]:
    """A JSON object; no key twice, no nesting beyond the interpreter's limit.

    Raises:
        MalformedFile: anything else, or more values than fit into memory.
        UnsupportedFile: more text than that.
    """
    if _tree_bytes(content) > MAX_TREE_BYTES:
        raise malformed(file, "json_bomb", DOCUMENT, 0)
    if _text_bytes(content) + _tree_bytes(content) > MAX_TREE_BYTES:
        raise beyond(file, "memory", MAX_TREE_BYTES, DOCUMENT, 0)
    try:
        document = json.loads(content.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise _unparsed(content, file, error) from error
    if not isinstance(document, dict):
        raise malformed(file, "not_object", DOCUMENT, 0)
    return document


def _unparsed(content: bytes, file: str, error: ValueError | RecursionError) -> MalformedFile:
    """Why and where a JSON text is none."""
    from assay.observe.checkpoint import places  # noqa: PLC0415 - wanted for errors only

    if isinstance(error, RepeatedKeyError):
        return malformed(file, "repeated_key", str(error), places.of_repeated(content, str(error)))
    if isinstance(error, RecursionError):
        return malformed(file, "nesting", DOCUMENT, places.of_depth(content, DEEPEST))
    if isinstance(error, UnicodeDecodeError):
        offset = error.start
    elif isinstance(error, json.JSONDecodeError):
        offset = len(error.doc[: error.pos].encode())
    else:  # a number of thousands of digits, which Python does not convert
        number = LONG_NUMBER.search(content)
        offset = 0 if number is None else number.start()
        return malformed(file, "out_of_range", places.around(content, offset) or DOCUMENT, offset)
    return malformed(file, "json", places.around(content, offset) or DOCUMENT, offset)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        UnreadableFile, MalformedFile: see `read_at_most` and `parse_object`.
    """
    return parse_object(read_at_most(path, MAX_JSON_BYTES), str(path))
