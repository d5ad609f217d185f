"""Whether a GGUF file holds what its metadata announces: the tensors of each block, none smaller than described.

A block that lacks a matrix would make the model look smaller than it is, and so would metadata that describe less than
the file holds. What a block needs follows from what its layer remembers and from the metadata. A tensor that is too
large counts against a file only where the cache or the vocabulary follow from its size, so that gated ones pass.
Source: llama.cpp, src/models/*.cpp (`load_arch_tensors`: tensors without TENSOR_NOT_REQUIRED).
"""

from typing import Any, NamedTuple

from assay.observe.checkpoint import names
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.gguf import GgufTensor
from assay.types.message import Message, message
from assay.types.model import LayerGroup

EMBEDDING, HEAD, LAST_NORM = "token_embd.weight", "output.weight", "output_norm.weight"
UNTIED = frozenset(("gpt_oss", "minimax_m2", "qwen2_moe"))
"""Architectures whose head llama.cpp never takes from the embedding."""
UNNORMED = frozenset(("cohere2",))
"""Architectures that feed what attention normed."""
EXACT = frozenset(("attn_qkv", "attn_kv_a_mqa"))
"""Parts whose rows are those of the cache, whatever else stands in them: the metadata must describe them all."""
LATENT = frozenset(("attn_q", "attn_q_b", "attn_kv_b", "attn_k_b", "attn_v_b", "attn_output"))
"""Parts of latent attention that have a row or a column for each element of a head."""
JOINING = "nextn.eh_proj"
"""What a block of multi-token prediction joins two tokens with; no other block has it."""
WEIGHT = ".weight"

Parts = dict[str, int]
"""Parts of a block by their names, each with the fewest elements it may have."""
Needs = list[tuple[Parts, ...]]
"""What a block has to hold: of each entry one alternative."""


class _Sizes(NamedTuple):
    """Numbers of the metadata: elements, experts, and roles of a block that do not differ from block to block."""

    hidden: int
    experts: int
    shared: bool
    gated: bool


def _extent(fields: Fields, key: str, block: int) -> int:
    """A number that may differ from block to block; 0 where nothing says it."""
    value = fields.raw(key)
    if not isinstance(value, list):
        return fields.count(key, 0, low=0)
    found = value[block] if block < len(value) else 0
    return found if type(found) is int and found > 0 else 0


def _attention(layer: LayerGroup, hidden: int, *, values: bool) -> Needs:
    query, key = layer.query_heads * layer.key_dim, layer.kv_heads * layer.key_dim
    value = layer.kv_heads * layer.value_dim
    apart = {"attn_q": hidden * query, "attn_k": hidden * key}
    if values:
        apart["attn_v"] = hidden * value
    fused = {"attn_qkv": hidden * (query + key + (value if values else 0))}
    return [(apart, fused), ({"attn_output": hidden * layer.query_heads * layer.value_dim},)]


def _latent(fields: Fields, layer: LayerGroup, hidden: int) -> Needs:
    """Latent attention; the keys of a head are its own part and the rotary part that all share."""
    heads, latent = layer.query_heads, layer.latent_dim
    usual = hidden // heads
    key = fields.first(["attention.key_length_mla", "attention.key_length"], usual)
    value = fields.first(["attention.value_length_mla", "attention.value_length"], usual)
    own = max(key - layer.rope_dim, 0)
    query = fields.count("attention.q_lora_rank", 0, low=0)
    return [
        ({"attn_kv_a_mqa": hidden * (latent + layer.rope_dim)},),
        ({"attn_q": hidden * heads * key}, {"attn_q_a": hidden * query, "attn_q_b": query * heads * key}),
        (
            {"attn_kv_b": latent * heads * (own + value)},
            {"attn_k_b": latent * heads * own, "attn_v_b": latent * heads * value},
        ),
        ({"attn_output": hidden * heads * value},),
    ]


def _recurrent(fields: Fields, kind: str, hidden: int) -> Needs:
    """Gated delta rule (`linear`), whose projections are fused or not, or Mamba-2."""
    inner = fields.count("ssm.inner_size")
    keys = 2 * fields.count("ssm.group_count", 0, low=0) * fields.count("ssm.state_size")
    fused = {"ssm_in": hidden * (2 * inner + keys)}
    apart = {"attn_qkv": hidden * (inner + keys), "attn_gate": hidden * inner}
    found: Needs = [(apart, fused) if kind == "linear" else (fused,)]
    if kind == "linear":
        found.append(({"ssm_beta": hidden, "ssm_alpha": hidden}, {"ssm_ba": 2 * hidden}))
    return [*found, ({"ssm_conv1d": inner},), ({"ssm_out": hidden * inner},)]


def _norms(body: dict[str, Any], hidden: int, *, mixes: bool, feeds: bool) -> Needs:
    """The norm before each half of a block, or behind it."""
    if body["layout"] == "nemotron_h":  # one half a block
        return [({"attn_norm": hidden},)]
    found: Needs = []
    if mixes:
        behind = body["id"] == "olmo2" or "like" in body
        found.append(({"attn_norm": hidden}, {"post_attention_norm": hidden}) if behind else ({"attn_norm": hidden},))
    if feeds and body["id"] not in UNNORMED and "like" not in body:
        found.append(({"ffn_norm": hidden}, {"post_attention_norm": hidden}, {"post_ffw_norm": hidden}))
    return found


def _dense(width: int, sizes: _Sizes, suffix: str = "") -> Needs:
    rows = sizes.hidden * width
    up, gate, down = (f"ffn_{part}{suffix}" for part in ("up", "gate", "down"))
    if not sizes.gated:
        return [({up: rows},), ({down: rows},)]
    return [({up: rows, gate: rows}, {up: 2 * rows}), ({down: rows},)]


def _experts(width: int, sizes: _Sizes, inputs: int) -> Needs:
    """Routed experts; `inputs` is what they read, which may be fewer than the model's hidden size."""
    rows = inputs * width * sizes.experts
    apart = {"ffn_up_exps": rows} | ({"ffn_gate_exps": rows} if sizes.gated else {})
    return [
        ({"ffn_gate_inp": sizes.hidden * sizes.experts},),
        (apart, {"ffn_gate_up_exps": 2 * rows}),
        ({"ffn_down_exps": rows},),
    ]


def _is_sparse(fields: Fields, layout: str, block: int) -> bool:
    """Whether a block of a mixture has experts."""
    if layout == "llama4":
        step = fields.count("interleave_moe_layer_step", 1, low=0)
        return step > 0 and (block + 1) % step == 0
    return block >= fields.count("leading_dense_block_count", 0, low=0)


def _feeding(fields: Fields, layout: str, block: int, sizes: _Sizes, held: Parts) -> Needs:
    width = _extent(fields, "feed_forward_length", block)
    sparse = sizes.experts > 0 and _is_sparse(fields, layout, block)
    if layout == "nemotron_h" and sizes.experts:  # nothing else says which blocks are dense
        sparse = "ffn_gate_inp" in held or "ffn_up" not in held
    if not sparse:
        return _dense(width, sizes)
    expert = _extent(fields, "expert_feed_forward_length", block) or width
    found = _experts(expert, sizes, fields.count("moe_latent_size", sizes.hidden))
    if layout == "gemma4":  # a dense MLP beside the experts
        found += _dense(width, sizes)
    if sizes.shared:
        found += _dense(_extent(fields, "expert_shared_feed_forward_length", block), sizes, "_shexp")
    return found


def _mixing(fields: Fields, layout: str, block: int, layer: LayerGroup, hidden: int) -> Needs:
    if layout == "latent":
        ranks = layer if layer.latent_dim else layer._replace(
            latent_dim=fields.count("attention.kv_lora_rank", 0, low=0),
            rope_dim=fields.count("rope.dimension_count", 0, low=0),
        )  # fmt: skip
        return _latent(fields, ranks, hidden) if ranks.latent_dim else _attention(layer, hidden, values=True)
    if layer.kind in ("linear", "mamba"):
        return _recurrent(fields, layer.kind, hidden)
    if block >= fields.count("block_count") - fields.count("attention.shared_kv_layers", 0, low=0):
        query = hidden * layer.query_heads * layer.key_dim  # keys and values are those of an earlier block
        return [({"attn_q": query},), ({"attn_output": hidden * layer.query_heads * layer.value_dim},)]
    return _attention(layer, hidden, values=layout != "gemma4" or layer.kind == "sliding")


def _needs(fields: Fields, body: dict[str, Any], block: int, layer: LayerGroup, sizes: _Sizes, held: Parts) -> Needs:
    """What a block has to hold."""
    layout = body["layout"]
    mixes = layer.kind != "none"
    feeds = True
    if layout == "nemotron_h":
        feeds = not mixes
    elif layout == "blockwise":
        feeds = _extent(fields, "feed_forward_length", block) > 0
    found = _mixing(fields, layout, block, layer, sizes.hidden) if mixes else []
    if feeds:
        found = found + _feeding(fields, layout, block, sizes, held)
    return found + _norms(body, sizes.hidden, mixes=mixes, feeds=feeds)


def _exact(body: dict[str, Any], layer: LayerGroup) -> frozenset[str]:
    """Parts of a block that are as large as described, and no larger."""
    if layer.kind == "linear":  # its projections are called attn_qkv as well
        return frozenset()
    return EXACT | LATENT if body["layout"] == "latent" else EXACT


def _worst(alternatives: tuple[Parts, ...], held: Parts, exact: frozenset[str]) -> tuple[str, int] | None:
    """(a part that is missing or of another size, the elements it should have) of the nearest alternative, or None."""
    lacks = []
    for wanted in alternatives:
        lack = [
            (part, least)
            for part, least in wanted.items()
            if held.get(part, -1) < least or (part in exact and held[part] > least)
        ]
        if not lack:
            return None
        lacks.append((len(lack), wanted.keys().isdisjoint(held), lack))
    _, _, lack = min(lacks, key=lambda one: one[:2])
    return min(lack, key=lambda one: one[0] in held)


def _blocks(tensors: list[GgufTensor]) -> dict[int, Parts]:
    """Elements of the weights of each block by part: `attn_q` of `blk.3.attn_q.weight`."""
    found: dict[int, Parts] = {}
    for tensor in tensors:
        block = names.gguf_layer(tensor.name)
        if block is not None:
            part = tensor.name.split(".", 2)[2].removesuffix(WEIGHT)
            found.setdefault(block, {})[part] = tensor.elements
    return found


def _lacking(place: str, part: str, least: int, held: Parts) -> Message:
    name = f"{place}{part}{WEIGHT}"
    if part not in held:
        return message("doubt.tensor_missing", "warning", tensor=name)
    code = "doubt.tensor_large" if held[part] > least else "doubt.tensor_small"
    return message(code, "warning", tensor=name, found=held[part], described=least)


def _top(body: dict[str, Any], tensors: list[GgufTensor], hidden: int, words: int) -> list[Message]:
    """Doubts about the embedding and the head, both of which have a row for each word, and the last norm."""
    ends = (EMBEDDING, HEAD, LAST_NORM)
    held = {tensor.name.removesuffix(WEIGHT): tensor.elements for tensor in tensors if tensor.name in ends}
    wanted = {EMBEDDING.removesuffix(WEIGHT): hidden * words, LAST_NORM.removesuffix(WEIGHT): hidden}
    if body["id"] in UNTIED or HEAD.removesuffix(WEIGHT) in held:
        wanted[HEAD.removesuffix(WEIGHT)] = hidden * words
    return [_lacking("", part, least, held) for part, least in wanted.items() if held.get(part, -1) != least]


def _beyond(held: dict[int, Parts], predicted: range) -> list[Message]:
    """Doubts about blocks that the metadata do not count, and blocks said to predict that hold nothing for it."""
    found = []
    number = sum(block >= predicted.stop for block in held)
    if number:
        found.append(message("doubt.blocks_beyond", "warning", found=number, described=predicted.stop))
    ordinary = next((block for block in predicted if block in held and JOINING not in held[block]), None)
    if ordinary is not None:
        name = f"blk.{ordinary}.{JOINING}{WEIGHT}"
        found.append(message("doubt.tensor_missing", "warning", tensor=name))
    return found


def prediction(tensors: list[GgufTensor], announced: range) -> frozenset[int]:
    """The blocks of `announced` that predict further tokens: a runtime loads them on request, all others always."""
    joining = {f"blk.{block}.{JOINING}{WEIGHT}": block for block in announced}
    return frozenset(joining[tensor.name] for tensor in tensors if tensor.name in joining)


def doubts(
    fields: Fields, body: dict[str, Any], layers: list[LayerGroup], tensors: list[GgufTensor], size: tuple[int, int]
) -> list[Message]:
    """What the metadata announces and the file does not hold.

    Args:
        fields: keys of the architecture.
        body: the architecture.
        layers: one for each block, without those that predict further tokens.
        tensors: all of the file.
        size: (blocks with those that predict, words of the vocabulary).
    """
    blocks, words = size
    held = _blocks(tensors)
    hidden = fields.count("embedding_length")
    sizes = _Sizes(
        hidden,
        fields.count("expert_count", 0, low=0),
        body["layout"] == "llama4"
        or any(_extent(fields, f"expert_shared_{key}", 0) for key in ("count", "feed_forward_length")),
        body["layout"] != "nemotron_h",
    )
    whole = sum(block in held for block in range(len(layers), blocks))  # of those that predict some tensors
    found: list[Message] = []
    for block, layer in enumerate(layers):
        own = held.get(block, {})
        needs, exact = _needs(fields, body, block, layer, sizes, own), _exact(body, layer)
        lacks = [_worst(wanted, own, exact) for wanted in needs]
        lack = next((one for one in lacks if one is not None), None)
        whole += lack is None
        if lack is not None and own and not found:
            found.append(_lacking(f"blk.{block}.", *lack, own))
    if whole < blocks:
        found.insert(0, message("doubt.blocks_missing", "warning", found=whole, described=blocks))
    found += _beyond(held, range(len(layers), blocks))
    found += _top(body, tensors, hidden, words)
    empty = next((tensor.name for tensor in tensors if not tensor.elements), None)
    if empty is not None:
        found.append(message("doubt.tensor_empty", "warning", tensor=empty))
    return found
