"""The common decoder: grouped-query attention and a gated MLP or experts, as architectures.toml describes it."""

from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.layouts import blocks, windows
from assay.observe.checkpoint.layouts.blocks import Architecture, Experts, Shape
from assay.observe.checkpoint.tensors import Builder, Layout
from assay.types.model import LayerGroup


def sparse_layers(fields: Fields, arch: Architecture, layers: int, experts: Experts | None) -> list[bool]:
    """Which layers hold experts: after the first dense ones, every step-th, without the listed dense ones."""
    if experts is None:
        return [False] * layers
    listed = fields.words("mlp_layer_types", layers) if arch.get("mlp_types") else None
    if listed is not None:
        return [kind == "sparse" for kind in listed]
    dense_first = fields.count(arch["first_dense_key"], 0, low=0) if "first_dense_key" in arch else 0
    step = fields.count(arch["step_key"], 1) if "step_key" in arch else 1
    dense = set(fields.counts(arch["dense_layers_key"]) or ()) if "dense_layers_key" in arch else set()
    offset = int(arch.get("step_offset", 1))
    return [index >= dense_first and (index + offset) % step == 0 and index not in dense for index in range(layers)]


def _mlp(builder: Builder, fields: Fields, arch: Architecture, path: str, sizes: Shape, experts: Experts | None) -> int:
    """The MLP or the experts of one layer; the elements of its widest row for one token."""
    bias = blocks.switched(fields, arch, "mlp_bias")
    if experts is None:
        width = fields.count(arch.get("width_key", "intermediate_size"))
        build = blocks.plain_mlp if arch.get("mlp") == "plain" else blocks.gated_mlp
        build(builder, "mlp", f"{path}.mlp", sizes.hidden, width, bias=bias)
        return width
    block = f"{path}.{arch.get('expert_block', 'mlp')}"
    blocks.router(builder, block, sizes.hidden, experts, arch)
    names = arch.get("expert_names", ["gate_proj", "up_proj", "down_proj"])
    blocks.gated_experts(
        builder,
        f"{block}.experts",
        sizes.hidden,
        experts,
        names=tuple(names),
        fused=bool(arch.get("fused_experts", False)),
        bias=bool(arch.get("expert_bias", False)),
    )
    if experts.shared_width:
        shared = f"{block}.{arch.get('shared_name', 'shared_experts')}"
        blocks.gated_mlp(builder, "shared_experts", shared, sizes.hidden, experts.shared_width)
        if arch.get("shared_gate"):
            builder.matrix("shared_experts", f"{shared}_gate", 1, sizes.hidden)
    return experts.width * experts.chosen + experts.shared_width


def layout(fields: Fields, arch: Architecture) -> Layout:
    """Lay a decoder out.

    Raises:
        MalformedFile: a key is missing or wrong.
        UnsupportedArchitecture: the configuration asks for what this layout does not know.
    """
    sizes = blocks.shape(fields)
    experts = blocks.experts_of(fields, arch)
    sparse = sparse_layers(fields, arch, sizes.layers, experts)
    spans = windows.spans(fields, arch, sizes.layers)
    if any(span.kind == "linear" for span in spans):
        raise blocks.not_understood(fields, "layer_types: linear_attention")
    qkv_bias = blocks.switched(fields, arch, "qkv_bias")
    out_bias = blocks.switched(fields, arch, "out_bias")
    normed = str(arch.get("qk_norm", "none"))
    if normed not in {"none", "head", "full"}:  # the key that turns norms of each head on
        normed = "head" if fields.flag(normed) else "none"
    builder = Builder()
    blocks.ends(builder, fields, arch, sizes)
    widest = 0
    layers = []
    for index, span in enumerate(spans):
        path = f"layers.{index}"
        blocks.attention(builder, f"{path}.self_attn", sizes, qkv_bias=qkv_bias, out_bias=out_bias)
        blocks.qk_norm(builder, f"{path}.self_attn", sizes, normed)
        if arch.get("sinks"):
            builder.vector("attention", f"{path}.self_attn.sinks", sizes.heads)
        for norm in arch.get("norms", ["input_layernorm", "post_attention_layernorm"]):
            builder.vector("norm", f"{path}.{norm}", sizes.hidden)
        widest = max(widest, _mlp(builder, fields, arch, path, sizes, experts if sparse[index] else None))
        layers.append(
            LayerGroup(span.kind, 1, sizes.heads, sizes.kv_heads, sizes.head_dim, sizes.head_dim, span.window)
        )
    return Layout(
        builder.tensors,
        layers,
        sizes.hidden,
        sizes.vocabulary,
        widest,
        experts.number if experts and any(sparse) else 0,
        experts.chosen if experts and any(sparse) else 0,
        blocks.max_context(fields),
    )
