"""The structure of an ONNX file without its weights: a copy of the protobuf message with every tensor's data left out.

A model with its weights inside is gigabytes long and its graph a megabyte. This walk reads tags and lengths, steps over
the data, and keeps what names, connects and measures the weights; where a tensor's doc_string was stand the tensor's
place and its data's length. Fields, messages and kept bytes are counted, so that a hostile file cannot grow. Source:
onnx.proto3.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

from assay.errors import UnsupportedFile
from assay.observe.checkpoint import files

MAX_FIELDS = 400_000
MAX_MESSAGES = {"node": 50_000, "tensor": 50_000, "attribute": 150_000, "entry": 150_000}
"""An exported decoder of 80 layers has about 15,000 nodes; each takes a kilobyte here."""
MAX_OTHERS = 10_000
MAX_KEPT_BYTES = 8 * 2**20
MAX_GRAPHS_DEEP = 16
CHUNK_BYTES = 2**16
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

KEPT: Final = {
    "model": frozenset({1}),  # ir_version
    "operators": frozenset({1, 2}),  # domain, version
    "graph": frozenset({2, 11}),  # name, input
    "node": frozenset({1, 2, 3, 4, 7}),  # input, output, name, op_type, domain
    "attribute": frozenset({1, 3, 20}),  # name, i, type
    "tensor": frozenset({1, 2, 8, 14}),  # dims, data_type, name, data_location
    "entry": frozenset({1, 2}),  # key, value
    "sparse": frozenset({3}),  # dims
    "function": frozenset({1, 10}),  # name, domain
}
INNER: Final = {
    "model": {7: "graph", 8: "operators", 25: "function"},
    "operators": {},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
    "tensor": {13: "entry"},
    "entry": {},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node"},
}
DATA: Final = frozenset({4, 5, 6, 7, 9, 10, 11})
"""Fields of a tensor that hold its elements: float, int32, string, int64, raw, double and uint64 data."""
DOC_STRING: Final = 12
PLACE: Final = 0
"""Under this number, which no field has, the copy of a tensor notes where in the file the tensor stands."""
LONGEST_KEPT = 4096
MAX_INPUTS = 2048
INPUT: Final = 11
NO_TEXT: Final = frozenset({("tensor", 1), ("sparse", 3), ("graph", INPUT)})
"""Kept fields that are packed numbers or messages; all others are text."""
LONGEST_SHAPE = 640
"""Bytes of 64 dimensions."""


def varint(value: int) -> bytes:
    """A number as protobuf writes it."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _delimited(number: int, content: bytes) -> bytes:
    return varint(number << 3 | BYTES) + varint(len(content)) + content


class Walk:
    """One pass over a file, which counts what it meets.

    Attributes:
        path: what errors name.
        kept: bytes of the copy so far.
    """

    def __init__(self, path: Path, stream: BinaryIO, size: int) -> None:
        self.path = path
        self.kept = 0
        self._stream = stream
        self._size = size
        self._buffer = b""
        self._base = 0
        self._at = 0
        self._fields = 0
        self._messages = dict.fromkeys(KEPT, 0)
        self._inputs = 0

    def broken(self, field: str, reason: str) -> NoReturn:
        """Raise the error for the place where the walk stands.

        Raises:
            MalformedFile: always.
        """
        raise files.malformed(str(self.path), reason, field=field, offset=self.position)

    def _beyond(self, code: str, limit: int, field: str) -> UnsupportedFile:
        return files.beyond(str(self.path), code, limit, field, self.position)

    @property
    def position(self) -> int:
        """Offset in the file, in bytes."""
        return self._base + self._at

    def _fill(self, position: int) -> None:
        self._stream.seek(position)
        self._buffer = self._stream.read(CHUNK_BYTES)
        self._base, self._at = position, 0

    def _varint(self, end: int) -> int:
        value = shift = 0
        while True:
            if self._at >= len(self._buffer):
                self._fill(self.position)
                if not self._buffer:
                    self.broken("varint", "truncated")
            byte = self._buffer[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 63:
                self.broken("varint", "protobuf")
        if self.position > end:
            self.broken("varint", "protobuf")
        return value

    def _take(self, length: int) -> bytes:
        if self._at + length > len(self._buffer):
            self._fill(self.position)
            if length > CHUNK_BYTES or length > len(self._buffer):
                self.broken("field", "truncated")
        found = self._buffer[self._at : self._at + length]
        self._at += length
        return found

    def _skip(self, length: int) -> None:
        if self._at + length <= len(self._buffer):
            self._at += length
        else:
            self._fill(self.position + length)

    def _each(self, end: int) -> Iterator[tuple[int, int, int]]:
        """(number, wire type, bytes of content) of the fields up to `end`; the caller consumes the content."""
        while self.position < end:
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise self._beyond("fields", MAX_FIELDS, "protobuf fields")
            tag = self._varint(end)
            number, wire = tag >> 3, tag & 7
            if wire == BYTES:
                length = self._varint(end)
            elif wire in (FIXED32, FIXED64):
                length = 4 if wire == FIXED32 else 8
            elif wire == VARINT:
                length = 0
            else:
                self.broken(f"tag {number}", "protobuf")
            if not number or length > end - self.position:
                self.broken(f"tag {number}", "truncated" if end == self._size else "protobuf")
            yield number, wire, length

    def message(self, kind: str, end: int, depth: int = 0) -> bytes:
        """A copy of the message up to `end` without what is not needed.

        Args:
            kind: a key of `KEPT`.
            end: offset behind it.
            depth: graphs around it.

        Raises:
            MalformedFile: it is no protobuf, or ends early.
            UnsupportedFile: it holds more than is read.
        """
        start = self.position
        self._messages[kind] += 1
        if self._messages[kind] > MAX_MESSAGES.get(kind, MAX_OTHERS):
            raise self._beyond("messages", MAX_MESSAGES.get(kind, MAX_OTHERS), kind)
        if depth > MAX_GRAPHS_DEEP:
            self.broken(kind, "nesting")
        kept, inner = KEPT[kind], INNER[kind]
        parts: list[bytes] = []
        data: dict[int, int] = {}
        for number, wire, length in self._each(end):
            if number in inner and wire == BYTES:
                child = inner[number]
                content = self.message(child, self.position + length, depth + (child == "graph"))
                parts.append(_delimited(number, content))
            elif wire == VARINT:
                parts += self._number(number, end, kept)
            elif number in kept and wire == BYTES and self._wanted(kind, number, length):
                parts.append(self._copied(number, length, text=(kind, number) not in NO_TEXT))
            else:
                if kind == "tensor" and number in DATA:
                    data[number] = data.get(number, 0) + length
                self._skip(length)
        if kind == "tensor":
            noted = [f"{PLACE}:{start}", *(f"{key}:{size}" for key, size in data.items())]
            parts.append(_delimited(DOC_STRING, ",".join(noted).encode()))
        return b"".join(parts)

    def _wanted(self, kind: str, number: int, length: int) -> bool:
        """Whether to copy a field that may hold messages or numbers of its own: what it unfolds to is counted."""
        if kind == "tensor" and number == 1:  # packed dimensions
            if length > LONGEST_SHAPE:
                self.broken("dims", "long_shape")
            self._fields += length
        if kind == "graph" and number == INPUT:
            self._inputs += 1
            return self._inputs <= MAX_INPUTS and length <= LONGEST_SHAPE
        return True

    def _number(self, number: int, end: int, kept: frozenset[int]) -> list[bytes]:
        value = self._varint(end)
        return [varint(number << 3) + varint(value)] if number in kept else []

    def _copied(self, number: int, length: int, *, text: bool) -> bytes:
        self.kept += length
        if length > LONGEST_KEPT:
            self.broken(f"tag {number}", "name_too_long")
        if self.kept > MAX_KEPT_BYTES:
            raise self._beyond("graph", MAX_KEPT_BYTES, f"tag {number}")
        content = self._take(length)
        if text:
            try:
                content.decode()
            except UnicodeDecodeError:  # the library would give bytes where text is due
                self.broken(f"tag {number}", "protobuf")
        return _delimited(number, content)


def structure(path: Path) -> bytes:
    """The serialized model of a file without its tensors' data.

    Raises:
        UnreadableFile: it cannot be opened or read.
        MalformedFile, UnsupportedFile: see `Walk.message`.
    """
    descriptor, size = files.open_regular(path)
    with os.fdopen(descriptor, "rb") as stream:
        if not size:
            raise files.malformed(str(path), "truncated", "model", 0)
        try:
            return Walk(path, stream, size).message("model", size)
        except OSError as error:
            raise files.unreadable(path, error) from error
