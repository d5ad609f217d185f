"""What a drawing of the memory is made from: weights by role to the byte, contexts, the frontier."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.answers.asked import CheckRequest
from assay.answers.check import CheckAnswer, answer
from assay.reason.memory import picture
from assay.reason.memory.fit import CardMemory, Setting, fit
from assay.reason.memory.picture import contexts, weight_shares
from assay.reason.memory.weights import weights_per_card
from assay.report.chart.memory import memory_chart
from assay.types.chart import Chart
from assay.types.model import LayerGroup, Model, TensorGroup
from assay.types.plan import Fit, Workload
from assay.types.quantity import exact
from assay.types.runtime import KvFormat, Runtime

OWNER = "RTX PRO 6000 Blackwell Workstation Edition"
CASES = (
    ("Qwen3-30B-A3B", OWNER, None, 8),
    ("Qwen3-30B-A3B", "4090", None, 1),
    ("Qwen3-8B", "2x 4090", None, 1),
    ("gpt-oss-120b", "2x 5090", None, 1),
    ("gpt-oss-20b", "5090", None, 4),
    ("Qwen3-8B", "5090 + 4090", None, 2),
    ("DeepSeek-V3.2", "8x h200-sxm-141gb", None, 16),
    ("Qwen3-VL-8B-Instruct", "2x 5090", None, 2),
    ("gemma-3-27b-it", OWNER, "llama.cpp", 2),
)


def asked(model: str, gpu: str, runtime: str | None, concurrency: int, context: int | None = None) -> CheckAnswer:
    return answer(
        CheckRequest(model, (gpu,), runtime=runtime, context=context, concurrency=concurrency, picture="memory")
    )


def drawn(found: CheckAnswer) -> Chart:
    return memory_chart(found, tuple("" for _ in found.results))


@pytest.mark.parametrize(("model", "gpu", "runtime", "concurrency"), CASES)
def test_the_bars_show_the_plan(model: str, gpu: str, runtime: str | None, concurrency: int) -> None:
    found = asked(model, gpu, runtime, concurrency)
    plan = found.results[0].fit.memory
    bars = drawn(found).bars
    assert sum(bar.number for bar in bars) == sum(entry.number for entry in found.results[0].cards)
    for bar, entry in zip(bars, found.results[0].cards, strict=True):
        assert bar.label == entry.card.gpu.name
        assert bar.edge == entry.card.usable.value
        pieces = [piece for part in bar.parts for piece in part.pieces]
        length = {
            possible: sum(
                piece.end - piece.start
                for piece in pieces
                if piece.possible is possible and piece.fill in {"weights", "cache", "runtime"}
            )
            for possible in (False, True)
        }
        assert length[False] == pytest.approx(plan.total.lowest)
        assert length[False] + length[True] == pytest.approx(plan.total.highest)


@pytest.mark.parametrize(
    ("model", "gpu", "runtime", "concurrency"), tuple(case for case in CASES if case[0] != "DeepSeek-V3.2")
)
def test_the_shares_of_the_weights_are_the_weights_to_the_byte(
    model: str, gpu: str, runtime: str | None, concurrency: int
) -> None:
    result = asked(model, gpu, runtime, concurrency).results[0]
    assert result.picture is not None
    weights, sizes = result.fit.memory.weights, [share.size for share in result.picture.weights]
    assert sizes
    assert sum(size.lowest or 0 for size in sizes) == weights.lowest
    assert sum(size.value or 0 for size in sizes) == weights.value
    assert sum(size.highest or 0 for size in sizes) == weights.highest


def test_weights_that_no_rule_shares_out_are_drawn_in_one() -> None:
    found = asked("Qwen3-8B", "2x 4090", "llama.cpp", 1)  # dealt out by whole layers
    result = found.results[0]
    assert result.picture is not None
    assert result.picture.weights == ()
    first = drawn(found).bars[0].parts[0]
    assert first.figure == result.fit.memory.weights


@pytest.mark.parametrize(("model", "gpu", "runtime", "concurrency"), CASES)
def test_the_frontier_passes_through_the_answer_and_never_rises(
    model: str, gpu: str, runtime: str | None, concurrency: int
) -> None:
    found = asked(model, gpu, runtime, concurrency)
    (result,) = found.results
    assert result.picture is not None
    steps = {step.context: step.sequences for step in result.picture.frontier}
    stated = steps[found.workload.context]
    assert (stated.value, stated.low, stated.high) == (
        result.fit.max_concurrency.value,
        result.fit.max_concurrency.low,
        result.fit.max_concurrency.high,
    )
    for one, two in pairwise(result.picture.frontier):
        assert one.context < two.context
        assert (one.sequences.lowest or 0) >= (two.sequences.lowest or 0)
        assert (one.sequences.highest or 0) >= (two.sequences.highest or 0)


@given(st.integers(1, 1 << 21), st.integers(1, 1 << 21))
def test_contexts_are_powers_of_two_the_limit_and_the_stated_one(limit: int, stated: int) -> None:
    found = contexts(limit, stated)
    assert list(found) == sorted(set(found))
    assert found[-1] == limit
    assert (stated in found) or stated > limit
    others = [tokens for tokens in found if tokens not in {limit, stated}]
    assert all(tokens & (tokens - 1) == 0 for tokens in others)
    assert all(two == 2 * one for one, two in pairwise(others) if one * 2 not in {limit, stated})


def test_a_model_without_a_stated_limit_has_a_frontier_too() -> None:
    assert 1 << 20 in contexts(None, 5000)
    assert 5000 in contexts(None, 5000)
    assert 1 << 22 in contexts(None, 1 << 22)


def test_a_context_beyond_the_model_is_not_drawn_and_said() -> None:
    found = asked("Qwen3-8B", OWNER, None, 1, context=200_000)
    (plot,) = drawn(found).plots
    assert not plot.marks
    assert [note.code for note in plot.notes] == ["chart.beyond", "chart.memory_only"]


def test_a_refusal_that_is_not_memorys_is_said_beside_the_drawing() -> None:
    found = asked("Qwen3-8B", f"3x {OWNER}", None, 1)
    assert found.results[0].verdict == "no"
    (plot,) = drawn(found).plots
    assert [note.code for note in plot.notes] == ["chart.memory_only"]


def test_memory_of_unknown_size_is_said_and_not_drawn() -> None:
    found = asked("Qwen3-8B", "Radeon 8060S", "vllm", 1)
    chart = drawn(found)
    assert chart.bars[0].edge is None
    (plot,) = chart.plots
    assert not plot.series
    assert [note.code for note in plot.notes] == ["unknown.unified_memory"]


def test_without_the_wish_nothing_is_computed_for_a_drawing() -> None:
    assert answer(CheckRequest("Qwen3-8B", (OWNER,))).results[0].picture is None


def test_cards_of_the_same_memory_share_their_frontier() -> None:
    found = answer(CheckRequest("Qwen3-8B", ("RTX PRO 6000 Blackwell", "4090"), picture="memory"))
    chart = memory_chart(found, ("first", "second", "third", "other"))
    assert len(chart.bars) == 4
    assert [dict(plot.title.parameters)["gpu"] for plot in chart.plots] == ["first, second, third", "other"]


GROUPS = (
    TensorGroup("mlp", "bf16", 50, 50, 1, 101),
    TensorGroup("attention", "bf16", 50, 50, 1, 100),
    TensorGroup("attention", "mxfp4", 50, 50, 1, 52),
    TensorGroup("norm", "bf16", 2, 2, 1, 5),
    TensorGroup("embedding", "bf16", 2, 2, 1, 1000),
)
TINY = Model(
    "m", "llama", "bf16", None, GROUPS, (LayerGroup("full", 1, 3, 3, 1, 1),), exact(1258, "B", "documented"), 8, 8, 8,
    0, 0, 4096, "config",
)  # fmt: skip
BARE = Runtime("r", "r", None, (), "bf16", (), "tensor", frozenset(), None, ())


def tiny(cards: int = 1) -> Setting:
    card = CardMemory("g", exact(100_000, "B", "documented"), exact(1, "B", "documented"), cards)
    return Setting(TINY, BARE, card, KvFormat("bf16", 1, 2))


@pytest.mark.parametrize("cards", [1, 2, 3, 7])
def test_what_rounding_leaves_over_is_in_the_largest_share(cards: int) -> None:
    weights = weights_per_card(TINY, TINY.weights, cards)
    shares = weight_shares(tiny(cards), weights)
    assert {(share.role, share.format) for share in shares} == {(group.role, group.format) for group in GROUPS}
    assert sum(share.size.value or 0 for share in shares) == weights.value
    (norms,) = [share.size.value for share in shares if share.role == "norm"]
    assert norms == 5  # whole on every card


def test_a_table_in_host_memory_is_no_share_of_the_card() -> None:
    shares = weight_shares(tiny(), exact(258, "B", "documented"))
    assert sorted(share.role for share in shares) == ["attention", "attention", "mlp", "norm"]
    assert weight_shares(tiny(), exact(700, "B", "documented")) == ()


def test_the_frontier_is_searched_at_its_own_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = []

    def fitted(setting: Setting, workload: Workload) -> Fit:
        searched.append(workload)
        return fit(setting, workload)

    monkeypatch.setattr(picture, "fit", fitted)
    steps = picture.frontier(tiny(), Workload(3000, 5, 128))
    assert [workload.context for workload in searched] == [step.context for step in steps]
    assert [step.context for step in steps] == [256, 512, 1024, 2048, 3000, 4096]
    assert {workload.concurrency for workload in searched} == {5}


def test_weights_that_are_an_interval_on_each_card_are_drawn_whole() -> None:
    """What latent attention keeps whole on every card is bounded, so that no role's share is known to the byte."""
    found = asked("DeepSeek-V3.2", "8x h200-sxm-141gb", None, 1)
    assert found.results[0].picture is not None
    assert list(found.results[0].picture.weights) == []
