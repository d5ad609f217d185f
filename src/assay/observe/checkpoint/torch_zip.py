"""PyTorch's zip checkpoints (`pytorch_model.bin`, `.pt`, `.pth`) without unpickling: names, types and shapes.

The archive's directory gives the storages and their bytes, the pickle in it the tensors. No weight byte is read, and
nothing in the file is imported, called or inflated. Sources: torch/serialization.py, torch/_utils.py.
"""

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from assay.errors import UnsupportedArchitecture, UnsupportedFile
from assay.observe.checkpoint import config, files, gathered, pickled, shard_index, stored, zip_directory
from assay.observe.checkpoint.pickled import Described, Table
from assay.observe.checkpoint.safetensors import BITS, MAX_ELEMENTS, StoredTensor
from assay.observe.checkpoint.zip_directory import Archive
from assay.types.message import Message, message
from assay.types.model import Model

ALONE = "pytorch_model.bin"
INDEX = "pytorch_model.bin.index.json"
CONFIG = "config.json"
LEGACY_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa85019")
"""The number that opened torch's files before they were zip archives, as a pickled long."""
STATE_DICTS = (b"state_dict", b"model_state_dict", b"model", b"module")
"""Keys under which training scripts keep the weights, beside an optimizer's state."""
MAX_DEPTH = 8
MAX_NAME_BYTES = 1024


class Checkpoint(NamedTuple):
    """The tensors of a file, the names of those that are another one once more, and what it holds beside them."""

    tensors: list[StoredTensor]
    beside: tuple[str, ...]
    shared: tuple[str, ...] = ()


def _refused(path: Path, code: str, field: str, offset: int = 0) -> NoReturn:
    hint = message("hint.torch_convert")
    raise UnsupportedFile(message(code, file=path.name), hint, file=str(path), field=field, offset=offset)


def _refuse_other_containers(path: Path, head: bytes) -> None:
    """Refuse by name what is no zip archive: torch's older files, and what only bears the suffix."""
    if head.startswith(zip_directory.LOCAL):
        return
    if LEGACY_MAGIC in head[:64] or head[257:262] == b"ustar":
        _refused(path, "error.torch_legacy", "magic")
    if head[:1] == b"\x80":
        _refused(path, "error.torch_bare_pickle", "magic")
    raise files.malformed(str(path), "not_zip", "magic", 0)


def _pickle_name(archive: Archive) -> str:
    """The entry that describes the tensors; TorchScript programs are refused."""
    names = [name for name in archive.entries if name == "data.pkl" or name.endswith("/data.pkl")]
    if not names:
        archive.refuse_packed()
    if len(names) != 1 or names[0].count("/") > 1:
        raise files.malformed(str(archive.path), "zip_entry", "data.pkl", archive.directory)
    folder = names[0].removesuffix("data.pkl")
    code = next((entry for name, entry in archive.entries.items() if name.startswith(f"{folder}code/")), None)
    if code is not None:
        _refused(archive.path, "error.torch_script", code.name, code.offset)
    archive.refuse_packed()
    order = archive.entries.get(f"{folder}byteorder")
    if order is not None and archive.read(order.name, 16)[0] != b"little":
        _refused(archive.path, "error.torch_big_endian", order.name, order.offset)
    return names[0]


def _described(top: Table, archive: Archive, entry: str) -> tuple[Table, tuple[str, ...]]:
    """(the state dict, keys beside it): the top itself, or what training scripts keep under a key of theirs."""
    keys, values = top.items[::2], top.items[1::2]
    inner = [index for index, key in enumerate(keys) if key in STATE_DICTS and type(values[index]) is Table]
    if any(type(value) is Described for value in values) or not inner:
        return top, ()
    if len(inner) > 1:
        _refused(archive.path, "error.torch_no_state_dict", entry, archive.entries[entry].offset)
    beside = [key for index, key in enumerate(keys) if index != inner[0] and type(values[index]) in (Table, list)]
    return values[inner[0]], tuple(_text(key)[:64] for key in beside[:16])


def _text(key: Any) -> str:
    return key.decode("utf-8", "replace") if type(key) is bytes else str(key) if type(key) is int else "?"


def _children(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What a container holds, each with its dotted path."""
    if type(value) is Table:
        for key, item in zip(value.items[::2], value.items[1::2], strict=True):
            yield f"{name}.{_text(key)}" if name else _text(key), item
    elif type(value) in (list, tuple):
        for index, item in enumerate(value):
            yield f"{name}.{index}", item


def _walked(top: Table, path: Path, place: int) -> Iterator[tuple[str, Described]]:
    """The tensors below a table by their dotted path; each container is entered once, whoever points at it.

    Args:
        top: what is walked.
        path: what errors name.
        place: where in the file the pickle begins.
    """
    waiting: deque[tuple[str, Any, int]] = deque([("", top, 0)])
    seen = {id(top)}
    while waiting:
        name, value, depth = waiting.popleft()
        for child, item in _children(name, value):
            if type(item) is Described:
                if len(child) > MAX_NAME_BYTES:
                    raise files.malformed(str(path), "name_too_long", child, place)
                yield child, item
            elif type(item) in (Table, list, tuple) and id(item) not in seen:
                if depth >= MAX_DEPTH:
                    raise files.malformed(str(path), "nesting", child, place)
                seen.add(id(item))
                waiting.append((child[: MAX_NAME_BYTES + 1], item, depth + 1))


def _stored(archive: Archive, folder: str, name: str, tensor: Described) -> StoredTensor:
    """The tensor as stored, checked against its storage and the storage against its entry."""
    path = str(archive.path)
    place = archive.entries[f"{folder}data.pkl"].offset
    elements, last = 1, tensor.offset
    for extent, step in zip(tensor.shape, tensor.stride, strict=True):
        elements *= extent
        last += max(extent - 1, 0) * step
        if max(elements, last) > MAX_ELEMENTS:
            raise files.malformed(path, "out_of_range", name, place)
    entry = archive.entries.get(f"{folder}data/{_text(tensor.storage.key)}")
    if entry is None:
        raise files.malformed(path, "missing_storage", name, place)
    bits = BITS[tensor.dtype]
    own = 8 if tensor.storage.dtype is None else BITS[tensor.storage.dtype]
    if tensor.storage.elements * own != entry.size * 8:
        raise files.malformed(path, "size_mismatch", field=entry.name, offset=entry.offset)
    if elements and (max(last + 1, elements) * bits > entry.size * 8):
        raise files.malformed(path, "offset_outside", field=name, offset=entry.offset)
    return StoredTensor(name, tensor.dtype, tensor.shape, elements * bits // 8, entry.offset)


def _tensors(archive: Archive, name: str) -> Checkpoint:
    """The tensors of an archive; of several that are the same view of one storage, the first."""
    path = archive.path
    content, place = archive.read(name, pickled.MAX_PICKLE_BYTES)
    top = pickled.Reader(content, str(path), place).value()
    if type(top) is not Table:
        _refused(path, "error.torch_no_state_dict", name, place)
    table, beside = _described(top, archive, name)
    folder = name.removesuffix("data.pkl")
    found: dict[str, StoredTensor] = {}
    views = set()
    shared: list[str] = []
    for child, tensor in _walked(table, path, place):
        if child in found:
            raise files.malformed(str(path), "repeated_key", child, place)
        view = (tensor.storage.key, tensor.offset, tensor.shape, tensor.dtype)
        if view in views:
            shared.append(child)
        else:
            views.add(view)
            found[child] = _stored(archive, folder, child, tensor)
    if not found:
        _refused(path, "error.torch_no_state_dict", name, place)
    return Checkpoint(list(found.values()), beside, tuple(shared))


def checkpoint(path: Path) -> Checkpoint:
    """The tensors of one file and the keys of what it holds beside them.

    Raises:
        UnreadableFile: it cannot be opened.
        MalformedFile: it would run code, or contradicts itself.
        UnsupportedFile: a torch file of another kind: legacy, TorchScript, big-endian, a whole module.
    """
    descriptor, size = files.open_regular(path)
    with os.fdopen(descriptor, "rb") as stream:
        try:
            _refuse_other_containers(path, stream.read(512))
            archive = zip_directory.archive(path, stream, size)
            return _tensors(archive, _pickle_name(archive))
        except OSError as error:
            raise files.unreadable(path, error) from error


def shards(folder: Path) -> list[Path]:
    """The torch files of a folder: those of its index, else the one of the usual name.

    Raises:
        MalformedFile, UnreadableFile: the index names a file outside the folder, or one that is missing.
    """
    index = folder / INDEX
    if not files.present(index):
        return [folder / ALONE] if files.present(folder / ALONE) else []
    named = shard_index.listed(index)
    for name in named:
        shard_index.reach_listed(index, name)
    return [folder / name for name in named]


def _notes(read: list[Checkpoint]) -> tuple[Message, ...]:
    beside = sorted({key for one in read for key in one.beside})
    return (message("note.torch_beside", keys=", ".join(beside)),) if beside else ()


def _check_once(paths: list[Path], read: list[Checkpoint]) -> None:
    """No tensor is in two of the files.

    Raises:
        MalformedFile: one is; the second file is named, and where the tensor's data lie in it.
    """
    seen: set[str] = set()
    for path, one in zip(paths, read, strict=True):
        for tensor in one.tensors:
            if tensor.name in seen:
                raise files.malformed(str(path), "repeated_key", tensor.name, tensor.offset)
        seen.update(tensor.name for tensor in one.tensors)


def _check_listed(paths: list[Path], read: list[Checkpoint]) -> None:
    """The files of an index hold all that it lists; torch writes shared tensors once and lists each of their names.

    Raises:
        MalformedFile: they do not; the tensor is named, and the file that should hold it.
    """
    index = paths[0].with_name(INDEX)
    if not files.present(index):
        return
    said = shard_index.read(index)
    if {path.name for path in paths} != set(said.files):
        return
    held = {shard_index.hashed(name) for one in read for name in (*(each.name for each in one.tensors), *one.shared)}
    if not said.tensors <= held:
        raise shard_index.lacking(index, held)


def of_files(paths: list[Path], document: dict[str, Any], origin: config.Origin) -> Model:
    """The model of these torch files, with the layers of this configuration.

    Raises:
        UnsupportedArchitecture, UnsupportedFile, MalformedFile, UnreadableFile.
    """
    read = [checkpoint(path) for path in paths]
    _check_once(paths, read)
    _check_listed(paths, read)
    tensors = [tensor for one in read for tensor in one.tensors]
    return gathered.model(stored.matrices(tensors), document, origin, notes=_notes(read))


def from_folder(folder: Path, name: str) -> Model | None:
    """The model of a folder of torch files and its config.json; None when it holds none.

    Args:
        folder: where the files are.
        name: for display.
    """
    paths = shards(folder)
    if not paths:
        return None
    document = files.read_object(folder / CONFIG)
    return of_files(paths, document, config.Origin(name, str(folder / CONFIG), "torch", (paths[0].name,)))


def from_file(path: Path) -> Model:
    """The model of one torch file (with the others of its index) and of the config.json beside it.

    Raises:
        UnsupportedArchitecture: there is no config.json: the tensors alone do not say how they are used.
    """
    beside = path.parent / CONFIG
    if not files.present(beside):
        checkpoint(path)  # a broken file is named as such first
        raise UnsupportedArchitecture(
            message("error.no_config_beside", file=path.name), message("hint.no_config_beside"), file=str(path)
        )
    others = shards(path.parent)
    listed = path.name in {other.name for other in others}
    chosen = others if listed else shard_index.all_parts(path)
    origin = config.Origin(path.stem, str(beside), "torch", (path.name,))
    return of_files(chosen, files.read_object(beside), origin)
