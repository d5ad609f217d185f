"""A model from a folder or a file of safetensors: the configuration gives the layers, the headers the bytes."""

from pathlib import Path
from typing import Any

from assay.errors import UnknownModel, UnsupportedArchitecture
from assay.observe.checkpoint import (
    assemble,
    config,
    files,
    gguf_model,
    names,
    quantization,
    safetensors,
    shard_index,
    stored,
)
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.stored import Matrix
from assay.observe.checkpoint.tensors import Layout, joined
from assay.types.message import Message, message
from assay.types.model import Model, Role, TensorGroup

CONFIG = "config.json"
SEPARATE = "hf_quant_config.json"
INDEX = "model.safetensors.index.json"


def shards(folder: Path) -> list[Path]:
    """The safetensors files of a folder: those of its index, else all that are there.

    Raises:
        MalformedFile: the index names a file outside the folder, or one that is missing while others are there.
        UnreadableFile: the folder cannot be listed.
    """
    index = folder / INDEX
    if not index.exists():
        try:
            found = sorted(path for path in folder.iterdir() if path.suffix == ".safetensors")
        except OSError as error:
            raise files.unreadable(folder, error) from error
        return [path for path in found if not path.name.startswith(("consolidated", "adapter"))]
    named = shard_index.listed(index)
    paths = [folder / name for name in named]
    missing = [path for path in paths if not path.exists()]
    if missing and len(missing) < len(paths):
        raise files.malformed(str(index), "missing_shard", field=missing[0].name)
    return [] if missing else paths


def _roles(layout: Layout) -> dict[str, Role]:
    return {tensor.module: tensor.role for tensor in layout.tensors}


def _numberless(module: str) -> str:
    """`experts.7.up_proj` as `experts.*.up_proj`, as layouts name it."""
    head, found, rest = module.partition(".experts.")
    first, dot, tail = rest.partition(".")
    return f"{head}.experts.*{dot}{tail}" if found and first.isdigit() else module


def _role(matrix: Matrix, known: dict[str, Role]) -> Role:
    found = known.get(_numberless(matrix.module))
    return names.role(matrix.module) if found is None else found


def _active(matrix: Matrix, role: Role, layout: Layout, *, tied: bool) -> int:
    if role == "experts" and layout.experts:
        return matrix.parameters * layout.experts_per_token // layout.experts
    if role == "embedding" and not tied:
        return matrix.parameters // layout.vocabulary if layout.vocabulary else 0
    return matrix.parameters


def _groups(found: list[Matrix], layout: Layout) -> tuple[tuple[TensorGroup, ...], bool]:
    """(groups by role and format, whether a stored copy of the tied head was left out)."""
    known = _roles(layout)
    tied = all(tensor.role != "head" for tensor in layout.tensors)
    totals: dict[tuple[Role, str], list[int]] = {}
    twice = False
    for matrix in found:
        role = _role(matrix, known)
        if role == "head" and tied:
            twice = True  # written by some savers although it is the embedding: a runtime loads it once
            continue
        values = (matrix.parameters, _active(matrix, role, layout, tied=tied), matrix.tensors, matrix.size)
        row = totals.setdefault((role, matrix.format), [0, 0, 0, 0])
        for index, value in enumerate(values):
            row[index] += value
    return tuple(TensorGroup(role, name, *row) for (role, name), row in totals.items()), twice


def _experts_kept(group: TensorGroup, layout: Layout) -> TensorGroup:
    """Active parameters of experts from the group's sum: exact where a division of one tensor would round."""
    if group.role != "experts" or not layout.experts:
        return group
    return group._replace(active=group.parameters * layout.experts_per_token // layout.experts)


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


def _compared(found: int, expected: int) -> list[Message]:
    """A doubt when the files hold clearly fewer parameters than the configuration describes, or more."""
    if abs(found - expected) * 200 <= expected:  # half a per cent: buffers that only some savers write
        return []
    return [message("doubt.parameters_differ", "warning", stored=found, described=expected)]


def of_files(paths: list[Path], document: dict[str, Any], origin: config.Origin) -> Model:
    """The model of these safetensors files, with the layers of this configuration.

    Raises:
        UnsupportedArchitecture, UnsupportedFile, MalformedFile, UnreadableFile.
    """
    fields = Fields(document, origin.file)
    body, layout, _ = config.understand(fields)
    said = frozenset(rule.storage.format for rule in quantization.scheme(fields, None).rules)
    found = stored.matrices([tensor for path in paths for tensor in safetensors.tensors(path)])
    matrices = [_told_apart(matrix, said) for matrix in found]
    groups, twice = _groups(matrices, layout)
    loaded, optional = config.split(tuple(_experts_kept(group, layout) for group in groups))
    described = sum(tensor.elements * tensor.copies for tensor in layout.tensors if tensor.role != "mtp")
    doubts = _compared(sum(group.parameters for group in loaded), described)
    if any(group.format == "unknown" for group in loaded):
        doubts.append(message("doubt.stored_format_unknown", "warning"))
    notes = (message("note.head_stored_twice"),) if twice else ()
    return Model(
        name=origin.name,
        architecture=body["id"],
        released_format=None,
        requantized_from=None,
        groups=loaded,
        layers=joined(layout.layers),
        weights=assemble.stored_weights(loaded, origin.sources),
        hidden_size=layout.hidden_size,
        vocabulary=layout.vocabulary,
        intermediate=layout.intermediate,
        experts=layout.experts,
        experts_per_token=layout.experts_per_token,
        max_context=layout.max_context,
        container="safetensors",
        sources=origin.sources,
        doubts=tuple(doubts),
        notes=notes,
        optional=optional,
    )


def display_name(folder: Path) -> str:
    """The name of a folder; in a hub cache (`models--owner--name/snapshots/…`) that of the repository."""
    for part in folder.resolve().parts[::-1][:4]:
        if part.startswith("models--"):
            return part.removeprefix("models--").replace("--", "/")
    return folder.resolve().name


def _only_gguf(folder: Path) -> Path | None:
    """The GGUF file of a folder that holds nothing else: the only one, or the first part of the only split one.

    Raises:
        UnknownModel: there are several, and the folder does not say which is meant.
    """
    if (folder / CONFIG).exists():
        return None
    found = sorted(path for path in folder.iterdir() if path.suffix == ".gguf")
    models = [path for path in found if "-of-" not in path.name or "-00001-of-" in path.name]
    if len(models) > 1:
        raise UnknownModel(
            message("error.ambiguous_model", query=folder.name, number=len(models)),
            message("hint.unknown_model"),
            candidates=[path.name for path in models],
        )
    return models[0] if models else None


def _no_configuration(folder: Path) -> UnknownModel | UnsupportedArchitecture:
    """Why a folder without config.json is no model: there is nothing, or there are tensors alone."""
    tensors = sorted(path.name for path in folder.iterdir() if path.suffix == ".safetensors")
    if tensors:
        return UnsupportedArchitecture(
            message("error.no_config_beside", file=tensors[0]), message("hint.no_config_beside"), file=str(folder)
        )
    return UnknownModel(
        message("error.no_model_in_folder", folder=folder.resolve().name or "/"),
        message("hint.model_files"),
        file=str(folder),
    )


def from_folder(folder: Path) -> Model:
    """The model of a folder: of its tensor headers if files are there, else of its configuration alone.

    Raises:
        UnsupportedArchitecture: there are tensors and no config.json; and what `of_files` raises.
        UnknownModel: there is no model, or there are several GGUF files and no config.json.
    """
    path = folder / CONFIG
    try:
        alone = _only_gguf(folder)
    except OSError as error:
        raise files.unreadable(folder, error) from error
    if alone is not None:
        return gguf_model.read(alone)
    if not path.exists():
        raise _no_configuration(folder)
    document = files.read_object(path)
    paths = shards(folder)
    name = display_name(folder)
    if paths:
        sources = tuple(path.name for path in paths[:1])
        return of_files(paths, document, config.Origin(name, str(path), "safetensors", sources))
    return from_config(path, document)


def from_config(path: Path, document: dict[str, Any] | None = None) -> Model:
    """The model of a config.json, with the hf_quant_config.json beside it if there is one."""
    content = files.read_object(path) if document is None else document
    beside = path.parent / SEPARATE
    separate = files.read_object(beside) if path.name == CONFIG and beside.exists() else None
    name = display_name(path.absolute().parent) if path.name == CONFIG else path.stem
    return config.model(content, separate, config.Origin(name, str(path), "config", (path.name,)))


def from_safetensors(path: Path) -> Model:
    """The model of one file and of the config.json beside it.

    Raises:
        UnsupportedArchitecture: there is no config.json: the tensors alone do not say how they are used.
        MalformedFile: the file is one of several of an index, and others are missing.
    """
    beside = path.parent / CONFIG
    if not beside.exists():
        safetensors.tensors(path)  # a broken file is named as such first
        raise UnsupportedArchitecture(
            message("error.no_config_beside", file=path.name), message("hint.no_config_beside"), file=str(path)
        )
    paths = shards(path.parent)
    chosen = paths if path.name in {other.name for other in paths} and (path.parent / INDEX).exists() else [path]
    origin = config.Origin(path.stem, str(beside), "safetensors", (path.name,))
    return of_files(chosen, files.read_object(beside), origin)
