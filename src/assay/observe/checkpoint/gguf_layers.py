"""What each block of a GGUF model remembers, from llama.cpp's metadata keys.

Sources: llama.cpp, src/llama-model.cpp (hyperparameters of each architecture) and llama-hparams.cpp (n_embd_r,
n_embd_s: both states are kept in FP32).
"""

from collections.abc import Iterable
from math import prod
from pathlib import Path
from typing import Any

from assay.errors import UnsupportedArchitecture
from assay.observe.checkpoint import gguf
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.files import malformed
from assay.observe.checkpoint.gguf import GgufTensor
from assay.observe.checkpoint.layouts.blocks import not_understood
from assay.types.model import LayerGroup

STATE_BYTES = 4
LLAMA4_CHUNK = 8192
"""llama.cpp sets it for every Llama 4; the file need not say it."""


def _each(fields: Fields, key: str, default: int | None, blocks: int) -> list[int]:
    """One number for each block: an array of that length, or one number for all."""
    value = fields.raw(key)
    if isinstance(value, list):
        counts = fields.counts(key)
        if counts is None or len(counts) < blocks:
            raise fields.broken(key, "wrong_length")
        return counts[:blocks]
    return [fields.count(key, default, low=0)] * blocks


def _windows(fields: Fields, arch: dict[str, Any], blocks: int) -> list[int | None]:
    """The window of each block, or None where it sees all tokens."""
    window = fields.raw("attention.sliding_window")
    if arch.get("window") != "every" or not window:
        return [None] * blocks
    size = fields.count("attention.sliding_window", high=2**31)
    pattern = fields.raw("attention.sliding_window_pattern")
    if isinstance(pattern, list):
        if len(pattern) < blocks or not all(isinstance(item, bool | int) for item in pattern):
            raise fields.broken("attention.sliding_window_pattern", "wrong_length")
        return [size if item else None for item in pattern[:blocks]]
    every = fields.count("attention.sliding_window_pattern", int(arch["window_pattern"]))
    return [None if (index + 1) % every == 0 else size for index in range(blocks)]


def _latent(fields: Fields, arch: dict[str, Any], blocks: int) -> list[LayerGroup]:
    """Latent attention: the compressed vector and its rotary part, however the file writes its heads.

    A file without `key_length_mla` was converted before llama.cpp could cache the latent: it keeps whole keys.
    """
    if not fields.has("attention.key_length_mla"):
        return _attention(fields, arch, blocks)
    heads = fields.count("attention.head_count")
    latent = fields.count("attention.kv_lora_rank")
    rope = fields.count("rope.dimension_count")
    index = fields.count("attention.indexer.key_length", 0, low=0)
    layer = LayerGroup("mla", 1, heads, 1, latent_dim=latent, rope_dim=rope, index_dim=index)
    return [layer] * blocks


def _recurrent_bytes(fields: Fields) -> int:
    """FP32 bytes of one sequence's state in one recurrent block: convolution and recurrent part."""
    taps = fields.count("ssm.conv_kernel", high=1024)
    inner = fields.count("ssm.inner_size")
    state = fields.count("ssm.state_size")
    groups = fields.count("ssm.group_count", 0, low=0)
    return ((taps - 1) * (inner + 2 * groups * state) + inner * state) * STATE_BYTES


def _attention(fields: Fields, arch: dict[str, Any], blocks: int) -> list[LayerGroup]:
    """Grouped-query attention in every block, or in those that have key heads."""
    heads = _each(fields, "attention.head_count", None, blocks)
    kv_heads = _each(fields, "attention.head_count_kv", max(heads), blocks)
    hidden = fields.count("embedding_length")
    default = hidden // max(heads) if max(heads) else None
    key = fields.count("attention.key_length", default)
    value = fields.count("attention.value_length", default)
    local_key = fields.count("attention.key_length_swa", key)
    local_value = fields.count("attention.value_length_swa", value)
    windows = _windows(fields, arch, blocks)
    layers = []
    for index in range(blocks):
        window = windows[index]
        if not kv_heads[index]:
            layers.append(LayerGroup("none", 1))
        elif window is None:
            layers.append(LayerGroup("full", 1, heads[index], kv_heads[index], key, value))
        else:
            layers.append(LayerGroup("sliding", 1, heads[index], kv_heads[index], local_key, local_value, window))
    return layers


def _hybrid(fields: Fields, arch: dict[str, Any], blocks: int) -> list[LayerGroup]:
    """Recurrent blocks between attention: every n-th, or by the blocks without key heads."""
    layers = _attention(fields, arch, blocks)
    state = _recurrent_bytes(fields)
    if arch["layout"] == "delta":
        every = fields.count("full_attention_interval", 4)
        linear = LayerGroup("linear", 1, state_size=state)
        return [layer if (index + 1) % every == 0 else linear for index, layer in enumerate(layers)]
    widths = _each(fields, "feed_forward_length", 0, blocks)
    mamba = LayerGroup("mamba", 1, state_size=state)
    return [mamba if layer.kind == "none" and not widths[index] else layer for index, layer in enumerate(layers)]


def remembered(layer: LayerGroup) -> dict[str, int]:
    """Rows of the tensors that make what one token leaves in the cache of a block."""
    return {"attn_k": layer.kv_heads * layer.key_dim, "attn_v": layer.kv_heads * layer.value_dim}


def check_shapes(fields: Fields, layers: list[LayerGroup], tensors: Iterable[GgufTensor]) -> None:
    """Keys and values have the rows that the metadata says: the cache is computed from the metadata.

    Fused tensors and those of latent attention are not compared: only separate keys and values are.

    Raises:
        MalformedFile: they have others.
    """
    rows = [{} if layer.kind == "mla" else remembered(layer) for layer in layers]
    for tensor in tensors:
        prefix, _, rest = tensor.name.partition(".")
        number, _, part = rest.partition(".")
        if prefix != "blk" or part not in ("attn_k.weight", "attn_v.weight"):
            continue
        block = int(number) if number.isascii() and number.isdigit() and len(number) < 7 else len(rows)
        expected = rows[block].get(part[:6]) if block < len(rows) else None
        if expected is not None and prod(tensor.shape[1:]) != expected:
            raise malformed(fields.file, "size_mismatch", tensor.name, gguf.place(Path(fields.file), tensor.name))


def layers_of(fields: Fields, arch: dict[str, Any], blocks: int) -> list[LayerGroup]:
    """One layer group for each block.

    Raises:
        MalformedFile: a key is missing or wrong.
        UnsupportedArchitecture: blocks without key heads in an architecture that should have them in all.
    """
    layout = arch["layout"]
    if layout == "latent":
        return _latent(fields, arch, blocks)
    if layout in ("delta", "nemotron_h"):
        return _hybrid(fields, arch, blocks)
    layers = _attention(fields, arch, blocks)
    if layout == "llama4":
        chunk = fields.count("attention.chunk_size", LLAMA4_CHUNK, high=2**31)
        return [
            layer if (index + 1) % 4 == 0 else layer._replace(kind="chunked", window=chunk)
            for index, layer in enumerate(layers)
        ]
    if layout != "blockwise" and any(layer.kind == "none" for layer in layers):
        raise _refused(fields)
    return layers


def _refused(fields: Fields) -> UnsupportedArchitecture:
    return not_understood(fields, "attention.head_count_kv: 0")
