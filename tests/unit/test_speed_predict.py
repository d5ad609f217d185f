"""Predictions with their intervals: what a user sees of the speed model."""

from math import exp

import pytest
from speed_cases import PLACE, calibration, prepared

from assay.reason.speed.predict import bound_of, parts_of, predict, seen_of, speed_of
from assay.reason.speed.step import decode, factors_of
from assay.types.plan import Workload
from assay.types.speed import Calibration

ASKED = Workload(context=200, concurrency=1, prompt=100)


def found(workload: Workload = ASKED, fit: Calibration | None = None, **place: object):  # noqa: ANN201
    where = prepared(place=PLACE._replace(**place))  # type: ignore[arg-type]
    return predict(speed_of(where, fit or calibration(), ("card-source",), "documented"), workload)


def test_decode_is_told_at_half_of_the_context() -> None:
    where = prepared()
    fit = calibration()
    step = sum(decode(where, factors_of(where, fit.coefficients), 1, 100))
    one = found()
    assert one.itl.value == pytest.approx(step)
    assert one.decode_per_sequence.value == pytest.approx(1 / step)
    assert one.bound == "bandwidth"


def test_the_interval_is_the_stratums() -> None:
    """Residuals are log(predicted / measured): where the model was too slow, measured times are shorter."""
    one = found(fit=calibration(-0.1, 0.2))
    assert one.itl.value is not None
    assert one.itl.low == pytest.approx(one.itl.value * exp(-0.2))
    assert one.itl.high == pytest.approx(one.itl.value * exp(0.1))
    assert one.decode_per_sequence.low == pytest.approx(1 / one.itl.high)


def test_the_interval_holds_the_value_where_the_model_is_biased() -> None:
    one = found(fit=calibration(0.1, 0.2))
    assert one.itl.high == pytest.approx(one.itl.value)


def test_total_is_sequences_times_each() -> None:
    many = found(Workload(200, 4, 100))
    assert many.decode_total.value == pytest.approx(4 * (many.decode_per_sequence.value or 0))


def test_throughput_pays_for_the_prompts_of_others() -> None:
    many = found(Workload(200, 4, 100))
    assert (many.throughput.value or 0) < (many.decode_total.value or 0) * 1.2
    alone = found()
    assert alone.throughput.value is not None
    nothing = found(Workload(100, 4, 100))
    assert nothing.throughput.value is None
    assert nothing.throughput.note is not None


def test_few_calibrated_prompts_make_a_prefill_assumed() -> None:
    assert found(fit=calibration(rows=29)).prefill.root == "assumed"
    assert found(fit=calibration(rows=30)).prefill.root == "documented"
    assert found(fit=calibration(rows=29)).itl.root == "documented"


@pytest.mark.parametrize(
    ("gpu", "runtime", "expected"),
    [
        ("card", "vllm", "calibrated"),
        ("card", "sglang", "seen"),
        ("other", "vllm", "unseen"),
        ("other", "sglang", "runtime"),
        ("car", "vllm", "unseen"),
    ],
)
def test_how_near_the_measurements_are(gpu: str, runtime: str, expected: str) -> None:
    assert seen_of(calibration(), gpu, runtime) == expected


def test_every_part_is_named_with_its_sources() -> None:
    one = found()
    assert {name for name, _ in one.itl.inputs} >= {"time to read weights", "time to read caches"}
    assert sum(part.value or 0 for _, part in one.itl.inputs) == pytest.approx(one.itl.value)
    assert all("card-source" in part.sources for _, part in one.itl.inputs)


def test_the_bound_is_what_takes_most_of_the_time() -> None:
    where = prepared()
    ideal = calibration().coefficients
    dear = factors_of(where, {**ideal, "layer": 2.0})
    assert bound_of(parts_of(where, decode(where, dear, 1, 0))) == "overhead"
    many = decode(where, factors_of(where, ideal), 1e5, 0)
    assert bound_of(parts_of(where, many)) == "compute"
