"""The page of a verdict on the real catalogue: one screen, the answer first, one column for each candidate."""

import pytest

from assay.answers.asked import CheckRequest
from assay.answers.check import answer
from assay.report.layout.check import layout
from assay.report.lines import MAX_WIDTH, width_of
from assay.report.numbers import Language
from assay.report.text import report_lines


def page(language: Language, *gpus: str, model: str = "Qwen3-30B-A3B") -> list[str]:
    return [line.text for line in report_lines(layout(answer(CheckRequest(model, gpus))), language)]


OWNER = "RTX PRO 6000 Blackwell Workstation Edition"


@pytest.mark.parametrize(("language", "first"), [("en", "Yes: "), ("ru", "Да: ")])
def test_the_first_line_answers(language: Language, first: str) -> None:
    lines = page(language, OWNER)
    assert lines[0].startswith(first)
    assert "Qwen3-30B-A3B" in lines[0]


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("gpus", [(OWNER,), ("RTX PRO 6000 Blackwell",), ("5090", "4090", "H200"), ("2x 4090",)])
def test_no_line_is_wider_than_the_page(language: Language, gpus: tuple[str, ...]) -> None:
    assert max(width_of(line) for line in page(language, *gpus)) <= MAX_WIDTH


@pytest.mark.parametrize("language", ["en", "ru"])
def test_one_card_is_one_screen(language: Language) -> None:
    assert len(page(language, OWNER)) <= 45


def test_an_ambiguous_card_has_one_column_for_each_candidate_and_says_what_differs() -> None:
    lines = page("en", "RTX PRO 6000 Blackwell")
    text = "\n".join(lines)
    assert lines[0] == "Yes: Qwen3-30B-A3B fits on all 3 cards"
    assert "Where they differ" in text
    (decode,) = [line for line in lines if line.startswith("decode")]
    assert decode.count(") d") == 3
    for word in ("300", "600", "passive", "1597", "1792"):
        assert word in text


def test_a_model_that_does_not_fit_has_no_speed() -> None:
    lines = page("en", "4090")
    assert lines[0].startswith("No: ")
    (decode,) = [line for line in lines if line.startswith("decode")]
    assert "unknown" in decode


def test_every_figure_carries_its_letter_and_the_legend_explains_it() -> None:
    lines = page("en", OWNER)
    weights = next(line for line in lines if line.startswith("weights"))
    assert weights.rstrip().endswith(" d")
    assert any("d derived" in line.replace("\u00a0", " ") for line in lines)
