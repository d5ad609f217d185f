"""A Llama whose layers were searched one by one, each given by `block_configs` (Nemotron NAS)."""

from typing import Any

from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.layouts import blocks
from assay.observe.checkpoint.layouts.blocks import Architecture, Shape
from assay.observe.checkpoint.tensors import Builder, Layout
from assay.types.model import LayerGroup


def _configs(fields: Fields, layers: int) -> list[dict[str, Any]]:
    value = fields.raw("block_configs")
    if not isinstance(value, list) or len(value) != layers or not all(isinstance(item, dict) for item in value):
        raise fields.broken("block_configs", "wrong_length")
    return value


def _attention(builder: Builder, block: Fields, path: str, hidden: int, heads: int) -> LayerGroup:
    """Grouped-query attention, a linear layer in its place, or nothing."""
    if block.flag("no_op"):
        return LayerGroup("none", 1)
    builder.vector("norm", f"{path}.input_layernorm", hidden)
    if block.flag("replace_with_linear"):
        builder.matrix("attention", f"{path}.self_attn.linear_attn", hidden, hidden)
        return LayerGroup("none", 1)
    for key in ("window_length", "num_sink_tokens", "sparsify"):
        if block.has(key):
            raise blocks.not_understood(block, key)
    group = block.count("n_heads_in_group", high=heads)
    head_dim = hidden // heads
    sizes = Shape(hidden, 1, 1, heads, heads // group, head_dim)
    blocks.attention(builder, f"{path}.self_attn", sizes)
    return LayerGroup("full", 1, heads, heads // group, head_dim, head_dim)


def _mlp(builder: Builder, block: Fields, path: str, hidden: int) -> int:
    """A gated MLP of 2/3 x multiplier x hidden size, rounded up to 256; a linear layer; or nothing."""
    if block.flag("no_op"):
        return 0
    builder.vector("norm", f"{path}.post_attention_layernorm", hidden)
    if block.flag("replace_with_linear"):
        builder.matrix("mlp", f"{path}.mlp.linear_mlp", hidden, hidden)
        return hidden
    if block.has("sparsify"):
        raise blocks.not_understood(block, "sparsify")
    multiplier = block.raw("ffn_mult")
    if isinstance(multiplier, bool) or not isinstance(multiplier, int | float) or not 0 < multiplier <= 64:
        raise block.broken("ffn_mult", "out_of_range")
    width = -(-int(2 * multiplier * hidden / 3) // 256) * 256
    blocks.gated_mlp(builder, "mlp", f"{path}.mlp", hidden, width)
    return width


def layout(fields: Fields, arch: Architecture) -> Layout:
    """Lay the blocks out one by one (modeling_decilm.py of the repository).

    Raises:
        MalformedFile, UnsupportedArchitecture.
    """
    hidden = fields.count("hidden_size")
    heads = fields.count("num_attention_heads")
    if hidden % heads:
        raise fields.broken("num_attention_heads", "not_divisor")
    number = fields.layers()
    sizes = Shape(hidden, number, fields.count("vocab_size"), heads, heads, hidden // heads)
    builder = Builder()
    blocks.ends(builder, fields, arch, sizes)
    layers = []
    widest = 0
    for index, config in enumerate(_configs(fields, number)):
        block = Fields(config, fields.file, f"block_configs[{index}].")
        attention, mlp = block.nested("attention"), block.nested("ffn")
        if attention is None or mlp is None:
            raise block.broken("attention" if attention is None else "ffn", "missing_key")
        path = f"layers.{index}"
        layers.append(_attention(builder, attention, path, hidden, heads))
        widest = max(widest, _mlp(builder, mlp, path, hidden))
    return Layout(builder.tensors, layers, hidden, sizes.vocabulary, widest, 0, 0, blocks.max_context(fields))
