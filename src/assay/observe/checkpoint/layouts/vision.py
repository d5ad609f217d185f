"""Vision towers: a text runtime loads them as well, so their bytes count."""

from collections.abc import Callable

from assay.observe.checkpoint.fields import MAX_LAYERS, Fields
from assay.observe.checkpoint.tensors import Builder, Tensor


def _norm(builder: Builder, path: str, size: int) -> None:
    builder.vector("vision", path, size)
    builder.vector("vision", f"{path}.bias", size)


def _block(  # noqa: PLR0913 - the facts of a transformer block
    builder: Builder, path: str, hidden: int, width: int, *, joined: bool, norms: tuple[str, str]
) -> None:
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


_TOWERS: dict[str, Callable[[Builder, Fields, int], None]] = {
    "qwen3_vl": _qwen3_vl,
    "siglip": _siglip,
    "moonvit": _moonvit,
}


def tensors(fields: Fields, tower: str, text_hidden: int) -> list[Tensor]:
    """The tensors of a vision tower and of its projection into a text model of `text_hidden` elements."""
    builder = Builder()
    _TOWERS[tower](builder, fields, text_hidden)
    return builder.tensors
