"""Multi-head latent attention with experts: DeepSeek V3 and V3.2, Kimi K2, GLM-5."""

from typing import NamedTuple

from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.layouts import blocks
from assay.observe.checkpoint.layouts.blocks import Architecture, Experts
from assay.observe.checkpoint.layouts.decoder import sparse_layers
from assay.observe.checkpoint.tensors import Builder, Layout
from assay.types.model import LayerGroup


class Latent(NamedTuple):
    """Sizes of latent attention, in elements; `query_rank` 0: queries are not compressed."""

    hidden: int
    heads: int
    query_rank: int
    latent: int
    nope: int
    rope: int
    value: int


class Indexer(NamedTuple):
    """The index of sparse attention: heads and elements of a head."""

    heads: int
    head_dim: int


def sizes_of(fields: Fields) -> Latent:
    """The sizes of latent attention that a configuration gives."""
    return Latent(
        fields.count("hidden_size"),
        fields.count("num_attention_heads"),
        fields.count("q_lora_rank", 0, low=0),
        fields.count("kv_lora_rank"),
        fields.count("qk_nope_head_dim"),
        fields.count("qk_rope_head_dim"),
        fields.count("v_head_dim"),
    )


def attention(builder: Builder, path: str, sizes: Latent, *, bias: bool) -> None:
    """Compressed queries, the shared latent with its rotary part, its expansion, and the output."""
    queries = sizes.heads * (sizes.nope + sizes.rope)
    if sizes.query_rank:
        builder.matrix("attention", f"{path}.q_a_proj", sizes.query_rank, sizes.hidden, bias=bias)
        builder.vector("norm", f"{path}.q_a_layernorm", sizes.query_rank)
        builder.matrix("attention", f"{path}.q_b_proj", queries, sizes.query_rank)
    else:
        builder.matrix("attention", f"{path}.q_proj", queries, sizes.hidden)
    shared = sizes.latent + sizes.rope
    builder.matrix("attention", f"{path}.kv_a_proj_with_mqa", shared, sizes.hidden, bias=bias)
    builder.vector("norm", f"{path}.kv_a_layernorm", sizes.latent)
    expanded = sizes.heads * (sizes.nope + sizes.value)
    builder.matrix("attention", f"{path}.kv_b_proj", expanded, sizes.latent)
    builder.matrix("attention", f"{path}.o_proj", sizes.hidden, sizes.heads * sizes.value, bias=bias)


def indexer(builder: Builder, path: str, sizes: Latent, index: Indexer) -> None:
    """The lightning indexer: it has one key of `head_dim` elements per token.

    Its weights_proj is kept in the model's type by the publishers (it is called `indexers_proj` in some exclude lists).
    """
    builder.matrix("attention", f"{path}.wq_b", index.heads * index.head_dim, sizes.query_rank)
    builder.matrix("attention", f"{path}.wk", index.head_dim, sizes.hidden)
    builder.vector("norm", f"{path}.k_norm", index.head_dim)
    builder.vector("norm", f"{path}.k_norm.bias", index.head_dim)
    builder.matrix("attention", f"{path}.weights_proj", index.heads, sizes.hidden, linear=False)


def _layer(  # noqa: PLR0913, PLR0917 - the facts of a layer
    builder: Builder,
    fields: Fields,
    arch: Architecture,
    path: str,
    sizes: Latent,
    index: Indexer | None,
    experts: Experts | None,
) -> int:
    """One layer with its norms; the elements of its widest row for one token."""
    attention(builder, f"{path}.self_attn", sizes, bias=fields.flag("attention_bias"))
    if index is not None:
        indexer(builder, f"{path}.self_attn.indexer", sizes, index)
    builder.vector("norm", f"{path}.input_layernorm", sizes.hidden)
    builder.vector("norm", f"{path}.post_attention_layernorm", sizes.hidden)
    if experts is None:
        width = fields.count("intermediate_size")
        blocks.gated_mlp(builder, "mlp", f"{path}.mlp", sizes.hidden, width)
        return width
    blocks.router(builder, f"{path}.mlp", sizes.hidden, experts, arch)
    blocks.gated_experts(builder, f"{path}.mlp.experts", sizes.hidden, experts)
    if experts.shared_width:
        blocks.gated_mlp(builder, "shared_experts", f"{path}.mlp.shared_experts", sizes.hidden, experts.shared_width)
    return experts.width * experts.chosen + experts.shared_width


def _prediction(
    builder: Builder, fields: Fields, arch: Architecture, sizes: Latent, index: Indexer | None, experts: Experts | None
) -> None:
    """Multi-token prediction layers behind the last layer; some carry copies of embedding and head."""
    first = fields.layers()
    vocabulary = fields.count("vocab_size")
    for number in range(first, first + fields.prediction("num_nextn_predict_layers", first)):
        part = Builder()
        path = f"layers.{number}"
        _layer(part, fields, arch, path, sizes, index, experts)
        part.matrix("mtp", f"{path}.eh_proj", sizes.hidden, 2 * sizes.hidden, linear=False)
        for norm in ("enorm", "hnorm", "shared_head.norm"):
            part.vector("mtp", f"{path}.{norm}", sizes.hidden)
        if arch.get("prediction_copies"):
            part.matrix("mtp", f"{path}.embed_tokens", vocabulary, sizes.hidden, linear=False)
            part.matrix("mtp", f"{path}.shared_head.head", vocabulary, sizes.hidden, linear=False)
        builder.tensors += [tensor._replace(role="mtp") for tensor in part.tensors]


def _indexed(fields: Fields, layers: int) -> tuple[Indexer | None, list[bool]]:
    """The indexer, if there is one, and which layers have their own (others share an earlier layer's choice)."""
    if not fields.has("index_head_dim"):
        return None, [False] * layers
    index = Indexer(fields.count("index_n_heads"), fields.count("index_head_dim"))
    kinds = fields.words("indexer_types", layers)
    if kinds is None:
        return index, [True] * layers
    unknown = [kind for kind in kinds if kind not in ("full", "shared")]
    if unknown:
        raise blocks.not_understood(fields, f"indexer_types: {unknown[0]}")
    return index, [kind == "full" for kind in kinds]


def layout(fields: Fields, arch: Architecture) -> Layout:
    """Lay out a model of latent attention.

    Raises:
        MalformedFile: a key is missing or wrong.
        UnsupportedArchitecture: the configuration asks for what this layout does not know.
    """
    sizes = sizes_of(fields)
    number = fields.layers()
    experts = blocks.experts_of(fields, arch)
    sparse = sparse_layers(fields, arch, number, experts)
    index, indexed = _indexed(fields, number)
    builder = Builder()
    common = blocks.Shape(sizes.hidden, number, fields.count("vocab_size"), sizes.heads, 1, sizes.latent)
    blocks.ends(builder, fields, arch, common)
    layers = []
    widest = 0
    for layer in range(number):
        own = index if indexed[layer] else None
        chosen = experts if sparse[layer] else None
        widest = max(widest, _layer(builder, fields, arch, f"layers.{layer}", sizes, own, chosen))
        layers.append(
            LayerGroup(
                "mla",
                1,
                sizes.heads,
                1,
                latent_dim=sizes.latent,
                rope_dim=sizes.rope,
                index_dim=own.head_dim if own else 0,
            )
        )
    _prediction(builder, fields, arch, sizes, index, experts)
    return Layout(
        builder.tensors,
        layers,
        sizes.hidden,
        common.vocabulary,
        widest,
        experts.number if experts and any(sparse) else 0,
        experts.chosen if experts and any(sparse) else 0,
        blocks.max_context(fields),
    )
