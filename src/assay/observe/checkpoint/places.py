"""Where in a file a field stands: looked up once an error needs it, so that no reader carries offsets along."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from assay.errors import AssayError
from assay.observe.checkpoint import files

LONGEST_BYTES = 4 * 2**20
"""Of a JSON text that is looked through: a third of a second."""
GGUF = b"GGUF"
LENGTH_BYTES = 8
_TOKEN = re.compile(rb'("(?:[^"\\]++|\\.)*+")([ \t\r\n]*:)?|[\[{]|[\]}]', re.DOTALL)


def _spelt(token: bytes) -> bytes:
    """A key without its quotes and escapes."""
    if b"\\" not in token:
        return token[1:-1]
    try:
        return str(json.loads(token)).encode("utf-8", "surrogatepass")
    except ValueError:
        return token[1:-1]


def _keys(content: bytes) -> Iterator[tuple[list[bytes | None], int]]:
    """(keys from the outermost object to this one, its offset) of every key; inside a list a None stands for it."""
    path: list[bytes | None] = []
    for token in _TOKEN.finditer(content):
        first = token[0][:1]
        if first == b"{":
            path.append(b"")
        elif first == b"[":
            path.append(None)
        elif first in b"]}":
            if path:
                path.pop()
        elif token[2] is not None and path:
            path[-1] = _spelt(token[1])
            yield path, token.start()


def _dotted(path: list[bytes | None]) -> bytes | None:
    """The keys as one path; None inside a list, whose items no error names."""
    keys = [key for key in path if key is not None]
    return b".".join(keys) if len(keys) == len(path) else None


def of_key(content: bytes, field: str) -> int:
    """The offset of the key with this dotted path in a JSON object, or of the innermost object that should have it."""
    wanted = field.encode("utf-8", "surrogatepass")
    parts = set(wanted.split(b"."))
    found, length = max(content.find(b"{"), 0), -1
    for path, position in _keys(content[:LONGEST_BYTES]):
        own = path[-1]
        if own is None or own[own.rfind(b".") + 1 :] not in parts:
            continue
        dotted = _dotted(path)
        if dotted == wanted:
            return position
        if dotted is not None and len(dotted) > length and wanted.startswith(dotted + b"."):
            found, length = position, len(dotted)
    return found


def around(content: bytes, offset: int) -> str | None:
    """The dotted path of the key at whose value a JSON text stands at an offset; None before the first key."""
    path: list[bytes] = []
    for token in _TOKEN.finditer(content[: min(offset, LONGEST_BYTES)]):
        first = token[0][:1]
        if first in b"[{":
            path.append(b"")
        elif first in b"]}":
            if path:
                path.pop()
        elif token[2] is not None and path:
            path[-1] = _spelt(token[1])
    return b".".join(key for key in path if key).decode("utf-8", "replace") or None


def of_repeated(content: bytes, key: str) -> int | None:
    """The offset at which an object of a JSON text names this key for the second time."""
    wanted = key.encode("utf-8", "surrogatepass")
    open_objects: list[bool] = []
    for token in _TOKEN.finditer(content[:LONGEST_BYTES]):
        first = token[0][:1]
        if first in b"[{":
            open_objects.append(False)
        elif first in b"]}":
            if open_objects:
                open_objects.pop()
        elif token[2] is not None and open_objects and _spelt(token[1]) == wanted:
            if open_objects[-1]:
                return token.start()
            open_objects[-1] = True
    return None


def of_depth(content: bytes, depth: int) -> int | None:
    """The offset at which a JSON text is nested more than `depth` deep."""
    deep = 0
    for token in _TOKEN.finditer(content[:LONGEST_BYTES]):
        first = token[0][:1]
        deep += (first in b"[{") - (first in b"]}")
        if deep > depth:
            return token.start()
    return None


def of_field(file: str, field: str) -> int | None:
    """The offset of a key or a tensor in a JSON, safetensors or GGUF file.

    Of what should have it where it is missing; None where the file is none of these, or is not there any more.
    """
    try:
        begun = files.beginning(Path(file), LONGEST_BYTES + LENGTH_BYTES)
    except (AssayError, ValueError):  # the latter: a NUL in a name that is no path
        return None
    if begun.startswith(GGUF):
        from assay.observe.checkpoint import gguf  # noqa: PLC0415 - one container of three

        found = gguf.place(Path(file), field)
        return gguf.METADATA if found is None else found
    if begun[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{" and not begun.lstrip().startswith(b"{"):
        length = int.from_bytes(begun[:LENGTH_BYTES], "little")
        return LENGTH_BYTES + of_key(begun[LENGTH_BYTES : LENGTH_BYTES + length], field)
    return of_key(begun, field) if begun.lstrip().startswith(b"{") else None
