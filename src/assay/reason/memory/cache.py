"""Bytes of the KV cache and of fixed states, layer by layer.

Formulas: a full layer keeps kv_heads x (key_dim + value_dim) elements a token; latent attention (MLA) keeps its
latent and rotary dims once, whatever the number of heads; a sliding or chunked layer keeps its window, or what its
runtime allocates for it; linear and Mamba layers keep a state that does not grow.
"""

from math import ceil
from typing import NamedTuple

from assay.types.model import LayerGroup
from assay.types.runtime import KvFormat, SlidingPolicy

GROWING = frozenset({"full", "mla"})
WINDOWED = frozenset({"sliding", "chunked"})
FIXED = frozenset({"linear", "mamba"})


class CachePolicy(NamedTuple):
    """How a runtime lays out a contiguous cache; paged pools are in `vllm_cache`.

    Attributes:
        sliding: how much of a windowed layer it keeps.
        cell_padding: cells are padded to this.
        batched_tokens: tokens in flight, over all sequences, that a windowed layer holds besides its window.
        unified: slots that share one cache; their windows are added.
        paged: rows are laid out as vLLM and SGLang do.
    """

    sliding: SlidingPolicy
    cell_padding: int = 1
    batched_tokens: int = 0
    unified: int = 1
    paged: bool = False


SLIDING_SHARE = 0.8
"""Tokens of SGLang's pool for windowed layers over those of its pool for full ones (swa_full_tokens_ratio)."""
WINDOW_ONLY = CachePolicy("window")
FULL_SIZE = CachePolicy("full")


def _padded(tokens: int, step: int) -> int:
    return ceil(tokens / step) * step


def elements_per_token(layer: LayerGroup) -> int:
    """Cache elements that one token adds to one layer, while it is kept."""
    if layer.kind == "mla":
        return layer.latent_dim + layer.rope_dim + layer.index_dim
    if layer.kind in GROWING or layer.kind in WINDOWED:
        return layer.kv_heads * (layer.key_dim + layer.value_dim) + layer.index_dim
    return 0


def tokens_kept(layer: LayerGroup, context: int, sequences: int, policy: CachePolicy) -> int:
    """Token slots that one layer holds for all sequences of `context` tokens each."""
    if layer.kind in GROWING:
        return _padded(context, policy.cell_padding) * sequences
    if layer.kind not in WINDOWED:
        return 0
    window = layer.window or context
    if policy.sliding == "full":
        return _padded(context, policy.cell_padding) * sequences
    if policy.sliding == "share":
        return ceil(context * sequences * SLIDING_SHARE)
    if policy.sliding == "cells":
        cells = min(context, window * policy.unified + policy.batched_tokens)
        return _padded(cells, policy.cell_padding) * sequences
    return min(window, context) * sequences


SCALE_BLOCK, SCALE_BYTES = 128, 4
"""FP8 caches of sparse attention keep one FP32 scale for 128 elements."""


def row_bytes(layer: LayerGroup, kv: KvFormat, *, paged: bool = False) -> float:
    """Bytes that one kept token takes in one layer.

    vLLM and SGLang (`paged`) keep the index of sparse attention in FP8 whatever the cache is kept in, and a latent
    cache beside it has a layout of its own in FP8: the latent in FP8 with its scales, the rotary part in 16 bits
    (512 + 16 + 128 B and 128 + 4 B for DeepSeek-V3.2 and GLM-5).
    """
    if layer.kind != "mla" or not layer.index_dim or not (paged or kv.id == "fp8"):
        return elements_per_token(layer) * kv.block_bytes / kv.block
    index = layer.index_dim * (1 + SCALE_BYTES / SCALE_BLOCK)
    if kv.id == "fp8":
        return layer.latent_dim * (1 + SCALE_BYTES / SCALE_BLOCK) + 2 * layer.rope_dim + index
    return (layer.latent_dim + layer.rope_dim) * kv.block_bytes / kv.block + index


def kv_bytes(layers: tuple[LayerGroup, ...], context: int, sequences: int, kv: KvFormat, policy: CachePolicy) -> int:
    """Bytes of the growing and windowed caches of all layers for all sequences."""
    total = 0.0
    for layer in layers:
        row = row_bytes(layer, kv, paged=policy.paged)
        if row:
            total += layer.count * tokens_kept(layer, context, sequences, policy) * row
    return ceil(total)


def state_bytes(layers: tuple[LayerGroup, ...], sequences: int) -> int:
    """Bytes of the fixed states (linear attention, Mamba) of all layers for all sequences."""
    return sum(layer.count * layer.state_size * sequences for layer in layers if layer.kind in FIXED)


def dealt(layers: tuple[LayerGroup, ...], cards: int) -> tuple[LayerGroup, ...]:
    """The layers of the fullest of `cards` cards when whole layers are dealt out, each kind by itself."""
    return tuple(layer._replace(count=ceil(layer.count / cards)) for layer in layers)


def shard(layers: tuple[LayerGroup, ...], cards: int) -> tuple[LayerGroup, ...]:
    """The share of one card under tensor parallelism over `cards`.

    KV heads fewer than cards are replicated; a latent cache has no heads and is replicated whole.
    """
    if cards == 1:
        return layers
    return tuple(
        layer._replace(
            query_heads=ceil(layer.query_heads / cards),
            kv_heads=max(1, ceil(layer.kv_heads / cards)) if layer.kv_heads else 0,
            state_size=ceil(layer.state_size / cards),
        )
        for layer in layers
    )
