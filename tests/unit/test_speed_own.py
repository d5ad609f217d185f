"""What the owner's own measurements change of a prediction."""

from math import log, sqrt

import pytest
from speed_cases import IDEAL, calibration, prepared

from assay.reason.speed.own import NONE, Own, correction, exactly, predicted_seconds
from assay.reason.speed.predict import OWN, predict, speed_of
from assay.reason.speed.step import factors_of
from assay.types.plan import Workload

PLACE = prepared()
FACTORS = factors_of(PLACE, IDEAL)
ASKED = Workload(context=200, concurrency=1, prompt=100)


def own(times: float, **more: object) -> Own:
    """A measurement that took so many times as long as the model says."""
    bare = Own(7, "decode", 1.0, 50.0, 20.0, 1.0, same=True, prepared=PLACE)._replace(**more)
    return bare._replace(seconds=predicted_seconds(bare, FACTORS) * times)


def predicted(*stored: Own):  # noqa: ANN201
    speed = speed_of(PLACE, calibration(), ("card-source",), "documented")
    return predict(speed._replace(own=tuple((one, FACTORS) for one in stored)), ASKED)


def test_the_same_model_moves_by_as_much_as_it_was_off_and_halves_the_interval() -> None:
    bare, moved = predicted(), predicted(own(1.5))
    assert moved.itl.value == pytest.approx(1.5 * (bare.itl.value or 0))
    assert log((moved.itl.high or 0) / (moved.itl.value or 1)) == pytest.approx(0.05)
    assert moved.itl.note is not None
    assert moved.itl.note.code == "speed.corrected"
    assert OWN in moved.itl.sources


def test_another_model_moves_by_a_share_and_leaves_the_interval() -> None:
    bare, moved = predicted(), predicted(own(1.5, same=False))
    assert moved.itl.value == pytest.approx(sqrt(1.5) * (bare.itl.value or 0))
    assert log((moved.itl.high or 0) / (moved.itl.value or 1)) == pytest.approx(0.1)
    assert moved.itl.note is not None
    assert moved.itl.note.code == "speed.corrected_other"


def test_the_same_model_counts_before_others() -> None:
    found = correction("decode", [(own(1.5, same=False), FACTORS), (own(2.0, id=9), FACTORS)])
    assert found.ids == (9,)
    assert found.factor == pytest.approx(2.0)


def test_a_step_says_nothing_of_prompts() -> None:
    bare, moved = predicted(), predicted(own(1.5))
    assert moved.ttft_unloaded == bare.ttft_unloaded
    assert correction("prefill", [(own(1.5), FACTORS)]) == NONE
    prompt = own(3.0, kind="prefill", prompt=400.0)
    assert predicted(prompt).ttft_unloaded.value == pytest.approx(3 * (bare.ttft_unloaded.value or 0))
    assert predicted(prompt).itl == bare.itl


def test_the_very_same_load_is_shown_as_measured() -> None:
    shown = predicted(own(1.5, prompt=90.0, output=20.0))
    assert shown.itl.basis == "measured"
    assert shown.itl.low is None
    assert shown.decode_per_sequence.root == "measured"
    asked = own(1.0, kind="prefill", prompt=100.0)
    assert predicted(asked).ttft_unloaded.basis == "measured"


def test_what_differs_in_load_is_not_the_same() -> None:
    one = own(1.0, prompt=90.0, output=20.0)
    assert exactly([one], "decode", 1.0, 100.0) == one
    assert exactly([one], "decode", 2.0, 100.0) is None
    assert exactly([one], "serving", 1.0, 100.0) is None
    assert exactly([one], "decode", 1.0, 130.0) is None
    assert exactly([one._replace(same=False)], "decode", 1.0, 100.0) is None
    newer = one._replace(id=8)
    assert exactly([newer, one], "decode", 1.0, 100.0) == newer
