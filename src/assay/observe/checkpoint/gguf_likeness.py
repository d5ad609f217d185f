"""Whether a GGUF file of an unknown architecture is like Llama: by its keys, its tensors' names and their shapes.

The bytes are the header's own either way; what is assumed is what the layers remember, so each block's keys and
values are compared with the shapes of the tensors that make them.
"""

from typing import Any

from assay.observe.checkpoint import likeness
from assay.observe.checkpoint.fields import MAX_LAYERS, Fields
from assay.observe.checkpoint.gguf import GgufTensor
from assay.observe.checkpoint.gguf_layers import layers_of, remembered
from assay.observe.checkpoint.layouts.blocks import Architecture

LIKE = "llama"
ELSEWHERE = ("general.", "tokenizer.", "split.", "quantize.")
SIZES = frozenset(("block_count", "embedding_length", "feed_forward_length", "attention.head_count"))
READ = SIZES | frozenset((
    "attention.head_count_kv", "attention.key_length", "attention.value_length", "attention.layer_norm_rms_epsilon",
    "attention.scale", "context_length", "embedding_scale", "logit_scale", "residual_scale", "rope.dimension_count",
    "rope.freq_base", "rope.scaling.attn_factor", "rope.scaling.factor", "rope.scaling.finetuned",
    "rope.scaling.original_context_length", "rope.scaling.type", "vocab_size",
))  # fmt: skip
OFF = frozenset(("expert_count", "expert_used_count", "nextn_predict_layers"))
"""Keys that are understood where they are zero."""
MATRICES = frozenset(("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"))
NORMS = frozenset((
    "attn_norm", "attn_q_norm", "attn_k_norm", "ffn_norm", "post_attention_norm", "post_ffw_norm",
))  # fmt: skip
TOP = frozenset((
    "token_embd.weight", "output.weight", "output.bias", "output_norm.weight", "output_norm.bias",
    "rope_freqs.weight",
))  # fmt: skip


def _odd_tensors(tensors: list[GgufTensor], blocks: int) -> tuple[list[str], dict[int, dict[str, tuple[int, ...]]]]:
    """(tensors that Llama does not have, the shapes of each block's matrices)."""
    odd = []
    shapes: dict[int, dict[str, tuple[int, ...]]] = {}
    for tensor in tensors:
        if tensor.name in TOP:
            continue
        prefix, _, rest = tensor.name.partition(".")
        number, _, rest = rest.partition(".")
        part, _, kind = rest.rpartition(".")
        block = int(number) if number.isascii() and number.isdigit() and len(number) < 7 else blocks
        known = prefix == "blk" and block < blocks and kind in ("weight", "bias") and part in MATRICES | NORMS
        if not known:
            odd.append(tensor.name)
        elif kind == "weight" and part in MATRICES:
            shapes.setdefault(block, {})[part] = tensor.shape
    return odd, shapes


def _misshapen(fields: Fields, blocks: int, shapes: dict[int, dict[str, tuple[int, ...]]]) -> list[str]:
    """Tensors of keys and values whose shape is not what the metadata says that a layer remembers."""
    hidden = fields.count("embedding_length")
    odd = []
    for index, layer in enumerate(layers_of(fields, {"layout": "decoder"}, blocks)):
        for part, rows in remembered(layer).items():
            if shapes[index][part] != (hidden, rows):
                odd.append(f"blk.{index}.{part}.weight")
    return odd


def _odd_keys(fields: Fields, metadata: dict[str, Any]) -> list[str]:
    elsewhere = [key for key in metadata if not key.startswith((*ELSEWHERE, fields.path))]
    odd = [key for key in fields.names() if key not in READ and (key not in OFF or fields.raw(key) != 0)]
    return [*(fields.path + key for key in odd), *elsewhere]


def follow(fields: Fields, name: str, metadata: dict[str, Any], tensors: list[GgufTensor]) -> Architecture | None:
    """The body of an architecture that llama.cpp's names do not know here, or None when its keys are not Llama's.

    Args:
        fields: the keys of the architecture.
        name: what the file calls it.
        metadata: all keys of the file.
        tensors: all tensors of the file.

    Raises:
        UnsupportedArchitecture: it is like Llama but for keys or tensors that are not understood.
        MalformedFile: a key is wrong.
    """
    if not likeness.NAME.match(name) or not all(fields.has(key) for key in SIZES):
        return None
    blocks = fields.count("block_count", high=MAX_LAYERS)
    odd, shapes = _odd_tensors(tensors, blocks)
    if len(shapes) != blocks or any(found.keys() != MATRICES for found in shapes.values()):
        return None
    odd = [*_odd_keys(fields, metadata), *odd]
    if not odd:
        odd = _misshapen(fields, blocks, shapes)
    if odd:
        raise likeness.refused(Fields({}, fields.file), name, LIKE, odd)
    return {"id": name, "like": LIKE, "layout": "decoder"}
