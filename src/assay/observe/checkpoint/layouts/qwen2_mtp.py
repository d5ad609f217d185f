"""A Qwen2 decoder with multi-token prediction layers of its own (MiMo)."""

from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.layouts import blocks, decoder
from assay.observe.checkpoint.layouts.blocks import Architecture
from assay.observe.checkpoint.tensors import Builder, Layout


def layout(fields: Fields, arch: Architecture) -> Layout:
    """Lay the decoder out and add its prediction layers (modeling_mimo.py, MiMoMTPLayers)."""
    found = decoder.layout(fields, arch)
    sizes = blocks.shape(fields)
    width = fields.count("intermediate_size")
    part = Builder()
    for number in range(fields.prediction("num_nextn_predict_layers", sizes.layers)):
        path = f"mtp_layers.{number}"
        blocks.attention(part, f"{path}.self_attn", sizes, qkv_bias=True)
        blocks.gated_mlp(part, "mtp", f"{path}.mlp", sizes.hidden, width)
        part.matrix("mtp", f"{path}.input_proj", sizes.hidden, 2 * sizes.hidden)
        for norm in (
            "input_layernorm",
            "post_attention_layernorm",
            "token_layernorm",
            "hidden_layernorm",
            "final_layernorm",
        ):
            part.vector("mtp", f"{path}.{norm}", sizes.hidden)
    found.tensors.extend(tensor._replace(role="mtp") for tensor in part.tensors)
    return found
