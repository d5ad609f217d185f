"""Expert parallelism against sums made by hand from published configurations."""

import pytest

from assay.answers.model import answer as read_model
from assay.knowledge.catalog.runtimes import kv_format
from assay.reason.memory.cache import WINDOW_ONLY, kv_bytes
from assay.reason.memory.experts import (
    ExpertParallel,
    expert_weights_per_card,
    experts_on_fullest,
    layers_on_card,
    sequences_on_card,
)
from assay.types.model import Model
from assay.types.quantity import exact

QWEN, DEEPSEEK = "Qwen/Qwen3-30B-A3B", "deepseek-ai/DeepSeek-V3"


def per_card(model: Model, tensor: int, data: int = 1) -> float | None:
    return expert_weights_per_card(model, model.weights, ExpertParallel(tensor, data)).value


# 48 layers, 128 experts of 3 matrices 2048 x 768 in BF16; 32 query and 4 KV heads of 128 elements, both normed
QWEN_EXPERT = 48 * 3 * 2048 * 768 * 2
QWEN_ATTENTION = 48 * (2 * 2048 * 32 * 128 + 2 * 2048 * 4 * 128) * 2
QWEN_TABLES = 2 * 151_936 * 2048 * 2
QWEN_KEPT = (48 * 128 * 2048 + 48 * (2 * 2048 + 2 * 128) + 2048) * 2


@pytest.mark.parametrize(("tensor", "data"), [(1, 1), (2, 1), (4, 1), (1, 4), (2, 2), (8, 1)])
def test_qwen3_30b_keeps_whole_experts_and_its_share_of_attention(tensor: int, data: int) -> None:
    cards = tensor * data
    expected = 128 // cards * QWEN_EXPERT + (QWEN_ATTENTION + QWEN_TABLES) // tensor + QWEN_KEPT
    assert per_card(read_model(QWEN), tensor, data) == expected


def test_experts_that_do_not_divide_are_counted_on_the_fullest_card() -> None:
    assert [experts_on_fullest(128, cards) for cards in (1, 2, 3, 5, 6, 128, 200)] == [128, 64, 43, 26, 22, 1, 1]
    expected = 43 * QWEN_EXPERT + QWEN_ATTENTION + QWEN_TABLES + QWEN_KEPT
    assert per_card(read_model(QWEN), 1, 3) == expected


# 58 of 61 layers have 256 experts of 3 matrices 7168 x 2048 in FP8, with a 4-byte scale for each block of 128 x 128
DEEPSEEK_EXPERT = 58 * 3 * (7168 * 2048 + 7168 * 2048 // 128**2 * 4)


def test_deepseek_v3_on_sixteen_cards_keeps_sixteen_experts_of_each_layer() -> None:
    model = read_model(DEEPSEEK)
    rest = (model.weights.value or 0) - 256 * DEEPSEEK_EXPERT
    # With data-parallel attention everything but the experts stands on every card.
    assert per_card(model, 1, 16) == 16 * DEEPSEEK_EXPERT + rest
    assert sum(group.size for group in model.groups if group.role == "experts") == 256 * DEEPSEEK_EXPERT
    # Under tensor parallelism over the same cards only norms and routers do.
    kept = sum(group.size for group in model.groups if group.role in {"norm", "router"})
    divided = 16 * DEEPSEEK_EXPERT + -(-(rest - kept) // 16) + kept
    assert per_card(model, 16) == divided


def test_caches_go_with_attention() -> None:
    model, kv = read_model(DEEPSEEK), kv_format("bf16")
    latent = 61 * (512 + 64) * 2 * 4096
    for parallel, sequences in ((ExpertParallel(16), 32), (ExpertParallel(1, 16), 2), (ExpertParallel(2, 8), 4)):
        here = sequences_on_card(32, parallel)
        assert here == sequences
        assert kv_bytes(layers_on_card(model.layers, parallel), 4096, here, kv, WINDOW_ONLY) == latent * sequences
    heads = read_model(QWEN)
    whole = 48 * 4 * 256 * 2 * 4096
    for parallel, expected in (
        (ExpertParallel(4), whole * 8 // 4),
        (ExpertParallel(8), whole * 8 // 4),
        (ExpertParallel(1, 4), whole * 2),
    ):
        layers, here = layers_on_card(heads.layers, parallel), sequences_on_card(8, parallel)
        assert kv_bytes(layers, 4096, here, kv, WINDOW_ONLY) == expected


def test_what_weights_grow_by_while_loading_is_the_experts() -> None:
    model = read_model(QWEN)
    grown = exact((model.weights.value or 0) + 128_000, "B", "assumed", "s")
    here = expert_weights_per_card(model, grown, ExpertParallel(4)).value
    assert here == (per_card(model, 4) or 0) + 32_000
