"""`assay advise`: the options of a model on a card, what is run, and how the page and the document say it."""

import json

import pytest

from assay.answers.advise import AdviseRequest, AdviseResult, answer
from assay.answers.asked import CheckRequest
from assay.answers.check import answer as check
from assay.cli.main import main
from assay.cli.numbers import LOSS, RATE
from assay.errors import UsageError
from assay.report.layout.advise import layout
from assay.report.lines import MAX_WIDTH, width_of
from assay.report.numbers import LANGUAGES, Language
from assay.report.phrases import phrase
from assay.report.text import report_lines
from assay.types.decide import Limit
from assay.types.quantity import Quantity

WORKSTATION = "RTX PRO 6000 Blackwell Workstation Edition"


def result(model: str, gpu: str, **asked: object) -> AdviseResult:
    return answer(AdviseRequest(model, (gpu,), **asked)).results[0]  # type: ignore[arg-type]


def test_weights_that_fit_are_run_as_released() -> None:
    found = result("Qwen3-30B-A3B", WORKSTATION)
    assert found.verdict == "yes"
    assert found.choice.best is not None
    assert found.choice.best.lossless
    assert found.choice.best.option.id == "vllm/bf16/kv-bf16/1x1"
    assert found.best == found.released
    assert {reason.code for reason in found.reasons} >= {"advise.as_released_meets"}


def test_weights_that_do_not_fit_give_way_to_the_mildest_that_surely_do() -> None:
    found = result("Qwen3-30B-A3B", "5090")
    assert found.verdict == "yes"
    assert found.choice.best is not None
    assert not found.choice.best.same_weights
    assert found.choice.best.verdict == "yes"
    assert found.released is None
    assert next(one for one in found.dropped if one.reason == "too_large").count > 10


def test_every_option_is_left_or_dropped_for_a_reason() -> None:
    found = result("Qwen3-8B", WORKSTATION, runtimes=("vllm", "llama.cpp"))
    assert found.considered == sum(one.count for one in found.dropped) + len(found.left)
    refused = next(one for one in found.dropped if one.reason == "refused")
    assert refused.words == "Int8 not supported on SM120. Use FP8 quantization instead"
    assert not any(one.option.weights == "int8_w8a8" and one.option.runtime == "vllm" for one in found.front)


def test_what_the_page_shows_of_an_option_is_what_check_answers() -> None:
    found = result("Qwen3-30B-A3B", WORKSTATION, runtimes=("vllm",))
    told = next(one for one in found.shown if one.weighed.option.weights == "fp8" and one.weighed.same_cache)
    whole = check(CheckRequest("Qwen3-30B-A3B", (WORKSTATION,), "vllm", "fp8", context=32_768)).results[0]
    assert told.figures.memory == whole.fit.memory.total
    assert told.figures.context == whole.fit.max_context
    assert told.figures.decode == whole.speed.decode_per_sequence


def test_a_conversion_of_quantized_weights_is_named_as_one_and_has_to_save_something() -> None:
    found = result("openai/gpt-oss-120b", WORKSTATION, runtimes=("vllm",))
    dropped = {one.reason: one for one in found.dropped}
    assert "no_gain" in dropped
    assert all(one.requantized != one.weighed.same_weights for one in found.shown)
    assert result("Qwen3-8B", WORKSTATION).shown
    assert not any(one.requantized for one in result("Qwen3-8B", WORKSTATION).shown)


def test_a_format_whose_path_nobody_read_is_no_certain_option() -> None:
    found = result("Qwen3-30B-A3B", WORKSTATION, runtimes=("vllm",))
    unread = next(one for one in found.left if one.option.weights == "mxfp8")
    assert unread.verdict == unread.meets == "unknown"


def test_several_cards_are_shared_by_one_copy_or_hold_one_each() -> None:
    found = result("Qwen3-8B", f"2x {WORKSTATION}", runtimes=("vllm",))
    assert {(one.option.cards, one.option.copies) for one in found.left} == {(2, 1), (1, 2)}


def test_a_loss_that_nobody_published_is_never_allowed() -> None:
    found = result("Qwen3-30B-A3B", "5090", most_lost=Limit(0.01, "no-such-protocol"))
    assert found.verdict == "unknown"


def test_the_answer_says_what_would_change_it() -> None:
    found = result("Qwen3-30B-A3B", WORKSTATION, runtimes=("vllm",))
    flip = next(one for one in found.flips if one.kind == "instead" and one.moved == "users")
    before = result("Qwen3-30B-A3B", WORKSTATION, runtimes=("vllm",), users=flip.at - 1)
    after = result("Qwen3-30B-A3B", WORKSTATION, runtimes=("vllm",), users=flip.at)
    assert before.choice.best is not None
    assert before.choice.best.option == flip.before
    assert (after.choice.best.option if after.choice.best and after.verdict == "yes" else None) == flip.option


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("Qwen3-30B-A3B", "--gpu", WORKSTATION), 0),
        (("Qwen3-30B-A3B", "--gpu", "5090", "--for", "batch", "--lang", "ru"), 0),
        (("DeepSeek-V3", "--gpu", "4090"), 1),
        (("Qwen3-8B", "--gpu", WORKSTATION, "--min-tok-s", "100000"), 1),
        (("Qwen3-8B", "--gpu", "5090", "--runtime", "exllamav3"), 3),
        (("Qwen3-8B", "--gpu", "5090", "--runtime", "no-such"), 2),
        (("Qwen3-8B", "--gpu", "5090", "--min-tok-s", "0"), 2),
    ],
)
def test_exit_codes(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int) -> None:
    assert main(["advise", *arguments]) == code
    capsys.readouterr()


def test_the_document_names_options_by_ids(capsys: pytest.CaptureFixture[str]) -> None:
    main(["advise", "Qwen3-8B", "--gpu", "5090", "--json", "--users", "4", "--max-loss", "mmlu:1%"])
    found = json.loads(capsys.readouterr().out)
    assert found["need"]["users"] == 4
    assert (found["need"]["max_loss"], found["need"]["protocol"]) == (0.01, "mmlu")
    one = found["results"][0]
    assert one["recommended"]["option"]["id"] in one["front"]
    assert one["considered"] > 100


def texts(figure: Quantity) -> set[str]:
    own = {figure.formula} if figure.formula else set()
    return own | {text for name, part in figure.inputs for text in (name, *texts(part))}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_answers_first_and_fits_a_terminal(language: Language) -> None:
    page = layout(answer(AdviseRequest("Qwen3-30B-A3B", (WORKSTATION, "5090"), users=4)))
    lines = [line.text for line in report_lines(page, language, MAX_WIDTH)]
    assert max(width_of(line) for line in lines) <= MAX_WIDTH
    assert lines[0].startswith("Qwen/Qwen3-30B-A3B")
    assert not [line for line in lines if "advise." in line]
    unsaid = {text for one in page.figures for text in texts(one.figure) if phrase(text, "ru") == text}
    assert unsaid <= {"a", "b", "c", "d"}


@pytest.mark.parametrize(
    ("text", "expected"), [("1", (None, 0.01)), ("0.5%", (None, 0.005)), ("mmlu:1,5 %", ("mmlu", 0.015))]
)
def test_a_loss_is_a_percentage_with_or_without_a_protocol(text: str, expected: tuple[str | None, float]) -> None:
    protocol, share = LOSS.convert(text, None, None)
    assert protocol == expected[0]
    assert share == pytest.approx(expected[1])


@pytest.mark.parametrize("text", ["", "x", "-1", "101", "mmlu:", "1e3"])
def test_what_is_no_loss_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        LOSS.convert(text, None, None)


def test_a_speed_is_above_zero() -> None:
    assert RATE.convert("12,5", None, None) == 12.5
    for text in ("0", "-1", "fast", ""):
        with pytest.raises(UsageError):
            RATE.convert(text, None, None)
