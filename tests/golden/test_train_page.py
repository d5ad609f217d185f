"""The page of `assay train` as it is printed, in both languages, and its document."""

import os
from pathlib import Path

import pytest

from assay.answers.train import TrainRequest, answer
from assay.cli.main import main
from assay.report.explain import explain_lines
from assay.report.layout.train import layout
from assay.report.lines import MAX_WIDTH, width_of
from assay.report.numbers import LANGUAGES, Language
from assay.report.phrases import phrase
from assay.report.text import report_lines
from assay.types.quantity import Quantity
from assay.types.training import Training

HERE = Path(__file__).parent
ASKED = {
    "lora": TrainRequest("Llama-3.1-8B", ("4090",), Training()),
    "full": TrainRequest("Qwen3-8B", ("h100 sxm", "2x 4090"), Training("full", checkpointing=False, micro_batch=2)),
    "qlora": TrainRequest("Qwen3-30B-A3B", ("RTX PRO 6000 Blackwell Workstation Edition",), Training("qlora"), 2),
}


def page(name: str, language: Language) -> list[str]:
    return [line.text for line in report_lines(layout(answer(ASKED[name])), language)]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ASKED)
def test_the_page_is_as_it_was_read(name: str, language: Language) -> None:
    text = "\n".join(page(name, language)) + "\n"
    path = HERE / f"train-{name}.{language}.txt"
    if os.environ.get("ASSAY_UPDATE_GOLDEN") == "1":
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ASKED)
def test_no_line_is_wider_than_the_page(name: str, language: Language) -> None:
    assert max(width_of(line) for line in page(name, language)) <= MAX_WIDTH


def _texts(figure: Quantity) -> set[str]:
    found = {figure.formula} if figure.formula else set()
    for name, part in figure.inputs:
        found |= {name} | _texts(part)
    return found


@pytest.mark.parametrize("name", ASKED)
def test_every_figure_is_explained_in_russian(name: str) -> None:
    report = layout(answer(ASKED[name]))
    assert explain_lines(report.figures, (), "ru", MAX_WIDTH)
    found = {text for entry in report.figures for text in _texts(entry.figure)}
    assert {text for text in found if phrase(text, "ru") == text} == set()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "Llama-3.1-8B", "--gpu", "h100 sxm"], 0),
        (["train", "Llama-3.1-8B", "--gpu", "4090", "--method", "full"], 1),
        (["train", "Llama-3.1-8B", "--gpu", "4090"], 3),
        (["train", "Llama-3.1-8B", "--gpu", "mi300x"], 3),
        (["train", "Llama-3.1-8B", "--gpu", "2x 4090", "--gpus", "2"], 2),
        (["train", "Llama-3.1-8B", "--gpu", "4090", "--gpus", "17"], 2),
        (["train", "Llama-3.1-8B", "--gpu", "4090", "--rank", "0"], 2),
        (["train", "Llama-3.1-8B", "--gpu", "4090", "--method", "dpo"], 2),
        (["train", "no-such-model", "--gpu", "4090"], 2),
    ],
)
def test_exit_codes(arguments: list[str], expected: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == expected
    capsys.readouterr()
