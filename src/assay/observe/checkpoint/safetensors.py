"""The header of a safetensors file: names, types, shapes and offsets; no weight byte is read.

Bounded: the header is at most 100 MB (the format's own limit) and lies inside the file; the tensors must fill the
rest of the file without holes or overlaps, as the format demands.
"""

import math
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from assay.errors import MalformedFile, UnsupportedFile
from assay.observe.checkpoint import files
from assay.observe.checkpoint.safetensors_header import LENGTH_BYTES, METADATA, SMALL_BYTES, Entries

MAX_HEADER_BYTES = 100_000_000
USUAL_BYTES = 2**15
"""What is read at once: a header of 250 tensors."""
MAX_ELEMENTS = 2**62
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "C64": 64,
}  # fmt: skip


class StoredTensor(NamedTuple):
    """A tensor as the header gives it: name, dtype (one not in `BITS` is unknown), shape, bytes, where they begin."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    size: int
    offset: int

    @property
    def elements(self) -> int:
        """Elements as stored; packed ones count once."""
        return math.prod(self.shape)


_INTEGER = r"(?:0|[1-9][0-9]{0,18})"
_SHAPE = re.compile(rf"(?:{_INTEGER}(?:, ?{_INTEGER})*)?")
_NOTES = re.compile(r'\{"__metadata__": ?(\{[^{}]*\}), ?')
_ENTRY = re.compile(
    r'"([^"\\\x00-\x1f]*+)": ?\{"dtype": ?"([A-Z0-9_]++)", ?"shape": ?\[([0-9, ]*+)\], ?'
    rf'"data_offsets": ?\[({_INTEGER}), ?({_INTEGER})\]\}}(?:, ?|\}} *+\Z)'
)
_GROUPS = 5


def _extents_of(dtype: str, text: str) -> tuple[str, tuple[int, ...], int] | None:
    """(dtype, shape, bytes) from the text of a shape; None for what an error or another reader has to look at."""
    if dtype not in BITS or _SHAPE.fullmatch(text) is None:
        return None
    shape = tuple(map(int, text.split(","))) if text else ()
    size, rest = divmod(math.prod(shape) * BITS[dtype], 8)
    return None if rest or size > MAX_ELEMENTS // 8 else (dtype, shape, size)


def _usual(content: bytes, space: int) -> list[StoredTensor] | None:
    """The tensors of a header with nothing in it but what the savers write; None where anything is otherwise.

    It takes a third of the time that a tree takes: published indexes have 1,000 files with 100 tensors each.
    """
    try:
        text = content.decode("utf-8")
        notes = _NOTES.match(text)
        if notes is not None and not all(
            type(note) is str for note in files.parse_object(notes[1].encode(), "").values()
        ):
            return None
    except (UnicodeDecodeError, MalformedFile, UnsupportedFile):
        return None
    parts = _ENTRY.split(text[1 if notes is None else notes.end() :])
    between, names = parts[:: _GROUPS + 1], parts[1 :: _GROUPS + 1]
    if not names or any(between) or len(set(names)) < len(names) or METADATA in names:
        return None
    found = []
    known: dict[tuple[str, str], tuple[str, tuple[int, ...], int] | None] = {}
    expected = 0
    fields = zip(*[parts[group :: _GROUPS + 1] for group in range(2, _GROUPS + 1)], strict=True)
    for name, (dtype, shape, begin, end) in zip(names, fields, strict=True):
        key = (dtype, shape)
        extents = known[key] if key in known else known.setdefault(key, _extents_of(dtype, shape))
        if extents is None or int(begin) != expected or int(end) != expected + extents[2]:
            return None
        found.append(StoredTensor(name, extents[0], extents[1], extents[2], expected))
        expected += extents[2]
    return found if expected == space else None


def header(path: Path) -> tuple[Entries, int, bytes]:
    """(the header of a file, yet to be walked; the bytes of its data; the header's own bytes unless it is long).

    Raises:
        UnreadableFile: it cannot be opened.
        MalformedFile: no header of the announced length is there, or it begins no JSON object.
    """
    descriptor, size = files.open_regular(path)
    try:
        first = os.pread(descriptor, USUAL_BYTES, 0)
        length = int.from_bytes(first[:LENGTH_BYTES], "little")
        content = first[LENGTH_BYTES : LENGTH_BYTES + length]
        if len(content) < length <= SMALL_BYTES:
            content += os.pread(descriptor, length - len(content), USUAL_BYTES)
    except OSError as error:
        raise files.unreadable(path, error) from error
    finally:
        os.close(descriptor)
    if len(first) < LENGTH_BYTES:
        raise files.malformed(str(path), "truncated", "header_size", 0)
    if length > MAX_HEADER_BYTES:
        raise files.malformed(str(path), "header_too_long", "header_size", 0)
    if length > size - LENGTH_BYTES:
        raise files.malformed(str(path), "truncated", "header", LENGTH_BYTES)
    if not length or content[:1] != b"{":
        raise files.malformed(str(path), "json", "header", LENGTH_BYTES)
    return Entries(path, length), size - LENGTH_BYTES - length, content


def _extents(path: str, name: str, shape: Any) -> tuple[tuple[int, ...], int]:
    """(shape, its product) of non-negative integers; a plain loop, since an index has 100,000 tensors."""
    if not isinstance(shape, list):
        raise files.malformed(path, "not_integer_list", field=f"{name}.shape")
    elements = 1
    for extent in shape:
        if type(extent) is not int or extent < 0:
            raise files.malformed(path, "not_integer_list", field=f"{name}.shape")
        elements *= extent
        if elements > MAX_ELEMENTS:
            raise files.malformed(path, "out_of_range", field=f"{name}.shape")
    return tuple(shape), elements


def _tensor(path: str, name: str, entry: Any, space: int) -> StoredTensor:
    if not isinstance(entry, dict):
        raise files.malformed(path, "not_object", field=name)
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str):
        raise files.malformed(path, "not_text", field=f"{name}.dtype")
    extents, elements = _extents(path, name, shape)
    if not isinstance(offsets, list) or len(offsets) != 2:
        raise files.malformed(path, "not_integer_list", field=f"{name}.data_offsets")
    begin, end = offsets
    if type(begin) is not int or type(end) is not int:
        raise files.malformed(path, "not_integer_list", field=f"{name}.data_offsets")
    if not 0 <= begin <= end <= space:
        raise files.malformed(path, "offset_outside", field=f"{name}.data_offsets")
    if elements * BITS.get(dtype, 0) != (end - begin) * 8 and dtype in BITS:  # the format's tensors end with a byte
        raise files.malformed(path, "size_mismatch", field=name)
    return StoredTensor(name, dtype, extents, end - begin, begin)


def tensors(path: Path) -> list[StoredTensor]:
    """The tensors of a file in the order of their bytes.

    Raises:
        UnreadableFile, MalformedFile: see `header`; also an entry that contradicts itself, or tensors that do not
            fill the file exactly.
    """
    entries, space, content = header(path)
    usual = _usual(content, space)
    if usual is not None:
        return usual
    try:
        found = [_tensor(str(path), name, entry, space) for name, entry in entries.tensors()]
    except MalformedFile as error:
        if error.offset is None and error.field is not None:
            error.offset = entries.place(error.field)
        raise
    found.sort(key=lambda tensor: (tensor.offset, tensor.size))
    expected = 0
    for tensor in found:
        if tensor.offset != expected:
            raise files.malformed(str(path), "hole_or_overlap", tensor.name, entries.end + tensor.offset)
        expected += tensor.size
    if expected != space:
        raise files.malformed(str(path), "size_mismatch", "data", entries.end + expected)
    return found


def unknown(found: list[StoredTensor]) -> list[str]:
    """The dtypes that are not known, once for each tensor that has one."""
    return [tensor.dtype for tensor in found if tensor.dtype not in BITS]
