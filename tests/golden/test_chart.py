"""Charts as they are drawn in a terminal of 80 columns and as SVG, in both languages, made by hand.

ASSAY_UPDATE_GOLDEN=1 writes what is drawn now; read the difference before you commit it.
"""

import os
from pathlib import Path

import pytest
from drawn import chart

from assay.report.chart.svg import svg
from assay.report.chart.terminal import WIDEST
from assay.report.lines import width_of
from assay.report.numbers import LANGUAGES, Language
from assay.report.text import report_lines
from assay.types.message import message
from assay.types.report import Report

HERE = Path(__file__).parent
HEADLINE = (message("check.headline.all_no", model="Model", count=4), message("text", text="As it was asked."))


def _golden(name: str, drawn: str) -> str:
    path = HERE / name
    if os.environ.get("ASSAY_UPDATE_GOLDEN"):
        path.write_text(drawn, encoding="utf-8")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("language", LANGUAGES)
def test_terminal(language: Language) -> None:
    lines = [line.text for line in report_lines(Report(HEADLINE, "bad", (chart(),)), language, WIDEST)]
    assert max(width_of(line) for line in lines) <= WIDEST
    assert "\n".join(lines) + "\n" == _golden(f"chart.{language}.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("language", LANGUAGES)
def test_svg(language: Language) -> None:
    drawn = svg(HEADLINE, (chart(),), language)
    assert drawn == _golden(f"chart.{language}.svg", drawn)
