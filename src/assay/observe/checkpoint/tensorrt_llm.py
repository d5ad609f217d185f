"""TensorRT-LLM's own checkpoints (config.json, rankN.safetensors) and built engines (config.json, rankN.engine).

The configuration names the model class of TensorRT-LLM; the classes that are known are read as the architecture of the
catalogue that they implement. An engine is opaque: only its size is known.
Source: TensorRT-LLM, docs/source/architecture/checkpoint.md.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.knowledge.catalog import weight_formats
from assay.observe.checkpoint import assemble, config, files, gathered, places, safetensors
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.safetensors import StoredTensor
from assay.observe.checkpoint.stored import Matrix
from assay.observe.checkpoint.tensorrt_llm_config import EIGHT_BITS, FOUR_BITS, Mapping, mapping, scheme, translated
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.quantity import Quantity, unknown

CONFIG = "config.json"
SHARDED = (".qkv.weight", ".qkv.bias", ".dense.weight", ".fc.weight", ".fc.bias", ".gate.weight", ".gate.bias",
           ".proj.weight", "lm_head.weight", "lm_head.bias")  # fmt: skip
"""What tensor parallelism divides; the rest is on every rank as a whole. `vocab_embedding` if the mapping says so."""


def is_engine(document: dict[str, Any]) -> bool:
    """Whether a config.json is a built engine's."""
    return isinstance(document.get("pretrained_config"), dict) and isinstance(document.get("build_config"), dict)


def recognised(document: dict[str, Any]) -> bool:
    """Whether a config.json is TensorRT-LLM's: a checkpoint's or an engine's."""
    single = isinstance(document.get("architecture"), str) and "model_type" not in document
    return is_engine(document) or (single and ("mapping" in document or "logits_dtype" in document))


def _module(name: str) -> str:
    """TensorRT-LLM's name of a module as published repositories would name it."""
    path = name.removeprefix("transformer.")
    for theirs, ours in (
        ("vocab_embedding", "embed_tokens"), ("ln_f", "norm"), (".attention.", ".self_attn."),
        (".post_layernorm", ".post_attention_layernorm"),
    ):  # fmt: skip
        path = path.replace(theirs, ours)
    return path.replace(".mlp.gate", ".mlp.up_proj")  # a matrix of the MLP, no router


def _fp8(weight: StoredTensor, parts: dict[str, StoredTensor]) -> str:
    scale = parts.get("weights_scaling_factor") or parts.get("per_channel_scale")
    if scale is None or len(weight.shape) < 2:
        return "unknown"
    rows, columns = weight.shape[-2], weight.shape[-1]
    if scale.elements == 1 or (len(weight.shape) == 3 and scale.elements == weight.shape[0]):
        return "fp8"
    if scale.shape[-2:] == (-(-rows // 128), -(-columns // 128)):
        return "fp8_block128"
    return "fp8_channel" if scale.elements == weight.elements // columns else "unknown"


def _format(weight: StoredTensor, parts: dict[str, StoredTensor], algorithm: str) -> tuple[str, int]:
    """(format, parameters of this rank) of a weight with what is stored beside it."""
    scaled = any("scal" in part for part in parts)
    if weight.dtype == "F8_E4M3":
        return _fp8(weight, parts), weight.elements
    if scaled and algorithm in FOUR_BITS and len(weight.shape) > 1:
        return FOUR_BITS[algorithm], weight.size * 2  # packed into bytes, or into the model's type
    if scaled and algorithm in EIGHT_BITS and len(weight.shape) > 1:
        return EIGHT_BITS[algorithm], weight.size
    plain = weight_formats.safetensors_types().get(weight.dtype)
    return ("unknown" if plain is None else plain[0]), weight.elements


def _rank(tensors: list[StoredTensor]) -> dict[str, dict[str, StoredTensor]]:
    """The tensors of one rank by module; a bias stands for itself."""
    found: dict[str, dict[str, StoredTensor]] = {}
    for tensor in tensors:
        module, _, part = tensor.name.rpartition(".")
        if part == "bias":
            module, part = tensor.name, "weight"
        found.setdefault(module, {})[part] = tensor
    return found


def _matrices(ranks: list[dict[str, dict[str, StoredTensor]]], algorithm: str, *, embedded: bool) -> list[Matrix]:
    """All weights of all ranks: bytes of each copy, parameters of what is on every rank once.

    Args:
        ranks: tensors of each rank file.
        algorithm: quant_algo.
        embedded: whether the embedding table is divided as well.
    """
    seen: dict[str, Matrix] = {}
    for rank in ranks:
        for owner, parts in rank.items():
            size = sum(part.size for part in parts.values())
            weight = parts.get("weight")
            name, parameters = ("fp32", 0) if weight is None else _format(weight, parts, algorithm)
            stacked = weight is not None and len(weight.shape) == 3 and ".mlp." in owner
            module = _module(owner.removesuffix(".bias"))
            shape = weight.shape if weight is not None and len(weight.shape) == 1 else ()
            path = module.replace(".mlp.", ".mlp.experts.") if stacked else module
            matrix = Matrix(path, name, parameters, size, shape=shape)
            first = seen.get(owner)
            if first is None:
                seen[owner] = matrix._replace(tensors=0 if weight is None else 1)
                continue
            full = owner if owner.endswith(".bias") else f"{owner}.weight"
            divided = full.endswith(SHARDED) or (embedded and "vocab_embedding" in owner)
            more = parameters if divided else 0
            seen[owner] = first._replace(parameters=first.parameters + more, size=first.size + size)
    return list(seen.values())


def _described(document: dict[str, Any], origin: config.Origin, notes: tuple[Message, ...]) -> Model:
    """The model that a checkpoint's configuration alone describes."""
    fields = Fields(document, origin.file)
    body, layout, _ = config.understand(Fields(translated(document, origin.file), origin.file))
    converted, algorithm = scheme(fields)
    spelling = fields.word("dtype") or ""
    found = assemble.groups(layout.tensors, converted, weight_formats.config_types().get(spelling, "unknown"))
    loaded, _ = config.split(found)
    doubts: tuple[Message, ...] = ()
    if any(group.format == "unknown" for group in loaded):
        detail = (algorithm or f"dtype {spelling}")[:64]
        doubts = (message("doubt.quantization_not_understood", "warning", method="TensorRT-LLM", detail=detail),)
    weights = assemble.weights(loaded, origin.sources)
    return gathered.of_layout((body["id"], layout, origin), found, weights, doubts, notes)


def _notes(fields: Fields, mapping: Mapping) -> tuple[Message, ...]:
    notes = []
    if mapping.ranks > 1:
        notes.append(
            message("note.trtllm_ranks", ranks=mapping.ranks, tensor=mapping.tensor, pipeline=mapping.pipeline)
        )
    found = fields.nested("quantization")
    cache = None if found is None else found.word("kv_cache_quant_algo")
    if cache is not None:
        notes.append(message("note.trtllm_kv", type=cache[:32]))
    return tuple(notes)


def _present(folder: Path, ranks: int, suffix: str) -> list[Path]:
    """The files of all ranks, or none.

    Raises:
        MalformedFile: some are missing.
    """
    paths = [folder / f"rank{rank}{suffix}" for rank in range(ranks)]
    missing = [path for path in paths if not files.present(path)]
    if missing and len(missing) < len(paths):
        file = str(folder / CONFIG)
        raise files.malformed(file, "missing_shard", missing[0].name, places.of_field(file, "mapping.world_size"))
    return [] if missing else paths


def _checkpoint(folder: Path, document: dict[str, Any], name: str) -> Model:
    file = str(folder / CONFIG)
    fields = Fields(document, file)
    divided = mapping(fields)
    notes = _notes(fields, divided)
    paths = _present(folder, divided.ranks, ".safetensors")
    if not paths:
        return _described(document, config.Origin(name, file, "tensorrt-llm", (CONFIG,)), notes)
    found = fields.nested("quantization")
    algorithm = "" if found is None else found.word("quant_algo") or ""
    embedded = fields.flag("use_parallel_embedding")
    held = [safetensors.tensors(path) for path in paths]
    ranks = [_rank(tensors) for tensors in held]
    matrices = _matrices(ranks, algorithm, embedded=embedded)
    origin = config.Origin(name, file, "tensorrt-llm", (paths[0].name,))
    strange = [name for tensors in held for name in safetensors.unknown(tensors)]
    # Ranks repeat key heads and fill the vocabulary up: only one that is not divided is compared by matrix.
    by_matrix = divided.ranks == 1
    return gathered.model(matrices, translated(document, file), origin, notes, strange, by_matrix=by_matrix)


def _size(path: Path) -> int:
    descriptor, size = files.open_regular(path)
    os.close(descriptor)
    return size


def _bounded(described: Quantity, stored: int) -> Quantity:
    """The weights of an engine: at least what the configuration describes, at most the engine's own size."""
    note = message("unknown.engine_weights", size=stored)
    if described.value is None or not stored or described.value > stored:
        return unknown("B", note)
    return Quantity(
        described.value,
        "B",
        "derived",
        described.sources,
        low=described.value,
        high=stored,
        weakest=described.weakest,
        weakest_share=described.weakest_share,
        note=note,
        formula=described.formula,
    )


def _engine(folder: Path, document: dict[str, Any], name: str) -> Model:
    """The model of an engine: its configuration's arithmetic, bounded by the size of the files."""
    file = str(folder / CONFIG)
    inside = Fields(document, file)
    fields, build = inside.nested("pretrained_config"), inside.nested("build_config")
    if fields is None or build is None:
        raise inside.broken("pretrained_config", "missing_key")
    divided = mapping(fields)
    paths = _present(folder, divided.ranks, ".engine")
    stored = sum(_size(path) for path in paths)
    origin = config.Origin(name, file, "tensorrt-llm", (CONFIG,))
    found = _described(document["pretrained_config"], origin, _notes(fields, divided))
    context = build.count("max_seq_len", high=2**31) if build.has("max_seq_len") else found.max_context
    opaque = message("doubt.engine_opaque", "warning", size=stored)
    doubt = opaque if paths else message("doubt.engine_missing", "warning")
    weights = _bounded(found.weights, stored)
    return replace(found, weights=weights, max_context=context, doubts=(*found.doubts, doubt))


def from_folder(folder: Path, document: dict[str, Any], name: str) -> Model:
    """The model of a folder whose config.json is TensorRT-LLM's.

    Raises:
        UnsupportedArchitecture: the model class is not known.
        MalformedFile, UnreadableFile, UnsupportedFile: see `safetensors.tensors`; or ranks are missing.
    """
    return (_engine if is_engine(document) else _checkpoint)(folder, document, name)
