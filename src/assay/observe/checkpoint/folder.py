"""A model from a folder or a file of safetensors: the configuration gives the layers, the headers the bytes."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from assay.errors import UnknownModel, UnsupportedArchitecture, UnsupportedFile
from assay.observe.checkpoint import (
    config,
    files,
    gathered,
    gguf_model,
    mlx,
    places,
    quantization,
    safetensors,
    shard_index,
    stored,
    weight_files,
)
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.safetensors import StoredTensor
from assay.observe.checkpoint.stored import Matrix
from assay.types.message import Message, message
from assay.types.model import Model

CONFIG = "config.json"
SEPARATE = "hf_quant_config.json"
SAFETENSORS = ".safetensors"
INDEX = f"model{SAFETENSORS}{shard_index.SUFFIX}"
GGUF = ".gguf"
PROJECTOR = "mmproj"
BESIDE = (PROJECTOR, "imatrix")
"""Parts of the names of GGUF files that hold no model."""
MOST_NAMED = 8
ADAPTERS = ("adapter_", "adapters.")
CONSOLIDATED = "consolidated"
NUMBERS = re.compile(r"-[0-9]{4,6}-of-[0-9]{4,6}(?=\.)")
"""Of a part, wherever the name of the variant stands."""
PUBLISHERS_INDEX = f"{CONSOLIDATED}{SAFETENSORS}{shard_index.SUFFIX}"


class Shards(NamedTuple):
    """The safetensors files of a folder.

    Attributes:
        paths: those to read.
        listed: what their index lists, or None.
        source: where that index lies.
    """

    paths: list[Path]
    listed: shard_index.Index | None = None
    source: Path | None = None


def _listed(folder: Path) -> list[str]:
    """The names in a folder, sorted.

    Raises:
        UnreadableFile: it cannot be listed.
    """
    try:
        return sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise files.unreadable(folder, error) from error


def own_weights(names: list[str]) -> list[str]:
    """Of the names in a folder its safetensors files: the repository's, or else the publisher's `consolidated` ones."""
    found = [name for name in names if name.endswith(SAFETENSORS) and not name.startswith("adapter")]
    return [name for name in found if not name.startswith(CONSOLIDATED)] or found


def _indexed(index: Path) -> Shards:
    """The files that an index lists; none when they were converted to the GGUF beside it.

    Raises:
        MalformedFile: one is missing: what the others hold, or a configuration alone, is not the model of this folder.
    """
    said = shard_index.read(index)
    paths = [index.with_name(name) for name in said.files]
    missing = [path for path in paths if not files.reachable(path)]
    if not missing:
        return Shards(paths, said, index)
    names = _listed(index.parent)
    if len(missing) == len(paths) and not own_weights(names) and any(name.endswith(".gguf") for name in names):
        return Shards([], said, index)
    shard_index.reach_listed(index, missing[0].name)
    return Shards([], said, index)


def _shards(folder: Path) -> Shards:
    index = folder / INDEX
    if files.present(index):
        return _indexed(index)
    names = own_weights(_listed(folder))
    publishers = folder / PUBLISHERS_INDEX
    if names and names[0].startswith(CONSOLIDATED) and files.present(publishers):
        return _indexed(publishers)
    for name in names:
        shard_index.all_parts(folder / name)
    return Shards([folder / name for name in names])


def shards(folder: Path) -> list[Path]:
    """The safetensors files of a folder: those of its index, else all that are there.

    Files called `consolidated` hold the same weights under the publisher's own names: they count where they are alone.

    Raises:
        MalformedFile: the index names a file outside the folder, or one that is missing while others are there, be
            they listed or not; or the name of a file says that there are others, and they are not.
        UnreadableFile: the folder cannot be listed.
    """
    return _shards(folder).paths


def _check_variants(paths: list[Path]) -> None:
    """Files that hold the same tensors are no variants of one another (`model.fp16.safetensors`) by their names.

    Raises:
        UnknownModel: they are, and which of them is meant is not known.
    """
    variants: dict[str, str] = {}
    for path in paths:
        variants.setdefault(NUMBERS.sub("", path.name), path.name)
    if len({name.partition(".")[0] for name in variants}) == 1 < len(variants):
        raise ambiguous(paths[0].parent, list(variants.values()))


def _check_names(read: Shards, held: dict[str, set[str]]) -> None:
    """No name is in two of the files, and none is missing that their index lists.

    Raises:
        MalformedFile, UnknownModel: see `tensors`.
    """
    names: set[str] = set()
    for path in read.paths:
        twice = min(names & held[path.name], default=None)
        if twice is not None:
            if read.source is None:
                _check_variants(read.paths)
            raise files.malformed(str(path), "repeated_key", twice, places.of_field(str(path), twice))
        names |= held[path.name]
    if read.source is not None and read.listed is not None:
        numbers = set(map(shard_index.hashed, names))
        if not read.listed.tensors <= numbers:
            raise shard_index.lacking(read.source, numbers)


def tensors(read: Shards) -> tuple[list[StoredTensor], tuple[Message, ...]]:
    """The tensors of these files of one folder, and what their index says otherwise: it decides nothing.

    Names are compared where a file does not hold just what the index lists for it, or is not alone without one: 100,000
    of them are as many bytes again.

    Raises:
        UnsupportedFile, MalformedFile, UnreadableFile: also a tensor that is in two files, or listed and in none.
        UnknownModel: two files are variants of one model.
    """
    found: list[StoredTensor] = []
    sums = {} if read.listed is None else read.listed.sums
    agree = len(read.paths) == 1 if read.listed is None else True
    ends = [0]
    for path in read.paths:
        more = safetensors.tensors(path)
        found += more
        ends.append(len(found))
        agree = agree and (read.listed is None or sums[path.name] == sum([hash(one.name) for one in more]))
    notes = []
    if not agree:
        parts = zip(read.paths, pairwise(ends), strict=True)
        held = {path.name: {one.name for one in found[begin:end]} for path, (begin, end) in parts}
        _check_names(read, held)
        stray = None if read.source is None else shard_index.misplaced(read.source, held)
        if stray is not None and read.source is not None:
            notes.append(message("note.index_misplaces", file=read.source.name, tensor=files.short(stray)))
    size = None if read.listed is None else read.listed.size
    if size is not None and read.source is not None:
        stored_bytes = sum([one.size for one in found])
        if abs(stored_bytes - size) * 100 > stored_bytes:  # tied weights and alignment are counted in more than one way
            notes.append(message("note.index_size", file=read.source.name, said=size, held=stored_bytes))
    return found, tuple(notes)


_TWINS = {"fp8_channel": "fp8_w8a16", "int8_w8a8": "int8_w8a16"}
"""Formats stored alike: only the configuration says whether the activations are converted as well."""


def _told_apart(matrix: Matrix, said: frozenset[str]) -> Matrix:
    """The matrix with the one of two like-stored formats that the configuration names; `unknown` if it names none."""
    twin = _TWINS.get(matrix.format)
    if twin is None or matrix.format in said:
        return matrix
    if twin in said:
        return matrix._replace(format=twin)
    return matrix._replace(format="unknown") if matrix.format == "int8_w8a8" else matrix


def of_files(read: Shards, document: dict[str, Any], origin: config.Origin) -> Model:
    """The model of these safetensors files, with the layers of this configuration.

    Raises:
        UnsupportedArchitecture, UnsupportedFile, MalformedFile, UnreadableFile.
    """
    held, notes = tensors(read)
    if mlx.recognised(document):
        found = mlx.of_tensors(held, document, origin, read.paths)
        return replace(found, notes=(*found.notes, *notes))
    said = frozenset(rule.storage.format for rule in quantization.scheme(Fields(document, origin.file), None).rules)
    matrices = [_told_apart(matrix, said) for matrix in stored.matrices(held)]
    return gathered.model(matrices, document, origin, notes, unknown=safetensors.unknown(held))


def display_name(folder: Path) -> str:
    """The name of a folder; in a hub cache (`models--owner--name/snapshots/…`) that of the repository."""
    for part in folder.resolve().parts[::-1][:4]:
        if part.startswith("models--"):
            return part.removeprefix("models--").replace("--", "/")
    return folder.resolve().name


def ambiguous(folder: Path, names: list[str]) -> UnknownModel:
    """The error for a folder that does not say which of these files is meant."""
    more = len(names) - MOST_NAMED
    listed = ", ".join(map(files.short, names[:MOST_NAMED])) + (f" (+{more})" if more > 0 else "")
    return UnknownModel(
        message("error.ambiguous_model", query=display_name(folder), number=len(names)),
        message("hint.ambiguous_model", candidates=listed),
        file=str(folder),
        candidates=names,
    )


def _only_gguf(folder: Path) -> Path | None:
    """The GGUF file of a folder without other weights: the only one, or the first part of the only split one.

    A projector (llama.cpp knows one by its name) or an importance matrix beside a model is no second model.

    Raises:
        UnknownModel: there are several, and the folder does not say which is meant.
    """
    found = [name for name in _listed(folder) if name.endswith(GGUF)]
    found = [name for name in found if not any(word in name.lower() for word in BESIDE)] or found
    models: dict[str, str] = {}  # the first part that is there stands for the others, to say which are missing
    for name in found:
        models.setdefault(gguf_model.PARTS.sub(r"-of-\2", name), name)
    begun = [name for name in models.values() if "-of-" not in name or "-00001-of-" in name] or list(models.values())
    if len(begun) > 1:
        raise ambiguous(folder, begun)
    return folder / begun[0] if begun else None


def _with_projector(found: Model, folder: Path) -> Model:
    """The model, and a warning when its folder holds the projector of another kind of input."""
    beside = next((name for name in _listed(folder) if PROJECTOR in name.lower() and name.endswith(GGUF)), None)
    if beside is None or beside in found.sources:
        return found
    return replace(found, notes=(*found.notes, message("note.projector_beside", "warning", file=beside)))


def _unread(folder: Path) -> str | None:
    """A file of weights that no reader opens: the configuration beside it does not say what it stores."""
    return next((name for name in _listed(folder) if weight_files.holds_weights(name)), None)


def with_adapter(found: Model, folder: Path) -> Model:
    """The model, and a warning when an adapter lies in its folder."""
    names = [name for name in _listed(folder) if name.startswith(ADAPTERS)]
    weights = [name for name in names if not name.endswith(".json")] or names
    if not weights:
        return found
    return replace(found, notes=(*found.notes, message("note.adapter_beside", "warning", file=weights[0])))


def _no_configuration(folder: Path) -> UnknownModel | UnsupportedArchitecture:
    """Why a folder without config.json is no model: there is nothing, or there are tensors alone."""
    tensors = sorted(path.name for path in folder.iterdir() if path.suffix == ".safetensors")
    if tensors:
        return no_config_beside(folder / tensors[0])
    return UnknownModel(
        message("error.no_model_in_folder", folder=folder.resolve().name or "/"),
        message("hint.model_files"),
        file=str(folder),
    )


def from_folder(folder: Path) -> Model:
    """The model of a folder: of its tensor headers if files are there, else of its configuration alone.

    Raises:
        UnsupportedArchitecture: there are tensors and no config.json; and what `of_files` raises.
        UnknownModel: there is no model, or there are several GGUF files and no others.
        UnsupportedFile: there are weights, and none that are read.
    """
    path = folder / CONFIG
    configured = files.present(path)
    document = files.read_object(path) if configured else {}
    read = _shards(folder) if configured else Shards([])
    if read.paths:
        origin = config.Origin(display_name(folder), str(path), "safetensors", (read.paths[0].name,))
        return with_adapter(of_files(read, document, origin), folder)
    alone = _only_gguf(folder)
    if alone is not None:
        return with_adapter(_with_projector(gguf_model.read(alone), folder), folder)
    if not configured:
        raise _no_configuration(folder)
    unread = _unread(folder)
    if unread is not None:
        raise UnsupportedFile(
            message("error.weights_not_read", file=unread), message("hint.weights_not_read"), file=str(folder / unread)
        )
    return with_adapter(from_config(path, document), folder)


def from_config(path: Path, document: dict[str, Any] | None = None) -> Model:
    """The model of a config.json, with the hf_quant_config.json beside it if there is one."""
    content = files.read_object(path) if document is None else document
    name = display_name(path.absolute().parent) if path.name == CONFIG else path.stem
    origin = config.Origin(name, str(path), "config", (path.name,))
    if mlx.recognised(content):
        return mlx.from_config(content, origin)
    beside = path.parent / SEPARATE
    separate = files.read_object(beside) if path.name == CONFIG and files.present(beside) else None
    return config.model(content, separate, origin)


def no_config_beside(path: Path) -> UnsupportedArchitecture:
    """The error for weights, or their index, without a configuration."""
    return UnsupportedArchitecture(
        message("error.no_config_beside", file=path.name), message("hint.no_config_beside"), file=str(path)
    )


def _belonging(path: Path) -> Shards:
    """A file and the others of its model: by the folder's index, by the one of its own name, or by its name alone.

    Raises:
        MalformedFile: another one is missing.
    """
    index = path.with_name(INDEX)
    own = shard_index.beside(path)
    for place in (index, own):
        if place is not None and files.present(place):
            found = _indexed(place)
            if path.name in {other.name for other in found.paths}:
                return found
    return Shards(shard_index.all_parts(path))


def _of_shards(read: Shards, named: Path) -> Model:
    """The model of these files and of the config.json beside them; `named` is what was asked for.

    Raises:
        UnsupportedArchitecture: there is no config.json: the tensors alone do not say how they are used.
    """
    beside = named.with_name(CONFIG)
    if not files.present(beside):
        tensors(read)  # a broken file is named as such first
        raise no_config_beside(named)
    name = named.stem if len(read.paths) == 1 else display_name(named.absolute().parent)
    origin = config.Origin(name, str(beside), "safetensors", (read.paths[0].name,))
    return of_files(read, files.read_object(beside), origin)


def from_safetensors(path: Path) -> Model:
    """The model of one file, with the others that belong to it, and of the config.json beside it.

    Raises:
        UnsupportedArchitecture: there is no config.json: the tensors alone do not say how they are used.
        MalformedFile: the file is one of several, and others are missing.
    """
    return _of_shards(_belonging(path), path)


def from_index(index: Path) -> Model:
    """The model of the files that an index lists, and of the config.json beside it.

    Raises:
        UnsupportedArchitecture: there is no config.json.
        MalformedFile: a file is missing, or does not hold what the index lists.
    """
    read = _indexed(index)
    if not read.paths:
        shard_index.reach_listed(index, shard_index.listed(index)[0])
    return _of_shards(read, index)
