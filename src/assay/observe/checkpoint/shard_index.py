"""The index beside a checkpoint in several files: which file holds which tensor, read as far as the files' names."""

import errno
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from assay.errors import MalformedFile
from assay.observe.checkpoint import files, places

MAP = "weight_map"
MAX_FILES = 4096
SUFFIX = ".index.json"
LONG_BYTES = 4 * 2**20
PIECE_BYTES = 2**18
MAX_TENSORS = 500_000
MOST_BYTES = 2**62
_INDEX = re.compile(r".\.index(\.[A-Za-z0-9_-]{1,64})?\.json\Z")
_MAP = re.compile(rb'"weight_map"[ \t\r\n]*:[ \t\r\n]*\{')
_ENTRY = re.compile(
    rb'[ \t\r\n]*"([^"\\\x00-\x1f]*)"[ \t\r\n]*:[ \t\r\n]*"([^"\\\x00-\x1f]*)"[ \t\r\n]*([,}])', re.ASCII
)

_PART = re.compile(r"(?P<base>.+)-(?P<part>[0-9]{4,6})-of-(?P<parts>[0-9]{4,6})(?P<end>\.[a-z]+)", re.ASCII)


class Index(NamedTuple):
    """What an index lists.

    Attributes:
        files: names of files, each once, sorted.
        tensors: hashes of the tensors' names, see `hashed`: the names themselves would take most of the memory.
        sums: of each file, the sum of those of its tensors.
        size: bytes of all tensors as the index gives them, or None.
    """

    files: list[str]
    tensors: set[int]
    sums: dict[str, int]
    size: int | None


_Read = tuple[dict[str, int], set[int], int | None]


def is_index(path: Path) -> bool:
    """Whether a file is an index by its name; variants are called `model.safetensors.index.fp16.json`."""
    return _INDEX.search(path.name) is not None


def hashed(name: str) -> int:
    """The number by which a tensor's name is found in an index."""
    return hash(name)


def _said_size(document: dict[str, Any]) -> int | None:
    metadata = document.get("metadata")
    size = metadata.get("total_size") if isinstance(metadata, dict) else None
    return size if type(size) is int and 0 < size < MOST_BYTES else None


def _mapping(document: dict[str, Any], content: bytes, file: str) -> dict[str, str]:
    mapping = document.get(MAP)
    if not isinstance(mapping, dict):
        raise files.malformed(file, "not_object", MAP, places.of_key(content, MAP))
    wrong = next((key for key, name in mapping.items() if not isinstance(name, str)), None)
    if wrong is not None:
        raise files.malformed(file, "not_text", f"{MAP}.{wrong}", places.of_key(content, f"{MAP}.{wrong}"))
    return mapping


def _parsed(content: bytes, file: str) -> _Read:
    document = files.parse_object(content, file)
    sums: dict[str, int] = {}
    seen = _added(_mapping(document, content, file).items(), sums, set())
    return sums, seen, _said_size(document)


def _added(pairs: Iterable[tuple[str, str]], sums: dict[str, int], seen: set[int]) -> set[int]:
    """Take over entries of the map: the hashes of the tensors and their sums by files."""
    for tensor, name in pairs:
        number = hash(tensor)
        seen.add(number)
        sums[name] = sums.get(name, 0) + number
    return seen


class _NotFlatError(ValueError):
    """A part of an index is no list of pairs of texts."""


def _pairs(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return pairs


_PAIRS = json.JSONDecoder(object_pairs_hook=_pairs)


def _piece(text: str, sums: dict[str, int], seen: set[int]) -> int:
    """Take over the entries of a part of the map; how many there are.

    Raises:
        _NotFlatError, ValueError, RecursionError: it is something else.
    """
    pairs: list[tuple[str, Any]] = _PAIRS.decode(f"{{{text}}}")
    if not all(type(value) is str for _, value in pairs):
        raise _NotFlatError
    _added(pairs, sums, seen)
    return len(pairs)


def _in_pieces(content: bytes, file: str) -> _Read | None:
    """The files of a long index, some thousand entries at once; None where it is not as plain as writers write it."""
    start = _MAP.search(content)
    end = -1 if start is None else content.find(b"}", start.end())
    if start is None or end < 0:
        return None
    sums: dict[str, int] = {}
    seen: set[int] = set()
    tensors, position = 0, start.end()
    try:
        while position < end:
            cut = content.find(b'",', min(position + PIECE_BYTES, end), end)
            stop = end if cut < 0 else cut + 1
            if stop - position > 2 * PIECE_BYTES:  # as a tree it could take fifty times as much
                return None
            tensors += _piece(content[position:stop].decode("utf-8"), sums, seen)
            if tensors > MAX_TENSORS or len(sums) > MAX_FILES:
                return None
            position = stop + 1
    except (ValueError, RecursionError):
        return None
    around = files.parse_object(content[: start.end()] + content[end:], file)
    return (sums, seen, _said_size(around)) if len(seen) == tensors else None


def _walked(content: bytes, file: str) -> _Read:
    """The files of a long index, entry by entry: a tree of 200,000 names takes 130 MB."""
    found = _in_pieces(content, file)
    if found is not None:
        return found
    start = _MAP.search(content)
    if start is None:
        raise files.malformed(file, "not_object", MAP)
    position, sign = start.end(), b","
    sums: dict[bytes, int] = {}
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
        number = hash(key.decode("utf-8", "replace"))
        sums[name] = sums.get(name, 0) + number
        if len(sums) > MAX_FILES:
            raise files.beyond(file, "shards", MAX_FILES, MAP, position)
        seen.add(number)
        position = entry.end()
    around = files.parse_object(content[: start.end()] + b"}" + content[position:], file)
    if len(seen) < tensors:
        raise files.malformed(file, "repeated_key", MAP, start.start())
    try:
        return {name.decode("utf-8"): number for name, number in sums.items()}, seen, _said_size(around)
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
    sums, tensors, size = (_walked if len(content) > LONG_BYTES else _parsed)(content, str(index))
    names = sorted(sums)
    if not names:
        raise files.malformed(str(index), "missing_key", MAP, places.of_key(content, MAP))
    if len(names) > MAX_FILES:
        raise files.beyond(str(index), "shards", MAX_FILES, MAP, places.of_key(content, MAP))
    strange = next((name for name in names if Path(name).name != name or name in ("", ".", "..")), None)
    if strange is not None:
        raise files.malformed(str(index), "outside_folder", strange, _place(content, strange))
    return Index(names, tensors, sums, size)


def listed(index: Path) -> list[str]:
    """The files that an index names, each once, sorted; raises what `read` raises."""
    return read(index).files


def parts(name: str) -> list[str]:
    """The files that belong to one called `model-00002-of-00004.safetensors`, itself among them; else the name alone.

    Transformers and mlx-lm name them so: an index may be lost, the names still say how many there are.
    """
    found = _PART.fullmatch(name)
    number = 1 if found is None else int(found["parts"])
    if found is None or not 1 <= int(found["part"]) <= number <= MAX_FILES:
        return [name]
    width, total = len(found["part"]), found["parts"]
    return [f"{found['base']}-{part:0{width}d}-of-{total}{found['end']}" for part in range(1, number + 1)]


def all_parts(path: Path) -> list[Path]:
    """A file and the others that belong to it by its name.

    Raises:
        MalformedFile, UnreadableFile: one of them is missing, see `reach`.
    """
    found = [path.with_name(name) for name in parts(path.name)]
    for other in found:
        reach(other, str(path))
    return found


def reach(part: Path, named_by: str, offset: int | None = None) -> None:
    """Make sure that a part of a model is there; `offset` is where the file that names it does.

    Raises:
        UnreadableFile: it is a link that leads nowhere.
        MalformedFile: there is none.
    """
    if files.reachable(part):
        return
    if files.present(part):
        raise files.unreadable(part, FileNotFoundError(errno.ENOENT, ""))
    raise files.malformed(named_by, "missing_shard", part.name, offset)


def beside(path: Path) -> Path | None:
    """The index of a file that is one of several parts by its name, where it lies beside it under the same name."""
    found = _PART.fullmatch(path.name)
    index = None if found is None else path.with_name(f"{found['base']}{found['end']}{SUFFIX}")
    return index if index is not None and files.present(index) else None


def _entries(content: bytes, file: str) -> Iterable[tuple[str, str]]:
    if len(content) <= LONG_BYTES:
        return _mapping(files.parse_object(content, file), content, file).items()
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


def misplaced(index: Path, held: dict[str, set[str]]) -> str | None:
    """The first tensor that an index places into a file which does not hold it; `held` has the tensors of each file."""
    entries = _entries(files.read_at_most(index, files.MAX_JSON_BYTES), str(index))
    return next((name for name, file in entries if name not in held.get(file, ())), None)


def _place(content: bytes, name: str) -> int | None:
    at = content.find(json.dumps(name).encode())
    return at if at >= 0 else None


def reach_listed(index: Path, name: str) -> None:
    """Make sure that a file of an index is there: `reach`, with where the index first names it."""
    if not files.reachable(index.with_name(name)):
        content = files.read_at_most(index, files.MAX_JSON_BYTES)
        reach(index.with_name(name), str(index), _place(content, name))
