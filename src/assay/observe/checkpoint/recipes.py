"""The tensors of the GGUF that llama.cpp's converter writes from a configuration, under llama.cpp's names.

Only matrices are named: names decide their types. Vectors (norms, biases) keep ours, for no rule asks them; the
converter keeps them in FP32, as it does routers and convolutions.
Sources: llama.cpp, conversion/ and gguf-py/gguf/tensor_mapping.py.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from assay.errors import MissingKnowledge, UnknownModel, UnsupportedArchitecture
from assay.knowledge.catalog import models
from assay.observe.checkpoint import config, files, gguf, names
from assay.observe.checkpoint.config import Parts
from assay.observe.checkpoint.fields import MAX_EXPERTS, MAX_LAYERS, Fields
from assay.observe.checkpoint.folder import CONFIG
from assay.observe.checkpoint.tensors import Tensor
from assay.types.message import message
from assay.types.recipe import Facts, Weight

LAYER = re.compile(r"layers\.(\d+)\.(.+)\Z")
PREDICTION = re.compile(r"mtp\.(?:layers\.(\d+)\.)?(.+)\Z")
_ENDS = {"embedding": "token_embd", "head": "output"}
_ROUTERS = ("gate", "router", "router.proj")
_MATRICES = {
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "q_a_proj": "attn_q_a",
    "q_b_proj": "attn_q_b",
    "kv_a_proj_with_mqa": "attn_kv_a_mqa",
    "indexer.wq_b": "indexer.attn_q_b",
    "indexer.wk": "indexer.attn_k",
    "indexer.weights_proj": "indexer.proj",
    "index_q_proj": "indexer.q_proj",
    "index_k_proj": "indexer.k_proj",
    "linear_attn": "attn_output",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
    "linear_mlp": "ffn_up",
    "in_proj_qkv": "attn_qkv",
    "in_proj_z": "attn_gate",
    "in_proj_b": "ssm_beta",
    "in_proj_a": "ssm_alpha",
    "in_proj": "ssm_in",
    "out_proj": "ssm_out",
    "conv1d": "ssm_conv1d",
    "fc1_latent_proj": "ffn_latent_down",
    "fc2_latent_proj": "ffn_latent_up",
    "w1": "ffn_gate",
    "w3": "ffn_up",
    "w2": "ffn_down",
    "shared_expert_gate": "ffn_gate_inp_shexp",
    "eh_proj": "nextn.eh_proj",
    "fc": "nextn.eh_proj",
    "embed_tokens": "nextn.embed_tokens",
    "shared_head.head": "nextn.shared_head_head",
}
_BLOCKS = ("self_attn.", "linear_attn.", "mlp.", "feed_forward.", "block_sparse_moe.", "mixer.", "experts.*.")
FUSED = {"phi3": (("attn_q", "attn_k", "attn_v", "attn_qkv"), ("ffn_gate", "ffn_up", "ffn_up"))}
"""Matrices that a checkpoint stores as one: the parts, then the whole."""
SKIPPED_PREDICTION = frozenset({"deepseek_v2", "deepseek_v3", "deepseek_v32", "kimi_k2", "kimi_k25", "mimo"})
"""Architectures whose prediction layers the converter leaves out."""
UNSEEN_PREDICTION = {"glm4_moe": "num_nextn_predict_layers"}
"""Architectures whose prediction layers it writes and our layouts do not list: the key of their number."""
NO_HEADS_FIRST = frozenset({"nemotron_h", "blockwise"})
"""Layouts whose first block may have no heads; llama.cpp's grouping is then that of the first block, none."""


class Converted(NamedTuple):
    """The GGUF before quantization: its tensors, what rules ask of the model, and where that comes from."""

    weights: tuple[Weight, ...]
    facts: Facts
    sources: tuple[str, ...]


def _unknown(module: str, where: Parts) -> UnsupportedArchitecture:
    return UnsupportedArchitecture(
        message("error.recipe_tensor", architecture=where.architecture["id"], tensor=module),
        message("hint.recipe_tensor"),
        file=where.config.file,
        field=module,
    )


def _matrix_name(rest: str, tensor: Tensor, where: Parts) -> str:
    """llama.cpp's name of a matrix inside a block, without the block's number."""
    inner = rest
    shared = "shared_expert" in inner and not inner.endswith("shared_expert_gate")
    inner = re.sub(r"shared_experts?\.", "", inner)
    for block in _BLOCKS:
        inner = inner.removeprefix(block)
    inner = inner.removeprefix("experts.*.")
    if inner in _ROUTERS:
        return "ffn_gate_inp"
    if inner not in _MATRICES:
        raise _unknown(tensor.module, where)
    return _MATRICES[inner] + ("_shexp" if shared else "_exps" if ".*." in rest else "")


def _latent(prefix: str, tensor: Tensor, text: Fields) -> Iterator[Weight]:
    """The expansion of latent attention in two: keys transposed, values as they are, a matrix for each head."""
    heads, latent = text.count("num_attention_heads"), tensor.shape[1]
    for name, shape in (
        ("attn_k_b", (text.count("qk_nope_head_dim"), latent, heads)),
        ("attn_v_b", (latent, text.count("v_head_dim"), heads)),
    ):
        elements = shape[0] * shape[1] * shape[2]
        yield Weight(f"{prefix}{name}.weight", shape, tensor.role, elements)


def _placed(tensor: Tensor, blocks: int) -> tuple[str, str] | None:
    """(`blk.N.`, the rest of the module's path), or None for what belongs to no block."""
    found = LAYER.match(tensor.module)
    if found is not None:
        return f"blk.{found[1]}.", found[2]
    found = PREDICTION.match(tensor.module)
    if found is not None:
        return f"blk.{blocks + int(found[1] or 0)}.", found[2]
    return None


def _weight(tensor: Tensor, where: Parts, text: Fields, blocks: int) -> Iterator[Weight]:
    """One entry of a layout as the converter writes it."""
    active = tensor.elements * tensor.chosen
    if tensor.rows_used is not None:
        active = tensor.rows_used * tensor.shape[1]
    shape = tuple(reversed([extent for extent in tensor.shape if extent > 1] or [1]))
    if tensor.copies > 1:
        shape = (*shape, tensor.copies)
    placed = _placed(tensor, blocks)
    if len(tensor.shape) < 2:
        prefix, rest = placed or ("", tensor.module)
        yield Weight(f"{prefix}{rest}.vector", shape, tensor.role, active)
    elif placed is None:
        if tensor.role not in _ENDS:
            raise _unknown(tensor.module, where)
        yield Weight(f"{_ENDS[tensor.role]}.weight", shape, tensor.role, active)
    elif placed[1].endswith("kv_b_proj"):
        yield from _latent(placed[0], tensor, text)
    else:
        yield Weight(f"{placed[0]}{_matrix_name(placed[1], tensor, where)}.weight", shape, tensor.role, active)


def _fused(weights: list[Weight], parts: tuple[str, ...], whole: str) -> list[Weight]:
    """The list with the parts of each block joined into one matrix of all their rows."""
    ends = tuple(f".{part}.weight" for part in parts)
    blocks: dict[int, list[Weight]] = {}
    for weight in weights:
        if weight.name.endswith(ends):
            blocks.setdefault(weight.block, []).append(weight)
    joined = [
        found[0]._replace(
            name=f"blk.{number}.{whole}.weight",
            shape=(found[0].shape[0], sum(weight.shape[1] for weight in found)),
            active=sum(weight.active for weight in found),
        )
        for number, found in blocks.items()
    ]
    return [weight for weight in weights if not weight.name.endswith(ends)] + joined


def _rotary(text: Fields, head_dim: int) -> Iterator[Weight]:
    """Tables of rotary frequencies that the converter adds for two ways of scaling positions."""
    scaling = text.nested("rope_scaling") or text.nested("rope_parameters")
    if scaling is None:
        return
    kind = scaling.word("rope_type") or scaling.word("type")
    if kind == "llama3":
        yield Weight("rope_freqs.weight", (head_dim // 2,), "other", head_dim // 2)
    elif kind in {"longrope", "su", "yarn"} and isinstance(scaling.raw("long_factor"), list):
        for name in ("rope_factors_long", "rope_factors_short"):
            yield Weight(f"{name}.weight", (head_dim // 2,), "other", head_dim // 2)


def _facts(where: Parts, text: Fields, weights: list[Weight]) -> Facts:
    layout, architecture = where.layout, where.architecture
    listed = max((weight.block for weight in weights), default=-1) + 1
    key = UNSEEN_PREDICTION.get(architecture["id"])
    unseen = text.count(key, 0, low=0, high=MAX_LAYERS) if key else 0
    first = layout.layers[0]
    if architecture["layout"] not in NO_HEADS_FIRST:
        first = next((layer for layer in layout.layers if layer.query_heads), first)
    return Facts(
        architecture=(architecture.get("gguf") or [architecture["id"]])[0],
        blocks=listed + unseen,
        experts=layout.experts,
        query_heads=first.query_heads,
        kv_heads=first.kv_heads,
        unseen_blocks=unseen,
    )


def of_parts(where: Parts, sources: tuple[str, ...]) -> Converted:
    """The GGUF of a configuration that is understood; its vision tower is a file of its own and not listed.

    Raises:
        UnsupportedArchitecture: how the converter names one of its matrices is not known.
    """
    architecture, layout, whole = where
    text = (whole.nested(architecture["text"]) if "text" in architecture else None) or whole
    skipped = {"vision", "mtp"} if architecture["id"] in SKIPPED_PREDICTION else {"vision"}
    weights = [
        weight
        for tensor in layout.tensors
        if tensor.role not in skipped
        for weight in _weight(tensor, where, text, len(layout.layers))
    ]
    for *parts, fused in FUSED.get(architecture["id"], ()):
        weights = _fused(weights, tuple(parts), fused)
    head_dim = max((layer.key_dim for layer in layout.layers), default=0)
    weights += _rotary(text, head_dim)
    return Converted(tuple(weights), _facts(where, text, weights), sources)


def of_gguf(path: Path) -> Converted:
    """The tensors of a GGUF file itself, to be quantized again.

    Raises:
        UnreadableFile, MalformedFile, UnsupportedFile: see `gguf.header`.
        MissingKnowledge: the file is one of several parts.
    """
    _, metadata, tensors, _ = gguf.header(path)
    if metadata.get("split.count", 1) != 1:
        raise MissingKnowledge(message("error.recipe_split", file=path.name), message("hint.recipe_split"))
    architecture = str(metadata.get("general.architecture", ""))
    prefix = f"{architecture}."
    fields = Fields({key.removeprefix(prefix): value for key, value in metadata.items()}, str(path), prefix)
    experts = fields.count("expert_count", 0, low=0, high=MAX_EXPERTS)
    chosen = fields.count("expert_used_count", 0, low=0, high=experts) if experts else 0
    tied = all(tensor.name != "output.weight" for tensor in tensors)
    weights = []
    for tensor in tensors:
        role = names.gguf_role(tensor.name)
        active = tensor.elements
        if role == "experts" and experts:
            active = active * chosen // experts
        elif role == "embedding" and not tied:
            active = tensor.shape[0]
        weights.append(Weight(tensor.name, tensor.shape, role, active, tensor.format.removeprefix("gguf:")))
    heads, kv_heads = fields.raw("attention.head_count"), fields.raw("attention.head_count_kv")
    first = [value[0] if isinstance(value, list) and value else value for value in (heads, kv_heads)]
    query = first[0] if isinstance(first[0], int) else 0
    facts = Facts(
        architecture=architecture,
        blocks=fields.count("block_count", high=MAX_LAYERS),
        experts=experts,
        query_heads=query,
        kv_heads=first[1] if isinstance(first[1], int) else query,
    )
    return Converted(tuple(weights), facts, (path.name,))


def converted(source: str) -> Converted:
    """The GGUF before quantization of a source that `read.read` has read.

    Raises:
        UnsupportedArchitecture: how the converter names one of its tensors is not known.
        MissingKnowledge: its configuration is not on this machine.
        MalformedFile, UnreadableFile: as `read.read`.
    """
    path = Path(os.path.expanduser(source))  # noqa: PTH111 - Path's own raises for a user that does not exist
    if not files.reachable(path):
        try:
            found = models.entry(source)
        except UnknownModel as error:
            refusal = message("error.recipe_source", source=source)
            raise MissingKnowledge(refusal, message("hint.recipe_source")) from error
        return of_parts(config.understand(Fields(found.config, found.id)), found.sources)
    if path.suffix == ".gguf" and not path.is_dir():
        return of_gguf(path)
    where = path / CONFIG if path.is_dir() else path.with_name(CONFIG) if path.suffix == ".safetensors" else path
    return of_parts(config.understand(Fields(files.read_object(where), str(where))), (where.name,))
