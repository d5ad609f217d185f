"""GGUF files put together by hand, whole and broken ones."""

import struct

U32, STRING, ARRAY = 4, 8, 9


def text(value: str | bytes) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(content)) + content


def pair(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str, shape: tuple[int, ...] = (32, 1), kind: int = 0, offset: int = 0) -> bytes:
    extents = b"".join(struct.pack("<Q", extent) for extent in shape)
    return text(name) + struct.pack("<I", len(shape)) + extents + struct.pack("<IQ", kind, offset)


def document(
    body: bytes = b"", tensors: int = 0, pairs: int = 0, version: int = 3, magic: bytes = b"GGUF", data: int = 0
) -> bytes:
    head = magic + struct.pack("<IQQ", version, tensors, pairs) + body
    return head + bytes(-len(head) % 32 + data)
