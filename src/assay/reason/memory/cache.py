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
    """How a runtime lays out a cache.

    Attributes:
        sliding: how much of a windowed layer it keeps.
        block_tokens: tokens of a paged block; the last block of a sequence is whole.
        cell_padding: cells are padded to this.
        batched_tokens: tokens in flight, over all sequences, that a windowed layer holds besides its window.
        grouped: windowed layers are padded to whole groups, as large as the rarer kind of layer.
        unified: slots that share one cache; their windows are added.
    """

    sliding: SlidingPolicy
    block_tokens: int = 1
    cell_padding: int = 1
    batched_tokens: int = 0
    grouped: bool = False
    unified: int = 1


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
        return _padded(_padded(context, policy.block_tokens), policy.cell_padding) * sequences
    if layer.kind not in WINDOWED:
        return 0
    window = layer.window or context
    if policy.sliding == "full":
        return _padded(_padded(context, policy.block_tokens), policy.cell_padding) * sequences
    if policy.sliding == "cells":
        cells = min(context, window * policy.unified + policy.batched_tokens)
        return _padded(cells, policy.cell_padding) * sequences
    if policy.sliding == "batch":
        # One sequence may have a whole batch in flight; together they have no more than one.
        longest = _padded(context, policy.block_tokens) * sequences
        alone = _padded(min(window - 1 + policy.batched_tokens, context), policy.block_tokens) + policy.block_tokens
        resting = _padded(window - 1, policy.block_tokens) + 2 * policy.block_tokens
        return min(longest, alone * sequences, resting * sequences + policy.batched_tokens)
    return min(window, context) * sequences


SCALE_BLOCK, SCALE_BYTES = 128, 4
"""FP8 caches of sparse attention keep one FP32 scale for 128 elements."""


def row_bytes(layer: LayerGroup, kv: KvFormat) -> float:
    """Bytes that one kept token takes in one layer.

    A latent cache with an index for sparse attention has a layout of its own in FP8: latent and index in FP8 with their
    scales, the rotary part in 16 bits (512 + 16 + 128 B and 128 + 4 B for DeepSeek-V3.2 and GLM-5).
    """
    if layer.kind == "mla" and layer.index_dim and kv.id == "fp8":
        scaled = layer.latent_dim + layer.index_dim
        return scaled + scaled / SCALE_BLOCK * SCALE_BYTES + 2 * layer.rope_dim
    return elements_per_token(layer) * kv.block_bytes / kv.block


def _padded_counts(layers: tuple[LayerGroup, ...]) -> tuple[LayerGroup, ...]:
    """Layers in groups as vLLM forms them: as many as the rarer kind has, or all if the kinds are nearly as many."""
    growing = sum(layer.count for layer in layers if layer.kind in GROWING)
    windowed = sum(layer.count for layer in layers if layer.kind in WINDOWED)
    if not growing or not windowed or max(growing, windowed) < 1.25 * min(growing, windowed):
        return layers
    group = min(growing, windowed)
    factor = _padded(windowed, group) / windowed, _padded(growing, group) / growing
    return tuple(
        layer._replace(count=ceil(layer.count * factor[layer.kind in GROWING])) if elements_per_token(layer) else layer
        for layer in layers
    )


def kv_bytes(layers: tuple[LayerGroup, ...], context: int, sequences: int, kv: KvFormat, policy: CachePolicy) -> int:
    """Bytes of the growing and windowed caches of all layers for all sequences."""
    total = 0.0
    for layer in _padded_counts(layers) if policy.grouped else layers:
        row = row_bytes(layer, kv)
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
