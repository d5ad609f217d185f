"""Seconds of one step on a card whose rates can be divided by hand."""

from dataclasses import replace
from math import log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from speed_cases import GROUPS, IDEAL, KV, MOE, PLACE, prepared

from assay.reason.speed import step
from assay.reason.speed.shape import distinct_experts, group_bytes, matrices, shape_of
from assay.reason.speed.step import Prepared, factors_of
from assay.types.model import LayerGroup, TensorGroup


def seconds(found: Prepared, tokens: float, sequences: float, context: float, **more: float) -> float:
    factors = factors_of(found, IDEAL | more)
    return sum(step.contributions(found, factors.places, step.Ask(tokens, sequences, context)))


def test_one_token_touches_its_own_experts_and_a_large_batch_all() -> None:
    assert distinct_experts(128, 8, 1) == pytest.approx(8 / 128)
    assert distinct_experts(128, 8, 64) == pytest.approx(1 - (120 / 128) ** 64)
    assert distinct_experts(128, 8, 10_000) == pytest.approx(1)
    assert distinct_experts(0, 0, 1) == 1


def test_embedding_rows_are_looked_up_and_the_head_is_read() -> None:
    assert sum(group_bytes(MOE, group, 1) for group in GROUPS) == 200 + 600 + 2560 * 8 / 128
    assert {(each.kind, each.size) for each in matrices(MOE)} == {("experts", 2560), ("dense", 600), ("head", 200)}


def test_a_tied_embedding_is_read_as_the_head() -> None:
    tied = replace(MOE, groups=tuple(group for group in GROUPS if group.role != "head"))
    assert matrices(tied) == matrices(MOE)


def test_what_only_runs_on_request_is_not_touched() -> None:
    more = tuple(TensorGroup(role, "bf16", 999, 999, 1, 1998) for role in ("mtp", "adapter", "vision"))  # type: ignore[arg-type]
    assert matrices(replace(MOE, groups=(*GROUPS, *more))) == matrices(MOE)


def test_small_dense_tensors_are_counted_with_the_largest_and_no_byte_is_lost() -> None:
    small = TensorGroup("norm", "fp32", 2, 2, 4, 8)
    found = matrices(replace(MOE, groups=(*GROUPS, small)))
    assert [(each.kind, each.size) for each in found] == [("experts", 2560), ("dense", 608), ("head", 200)]


def test_decode_reads_weights_and_the_cache() -> None:
    """960 B of weights at 1,000 B/s, and 10 tokens of 128 B."""
    assert seconds(prepared(), 1, 1, 0) == pytest.approx(0.96)
    assert seconds(prepared(), 1, 1, 10) == pytest.approx(0.96 + 1.28)


def test_a_window_bounds_what_a_token_sees() -> None:
    windowed = replace(MOE, layers=(LayerGroup("sliding", 1, 4, 4, 8, 8, window=10),))
    shape = shape_of(windowed, KV)
    assert seconds(prepared(shape), 1, 1, 10_000) == pytest.approx(seconds(prepared(), 1, 1, 10))


def test_a_fixed_state_is_read_and_written() -> None:
    linear = replace(MOE, layers=(LayerGroup("linear", 1, state_size=50),))
    assert seconds(prepared(shape_of(linear, KV)), 1, 2, 999) == pytest.approx(
        seconds(prepared(), 1, 2, 0) + 2 * 2 * 50 / 1000
    )


def test_compute_bounds_a_large_batch() -> None:
    """480 parameters a token: 2 x 480 x 512 operations at 10,000 FLOP/s; the head counts for each sequence."""
    slow = prepared(peak=10_000.0)
    assert seconds(slow, 1, 512, 0) == pytest.approx(2 * 480 * 512 / 10_000, rel=1e-3)


def test_a_prompt_multiplies_the_head_for_its_last_token_only() -> None:
    slow = prepared(peak=100.0)
    expected = 2 * (380 * 512 + 100) / 100
    assert seconds(slow, 512, 1, 0) == pytest.approx(expected, rel=1e-3)


def test_experts_pay_for_whole_tiles() -> None:
    """Sixteen rows more for each of the experts that are touched."""
    slow = prepared(peak=100.0)
    padded = seconds(slow, 512, 1, 0, pad=log(16))
    assert padded - seconds(slow, 512, 1, 0) == pytest.approx(2 * 16 * 1280 / 100, rel=1e-3)


def test_a_long_prompt_is_read_in_chunks() -> None:
    """Each chunk reads the weights again."""
    shape = shape_of(replace(MOE, layers=()), KV)
    fast = prepared(shape, PLACE._replace(peak=1e30))
    factors = factors_of(fast, IDEAL)
    one, four = (sum(step.prefill(fast, factors, tokens)) for tokens in (512, 2048))
    assert four == pytest.approx(4 * one)


def test_every_layer_every_expert_layer_and_every_step_cost_something() -> None:
    dear = seconds(prepared(), 1, 3, 0, layer=log(1.0), expert_layer=log(2.0), step=log(4.0), each=log(8.0))
    assert dear == pytest.approx(seconds(prepared(), 1, 3, 0) + 1 + 2 + 4 + 3 * 8)


def test_cards_share_the_reading_and_exchange_sums() -> None:
    pair = prepared(place=PLACE._replace(cards=2, link="pcie", link_bandwidth=100.0))
    assert seconds(pair, 1, 1, 0) == pytest.approx(0.48)
    talking = seconds(pair, 1, 1, 0, reduce=log(3.0), ring=0.0)
    assert talking == pytest.approx(0.48 + 2 * 3.0 + 2 * (2 * 8 * 2 / 2) / 100)
    assert seconds(prepared(), 1, 1, 0, reduce=log(3.0), ring=0.0) == pytest.approx(0.96)


def test_prompts_of_others_are_read_between_tokens() -> None:
    found = prepared()
    factors = factors_of(found, IDEAL | {"mix": log(0.5)})
    alone = sum(step.decode(found, factors, 4, 150))
    waiting = sum(step.prefill(found, factors, 100))
    assert sum(step.serving(found, factors, 4, 100, 100)) == pytest.approx(alone + waiting * 0.5 * 3 / 100)
    assert sum(step.serving(found, factors, 1, 100, 100)) == pytest.approx(sum(step.decode(found, factors, 1, 150)))


def test_the_regime_of_the_batch_multiplies() -> None:
    shape = shape_of(MOE, KV)
    paths = (step.Multiply(1, "int8", "dp4a", 10.0, known=True), step.Multiply(9, "int8", "tensor", 1e9, known=True))
    found = step.prepare(shape, PLACE, [paths] * len(shape.matrices))
    assert seconds(found, 1, 8, 0) > 100 * seconds(found, 1, 9, 0)


def test_a_power_limit_slows_down_only_below_its_threshold() -> None:
    slower = {"read/power": 1.0}
    light, hard = (prepared(place=PLACE._replace(power=power)) for power in (1.5, 3.0))
    assert seconds(light, 1, 1, 0, **slower) == pytest.approx(0.96)
    assert seconds(hard, 1, 1, 0, **slower) > 1.2 * 0.96


LOGS = st.floats(-3, 3)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 600), st.integers(1, 64), st.integers(0, 4000), st.sampled_from([1, 4]))
def test_contributions_are_the_derivatives(
    data: st.DataObject, tokens: int, sequences: int, context: int, cards: int
) -> None:
    """Each part is the derivative of the whole by its factor's logarithm: what the calibration relies on."""
    found = prepared(place=PLACE._replace(cards=cards, link="pcie", link_bandwidth=500.0, peak=5e4))
    factors = [2.718 ** data.draw(LOGS) for _ in found.keys]
    ask = step.Ask(tokens, sequences, context)
    parts = step.contributions(found, factors, ask)
    whole, small = sum(parts), 1e-6
    for place, part in enumerate(parts):
        moved = list(factors)
        moved[place] *= 1 + small
        slope = (sum(step.contributions(found, moved, ask)) - whole) / small
        assert slope == pytest.approx(part, rel=1e-3, abs=whole * 1e-4)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 64), st.integers(0, 4000), st.floats(1.0, 4.0))
def test_more_bandwidth_is_never_slower_and_more_context_never_faster(
    sequences: int, context: int, more: float
) -> None:
    wide = prepared(place=PLACE._replace(bandwidth=PLACE.bandwidth * more))
    assert seconds(wide, 1, sequences, context) <= seconds(prepared(), 1, sequences, context) * (1 + 1e-12)
    assert seconds(prepared(), 1, sequences, context + 1) >= seconds(prepared(), 1, sequences, context)
