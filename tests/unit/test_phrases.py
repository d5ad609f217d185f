"""Every formula and every input of an explanation has words in Russian."""

from collections.abc import Iterator

import pytest

from assay.answers.asked import CheckRequest
from assay.answers.check import answer
from assay.answers.gpu import answer as gpu_answer
from assay.answers.pack import answer as pack_answer
from assay.answers.packed import PackItem, PackRequest
from assay.report.layout.check import layout
from assay.report.layout.gpu import layout as gpu_layout
from assay.report.layout.pack import layout as pack_layout
from assay.report.phrases import phrase
from assay.types.quantity import Quantity
from assay.types.report import Report

LETTERS = {"a", "b", "c", "d"}


def texts(figure: Quantity) -> Iterator[str]:
    if figure.formula:
        yield figure.formula
    for name, part in figure.inputs:
        yield name
        yield from texts(part)


def all_texts(report: Report) -> set[str]:
    return {text for entry in report.figures for text in texts(entry.figure)} - LETTERS


@pytest.mark.parametrize(
    ("model", "gpu", "options"),
    [
        ("Qwen3-30B-A3B", "RTX PRO 6000 Blackwell", {}),
        ("gemma-3-27b-it", "2x 4090", {}),
        ("DeepSeek-V3", "8x b200", {}),
        ("Qwen3.5-35B-A3B", "mi300x", {}),
        ("Llama-4-Maverick-17B-128E-Instruct", "8x h100 sxm", {}),
        ("qwen3-8b", "2x 5090", {"runtime": "llama.cpp"}),
        ("qwen3-8b", "rtx 5080", {"weights": "fp8"}),
        ("qwen3-8b", "5090", {"runtime": "sglang"}),
        ("qwen3-8b", "2x 5090", {"runtime": "tensorrt-llm"}),
        ("qwen3-8b", "5090", {"runtime": "transformers"}),
        ("qwen3-8b", "5090", {"weights": "gguf:Q4_K_M"}),
        ("NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "l40s", {}),
    ],
)
def test_a_verdict_is_explained_in_russian(model: str, gpu: str, options: dict[str, str]) -> None:
    found = all_texts(layout(answer(CheckRequest(model, (gpu,), **options))))  # type: ignore[arg-type]
    assert {text for text in found if phrase(text, "ru") == text} == set()


def test_an_arrangement_is_explained_in_russian() -> None:
    items = (PackItem("Qwen3-8B", 8192), PackItem("Qwen3-8B", 8192, runtime="llama.cpp", weights="gguf:Q4_K_M"))
    for asked in (items, items[:1]):
        found = all_texts(pack_layout(pack_answer(PackRequest(asked, ("rtx 5090", "l40s")))))
        assert {text for text in found if phrase(text, "ru") == text} == set()


@pytest.mark.parametrize("query", ["5090", "rtx pro 5000", "mi300x", "l40", "h200"])
def test_a_card_is_explained_in_russian(query: str) -> None:
    found = all_texts(gpu_layout(gpu_answer(query)))
    assert {text for text in found if phrase(text, "ru") == text} == set()


def test_what_has_no_words_stands_as_it_is() -> None:
    assert phrase("an unheard-of input", "ru") == "an unheard-of input"
