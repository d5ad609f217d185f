"""vLLM's pool of KV blocks against what published servers printed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.reason.memory.cache import WINDOW_ONLY, kv_bytes, shard
from assay.reason.memory.vllm_cache import Pool, Table, blocks_of_request, blocks_together, pool_of, printed
from assay.types.model import LayerGroup, LayerKind
from assay.types.runtime import BlockPool, KvFormat

GIB = 2**30
BF16, FP8 = KvFormat("bf16", 1, 2), KvFormat("fp8", 1, 1)
NOW = BlockPool(16, 1.5, 2, 2, "requests")
V0_18 = NOW._replace(batches=1, printed="blocks")
V0_10 = V0_18._replace(near=1.0, states=1)


def attention(kind: LayerKind, count: int, heads: int, dim: int, window: int | None = None) -> LayerGroup:
    return LayerGroup(kind, count, kv_heads=heads, key_dim=dim, value_dim=dim, window=window)


QWEN2_7B = (attention("full", 28, 4, 128),)
GPT_OSS = (attention("full", 18, 8, 64), attention("sliding", 18, 8, 64, 128))
QWEN3_NEXT = (attention("full", 12, 2, 256), LayerGroup("linear", 36, state_size=3 * 8192 * 2 + 32 * 128 * 128 * 2))
QWEN3_5_35B = (attention("full", 10, 2, 256), LayerGroup("linear", 30, state_size=3 * 8192 * 2 + 32 * 128 * 128 * 4))
GLM_5 = (LayerGroup("mla", 78, query_heads=64, latent_dim=512, rope_dim=64, index_dim=128),)


@pytest.mark.parametrize(
    ("layers", "cards", "kv", "terms", "room", "context", "batched", "tokens", "requests"),
    [
        # Each row is a published start-up log (tests/fixtures/logs, or the table of logs in benchmarks/memory).
        (QWEN2_7B, 1, BF16, V0_10, 5.01, 16_384, 2048, 93_872, 5.73),
        (QWEN2_7B, 2, BF16, V0_10, 12.02, 16_384, 2048, 450_192, 27.48),
        (GPT_OSS, 4, BF16, V0_10, 45.32, 16_384, 2048, 2_640_144, 284.25),
        (QWEN3_NEXT, 2, BF16, V0_10, 44.59, 262_144, 8192, 973_760, 14.77),
        (QWEN3_5_35B, 1, BF16, V0_18, 55.72, 262_144, 2048, 729_696, 10.85),
        (GLM_5, 8, FP8, V0_18, 19.55, 202_752, 8192, 341_504, 1.68),
    ],
)  # fmt: skip
def test_tokens_and_requests_are_what_servers_printed(  # noqa: PLR0917 - one row of a table
    layers: tuple[LayerGroup, ...],
    cards: int,
    kv: KvFormat,
    terms: BlockPool,
    room: float,
    context: int,
    batched: int,
    tokens: int,
    requests: float,
) -> None:
    pool = pool_of(shard(layers, cards), kv, terms)
    assert pool is not None
    low, high = (printed(pool, terms, (room + step) * GIB, context, batched) for step in (-0.005, 0.005))
    assert low.tokens <= tokens <= high.tokens
    assert low.concurrency - 0.005 <= requests <= high.concurrency + 0.005


def test_a_block_is_lengthened_until_a_state_fits_into_it() -> None:
    pool = pool_of(shard(QWEN3_NEXT, 2), BF16, V0_10)
    assert pool == Pool(12 * 544 * 1024, (Table("full", None, 544, 1), Table("linear", None, 544, 3)))
    found = pool_of(QWEN3_5_35B, BF16, NOW)
    assert found is not None
    assert found.tables[0].tokens == 1056


def test_the_present_release_counts_tokens_by_requests_of_the_full_context() -> None:
    pool = pool_of(QWEN3_5_35B, FP8, NOW)
    assert pool is not None
    found = printed(pool, NOW, 15.0 * GIB, 131_072, 2048)
    each = blocks_of_request(pool, NOW, 131_072, 2048)
    assert found.tokens == int(found.blocks / each * 131_072)
    assert found.concurrency == found.blocks / each


def test_kinds_that_are_nearly_as_many_form_one_group() -> None:
    near = (attention("full", 10, 8, 64), attention("sliding", 14, 8, 64, 128))
    pool = pool_of(near, BF16, NOW)
    assert pool is not None
    assert [table.groups for table in pool.tables] == [1, 1]
    assert pool.block_bytes == 14 * 16 * 2048
    earlier = pool_of(near, BF16, V0_18._replace(near=1.25))
    assert earlier is not None
    assert [table.groups for table in earlier.tables] == [1, 2]
    assert earlier.block_bytes == 10 * 16 * 2048


def test_layers_with_smaller_rows_get_longer_blocks_of_the_same_page() -> None:
    mixed = (attention("full", 5, 8, 128), attention("sliding", 5, 4, 128, 1024))
    pool = pool_of(mixed, BF16, NOW)
    assert pool == Pool(5 * 16 * 4096, (Table("full", None, 16, 1), Table("sliding", 1024, 32, 1)))
    uneven = (attention("full", 5, 8, 128), attention("sliding", 5, 3, 128, 1024))
    padded = pool_of(uneven, BF16, NOW)
    assert padded == Pool(5 * 16 * 4096, (Table("full", None, 16, 1), Table("sliding", 1024, 16, 1)))


def test_full_layers_of_several_widths_share_one_block_table() -> None:
    wide = (attention("full", 3, 8, 128), attention("full", 4, 2, 128))
    assert pool_of(wide, BF16, NOW) == Pool(16 * (3 * 4096 + 4 * 1024), (Table("full", None, 16, 1),))


def test_windows_alone_are_one_group() -> None:
    assert pool_of((attention("sliding", 7, 8, 64, 128),), BF16, NOW) == Pool(
        7 * 16 * 2048, (Table("sliding", 128, 16, 1),)
    )


def test_what_keeps_nothing_has_no_pool() -> None:
    assert pool_of((LayerGroup("none", 4),), BF16, NOW) is None


def test_a_window_keeps_the_batches_in_flight_and_one_block_more() -> None:
    pool = Pool(1, (Table("sliding", 128, 16, 2),))
    assert blocks_of_request(pool, NOW, 100_000, 2048) == 2 * (-(-(127 + 4096) // 16) + 1)
    chunked = Pool(1, (Table("chunked", 8192, 16, 1),))
    assert blocks_of_request(chunked, V0_18, 100_000, 2048) == (8192 + 2048) // 16


def test_sequences_share_the_batches_in_flight() -> None:
    pool = Pool(1, (Table("full", None, 16, 1), Table("sliding", 128, 16, 1), Table("mamba", None, 16, 3)))
    cached, held = blocks_together(pool, V0_18, 16_000, 10, 2048)
    assert (cached, held) == (10 * 1000 + 10 * 10 + 128, 10 * 3 * 2)
    # One sequence alone may hold a whole batch: the server does not start without room for it.
    assert blocks_together(pool, V0_18, 16_000, 1, 2048)[0] == 1000 + -(-(127 + 2048) // 16) + 1


LAYERS = st.lists(
    st.builds(attention, st.sampled_from(["full", "sliding", "chunked"]), st.integers(1, 40), st.integers(1, 16),
              st.sampled_from([64, 128, 256]), st.integers(16, 8192)),
    min_size=1, max_size=3,
).map(tuple)  # fmt: skip


@given(LAYERS, st.integers(1, 200_000), st.integers(1, 64), st.sampled_from([NOW, V0_18, V0_10]))
def test_the_pool_is_never_smaller_than_the_windows(
    layers: tuple[LayerGroup, ...], context: int, sequences: int, terms: BlockPool
) -> None:
    pool = pool_of(layers, BF16, terms)
    assert pool is not None
    blocks, _ = blocks_together(pool, terms, context, sequences, 2048)
    assert pool.block_bytes * blocks >= kv_bytes(layers, context, sequences, BF16, WINDOW_ONLY)
    assert blocks_together(pool, terms, context + 1, sequences, 2048)[0] >= blocks
    assert blocks_together(pool, terms, context, sequences + 1, 2048)[0] >= blocks
