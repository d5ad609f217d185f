"""The directory of a zip archive, as torch writes it: names, sizes and places of stored entries.

Nothing is ever inflated: an entry that is compressed or encrypted is refused by name, so an archive cannot grow.
Counts and offsets are checked against the file before they are used. Source: PKWARE's APPNOTE 6.3.
"""

import os
import struct
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, NamedTuple

from assay.observe.checkpoint import files

DIRECTORY, END_RECORD = "central directory", "end of central directory"
LOCAL, CENTRAL, END, END64, LOCATOR64 = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
MAX_ENTRIES = 100_000
MAX_DIRECTORY_BYTES = 16 * 2**20
MAX_NAME_BYTES = 1024
LONGEST_COMMENT = 2**16 - 1
LINK = 0o120000
FILE_TYPE = 0o170000
IN_64_BITS = 2**32 - 1
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_END = struct.Struct("<4s4H2IH")
LOCAL_BYTES = _LOCAL.size
"""Of an entry's own header, before its name."""


class Entry(NamedTuple):
    """One entry: its bytes in the file, where its local header begins, and whether it is packed or encrypted."""

    name: str
    size: int
    offset: int
    compressed: bool = False
    encrypted: bool = False


class Archive(NamedTuple):
    """An open archive: its entries by name, and where its directory begins."""

    path: Path
    stream: BinaryIO
    entries: dict[str, Entry]
    directory: int

    def refuse_packed(self) -> None:
        """Refuse an archive with compressed or encrypted entries: torch writes neither, and a bomb is made of them.

        Raises:
            MalformedFile: there is one; nothing is inflated or deciphered.
        """
        for entry in self.entries.values():
            if entry.encrypted:
                raise files.malformed(str(self.path), "zip_encrypted", entry.name, entry.offset)
            if entry.compressed:
                raise files.malformed(str(self.path), "zip_compressed", entry.name, entry.offset)

    def read(self, name: str, limit: int) -> tuple[bytes, int]:
        """The content of an entry of at most `limit` bytes, and where in the file it begins.

        Raises:
            MalformedFile: its local header contradicts the directory.
            UnsupportedFile: it is longer.
        """
        entry = self.entries[name]
        if entry.size > limit:
            raise files.beyond(str(self.path), "entry", limit, name, entry.offset)
        self.stream.seek(entry.offset)
        head = self.stream.read(_LOCAL.size)
        if len(head) < _LOCAL.size:
            raise files.malformed(str(self.path), "truncated", name, entry.offset)
        fields = _LOCAL.unpack(head)
        own = self.stream.read(fields[9])
        if fields[0] != LOCAL or own != name.encode():
            raise files.malformed(str(self.path), "zip_entry", name, entry.offset)
        start = self.stream.seek(fields[10], os.SEEK_CUR)
        content = self.stream.read(entry.size)
        if len(content) < entry.size:
            raise files.malformed(str(self.path), "truncated", name, entry.offset)
        return content, start


def further(head: bytes) -> int:
    """Bytes of name and extra field that follow the first `LOCAL_BYTES` of an entry; 0 where it is none."""
    fields = _LOCAL.unpack(head) if len(head) == LOCAL_BYTES else None
    return fields[9] + fields[10] if fields is not None and fields[0] == LOCAL else 0


class _Directory(NamedTuple):
    entries: int
    size: int
    offset: int


def _end64(path: Path, stream: BinaryIO, end: int) -> _Directory:
    """The 64-bit end of the directory, whose locator stands before the 32-bit one at `end`."""
    if end < 20:
        raise files.malformed(str(path), "zip_directory", DIRECTORY, end)
    stream.seek(end - 20)
    signature, disk, offset, disks = struct.unpack("<4sIQI", stream.read(20))
    if signature != LOCATOR64 or disk or disks > 1 or offset + 56 > end - 20:
        raise files.malformed(str(path), "zip_directory", DIRECTORY, end - 20)
    stream.seek(offset)
    record = struct.unpack("<4sQ2H2I4Q", stream.read(56))
    if record[0] != END64 or record[4] or record[5] or record[6] != record[7]:
        raise files.malformed(str(path), "zip_directory", DIRECTORY, offset)
    if record[8] + record[9] > offset:
        raise files.malformed(str(path), "zip_directory", DIRECTORY, offset)
    return _Directory(record[7], record[8], record[9])


def _end(path: Path, stream: BinaryIO, size: int) -> _Directory:
    """Where the directory lies: from the end record, the last one that reaches the end of the file exactly."""
    tail = min(size, LONGEST_COMMENT + _END.size)
    stream.seek(size - tail)
    content = stream.read(tail)
    at = content.rfind(END)
    while at >= 0:
        record = content[at : at + _END.size]
        if len(record) == _END.size and at + _END.size + _END.unpack(record)[7] == len(content):
            break
        at = content.rfind(END, 0, at)
    else:
        raise files.malformed(str(path), "zip_directory", END_RECORD, size)
    place = size - tail + at
    _, disk, first, here, total, length, offset, _ = _END.unpack(content[at : at + _END.size])
    if total == 2**16 - 1 or IN_64_BITS in (length, offset):
        return _end64(path, stream, place)
    if disk or first or here != total or offset + length > place:
        raise files.malformed(str(path), "zip_directory", DIRECTORY, place)
    return _Directory(total, length, offset)


def _wide(extra: bytes, wanted: int) -> list[int] | None:
    """The 64-bit values of an entry whose 32-bit fields are full; None when they are missing."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            if length < 8 * wanted or at + 4 + length > len(extra):
                return None
            return list(struct.unpack_from(f"<{wanted}Q", extra, at + 4))
        at += 4 + length
    return None


def _entry(path: Path, content: bytes, at: int, place: int) -> tuple[Entry, int]:
    """The entry at `at` in the directory, and where the next one begins."""
    if at + _CENTRAL.size > len(content):
        raise files.malformed(str(path), "truncated", DIRECTORY, place)
    record = _CENTRAL.unpack_from(content, at)
    signature, _, _, flags, method, _, _, _, packed, size, long, further, comment, disk, _, mode, offset = record
    end = at + _CENTRAL.size + long
    if signature != CENTRAL or disk or long > MAX_NAME_BYTES or end + further + comment > len(content):
        raise files.malformed(str(path), "zip_directory", DIRECTORY, place)
    try:
        name = content[at + _CENTRAL.size : end].decode()
    except UnicodeDecodeError:
        raise files.malformed(str(path), "zip_directory", DIRECTORY, place) from None
    full = [value == IN_64_BITS for value in (size, packed, offset)]
    if any(full):
        wide = _wide(content[end : end + further], sum(full))
        if wide is None:
            raise files.malformed(str(path), "zip_entry", field=name, offset=place)
        values = iter(wide)
        size, packed, offset = (
            next(values) if wants else value for wants, value in zip(full, (size, packed, offset), strict=True)
        )
    compressed = bool(method) or packed != size
    encrypted = bool(flags & 0x2041)  # encrypted, strongly encrypted, or with a masked directory
    if (mode >> 16) & FILE_TYPE == LINK:
        raise files.malformed(str(path), "zip_entry", field=name, offset=place)
    return Entry(name, packed, offset, compressed, encrypted), end + further + comment


def _apart(path: Path, entries: list[Entry], limit: int) -> None:
    """Refuse entries that lie outside the data or on each other."""
    free = 0
    for entry in sorted(entries, key=lambda item: item.offset):
        if entry.offset < free:
            raise files.malformed(str(path), "hole_or_overlap", field=entry.name, offset=entry.offset)
        free = entry.offset + _LOCAL.size + len(entry.name.encode()) + entry.size
        if free > limit:
            raise files.malformed(str(path), "offset_outside", field=entry.name, offset=entry.offset)


def archive(path: Path, stream: BinaryIO, size: int) -> Archive:
    """The archive in an open file of `size` bytes.

    Raises:
        MalformedFile: the directory contradicts itself or the file.
    """
    where = _end(path, stream, size)
    if where.entries * _CENTRAL.size > where.size:
        raise files.malformed(str(path), "count_too_large", "zip entries", where.offset)
    if where.entries > MAX_ENTRIES:
        raise files.beyond(str(path), "entries", MAX_ENTRIES, END_RECORD, where.offset)
    if where.size > MAX_DIRECTORY_BYTES:
        raise files.beyond(str(path), "directory", MAX_DIRECTORY_BYTES, END_RECORD, where.offset)
    stream.seek(where.offset)
    content = stream.read(where.size)
    if len(content) < where.size:
        raise files.malformed(str(path), "truncated", DIRECTORY, where.offset)
    found = []
    at = 0
    for _ in range(where.entries):
        entry, at = _entry(path, content, at, where.offset + at)
        found.append(entry)
    entries = {entry.name: entry for entry in found}
    if len(entries) != len(found):
        twice = next(
            other for one, other in pairwise(sorted(found, key=lambda entry: entry.name)) if one.name == other.name
        )
        raise files.malformed(str(path), "repeated_key", twice.name, twice.offset)
    _apart(path, found, where.offset)
    return Archive(path, stream, entries, where.offset)
