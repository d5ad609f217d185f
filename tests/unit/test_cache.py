"""KV bytes of the reference models, derived by hand and published with the comparison of other tools."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.reason.memory.cache import (
    FULL_SIZE,
    WINDOW_ONLY,
    CachePolicy,
    elements_per_token,
    kv_bytes,
    shard,
    state_bytes,
    tokens_kept,
)
from assay.types.model import LayerGroup, LayerKind
from assay.types.runtime import KvFormat

GIB = 2**30
BF16 = KvFormat("bf16", 1, 2)
Q8 = KvFormat("q8_0", 32, 34)
SGLANG = CachePolicy("share", paged=True)
LLAMA = CachePolicy("cells", cell_padding=256, batched_tokens=512)


def attention(kind: LayerKind, count: int, heads: int, dim: int, window: int | None = None) -> LayerGroup:
    return LayerGroup(kind, count, kv_heads=heads, key_dim=dim, value_dim=dim, window=window)


QWEN3_30B = (attention("full", 48, 4, 128),)
LLAMA_8B = (attention("full", 32, 8, 128),)
LLAMA_70B = (attention("full", 80, 8, 128),)
MIXTRAL_8X22B = (attention("full", 56, 8, 128),)
DEEPSEEK_V3 = (LayerGroup("mla", 61, query_heads=128, latent_dim=512, rope_dim=64),)
GPT_OSS_120B = (attention("full", 18, 8, 64), attention("sliding", 18, 8, 64, 128))
GEMMA_3_27B = (attention("full", 10, 16, 128), attention("sliding", 52, 16, 128, 1024))
MODELS = {
    "qwen3": (QWEN3_30B, 3.0, 24.0, 3.0),
    "llama-8b": (LLAMA_8B, 4.0, 32.0, 4.0),
    "llama-70b": (LLAMA_70B, 10.0, 80.0, 10.0),
    "mixtral": (MIXTRAL_8X22B, 7.0, 56.0, 7.0),
    "deepseek": (DEEPSEEK_V3, 2.14453125, 17.15625, 2.14453125),
    "gpt-oss": (GPT_OSS_120B, 1.12939453125, 9.03515625, 2.25),
    "gemma-3": (GEMMA_3_27B, 2.90625, 23.25, 15.5),
}


@pytest.mark.parametrize("name", MODELS)
def test_reference_values_at_32768_tokens(name: str) -> None:
    layers, one, eight, full = MODELS[name]
    assert kv_bytes(layers, 32_768, 1, BF16, WINDOW_ONLY) == one * GIB
    assert kv_bytes(layers, 32_768, 8, BF16, WINDOW_ONLY) == eight * GIB
    assert kv_bytes(layers, 32_768, 1, BF16, FULL_SIZE) == full * GIB


def test_a_latent_cache_has_no_heads() -> None:
    assert elements_per_token(DEEPSEEK_V3[0]) == 576
    assert shard(DEEPSEEK_V3, 8)[0].latent_dim == 512


def test_block_scales_are_counted() -> None:
    assert kv_bytes(LLAMA_8B, 4096, 1, Q8, FULL_SIZE) == 32 * 4096 * 2 * 1024 * 34 // 32


def test_sglang_keeps_eight_tenths_of_the_tokens_of_a_windowed_layer() -> None:
    assert tokens_kept(GEMMA_3_27B[1], 10_000, 3, SGLANG) == 24_000
    assert tokens_kept(GEMMA_3_27B[0], 10_000, 3, SGLANG) == 30_000


def test_llama_cpp_keeps_padded_cells_of_a_sliding_layer() -> None:
    sliding = GEMMA_3_27B[1]
    assert tokens_kept(sliding, 32_768, 1, LLAMA) == 1536
    assert tokens_kept(sliding, 32_768, 4, LLAMA) == 4 * 1536
    assert tokens_kept(sliding, 32_768, 1, LLAMA._replace(unified=4)) == 4 * 1024 + 512
    assert tokens_kept(sliding, 1000, 3, LLAMA) == 3 * 1024  # each slot is padded by itself
    assert tokens_kept(sliding._replace(window=900), 32_768, 4, LLAMA) == 4 * 1536
    assert tokens_kept(GEMMA_3_27B[0], 1000, 3, LLAMA) == 3 * 1024


def test_kv_heads_fewer_than_cards_are_replicated() -> None:
    assert [shard(QWEN3_30B, cards)[0].kv_heads for cards in (1, 2, 4, 8)] == [4, 2, 1, 1]


def test_fixed_states_do_not_grow_with_context() -> None:
    layers = (LayerGroup("mamba", 3, state_size=1000), LayerGroup("none", 5))
    assert state_bytes(layers, 4) == 12_000
    assert kv_bytes(layers, 100_000, 4, BF16, FULL_SIZE) == 0


LAYERS = st.builds(
    attention,
    st.sampled_from(["full", "sliding", "chunked"]),
    st.integers(1, 80),
    st.integers(1, 128),
    st.sampled_from([64, 80, 128, 256]),
    st.integers(16, 8192),
)
POLICIES = st.sampled_from([FULL_SIZE, LLAMA])


@given(LAYERS, st.integers(1, 200_000), st.integers(1, 64), POLICIES)
def test_no_policy_allocates_less_than_the_window(
    layer: LayerGroup, context: int, sequences: int, policy: CachePolicy
) -> None:
    least = kv_bytes((layer,), context, sequences, BF16, WINDOW_ONLY)
    assert kv_bytes((layer,), context, sequences, BF16, policy) >= least


@given(LAYERS, st.integers(1, 100_000), st.integers(1, 32), POLICIES)
def test_bytes_never_fall_with_context_or_sequences(
    layer: LayerGroup, context: int, sequences: int, policy: CachePolicy
) -> None:
    here = kv_bytes((layer,), context, sequences, BF16, policy)
    assert kv_bytes((layer,), context + 1, sequences, BF16, policy) >= here
    assert kv_bytes((layer,), context, sequences + 1, BF16, policy) >= here


def test_an_index_of_sparse_attention_is_cached_beside_the_latent() -> None:
    sparse = LayerGroup("mla", 78, query_heads=64, latent_dim=512, rope_dim=64, index_dim=128)
    assert elements_per_token(sparse) == 512 + 64 + 128
    # Eight published start-up logs of GLM-5.1 with an FP8 cache: 61,464 B a token.
    assert kv_bytes((sparse,), 1, 1, KvFormat("fp8", 1, 1), WINDOW_ONLY) == 61_464
    # In 16 bits the index stays FP8 where vLLM and SGLang lay it out: 2 x 576 + 132 B.
    assert kv_bytes((sparse,), 1, 1, BF16, SGLANG) == 78 * (1152 + 132)


def test_what_does_not_divide_is_rounded_up() -> None:
    layer = LayerGroup("mamba", 1, query_heads=9, kv_heads=5, state_size=1001)
    split = shard((layer,), 2)[0]
    assert (split.query_heads, split.kv_heads, split.state_size) == (5, 3, 501)
