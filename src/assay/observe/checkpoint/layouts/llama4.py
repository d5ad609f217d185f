"""Llama 4: chunked attention on most layers, experts on every n-th, an MLP of another width on the others."""

from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.layouts import blocks, windows
from assay.observe.checkpoint.layouts.blocks import Architecture, Experts
from assay.observe.checkpoint.layouts.windows import Span
from assay.observe.checkpoint.tensors import Builder, Layout
from assay.types.model import LayerGroup


def _spans(fields: Fields, arch: Architecture, layers: int) -> list[Span]:
    """Layers with rotary positions are chunked; every `no_rope_layer_interval`-th sees all tokens."""
    if fields.has("layer_types"):
        return windows.spans(fields, arch, layers)
    chunk = fields.count("attention_chunk_size", high=2**31)
    rope = fields.counts("no_rope_layers", layers) if fields.raw("no_rope_layers") else None
    every = fields.count("no_rope_layer_interval", 4)
    if rope is None:
        rope = [int((index + 1) % every != 0) for index in range(layers)]
    return [Span("chunked", chunk) if rotary else Span("full") for rotary in rope]


def _sparse(fields: Fields, layers: int) -> set[int]:
    listed = fields.counts("moe_layers")
    if listed is not None:
        return set(listed)
    step = fields.count("interleave_moe_layer_step", 1)
    return set(range(step - 1, layers, step))


def layout(fields: Fields, arch: Architecture) -> Layout:
    """Lay Llama 4 out.

    Raises:
        MalformedFile, UnsupportedArchitecture.
    """
    sizes = blocks.shape(fields)
    number = fields.count("num_local_experts", high=2**16)
    chosen = fields.count("num_experts_per_tok", high=number)
    width = fields.count("intermediate_size")
    experts = Experts(number, chosen, width, width)
    dense_width = fields.count("intermediate_size_mlp")
    sparse = _sparse(fields, sizes.layers)
    bias = fields.flag("attention_bias")
    builder = Builder()
    blocks.ends(builder, fields, arch, sizes)
    layers = []
    for index, span in enumerate(_spans(fields, arch, sizes.layers)):
        path = f"layers.{index}"
        blocks.attention(builder, f"{path}.self_attn", sizes, qkv_bias=bias, out_bias=bias)
        builder.vector("norm", f"{path}.input_layernorm", sizes.hidden)
        builder.vector("norm", f"{path}.post_attention_layernorm", sizes.hidden)
        mlp = f"{path}.feed_forward"
        if index in sparse:
            blocks.router(builder, mlp, sizes.hidden, experts, {"router": "router"})
            blocks.gated_experts(builder, f"{mlp}.experts", sizes.hidden, experts, fused=True)
            blocks.gated_mlp(builder, "shared_experts", f"{mlp}.shared_expert", sizes.hidden, width)
        else:
            blocks.gated_mlp(builder, "mlp", mlp, sizes.hidden, dense_width)
        layers.append(
            LayerGroup(span.kind, 1, sizes.heads, sizes.kv_heads, sizes.head_dim, sizes.head_dim, span.window)
        )
    return Layout(
        builder.tensors,
        layers,
        sizes.hidden,
        sizes.vocabulary,
        max(dense_width, width * (chosen + 1)),
        number,
        chosen,
        blocks.max_context(fields),
    )
