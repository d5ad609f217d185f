"""Vision towers: a text runtime loads them as well, so their bytes count."""

from collections.abc import Callable

from assay.observe.checkpoint.fields import MAX_LAYERS, Fields
from assay.observe.checkpoint.layouts.blocks import gated_mlp, not_understood
from assay.observe.checkpoint.tensors import Builder, Tensor


def _norm(builder: Builder, path: str, size: int) -> None:
    builder.vector("vision", path, size)
    builder.vector("vision", f"{path}.bias", size)


def _block(builder: Builder, path: str, hidden: int, width: int, *, joined: bool, norms: tuple[str, str]) -> None:
    """Attention with biases, a plain MLP with biases, two norms with biases."""
    for norm in norms:
        _norm(builder, f"{path}.{norm}", hidden)
    if joined:
        builder.matrix("vision", f"{path}.attn.qkv", 3 * hidden, hidden, bias=True)
        builder.matrix("vision", f"{path}.attn.proj", hidden, hidden, bias=True)
    else:
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            builder.matrix("vision", f"{path}.self_attn.{name}", hidden, hidden, bias=True)
    builder.matrix("vision", f"{path}.mlp.fc1", width, hidden, bias=True)
    builder.matrix("vision", f"{path}.mlp.fc2", hidden, width, bias=True)


def _merger(builder: Builder, path: str, hidden: int, merged: int, out: int, *, after: bool) -> None:
    """Norm (of the merged patches: `after`) and two linear layers with biases."""
    _norm(builder, f"{path}.norm", merged if after else hidden)
    builder.matrix("vision", f"{path}.linear_fc1", merged, merged, bias=True)
    builder.matrix("vision", f"{path}.linear_fc2", out, merged, bias=True)


def _qwen3_vl(builder: Builder, fields: Fields, text_hidden: int) -> None:
    hidden, width = fields.count("hidden_size"), fields.count("intermediate_size")
    patch = fields.count("patch_size")
    depth = fields.count("temporal_patch_size", 2)
    out = fields.count("out_hidden_size", text_hidden)
    merged = hidden * fields.count("spatial_merge_size", 2) ** 2
    builder.vector("vision", "visual.patch_embed.proj", hidden, fields.count("in_channels", 3), depth, patch, patch)
    builder.vector("vision", "visual.patch_embed.proj.bias", hidden)
    builder.vector("vision", "visual.pos_embed", fields.count("num_position_embeddings"), hidden)
    for number in range(fields.count("depth", high=MAX_LAYERS)):
        _block(builder, f"visual.blocks.{number}", hidden, width, joined=True, norms=("norm1", "norm2"))
    _merger(builder, "visual.merger", hidden, merged, out, after=False)
    for number in range(len(fields.counts("deepstack_visual_indexes") or ())):
        _merger(builder, f"visual.deepstack_merger_list.{number}", hidden, merged, out, after=True)


def _siglip(builder: Builder, fields: Fields, text_hidden: int) -> None:
    """Gemma 3's SigLIP tower without pooling head, and its projection into the text model."""
    hidden, width = fields.count("hidden_size"), fields.count("intermediate_size")
    patch = fields.count("patch_size")
    positions = (fields.count("image_size") // patch) ** 2
    builder.vector("vision", "vision_tower.embeddings.patch_embedding", hidden, 3, patch, patch)
    builder.vector("vision", "vision_tower.embeddings.patch_embedding.bias", hidden)
    builder.vector("vision", "vision_tower.embeddings.position_embedding", positions, hidden)
    for number in range(fields.layers()):
        path = f"vision_tower.encoder.layers.{number}"
        _block(builder, path, hidden, width, joined=False, norms=("layer_norm1", "layer_norm2"))
    _norm(builder, "vision_tower.post_layernorm", hidden)
    builder.vector("vision", "multi_modal_projector.mm_input_projection_weight", hidden, text_hidden)
    builder.vector("vision", "multi_modal_projector.mm_soft_emb_norm", hidden)


def _moonvit(builder: Builder, fields: Fields, text_hidden: int) -> None:
    hidden, width = fields.count("vt_hidden_size"), fields.count("vt_intermediate_size")
    patch = fields.count("patch_size")
    height, across = fields.count("init_pos_emb_height"), fields.count("init_pos_emb_width")
    kernel = fields.counts("merge_kernel_size", 2) or [2, 2]
    builder.vector("vision", "vision_tower.patch_embed.proj", hidden, 3, patch, patch)
    builder.vector("vision", "vision_tower.patch_embed.proj.bias", hidden)
    builder.vector("vision", "vision_tower.patch_embed.pos_emb", height, across, hidden)
    for number in range(fields.layers("vt_num_hidden_layers")):
        path = f"vision_tower.encoder.blocks.{number}"
        _block(builder, path, hidden, width, joined=False, norms=("norm0", "norm1"))
    _norm(builder, "vision_tower.encoder.final_layernorm", hidden)
    merged = fields.count("mm_hidden_size", hidden) * kernel[0] * kernel[1]
    _norm(builder, "mm_projector.pre_norm", hidden)
    builder.matrix("vision", "mm_projector.proj.0", merged, merged, bias=True)
    builder.matrix("vision", "mm_projector.proj.2", fields.count("text_hidden_size", text_hidden), merged, bias=True)


def _llama4(builder: Builder, fields: Fields, text_hidden: int) -> None:
    hidden, width = fields.count("hidden_size"), fields.count("intermediate_size")
    patch = fields.count("patch_size")
    positions = (fields.count("image_size") // patch) ** 2 + 1
    out, projected = fields.count("vision_output_dim"), fields.count("projector_output_dim")
    shuffled = fields.count("projector_input_dim")
    builder.vector("vision", "vision_model.class_embedding", hidden)
    builder.vector("vision", "vision_model.positional_embedding_vlm", positions, hidden)
    builder.vector("vision", "vision_model.patch_embedding.linear", hidden, 3 * patch * patch)
    _norm(builder, "vision_model.layernorm_pre", hidden)
    _norm(builder, "vision_model.layernorm_post", hidden)
    for number in range(fields.layers()):
        path = f"vision_model.model.layers.{number}"
        _block(builder, path, hidden, width, joined=False, norms=("input_layernorm", "post_attention_layernorm"))
    # Pixel shuffling by 1/2 in both directions joins four patches.
    builder.matrix("vision", "vision_model.vision_adapter.mlp.fc1", shuffled, 4 * hidden)
    builder.matrix("vision", "vision_model.vision_adapter.mlp.fc2", projected, shuffled)
    builder.matrix("vision", "multi_modal_projector.linear_1", text_hidden, out)


def _gemma4(builder: Builder, fields: Fields, text_hidden: int) -> None:
    if fields.flag("use_clipped_linears"):
        raise not_understood(fields, "use_clipped_linears")
    hidden, width = fields.count("hidden_size"), fields.count("intermediate_size")
    patch, head_dim = fields.count("patch_size"), fields.count("head_dim")
    queries = fields.count("num_attention_heads") * head_dim
    keys = fields.count("num_key_value_heads") * head_dim
    path = "vision_tower.patch_embedder"
    builder.vector("vision", f"{path}.position_embedding_table", 2, fields.count("position_embedding_size"), hidden)
    builder.matrix("vision", f"{path}.input_proj", hidden, 3 * patch * patch)
    for number in range(fields.layers()):
        path = f"vision_tower.encoder.layers.{number}"
        for name, outputs in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
            builder.matrix("vision", f"{path}.self_attn.{name}.linear", outputs, hidden)
        builder.matrix("vision", f"{path}.self_attn.o_proj.linear", hidden, queries)
        builder.vector("vision", f"{path}.self_attn.q_norm", head_dim)
        builder.vector("vision", f"{path}.self_attn.k_norm", head_dim)
        gated_mlp(builder, "vision", f"{path}.mlp", hidden, width)
        for norm in ("input", "post_attention", "pre_feedforward", "post_feedforward"):
            builder.vector("vision", f"{path}.{norm}_layernorm", hidden)
    if fields.flag("standardize"):
        builder.vector("vision", "vision_tower.std_bias", hidden)
        builder.vector("vision", "vision_tower.std_scale", hidden)
    builder.matrix("vision", "embed_vision.embedding_projection", text_hidden, hidden)


def _minimax_m3(builder: Builder, fields: Fields, text_hidden: int) -> None:
    hidden, width = fields.count("hidden_size"), fields.count("intermediate_size")
    patch = fields.count("patch_size")
    compression = fields.nested("img_token_compression_config")
    if compression is None:
        raise fields.broken("img_token_compression_config", "missing_key")
    merged = text_hidden * compression.count("spatial_merge_size") ** 2
    depth = compression.count("temporal_patch_size")
    channels = fields.count("num_channels", 3)
    builder.vector("vision", "vision_tower.embeddings.proj", hidden, channels, depth, patch, patch)
    _norm(builder, "vision_tower.pre_layrnorm", hidden)
    for number in range(fields.layers()):
        path = f"vision_tower.layers.{number}"
        _block(builder, path, hidden, width, joined=False, norms=("layer_norm1", "layer_norm2"))
    builder.matrix("vision", "multi_modal_projector.linear_1", text_hidden, hidden, bias=True)
    builder.matrix("vision", "multi_modal_projector.linear_2", text_hidden, text_hidden, bias=True)
    builder.matrix("vision", "patch_merge_mlp.linear_1", text_hidden, merged, bias=True)
    builder.matrix("vision", "patch_merge_mlp.linear_2", text_hidden, text_hidden, bias=True)


def _pixtral(builder: Builder, fields: Fields, text_hidden: int) -> None:
    """Pixtral as Mistral 3 uses it: 2 x 2 patches are merged before the projection."""
    hidden, width = fields.count("hidden_size"), fields.count("intermediate_size")
    patch = fields.count("patch_size")
    builder.vector("vision", "vision_tower.patch_conv", hidden, 3, patch, patch)
    builder.vector("vision", "vision_tower.ln_pre", hidden)
    for number in range(fields.layers()):
        path = f"vision_tower.transformer.layers.{number}"
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            builder.matrix("vision", f"{path}.attention.{name}", hidden, hidden)
        gated_mlp(builder, "vision", f"{path}.feed_forward", hidden, width)
        builder.vector("vision", f"{path}.attention_norm", hidden)
        builder.vector("vision", f"{path}.ffn_norm", hidden)
    builder.vector("vision", "multi_modal_projector.norm", hidden)
    builder.matrix("vision", "multi_modal_projector.patch_merger.merging_layer", hidden, 4 * hidden)
    builder.matrix("vision", "multi_modal_projector.linear_1", text_hidden, hidden)
    builder.matrix("vision", "multi_modal_projector.linear_2", text_hidden, text_hidden)


def _qwen2_5_vl(builder: Builder, fields: Fields, text_hidden: int) -> None:
    hidden, width = fields.count("hidden_size"), fields.count("intermediate_size")
    patch = fields.first(["patch_size", "spatial_patch_size"])
    merged = hidden * fields.count("spatial_merge_size", 2) ** 2
    out = fields.count("out_hidden_size", text_hidden)
    depth = fields.count("temporal_patch_size", 2)
    builder.vector("vision", "visual.patch_embed.proj", hidden, fields.count("in_chans", 3), depth, patch, patch)
    for number in range(fields.count("depth", high=MAX_LAYERS)):
        path = f"visual.blocks.{number}"
        builder.matrix("vision", f"{path}.attn.qkv", 3 * hidden, hidden, bias=True)
        builder.matrix("vision", f"{path}.attn.proj", hidden, hidden, bias=True)
        gated_mlp(builder, "vision", f"{path}.mlp", hidden, width, bias=True)
        builder.vector("vision", f"{path}.norm1", hidden)
        builder.vector("vision", f"{path}.norm2", hidden)
    builder.vector("vision", "visual.merger.ln_q", hidden)
    builder.matrix("vision", "visual.merger.mlp.0", merged, merged, bias=True)
    builder.matrix("vision", "visual.merger.mlp.2", out, merged, bias=True)


_TOWERS: dict[str, Callable[[Builder, Fields, int], None]] = {
    "qwen3_vl": _qwen3_vl,
    "siglip": _siglip,
    "moonvit": _moonvit,
    "llama4": _llama4,
    "gemma4": _gemma4,
    "minimax_m3": _minimax_m3,
    "pixtral": _pixtral,
    "qwen2_5_vl": _qwen2_5_vl,
}


def tensors(fields: Fields, tower: str, text_hidden: int) -> list[Tensor]:
    """The tensors of a vision tower and of its projection into a text model of `text_hidden` elements."""
    builder = Builder()
    _TOWERS[tower](builder, fields, text_hidden)
    return builder.tensors
