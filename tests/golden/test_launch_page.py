"""The page of `assay launch` on the real catalogue: the answer first, commands whole, every flag with its reason."""

import pytest

from assay.answers import pinned
from assay.answers.asked import CheckRequest
from assay.answers.launch import answer
from assay.answers.serving import LaunchRequest, PipelineRequest
from assay.report.layout.launch import layout
from assay.report.lines import MAX_WIDTH, width_of
from assay.report.numbers import LANGUAGES, Language
from assay.report.text import report_lines

OWNER = "rtx-pro-6000-blackwell-workstation-edition"
PARTS = PipelineRequest("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", 1_000_000)


@pytest.fixture(autouse=True)
def no_cards_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pinned, "_devices", lambda: ())


def page(language: Language, *gpus: str, pipeline: PipelineRequest | None = None, compose: bool = False) -> list[str]:
    request = LaunchRequest(CheckRequest("Qwen3-8B", gpus), pipeline=pipeline, compose=compose)
    return [line.text for line in report_lines(layout(answer(request)), language)]


@pytest.mark.parametrize(("language", "first"), [("en", "Yes: "), ("ru", "Да: ")])
def test_the_first_line_answers(language: Language, first: str) -> None:
    lines = page(language, OWNER)
    assert lines[0].startswith(first)
    assert "Qwen3-8B" in lines[0]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("pipeline", [None, PARTS])
def test_only_commands_and_reasons_of_long_words_are_wider_than_the_page(
    language: Language, pipeline: PipelineRequest | None
) -> None:
    wide = [line for line in page(language, OWNER, pipeline=pipeline) if width_of(line) > MAX_WIDTH]
    assert all("hf-overrides" in line or "python -c" in line or "is_original" in line for line in wide)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_flag_of_the_command_has_its_reason(language: Language) -> None:
    lines = page(language, "2x 5090")
    text = "\n".join(lines)
    for words in ("--max-model-len 32768", "--tensor-parallel-size 2", "--port 8001", "vllm serve Qwen/Qwen3-8B"):
        assert f"  {words}: " in text
    assert text.count("until curl --fail") == 3


def test_the_commands_can_be_copied_line_by_line() -> None:
    lines = page("en", OWNER)
    start = next(number for number, line in enumerate(lines) if "CUDA_VISIBLE_DEVICES=" in line)
    end = next(number for number, line in enumerate(lines) if number > start and not line)
    assert all(line.endswith(" \\") for line in lines[start : end - 1])
    assert not lines[end - 1].endswith("\\")


def test_a_compose_file_stands_instead_of_the_shell() -> None:
    text = "\n".join(page("en", OWNER, compose=True))
    assert "services:" in text
    assert "until curl" not in text


def test_the_shares_of_a_pipeline_stand_in_a_table() -> None:
    lines = page("en", OWNER, pipeline=PARTS)
    (title,) = [number for number, line in enumerate(lines) if line == "Shares of the card"]
    rows = lines[title + 3 : title + 7]
    assert [row.split()[0] for row in rows] == ["generator", "embedder", "reranker", "vector"]
    assert all("%" in row for row in rows[:3])
