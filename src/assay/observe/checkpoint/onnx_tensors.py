"""The tensors of an ONNX graph: type, shape and bytes, each checked against where its data lies."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from assay.observe.checkpoint import files
from assay.observe.checkpoint.onnx_wire import PLACE
from assay.observe.checkpoint.safetensors import MAX_ELEMENTS

TYPES = {
    1: ("FLOAT", 32), 2: ("UINT8", 8), 3: ("INT8", 8), 4: ("UINT16", 16), 5: ("INT16", 16), 6: ("INT32", 32),
    7: ("INT64", 64), 8: ("STRING", 0), 9: ("BOOL", 8), 10: ("FLOAT16", 16), 11: ("DOUBLE", 64), 12: ("UINT32", 32),
    13: ("UINT64", 64), 14: ("COMPLEX64", 64), 15: ("COMPLEX128", 128), 16: ("BFLOAT16", 16),
    17: ("FLOAT8E4M3FN", 8), 18: ("FLOAT8E4M3FNUZ", 8), 19: ("FLOAT8E5M2", 8), 20: ("FLOAT8E5M2FNUZ", 8),
    21: ("UINT4", 4), 22: ("INT4", 4), 23: ("FLOAT4E2M1", 4), 24: ("FLOAT8E8M0", 8), 25: ("UINT2", 2), 26: ("INT2", 2),
    27: ("FLOAT6E2M3", 6), 28: ("FLOAT6E3M2", 6),
}  # fmt: skip
"""TensorProto.DataType: name and bits of an element (onnx.proto of onnx 1.23)."""
RAW, STRINGS = 9, 6
FIXED = {4: 4, 10: 8}
"""Bytes of an element of float_data and double_data; the other fields are varints of at least one byte each."""
MAX_DIMENSIONS = 64
MAX_FILES = 4096


class Stored(NamedTuple):
    """A tensor of the graph: its type (the number of an unknown one), shape, bytes, and where in the file it stands."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    elements: int
    size: int
    place: int


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


class Store:
    """Where tensors' data may lie: in the file itself, or in files beside it.

    Attributes:
        path: the ONNX file.
        files: sizes of the files beside it, by the name the graph gives them.
        unknown: of each tensor of an unknown type, the number of that type.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, int] = {}
        self.unknown: list[str] = []

    def _beside(self, location: str, place: int) -> int:
        """Bytes of a file that holds data.

        Raises:
            MalformedFile: it lies outside the model's folder, or is missing.
        """
        if location not in self.files:
            if len(self.files) >= MAX_FILES:
                raise files.beyond(str(self.path), "data_files", MAX_FILES, "external_data", place)
            parts = Path(location).parts
            if not parts or ".." in parts or Path(location).is_absolute() or "\0" in location or "\\" in location:
                raise files.malformed(str(self.path), "outside_folder", location, place)
            other = self.path.parent / location
            if not files.present(other):
                raise files.malformed(str(self.path), "missing_shard", location, place)
            if not other.resolve().is_relative_to(self.path.parent.resolve()) and not _cached(self.path):
                raise files.malformed(str(self.path), "outside_folder", location, place)
            descriptor, size = files.open_regular(other)
            os.close(descriptor)
            self.files[location] = size
        return self.files[location]

    def _external(self, proto: Any, name: str, size: int | None, place: int) -> int:
        """Bytes of a tensor beside the model: its own `size`; of an unknown type those given, else all that follow."""
        keys = {entry.key: entry.value for entry in proto.external_data}
        offset = _number(keys.get("offset", "0"))
        space = self._beside(keys.get("location", ""), place)
        length = _number(keys.get("length", str(max(space - (offset or 0), 0) if size is None else size)))
        if offset is None or length is None:
            raise files.malformed(str(self.path), "not_integer", name, place)
        if size is not None and length != size:
            raise files.malformed(str(self.path), "size_mismatch", name, place)
        if offset + length > space:
            raise files.malformed(str(self.path), "offset_outside", name, place)
        return length

    def tensor(self, proto: Any, name: str | None = None) -> Stored:
        """The tensor that a TensorProto of the stripped model describes.

        Raises:
            MalformedFile: its data is missing, lies outside, or has another size than its shape.
        """
        title = proto.name if name is None else name
        held = dict(_held(proto.doc_string))
        place = held.pop(PLACE, 0)
        elements = 1
        if len(proto.dims) > MAX_DIMENSIONS:
            raise files.malformed(str(self.path), "too_many_dimensions", title, place)
        for extent in proto.dims:
            elements *= extent
            if extent < 0 or elements > MAX_ELEMENTS:
                raise files.malformed(str(self.path), "out_of_range", title, place)
        outside = proto.data_location == 1 or proto.external_data
        if proto.data_type not in TYPES:
            self.unknown.append(str(proto.data_type))
            size = self._external(proto, title, None, place) if outside else sum(held.values())
            return Stored(title, str(proto.data_type), tuple(proto.dims), elements, size, place)
        dtype, bits = TYPES[proto.data_type]
        size = held.get(STRINGS, 0) if dtype == "STRING" else (elements * bits + 7) // 8
        if outside:
            self._external(proto, title, size, place)
        elif not _fits(held, elements, bits, size):
            raise files.malformed(str(self.path), "size_mismatch", title, place)
        return Stored(title, dtype, tuple(proto.dims), elements, size, place)


def _cached(path: Path) -> bool:
    """Whether the model itself is a link, as in a hub's cache, where data files are links as well."""
    return path.is_symlink()


def _held(note: str) -> Iterator[tuple[int, int]]:
    """(field, bytes of data) as the walk over the file noted them, and (PLACE, offset)."""
    for part in note.split(",") if note else ():
        field, _, size = part.partition(":")
        yield int(field), int(size)


def place_of(proto: Any) -> int:
    """Where in the file a tensor of the stripped model stands."""
    return dict(_held(proto.doc_string)).get(PLACE, 0)


def _fits(held: dict[int, int], elements: int, bits: int, size: int) -> bool:
    """Whether data of these lengths can be the tensor's elements."""
    if not elements or STRINGS in held:
        return len(held) <= 1
    if len(held) != 1:
        return False
    ((field, length),) = held.items()
    if field == RAW:
        return length == size
    if field in FIXED:
        return length in (elements * FIXED[field], 2 * elements * FIXED[field])
    fewest = -(-elements * bits // 8) if bits < 8 else elements
    return length >= fewest
