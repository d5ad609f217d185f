"""A model from the header of a GGUF file: llama.cpp's metadata keys give the layers, the tensor types the bytes."""

import re
from pathlib import Path
from typing import Any

from assay.knowledge.catalog import architectures
from assay.observe.checkpoint import assemble, config, files, gguf, gguf_whole, likeness, names, unknown_types
from assay.observe.checkpoint.block_bytes import block_bytes
from assay.observe.checkpoint.fields import MAX_EXPERTS, MAX_LAYERS, MAX_PREDICTION, Fields
from assay.observe.checkpoint.gguf import Array, GgufTensor
from assay.observe.checkpoint.gguf_layers import check_shapes, layers_of
from assay.observe.checkpoint.gguf_whole import EMBEDDING
from assay.observe.checkpoint.layouts.blocks import not_understood
from assay.observe.checkpoint.tensors import joined
from assay.types.message import message
from assay.types.model import BlockBytes, Model, Role, TensorGroup

PARTS = re.compile(r"-(\d{5})-of-(\d{5})\.gguf\Z")


def _architecture(metadata: dict[str, Any], tensors: list[GgufTensor], path: Path) -> tuple[str, dict[str, Any]]:
    kind = metadata.get("general.type", "model")
    if kind != "model":  # an adapter, a projector or an importance matrix is no model
        raise not_understood(Fields({}, str(path)), f"general.type: {files.short(str(kind))}")
    name = metadata.get("general.architecture")
    if not isinstance(name, str):
        raise files.malformed(str(path), "missing_key", "general.architecture", gguf.METADATA)
    body = architectures.of_gguf(name)
    if body is None:
        from assay.observe.checkpoint import gguf_likeness  # noqa: PLC0415 - few files are of an unknown architecture

        body = gguf_likeness.follow(_fields(metadata, name, path), name, metadata, tensors)
    keys = Fields({}, str(path))
    if body is None:
        raise keys.refused("general.architecture", "error.unsupported_architecture", architecture=files.short(name))
    if "refused" in body:
        detail = files.short(f"{name}: {body['refused']}")
        raise keys.refused("general.architecture", "error.architecture_detail", detail=detail)
    return name, body


def _fields(metadata: dict[str, Any], name: str, path: Path) -> Fields:
    """The keys of the architecture, without its name in front; long arrays stand as their length."""
    prefix = f"{name}."
    own = {key.removeprefix(prefix): value for key, value in metadata.items() if key.startswith(prefix)}
    return Fields(own, str(path), prefix)


def _vocabulary(metadata: dict[str, Any], tensors: list[GgufTensor], fields: Fields) -> int:
    tokens = metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, Array):
        return tokens.length
    if fields.has("vocab_size"):
        return fields.count("vocab_size")
    table = next((tensor for tensor in tensors if tensor.name == EMBEDDING), None)
    if table is not None and len(table.shape) == 2:
        return table.shape[1]
    return fields.count("vocab_size")


def _active(tensor: GgufTensor, role: Role, experts: tuple[int, int], *, tied: bool) -> int:
    number, chosen = experts
    if role == "experts" and number:
        return tensor.elements * chosen // number
    if role == "embedding" and not tied and len(tensor.shape) == 2:
        return tensor.shape[0]
    return tensor.elements


def _groups(tensors: list[GgufTensor], experts: tuple[int, int], prediction: frozenset[int]) -> tuple[TensorGroup, ...]:
    """Groups by role and tensor type; the blocks of `prediction` are multi-token prediction layers."""
    tied = all(tensor.name != "output.weight" for tensor in tensors)
    totals: dict[tuple[Role, str], list[int]] = {}
    for tensor in tensors:
        block = names.gguf_layer(tensor.name)
        role = "mtp" if block in prediction else names.gguf_role(tensor.name)
        row = totals.setdefault((role, tensor.format), [0, 0, 0, 0])
        values = (tensor.elements, _active(tensor, role, experts, tied=tied), 1, tensor.size)
        for index, value in enumerate(values):
            row[index] += value
    return tuple(TensorGroup(role, name, *row) for (role, name), row in totals.items())


def _blocks(tensors: list[GgufTensor], prediction: frozenset[int]) -> tuple[BlockBytes, ...]:
    """Bytes of each block; those of `prediction` are not loaded without being asked for."""
    placed = ((names.gguf_layer(tensor.name), tensor) for tensor in tensors)
    return block_bytes(
        (number, "mtp" if number in prediction else names.gguf_role(tensor.name), tensor.size)
        for number, tensor in placed
    )


def _check_alike(first: dict[str, Any], other: dict[str, Any], file: str) -> None:
    """A later part repeats nothing of the first, or the same.

    Raises:
        MalformedFile: it is of another model.
    """
    for key in ("general.architecture", "split.tensors.count"):
        if key in other and other[key] != first.get(key):
            raise files.malformed(file, "split_differs", key, gguf.place(Path(file), key))


def _header(path: Path) -> tuple[dict[str, Any], list[GgufTensor]]:
    """Metadata and tensors of a file and, if it is one of several parts, of all of them.

    Raises:
        MalformedFile: a part is missing, or the parts do not belong together.
    """
    first = gguf.header(path)
    number = first.metadata.get("split.count", 1)
    match = PARTS.search(path.name)
    named = 1 if match is None else int(match[2])
    if not isinstance(number, int) or max(number, 1) != max(named, 1):  # a part by its name or inside, not by both
        raise files.malformed(str(path), "split_name", "split.count", gguf.place(path, "split.count") or gguf.METADATA)
    if match is None or number < 2:
        if first.metadata.get("split.no", 0) != 0:
            raise files.malformed(str(path), "split_name", "split.no", gguf.place(path, "split.no"))
        return first.metadata, first.tensors
    base = path.name[: match.start()]
    metadata: dict[str, Any] = {}
    tensors: list[GgufTensor] = []
    earlier: set[str] = set()
    memory = first.memory
    for part in range(1, number + 1):
        other = path.with_name(f"{base}-{part:05d}-of-{number:05d}.gguf")
        if not files.present(other):
            raise files.malformed(str(path), "missing_shard", other.name, gguf.place(path, "split.count"))
        found = first if other.name == path.name else gguf.header(other, memory)
        if found.metadata.get("split.no") != part - 1 or found.metadata.get("split.count") != number:
            raise files.malformed(str(other), "split_name", "split.no", gguf.place(other, "split.no"))
        metadata = found.metadata if part == 1 else metadata
        _check_alike(metadata, found.metadata, str(other))
        memory = max(memory, found.memory)
        twice = next((tensor.name for tensor in found.tensors if tensor.name in earlier), None)
        if twice is not None:
            raise files.malformed(str(other), "repeated_key", twice, gguf.place(other, twice))
        earlier |= {tensor.name for tensor in found.tensors}
        tensors += found.tensors
    field = "split.tensors.count"
    if field not in metadata:  # without it nobody sees that a part lost some
        raise files.malformed(str(path), "missing_key", field, gguf.METADATA)
    if metadata[field] != len(tensors):
        raise files.malformed(str(path), "size_mismatch", field, gguf.place(path, field))
    return metadata, tensors


def read(path: Path) -> Model:
    """The model of a GGUF file; a split one is read with all its parts.

    Raises:
        UnreadableFile, MalformedFile, UnsupportedFile: see `gguf.header`.
        UnsupportedArchitecture: llama.cpp's name of the architecture is not in the catalogue.
    """
    metadata, tensors = _header(path)
    name, body = _architecture(metadata, tensors, path)
    fields = _fields(metadata, name, path)
    blocks = fields.count("block_count", high=MAX_LAYERS)
    prediction = fields.count("nextn_predict_layers", 0, low=0, high=min(MAX_PREDICTION, blocks - 1))
    number = fields.count("expert_count", 0, low=0, high=MAX_EXPERTS)
    chosen = fields.count("expert_used_count", high=number) if number else 0
    predicting = gguf_whole.prediction(tensors, range(blocks - prediction, blocks))
    groups = _groups(tensors, (number, chosen), predicting)
    layers = layers_of(fields, body, blocks - prediction)
    check_shapes(fields, layers, tensors)
    loaded, optional = config.split(groups)
    words = _vocabulary(metadata, tensors, fields)
    title = metadata.get("general.name")
    widths = fields.raw("feed_forward_length")
    dense = max(widths, default=0) if isinstance(widths, list) else fields.count("feed_forward_length", 0, low=0)
    expert = fields.count("expert_feed_forward_length", 0, low=0)
    notes = (message("note.gguf_title", title=files.short(title)),) if isinstance(title, str) and title else ()
    found = Model(
        name=path.name,
        architecture=body["id"],
        released_format=None,
        requantized_from=None,
        groups=loaded,
        layers=joined(layers),
        weights=assemble.stored_weights(loaded, (path.name,)),
        hidden_size=fields.count("embedding_length"),
        vocabulary=words,
        intermediate=max(dense, (expert or (dense if number else 0)) * chosen),
        experts=number,
        experts_per_token=chosen,
        max_context=fields.count("context_length", high=2**31) if fields.has("context_length") else None,
        container="gguf",
        sources=(path.name,),
        doubts=(
            *gguf_whole.doubts(fields, body, layers, tensors, (blocks, words)),
            *unknown_types.doubts(str(tensor.type) for tensor in tensors if tensor.format == "unknown"),
        ),
        notes=notes,
        optional=optional,
        blocks=_blocks(tensors, predicting),
    )
    return likeness.applied(found, body)
