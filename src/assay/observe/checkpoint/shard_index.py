"""The index beside a checkpoint in several files: which file holds which tensor, read as far as the files' names."""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from assay.errors import MalformedFile
from assay.observe.checkpoint import files, places

MAP = "weight_map"
MAX_FILES = 4096
LONG_BYTES = 4 * 2**20
MAX_TENSORS = 500_000
_MAP = re.compile(rb'"weight_map"[ \t\r\n]*:[ \t\r\n]*\{')
_ENTRY = re.compile(
    rb'[ \t\r\n]*"([^"\\\x00-\x1f]*)"[ \t\r\n]*:[ \t\r\n]*"([^"\\\x00-\x1f]*)"[ \t\r\n]*([,}])', re.ASCII
)


class Index(NamedTuple):
    """What an index lists.

    Attributes:
        files: names of files, each once, sorted.
        tensors: hashes of the tensors' names, see `hashed`: the names themselves would take most of the memory.
    """

    files: list[str]
    tensors: set[int]


def hashed(name: str) -> int:
    """The number by which a tensor's name is found in an index."""
    return hash(name.encode("utf-8", "surrogatepass"))


def _mapping(content: bytes, file: str) -> dict[str, str]:
    mapping = files.parse_object(content, file).get(MAP)
    if not isinstance(mapping, dict):
        raise files.malformed(file, "not_object", MAP, places.of_key(content, MAP))
    wrong = next((key for key, name in mapping.items() if not isinstance(name, str)), None)
    if wrong is not None:
        raise files.malformed(file, "not_text", f"{MAP}.{wrong}", places.of_key(content, f"{MAP}.{wrong}"))
    return mapping


def _parsed(content: bytes, file: str) -> tuple[set[str], set[int]]:
    mapping = _mapping(content, file)
    return set(mapping.values()), set(map(hashed, mapping))


def _walked(content: bytes, file: str) -> tuple[set[str], set[int]]:
    """The files of a long index, entry by entry: a tree of 200,000 names takes 130 MB."""
    start = _MAP.search(content)
    if start is None:
        raise files.malformed(file, "not_object", MAP)
    position, sign = start.end(), b","
    names: set[bytes] = set()
    seen: set[int] = set()
    tensors = 0
    while sign == b",":
        entry = _ENTRY.match(content, position)
        tensors += 1
        if entry is None:
            raise files.malformed(file, "json", MAP, position)
        if tensors > MAX_TENSORS:
            raise files.beyond(file, "tensors", MAX_TENSORS, MAP, position)
        key, name, sign = entry.groups()
        names.add(name)
        if len(names) > MAX_FILES:
            raise files.beyond(file, "shards", MAX_FILES, MAP, position)
        seen.add(hash(key))
        position = entry.end()
    files.parse_object(content[: start.end()] + b"}" + content[position:], file)  # what stands around the map
    if len(seen) < tensors:
        raise files.malformed(file, "repeated_key", MAP, start.start())
    try:
        return {name.decode("utf-8") for name in names}, seen
    except UnicodeDecodeError as error:
        raise files.malformed(file, "json", MAP, start.start()) from error


def read(index: Path) -> Index:
    """What an index lists; every file a plain name of the index's own folder.

    Raises:
        UnreadableFile: it cannot be read.
        MalformedFile: it has no map of names, or names a file outside the folder.
        UnsupportedFile: it names more tensors or files than are read.
    """
    content = files.read_at_most(index, files.MAX_JSON_BYTES)
    found, tensors = (_walked if len(content) > LONG_BYTES else _parsed)(content, str(index))
    names = sorted(found)
    if len(names) > MAX_FILES:
        raise files.beyond(str(index), "shards", MAX_FILES, MAP, places.of_key(content, MAP))
    strange = next((name for name in names if Path(name).name != name or name in ("", ".", "..")), None)
    if strange is not None:
        raise files.malformed(str(index), "outside_folder", strange, _place(content, strange))
    return Index(names, tensors)


def listed(index: Path) -> list[str]:
    """The files that an index names, each once, sorted; raises what `read` raises."""
    return read(index).files


def _entries(content: bytes, file: str) -> Iterable[tuple[str, str]]:
    if len(content) <= LONG_BYTES:
        return _mapping(content, file).items()
    start = _MAP.search(content)
    found = _ENTRY.finditer(content, 0 if start is None else start.end())
    return ((entry[1].decode("utf-8", "replace"), entry[2].decode("utf-8", "replace")) for entry in found)


def lacking(index: Path, tensors: set[int]) -> MalformedFile:
    """The error that names the first tensor of an index that is not among these, and the file that should hold it."""
    content = files.read_at_most(index, files.MAX_JSON_BYTES)
    entries = _entries(content, str(index))
    name, file = next(((name, file) for name, file in entries if hashed(name) not in tensors), ("", index.name))
    shard = str(index.with_name(file))
    return files.malformed(shard, "missing_storage", name, places.of_field(shard, name))


def _place(content: bytes, name: str) -> int | None:
    at = content.find(json.dumps(name).encode())
    return at if at >= 0 else None


def unreached(index: Path, name: str) -> MalformedFile:
    """The error that names a file of an index which is not there, and where the index first names it."""
    content = files.read_at_most(index, files.MAX_JSON_BYTES)
    return files.malformed(str(index), "missing_shard", name, _place(content, name))
