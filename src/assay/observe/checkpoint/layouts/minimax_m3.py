"""MiniMax-M3: grouped-query attention with a sparse index on its later layers, experts on the same layers."""

from assay.observe.checkpoint.fields import MAX_EXPERTS, Fields
from assay.observe.checkpoint.layouts import blocks
from assay.observe.checkpoint.layouts.blocks import Architecture, Experts, Shape
from assay.observe.checkpoint.tensors import Builder, Layout
from assay.types.model import LayerGroup


def _index(builder: Builder, path: str, hidden: int, heads: int, dim: int) -> None:
    """Queries of the index and one key of `dim` elements per token, with their norms."""
    builder.matrix("attention", f"{path}.index_q_proj", heads * dim, hidden)
    builder.matrix("attention", f"{path}.index_k_proj", dim, hidden)
    builder.vector("norm", f"{path}.index_q_norm", dim)
    builder.vector("norm", f"{path}.index_k_norm", dim)


def _attention(builder: Builder, path: str, sizes: Shape, index: tuple[int, int] | None) -> LayerGroup:
    blocks.attention(builder, path, sizes)
    blocks.qk_norm(builder, path, sizes, "head")
    if index is not None:
        _index(builder, path, sizes.hidden, *index)
    return LayerGroup(
        "full", 1, sizes.heads, sizes.kv_heads, sizes.head_dim, sizes.head_dim, index_dim=index[1] if index else 0
    )


def _indexed(fields: Fields, layers: int) -> tuple[list[int], tuple[int, int] | None]:
    """Which layers have a sparse index, and its heads and elements."""
    attention = fields.nested("sparse_attention_config")
    if attention is None or not attention.flag("use_sparse_attention"):
        return [0] * layers, None
    indexed = attention.counts("sparse_attention_freq", layers) or [1] * layers
    return indexed, (attention.count("sparse_num_index_heads"), attention.count("sparse_index_dim"))


def layout(fields: Fields, arch: Architecture) -> Layout:
    """Lay MiniMax-M3 out; its prediction layers are not counted.

    Raises:
        MalformedFile, UnsupportedArchitecture.
    """
    sizes = blocks.shape(fields)
    number = fields.count("num_local_experts", high=MAX_EXPERTS)
    chosen = fields.count("num_experts_per_tok", high=number)
    shared = fields.count("shared_intermediate_size", 0, low=0) * fields.count("n_shared_experts", 1, low=0)
    experts = Experts(number, chosen, fields.count("intermediate_size"), shared)
    sparse = fields.counts("moe_layer_freq", sizes.layers) or [1] * sizes.layers
    if fields.flag("attention_output_gate"):
        raise blocks.not_understood(fields, "attention_output_gate")
    indexed, index = _indexed(fields, sizes.layers)
    dense_width = fields.count("dense_intermediate_size")
    builder = Builder()
    blocks.ends(builder, fields, arch, sizes)
    layers = []
    for layer in range(sizes.layers):
        path = f"layers.{layer}"
        layers.append(_attention(builder, f"{path}.self_attn", sizes, index if indexed[layer] else None))
        builder.vector("norm", f"{path}.input_layernorm", sizes.hidden)
        builder.vector("norm", f"{path}.post_attention_layernorm", sizes.hidden)
        if not sparse[layer]:
            blocks.gated_mlp(builder, "mlp", f"{path}.mlp", sizes.hidden, dense_width)
            continue
        block = f"{path}.block_sparse_moe"
        blocks.router(builder, block, sizes.hidden, experts, arch)
        blocks.gated_experts(builder, f"{block}.experts", sizes.hidden, experts, names=("w1", "w3", "w2"))
        if shared:
            blocks.gated_mlp(builder, "shared_experts", f"{block}.shared_experts", sizes.hidden, shared)
    return Layout(
        builder.tensors,
        layers,
        sizes.hidden,
        sizes.vocabulary,
        max(dense_width, experts.width * chosen + shared),
        number,
        chosen,
        blocks.max_context(fields),
    )
