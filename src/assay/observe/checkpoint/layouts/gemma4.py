"""Gemma 4: sliding layers, and full layers of larger heads whose values are their keys."""

from assay.observe.checkpoint.fields import MAX_EXPERTS, Fields
from assay.observe.checkpoint.layouts import blocks, windows
from assay.observe.checkpoint.layouts.blocks import Architecture, Experts, Shape
from assay.observe.checkpoint.tensors import Builder, Layout
from assay.types.model import LayerGroup

NORMS = ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm")
EXPERT_NORMS = ("post_feedforward_layernorm_1", "post_feedforward_layernorm_2", "pre_feedforward_layernorm_2")


def _refuse_others(fields: Fields) -> None:
    """Name what the larger family has and this layout does not know."""
    for key in ("hidden_size_per_layer_input", "num_kv_shared_layers"):
        if fields.count(key, 0, low=0):
            raise blocks.not_understood(fields, key)
    if fields.flag("use_double_wide_mlp"):
        raise blocks.not_understood(fields, "use_double_wide_mlp")


def _experts(fields: Fields) -> Experts | None:
    if not fields.flag("enable_moe_block"):
        return None
    number = fields.count("num_experts", high=MAX_EXPERTS)
    chosen = fields.count("top_k_experts", high=number)
    return Experts(number, chosen, fields.count("moe_intermediate_size"), 0)


def _mlp(builder: Builder, fields: Fields, path: str, hidden: int, experts: Experts | None) -> int:
    """A dense MLP and, beside it, experts of their own norms and scales."""
    width = fields.count("intermediate_size")
    blocks.gated_mlp(builder, "mlp", f"{path}.mlp", hidden, width)
    if experts is None:
        return width
    builder.matrix("router", f"{path}.router.proj", experts.number, hidden)
    builder.vector("router", f"{path}.router.scale", hidden)
    builder.vector("router", f"{path}.router.per_expert_scale", experts.number)
    blocks.gated_experts(builder, f"{path}.experts", hidden, experts, fused=True)
    for norm in EXPERT_NORMS:
        builder.vector("norm", f"{path}.{norm}", hidden)
    return width + experts.width * experts.chosen


def layout(fields: Fields, arch: Architecture) -> Layout:
    """Lay Gemma 4 out.

    Raises:
        MalformedFile, UnsupportedArchitecture.
    """
    _refuse_others(fields)
    local = blocks.shape(fields)
    shared = fields.flag("attention_k_eq_v")
    kv_heads = fields.count("num_global_key_value_heads", local.kv_heads) if shared else local.kv_heads
    wide = local._replace(kv_heads=kv_heads, head_dim=fields.count("global_head_dim", local.head_dim))
    experts = _experts(fields)
    bias = fields.flag("attention_bias")
    builder = Builder()
    blocks.ends(builder, fields, arch, local)
    layers = []
    widest = 0
    for index, span in enumerate(windows.spans(fields, arch, local.layers)):
        path = f"layers.{index}"
        full = span.kind == "full"
        sizes: Shape = wide if full else local
        blocks.attention(builder, f"{path}.self_attn", sizes, qkv_bias=bias, out_bias=bias, value=not (full and shared))
        blocks.qk_norm(builder, f"{path}.self_attn", sizes, "head")
        for norm in NORMS:
            builder.vector("norm", f"{path}.{norm}", sizes.hidden)
        builder.vector("other", f"{path}.layer_scalar", 1)
        widest = max(widest, _mlp(builder, fields, path, sizes.hidden, experts))
        layers.append(
            LayerGroup(span.kind, 1, sizes.heads, sizes.kv_heads, sizes.head_dim, sizes.head_dim, span.window)
        )
    return Layout(
        builder.tensors,
        layers,
        local.hidden,
        local.vocabulary,
        widest,
        experts.number if experts else 0,
        experts.chosen if experts else 0,
        blocks.max_context(fields),
    )
