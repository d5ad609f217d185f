"""How long training takes: model FLOPs of a token, the stated share of the peak, and what is not known."""

import json

import pytest
from speed_cases import MOE

from assay.cli.main import main
from assay.reason.training.time import flops_of_token, training_time
from assay.types.message import message
from assay.types.quantity import Quantity, exact, unknown
from assay.types.training import Training

PEAK = exact(1e6, "FLOP/s", "documented")
MFU = Quantity(0.4, "ratio", "assumed", low=0.2, high=0.5)


def test_a_trained_parameter_costs_six_operations_and_a_frozen_one_four() -> None:
    """480 parameters meet a token: the head, attention and the chosen experts."""
    assert flops_of_token(MOE, Training("full")) == 6 * 480
    frozen = flops_of_token(MOE, Training("lora", rank=1, targets="attention"))
    assert frozen >= 4 * 480


def test_cards_share_the_batch_and_the_interval_is_the_share_of_the_peak() -> None:
    one = training_time(MOE, Training("full"), 1, PEAK, MFU, 10_000)
    four = training_time(MOE, Training("full"), 4, PEAK, MFU, 10_000)
    assert one.rate.value == pytest.approx(1e6 * 0.4 / 2880)
    assert (one.rate.low, one.rate.high) == (pytest.approx(1e6 * 0.2 / 2880), pytest.approx(1e6 * 0.5 / 2880))
    assert four.rate.value == pytest.approx(4 * (one.rate.value or 0))
    assert one.time is not None
    assert one.time.value == pytest.approx(10_000 / (one.rate.value or 1))
    assert one.time.root == "assumed"


def test_without_a_peak_or_a_number_of_tokens_nothing_is_made_up() -> None:
    blind = training_time(MOE, Training("full"), 1, unknown("FLOP/s", message("unknown.peak")), MFU, 10)
    assert blind.rate.value is None
    assert training_time(MOE, Training("full"), 1, PEAK, MFU, None).time is None


def told(capsys: pytest.CaptureFixture[str], *more: str) -> dict:  # type: ignore[type-arg]
    main(["train", "Qwen3-8B", "--gpu", "H100 SXM", "--json", *more])
    return json.loads(capsys.readouterr().out)["results"][0]  # type: ignore[no-any-return]


def test_the_command_tells_days_for_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    body = told(capsys, "--tokens", "2B")
    assert body["time"]["value"] == pytest.approx(2e9 / body["tokens_per_second"]["value"], rel=1e-3)
    assert "mosaicml-mpt-training" in body["tokens_per_second"]["sources"]
    assert told(capsys)["time"] is None


def test_ones_own_share_of_the_peak_wins(capsys: pytest.CaptureFixture[str]) -> None:
    own = told(capsys, "--mfu", "0.5")["tokens_per_second"]
    assert "low" not in own
    assert "mosaicml-mpt-training" not in own["sources"]


@pytest.mark.parametrize(
    "given", [("--mfu", "0"), ("--mfu", "1.5"), ("--mfu", "nan"), ("--tokens", "many"), ("--tokens", "0")]
)
def test_nonsense_is_a_line(given: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "Qwen3-8B", "--gpu", "H100 SXM", *given]) == 2
    assert capsys.readouterr().err.startswith("error: ")
