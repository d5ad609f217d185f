"""Files as torch.save writes them, without torch: a pickle put together by hand in a zip archive of stored entries."""

import struct
import zipfile
from pathlib import Path
from typing import Any

BYTES = {"FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2, "ByteStorage": 1, "IntStorage": 4, "LongStorage": 8}


class Raw(bytes):
    """Instructions that stand for a value."""


def text(value: str) -> bytes:
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value: int) -> bytes:
    if 0 <= value < 2**31:
        return b"J" + struct.pack("<i", value)
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def name(module: str, attribute: str) -> bytes:
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def many(*values: int) -> bytes:
    return b"(" + b"".join(number(value) for value in values) + b"t"


def storage(kind: str, key: str, elements: int) -> bytes:
    return b"(" + text("storage") + name("torch", kind) + text(key) + text("cpu") + number(elements) + b"tQ"


def strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    found: list[int] = []
    step = 1
    for extent in reversed(shape):
        found.insert(0, step)
        step *= max(extent, 1)
    return tuple(found)


def tensor(kind: str, key: str, shape: tuple[int, ...], **keys: Any) -> Raw:
    """`_rebuild_tensor_v2` of a storage; keys: elements of the storage, offset, stride."""
    count = 1
    for extent in shape:
        count *= extent
    parts = [
        storage(kind, key, keys.get("elements", count)),
        number(keys.get("offset", 0)),
        many(*shape),
        many(*keys.get("stride", strides(shape))),
        b"\x89",
        name("collections", "OrderedDict") + b")R",
    ]
    return Raw(name("torch._utils", "_rebuild_tensor_v2") + b"(" + b"".join(parts) + b"tR")


def table(items: dict[str, Any]) -> Raw:
    """An OrderedDict of instructions."""
    body = b"".join(text(key) + value for key, value in items.items())
    return Raw(name("collections", "OrderedDict") + b")R(" + body + b"u")


def pickled(value: bytes) -> bytes:
    return b"\x80\x02" + value + b"."


def write(path: Path, pickle: bytes, data: dict[str, bytes], **extra: bytes) -> Path:
    """An archive with this pickle and these storages; extra: further entries of the archive's folder."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/byteorder", extra.pop("byteorder", b"little"))
        archive.writestr("archive/version", b"3\n")
        for key, content in data.items():
            archive.writestr(f"archive/data/{key}", content)
        for entry, content in extra.items():
            archive.writestr(f"archive/{entry}", content)
    return path


def save(path: Path, shapes: dict[str, tuple[str, tuple[int, ...]]]) -> Path:
    """A state dict of zeros with these storages' types and shapes."""
    data = {}
    tensors = {}
    for index, (title, (kind, shape)) in enumerate(shapes.items()):
        count = 1
        for extent in shape:
            count *= extent
        data[str(index)] = bytes(BYTES[kind] * count)
        tensors[title] = tensor(kind, str(index), shape)
    return write(path, pickled(table(tensors)), data)
