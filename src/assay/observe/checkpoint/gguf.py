"""The header of a GGUF file (v2, v3): metadata and tensors, walked through a window; no weight byte is used.

No length of the file is trusted: each is compared with what is left of it before it is used. Big-endian files and v1
are refused by name; a tensor of an unknown type has the bytes up to the next one.
"""

import os
import struct
from itertools import pairwise
from pathlib import Path
from sys import getsizeof
from typing import Any, NamedTuple

from assay.errors import AssayError, MalformedFile, UnsupportedFile
from assay.knowledge.catalog import weight_formats
from assay.observe.checkpoint import files
from assay.types.message import message

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_DIMENSIONS = 4
MAX_NAME_BYTES = 65_535
MAX_DEPTH = 4
MAX_KEPT_ITEMS = 65_536
"""Longer arrays (the vocabulary) are known by their length only."""
MAX_KEPT_BYTES = 65_536
"""Of a text value; the rest of a longer one is stepped over."""
MAX_MEMORY = 60 * 10**6
"""Of all names and values of a model's files, as Python keeps them: a bound of our own; published ones take some MB."""
ITEM_BYTES, PAIR_BYTES, TENSOR_BYTES = 40, 150, 400
"""What an item of a list, a pair and a tensor take at most, beside their texts."""
MAX_WORDS = 2**21
"""In all arrays of texts: published vocabularies have some hundred thousand words and twice as many merges."""
MAX_HEADER_BYTES = 2**28
"""Of metadata and tensors: with such a vocabulary they have 20 MB."""
MAX_PAIRS = 65_536
MAX_TENSORS = 131_072
MAX_ARRAYS = 65_536
"""Published files have some hundred pairs, some thousand tensors and no arrays in arrays."""
ALIGNMENT = "general.alignment"
MAX_ALIGNMENT = 2**20
WINDOW_BYTES = 2**20
SMALLEST_PAIR = 8 + 1 + 4 + 1
SMALLEST_TENSOR = 8 + 1 + 4 + 4 + 8
UNKNOWN = weight_formats.GgufType(-1, "unknown", 1, 0)
"""A type that a newer ggml may have: the offsets alone tell its bytes."""

_SCALARS = {
    0: struct.Struct("<B"), 1: struct.Struct("<b"), 2: struct.Struct("<H"), 3: struct.Struct("<h"),
    4: struct.Struct("<I"), 5: struct.Struct("<i"), 6: struct.Struct("<f"), 7: struct.Struct("<B"),
    10: struct.Struct("<Q"), 11: struct.Struct("<q"), 12: struct.Struct("<d"),
}  # fmt: skip
_BOOL, _STRING, _ARRAY = 7, 8, 9
_TENSOR_COUNT, _PAIR_COUNT = 8, 16
METADATA = 24
"""Offsets in the file."""
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


class GgufTensor(NamedTuple):
    """A tensor of the file.

    Attributes:
        name: as stored.
        format: format id (`gguf:Q4_K`), or `unknown`.
        shape: inputs first, as stored.
        elements: product of the shape.
        size: bytes; of an unknown type those up to the next tensor or the end of the file, which are no fewer.
        offset: where they begin in the data.
        type: ggml's number of the type.
    """

    name: str
    format: str
    shape: tuple[int, ...]
    elements: int
    size: int
    offset: int
    type: int


class Array(NamedTuple):
    """An array too long to keep: its length."""

    length: int


class Header(NamedTuple):
    """What a GGUF file says about itself: metadata and tensors, and the bytes of memory that are taken by then."""

    version: int
    metadata: dict[str, Any]
    tensors: list[GgufTensor]
    memory: int


class _Walk:
    """A position in a file; every step is checked against its end, and only a window of it is held."""

    __slots__ = ("arrays", "base", "descriptor", "file", "memory", "position", "size", "window", "words")

    def __init__(self, descriptor: int, size: int, file: str) -> None:
        self.descriptor = descriptor
        self.file = file
        self.size = size
        self.position = 0
        self.base = 0
        self.window = b""
        self.arrays = 0
        self.words = 0
        self.memory = 0

    def broken(self, reason: str, field: str, offset: int | None = None) -> MalformedFile:
        """The error for a field that begins at `offset`, or where the walk stands."""
        return files.malformed(self.file, reason, field, self.position if offset is None else offset)

    def beyond(self, code: str, limit: int, field: str, offset: int) -> UnsupportedFile:
        return files.beyond(self.file, code, limit, field, offset)

    def keep(self, count: int, field: str) -> None:
        """Count memory that stays in use.

        Raises:
            UnsupportedFile: the file takes more than one file gets.
        """
        self.memory += count
        if self.memory > MAX_MEMORY:
            raise self.beyond("memory", MAX_MEMORY, field, self.position)

    def ahead(self, length: int, field: str) -> int:
        """Where in the window the next `length` bytes begin. A file that shrinks meanwhile is truncated."""
        if length > self.size - self.position:
            raise self.broken("truncated", field)
        index = self.position - self.base
        if index + length <= len(self.window):
            return index
        if self.position > MAX_HEADER_BYTES:  # each window takes time, though most of them may be stepped over
            raise self.beyond("header", MAX_HEADER_BYTES, field, self.position)
        try:
            self.window = os.pread(self.descriptor, max(length, WINDOW_BYTES), self.position)
        except OSError as error:
            raise files.unreadable(Path(self.file), error) from error
        self.base = self.position
        if len(self.window) < length:
            raise self.broken("truncated", field)
        return 0

    def scalar(self, kind: struct.Struct, field: str) -> Any:
        index = self.ahead(kind.size, field)  # first: it may change the window
        value = kind.unpack_from(self.window, index)[0]
        self.position += kind.size
        return value

    def text(self, field: str, limit: int | None = None) -> str:
        start = self.position
        length = self.scalar(_U64, field)
        if length > self.size - self.position:
            raise self.broken("truncated", field, start)
        if limit is not None and length > limit:
            raise self.broken("name_too_long", field, start)
        kept = min(length, MAX_KEPT_BYTES)
        index = self.ahead(kept, field)
        content = self.window[index : index + kept]
        self.position += length
        try:
            found = content.decode("utf-8", "strict" if limit else "replace")  # only names must be text
        except UnicodeDecodeError as error:
            raise self.broken("not_text", field, start) from error
        self.keep(getsizeof(found), field)
        return found

    def skip_texts(self, count: int, field: str, start: int) -> None:
        """Step over `count` strings of an array that begins at `start`: a model's vocabulary has 300,000 of them."""
        self.words += count
        if self.words > MAX_WORDS:
            raise self.beyond("words", MAX_WORDS, field, start)
        unpack = _U64.unpack_from
        while count:
            index = first = self.ahead(8, field)
            window, last = self.window, len(self.window) - 8
            while count and index <= last:
                index += 8 + unpack(window, index)[0]
                count -= 1
            self.position = min(self.base + index, self.size + 1)
            if self.position > self.size:
                raise self.broken("truncated", field, self.base + self._last_text(first))

    def _last_text(self, index: int) -> int:
        """Where in the window the last string begins whose length stands in it, counted from one that does."""
        following = index
        while following <= len(self.window) - 8:
            index = following
            following += 8 + _U64.unpack_from(self.window, index)[0]
        return index

    def array(self, field: str, depth: int) -> Any:
        """A list of scalars, or the length of an array that is long or holds text."""
        start = self.position
        kind = self.scalar(_U32, field)
        count = self.scalar(_U64, field)
        left = self.size - self.position
        if kind == _STRING:
            if count > left // 8:
                raise self.broken("count_too_large", field, start)
            self.skip_texts(count, field, start)
            return Array(count)
        if kind == _ARRAY:
            if depth >= MAX_DEPTH or count > left // 12:
                raise self.broken("nesting" if depth >= MAX_DEPTH else "count_too_large", field, start)
            self.arrays += count
            if self.arrays > MAX_ARRAYS:
                raise self.beyond("arrays", MAX_ARRAYS, field, start)
            for _ in range(count):
                self.array(field, depth + 1)
            return Array(count)
        if kind not in _SCALARS:
            raise self.broken("unknown_value_type", field, start)
        width = _SCALARS[kind].size
        if count > left // width:
            raise self.broken("count_too_large", field, start)
        if count > MAX_KEPT_ITEMS:
            self.position += count * width
            return Array(count)
        self.keep(count * ITEM_BYTES, field)
        index = self.ahead(count * width, field)
        values = struct.unpack_from(f"<{count}{_SCALARS[kind].format[1:]}", self.window, index)
        self.position += count * width
        return [bool(value) for value in values] if kind == _BOOL else list(values)

    def value(self, field: str) -> Any:
        kind = self.scalar(_U32, field)
        if kind == _STRING:
            return self.text(field)
        if kind == _ARRAY:
            return self.array(field, 0)
        if kind not in _SCALARS:
            raise self.broken("unknown_value_type", field, self.position - 4)
        value = self.scalar(_SCALARS[kind], field)
        return bool(value) if kind == _BOOL else value


def _counts(walk: _Walk) -> tuple[int, int, int]:
    """(version, tensors, metadata pairs), after the magic; both counts fit the file."""
    if walk.scalar(_U32, "magic") != int.from_bytes(MAGIC, "little"):
        raise walk.broken("magic", "magic", 0)
    version = walk.scalar(_U32, "version")
    if version not in VERSIONS:
        swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
        name = Path(walk.file).name
        refusal = message("error.gguf_version", file=name, version=version)
        if swapped in (1, *VERSIONS):
            refusal = message("error.gguf_big_endian", file=name)
        raise UnsupportedFile(refusal, message("hint.gguf_convert"), file=walk.file, field="version", offset=4)
    tensors = walk.scalar(_U64, "tensor_count")
    pairs = walk.scalar(_U64, "metadata_kv_count")
    left = walk.size - walk.position
    if tensors > left // SMALLEST_TENSOR:
        raise walk.broken("count_too_large", "tensor_count", _TENSOR_COUNT)
    if pairs > left // SMALLEST_PAIR:
        raise walk.broken("count_too_large", "metadata_kv_count", _PAIR_COUNT)
    if tensors > MAX_TENSORS:
        raise walk.beyond("tensors", MAX_TENSORS, "tensor_count", _TENSOR_COUNT)
    if pairs > MAX_PAIRS:
        raise walk.beyond("pairs", MAX_PAIRS, "metadata_kv_count", _PAIR_COUNT)
    return version, tensors, pairs


def _metadata(walk: _Walk, pairs: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(pairs):
        start = walk.position
        key = walk.text("metadata key", MAX_NAME_BYTES)
        if key in found:
            raise walk.broken("repeated_key", key, start)
        walk.keep(PAIR_BYTES, key)
        found[key] = walk.value(key)
        if key == ALIGNMENT and not _aligns(found[key]):
            raise walk.broken("out_of_range", key, start)
    return found


def _aligns(value: Any) -> bool:
    """Whether data may be aligned to this: a power of two."""
    return isinstance(value, int) and 0 < value <= MAX_ALIGNMENT and not value & (value - 1)


def _tensor(walk: _Walk, types: dict[int, weight_formats.GgufType]) -> GgufTensor:
    start = walk.position
    name = walk.text("tensor name", MAX_NAME_BYTES)
    walk.keep(TENSOR_BYTES, name)
    dimensions = walk.scalar(_U32, name)
    if dimensions > MAX_DIMENSIONS:
        raise walk.broken("too_many_dimensions", name, start)
    shape = tuple(walk.scalar(_U64, name) for _ in range(dimensions))
    number = walk.scalar(_U32, name)
    kind = types.get(number, UNKNOWN)
    elements = 1
    for extent in shape:
        elements *= extent
    if elements > 2**62:
        raise walk.broken("out_of_range", name, start)
    if shape and shape[0] % kind.block_elements:
        raise walk.broken("not_whole_blocks", name, start)
    size = elements // kind.block_elements * kind.block_bytes
    if kind is UNKNOWN:
        size = min(elements, 1)  # until `_placed` knows what follows: it overlaps nothing
    return GgufTensor(name, kind.format, shape, elements, size, walk.scalar(_U64, name), number)


def _placed(walk: _Walk, metadata: dict[str, Any], tensors: list[GgufTensor]) -> list[GgufTensor]:
    """The tensors, each inside the file, aligned, over no other one; of unknown types with the bytes they may fill."""
    alignment = metadata.get(ALIGNMENT, 32)
    start = -(-walk.position // alignment) * alignment
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: (tensor.offset, tensor.size)):
        if tensor.offset % alignment:
            raise walk.broken("not_aligned", tensor.name, start + tensor.offset)
        if tensor.offset < end:
            raise walk.broken("hole_or_overlap", tensor.name, start + tensor.offset)
        end = tensor.offset + tensor.size
        if start + end > walk.size:
            raise walk.broken("offset_outside", tensor.name, start + tensor.offset)
    if all(tensor.format != UNKNOWN.format for tensor in tensors):
        return tensors
    begins = sorted({tensor.offset for tensor in tensors} | {walk.size - start})
    room = {begin: following - begin for begin, following in pairwise(begins)}
    return [
        tensor._replace(size=room[tensor.offset]) if tensor.format == UNKNOWN.format and tensor.size else tensor
        for tensor in tensors
    ]


def header(path: Path, memory: int = 0) -> Header:
    """The header of a GGUF file.

    Args:
        path: the file.
        memory: what other parts of the model take, in bytes.

    Raises:
        UnreadableFile: it cannot be opened.
        MalformedFile: it breaks the format; `field` and `offset` say where.
        UnsupportedFile: it is big-endian, of another version, or larger than is read.
    """
    descriptor, size = files.open_regular(path)
    try:
        walk = _Walk(descriptor, size, str(path))
        walk.memory = memory
        return _walked(walk)
    finally:
        os.close(descriptor)


def _repeated(walk: _Walk, tensors: list[GgufTensor]) -> MalformedFile:
    """The error that names the first tensor whose name stood before."""
    seen: set[str] = set()
    # `add` answers None: the first name that is already there ends the walk.
    name = next(one.name for one in tensors if one.name in seen or seen.add(one.name))  # type: ignore[func-returns-value]
    return walk.broken("repeated_key", name, place(Path(walk.file), name, times=2))


def place(path: Path, field: str, times: int = 1) -> int | None:
    """The offset at which a metadata key or a tensor of this name stands for the first (second …) time, or None."""
    try:
        descriptor, size = files.open_regular(path)
    except AssayError:
        return None
    walk = _Walk(descriptor, size, str(path))
    try:
        _, count, pairs = _counts(walk)
        for index in range(pairs + count):
            start = walk.position
            name = walk.text("name", MAX_NAME_BYTES)
            times -= name == field
            if not times:
                return start
            if index < pairs:
                walk.value(name)
            else:
                dimensions = walk.scalar(_U32, name)  # first: it moves the position
                walk.position += 8 * dimensions + 12
    except AssayError:
        return None
    finally:
        os.close(descriptor)
    return None


def _walked(walk: _Walk) -> Header:
    version, count, pairs = _counts(walk)
    metadata = _metadata(walk, pairs)
    types = weight_formats.gguf_types()
    tensors = [_tensor(walk, types) for _ in range(count)]
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise _repeated(walk, tensors)
    return Header(version, metadata, _placed(walk, metadata, tensors), walk.memory)
