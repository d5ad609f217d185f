"""Pages of `assay diagnose` on published logs: a start that failed, a log that speaks alone, a log compared."""

import os
from pathlib import Path

import pytest

from assay.answers.diagnose import DiagnoseRequest, answer
from assay.report.layout.diagnose import layout
from assay.report.lines import MAX_WIDTH, width_of
from assay.report.numbers import LANGUAGES, Language
from assay.report.text import report_lines

HERE = Path(__file__).parent
LOGS = HERE.parent / "fixtures" / "logs"
PAGES = {
    "diagnose-failed": "vllm-nemotron-3-nano-gb10",
    "diagnose-alone": "vllm-qwen3.5-35b-a3b-fp8-gb10",
    "diagnose-compared": "llama-cpp-qwen3-30b-a3b-rtx4090-rtx5090",
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_pages(page: str, language: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(LOGS)
    found = answer(DiagnoseRequest(f"{PAGES[page]}.log"))
    lines = [line.text for line in report_lines(layout(found), language)]
    assert max(map(width_of, lines)) <= MAX_WIDTH
    text = "\n".join(line.rstrip() for line in lines) + "\n"
    golden = HERE / f"{page}.{language}.txt"
    if os.environ.get("ASSAY_UPDATE_GOLDEN"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
