from dataclasses import replace

import pytest

from assay.reason.speed.roofline import (
    CardSpeed,
    Efficiency,
    cards_together,
    distinct_experts,
    multiplied_parameters,
    predict,
    touched_bytes,
)
from assay.types.message import message
from assay.types.model import LayerGroup, Model, TensorGroup
from assay.types.quantity import Quantity, exact, unknown

GROUPS = (
    TensorGroup("embedding", "bf16", 100, 1, 1, 200),
    TensorGroup("head", "bf16", 100, 100, 1, 200),
    TensorGroup("attention", "bf16", 300, 300, 4, 600),
    TensorGroup("experts", "bf16", 1280, 80, 4, 2560),
)
MOE = Model(
    name="moe",
    architecture="qwen3_moe",
    released_format="bf16",
    requantized_from=None,
    groups=GROUPS,
    layers=(LayerGroup("full", 1, 4, 4, 8, 8),),
    weights=exact(3560, "B", "documented"),
    hidden_size=8,
    vocabulary=16,
    intermediate=16,
    experts=128,
    experts_per_token=8,
    max_context=1024,
    container="config",
)
ONE = exact(1, "card", "documented")
CARD = CardSpeed(exact(1000.0, "B/s", "documented"), exact(1e6, "FLOP/s", "documented"), ONE)
FREE = exact(0.0, "s", "assumed")
SURE = Efficiency(exact(1.0, "ratio", "assumed"), exact(1.0, "ratio", "assumed"), FREE)
WIDE = Efficiency(
    Quantity(0.5, "ratio", "assumed", low=0.25, high=1.0), Quantity(0.5, "ratio", "assumed", low=0.1, high=1.0), FREE
)


def test_one_token_touches_its_own_experts_and_a_large_batch_all() -> None:
    assert distinct_experts(128, 8, 1) == pytest.approx(8 / 128)
    assert distinct_experts(128, 8, 64) == pytest.approx(1 - (120 / 128) ** 64)
    assert distinct_experts(128, 8, 10_000) == pytest.approx(1)
    assert distinct_experts(0, 0, 1) == 1


def test_embedding_rows_are_looked_up_and_the_head_is_read() -> None:
    assert touched_bytes(MOE, 1) == 200 + 600 + 2560 * 8 / 128


def test_a_tied_embedding_is_read_as_the_head() -> None:
    tied = replace(MOE, groups=tuple(group for group in GROUPS if group.role != "head"))
    assert touched_bytes(tied, 1) == touched_bytes(MOE, 1)
    assert multiplied_parameters(tied) == multiplied_parameters(MOE) == 480


def test_decode_reads_weights_and_half_of_the_cache() -> None:
    found = predict(MOE, CARD, SURE, 40.0, 1, 1)
    assert found.itl.value == pytest.approx((960 + 20) / 1000)
    assert (found.itl.low, found.itl.high) == (pytest.approx(0.96), pytest.approx(1.0))
    assert found.decode_per_sequence.value == pytest.approx(1000 / 980)
    assert found.bound == "bandwidth"


def test_total_is_sequences_times_each() -> None:
    found = predict(MOE, CARD, SURE, 0.0, 4, 1)
    assert found.decode_total.value == pytest.approx(4 * (found.decode_per_sequence.value or 0))


def test_compute_bounds_a_large_batch() -> None:
    slow = CARD._replace(peak=exact(10_000.0, "FLOP/s", "documented"))
    found = predict(MOE, slow, SURE, 0.0, 512, 1)
    assert found.bound == "compute"
    assert found.itl.value == pytest.approx(2 * 480 * 512 / 10_000)


def test_prefill_pays_for_reading_the_weights_it_touches() -> None:
    fast = CARD._replace(peak=exact(1e30, "FLOP/s", "documented"))
    found = predict(MOE, fast, SURE, 0.0, 1, 16)
    assert found.prefill.value == pytest.approx(16 / (touched_bytes(MOE, 16) / 1000))


def test_the_interval_holds_the_value_and_rests_on_the_assumption() -> None:
    found = predict(MOE, CARD, WIDE, 40.0, 1, 64)
    for figure in (found.prefill, found.decode_total, found.ttft_unloaded, found.itl):
        assert figure.low is not None
        assert figure.high is not None
        assert figure.low <= (figure.value or 0) <= figure.high
        assert figure.weakest == "assumed"


def test_without_a_known_peak_decode_is_predicted_and_prefill_is_not() -> None:
    blind = CARD._replace(peak=unknown("FLOP/s", message("unknown.peak")))
    found = predict(MOE, blind, SURE, 0.0, 1, 16)
    assert found.decode_total.value is not None
    assert found.prefill.value is None
    assert found.ttft_unloaded.value is None


def test_without_a_known_bandwidth_nothing_is_predicted() -> None:
    blind = CARD._replace(bandwidth=unknown("B/s", message("unknown.bandwidth")))
    found = predict(MOE, blind, SURE, 0.0, 1, 16)
    assert found.decode_total.value is None
    assert found.bound is None


def test_more_cards_promise_no_more_than_one_at_the_low_end() -> None:
    gain = Quantity(0.6, "ratio", "assumed", low=0.0, high=1.0)
    four = cards_together(4, gain)
    assert (four.low, four.value, four.high) == (1, pytest.approx(2.8), 4)
    assert cards_together(1, gain).value == 1
    alone, together = (predict(MOE, CARD._replace(cards=cards), SURE, 0.0, 1, 16) for cards in (ONE, four))
    assert together.decode_total.low == pytest.approx(alone.decode_total.value)


def test_each_layer_costs_something_whatever_its_size() -> None:
    layers = Quantity(1.0, "s", "assumed", low=0.5, high=2.0)
    dear = predict(MOE, CARD, SURE._replace(layer=layers), 0.0, 1, 1)
    free = predict(MOE, CARD, SURE, 0.0, 1, 1)
    assert dear.itl.value == pytest.approx((free.itl.value or 0) + 1)
    assert (dear.itl.low, dear.itl.high) == (pytest.approx(0.96 + 0.5), pytest.approx(0.96 + 2))
    costly = predict(MOE, CARD, SURE._replace(layer=exact(5.0, "s", "assumed")), 0.0, 1, 1)
    assert costly.bound == "overhead"


def test_the_longer_time_names_both() -> None:
    found = predict(MOE, CARD, WIDE, 40.0, 4, 64)
    ((_, inner), *_) = found.prefill.inputs[0][1].inputs
    assert [name for name, _ in inner.inputs] == ["time to read", "time to multiply"]
    times = [figure for _, figure in inner.inputs]
    assert inner.high == max(figure.highest or 0 for figure in times)


def test_what_only_runs_on_request_is_not_touched() -> None:
    more = tuple(TensorGroup(role, "bf16", 999, 999, 1, 1998) for role in ("mtp", "adapter", "vision"))  # type: ignore[arg-type]
    dressed = replace(MOE, groups=(*GROUPS, *more))
    assert touched_bytes(dressed, 4) == touched_bytes(MOE, 4)
    assert multiplied_parameters(dressed) == multiplied_parameters(MOE)
