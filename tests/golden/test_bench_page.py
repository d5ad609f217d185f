"""The pages of `assay bench`, of measurements made by hand, in both languages.

ASSAY_UPDATE_GOLDEN=1 writes what is printed now; read the difference before you commit it.
"""

import os
from pathlib import Path

import pytest

from assay.answers.bench import BenchAnswer
from assay.answers.measured import unidentified
from assay.report.layout.bench import layout
from assay.report.lines import MAX_WIDTH, width_of
from assay.report.numbers import LANGUAGES, Language
from assay.report.text import report_lines
from assay.types.measurement import (
    Figures,
    MeasuredCard,
    MeasuredModel,
    Measurement,
    Origin,
    Percentiles,
    Workload,
)
from assay.types.message import message

HERE = Path(__file__).parent
STORE = Path("/home/me/.local/share/assay/measurements.sqlite")
RUNG = Measurement(
    when="2026-11-23T15:00:00Z",
    kind="serving",
    cards=(MeasuredCard("RTX 5090", ("geforce-rtx-5090",), 2, "user"),),
    model=MeasuredModel("qwen", "Qwen/Qwen3-8B", "fp8_block128", "user"),
    runtime="vllm",
    version="0.11.0",
    workload=Workload(1, 511.5, 128.0),
    figures=Figures(
        101.5,
        101.25,
        8123.0,
        88.0,
        Percentiles(0.065, 0.063, 0.07, 0.081),
        Percentiles(0.01, 0.0098, 0.0101, 0.012),
        1.5,
        20,
    ),
    origin=Origin("assay bench run", "http://localhost:8000", "00", 0),
    id=7,
)
CUT = RUNG._replace(
    workload=RUNG.workload._replace(concurrency=8),
    figures=Figures(80.0, None, None, 500.0, RUNG.figures.ttft, Percentiles(mean=0.0125), None, 9),
    partial=message("bench.trouble.status", "warning", status=500, words="CUDA error"),
    notes=(message("bench.note.several_in_a_chunk"),),
    id=8,
)
FILE = Origin("llama-bench", "results.json", "ab" * 32, 0)
DECODE = RUNG._replace(
    when="2026-10-01T10:00:00Z",
    kind="decode",
    cards=(MeasuredCard("NVIDIA H100", ("h100-pcie-80gb", "h100-sxm5-80gb"), 1, "file"),),
    model=MeasuredModel("Qwen3-8B", "Qwen/Qwen3-8B", "gguf:Q4_K_M", "file"),
    runtime="llama.cpp",
    version="b6543 (0123abcd)",
    workload=Workload(1, None, 128, 4096, "fp16"),
    figures=Figures(123.25, 123.25, throughput=123.25, spread=1.0, samples=5),
    origin=FILE,
    notes=(message("bench.note.without_sampling"),),
    id=1,
)
PREFILL = DECODE._replace(
    kind="prefill", workload=Workload(1, 512, None, 0, "fp16"), figures=Figures(prefill=5120.5, samples=5), id=2
)
UNNAMED = RUNG._replace(
    when=None, cards=(), model=MeasuredModel("mine", None, None, "file"), runtime=None, version=None, id=3,
    origin=Origin("vllm bench serve", "vllm.json", "cd" * 32, 0),
    partial=message("bench.partial.failed", failed=2, asked=40),
)  # fmt: skip

PAGES = {
    "bench-run": BenchAnswer("run", STORE, (RUNG,), (message("bench.from_here", url="http://localhost:8000"),)),
    "bench-stopped": BenchAnswer("run", None, (RUNG, CUT), (), CUT.partial, 4),
    "bench-import": BenchAnswer(
        "import", STORE, (DECODE, PREFILL, UNNAMED), (*unidentified(DECODE), *unidentified(UNNAMED))
    ),
    "bench-list": BenchAnswer("list", STORE, (DECODE, UNNAMED, RUNG, CUT)),
    "bench-none": BenchAnswer("list", STORE, ()),
}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
def test_page(name: str, language: Language) -> None:
    printed = [line.text for line in report_lines(layout(PAGES[name]), language, MAX_WIDTH)]
    path = HERE / f"{name}.{language}.txt"
    if os.environ.get("ASSAY_UPDATE_GOLDEN"):
        path.write_text("\n".join(printed) + "\n", encoding="utf-8")
    assert max(width_of(line) for line in printed) <= MAX_WIDTH
    assert printed == path.read_text(encoding="utf-8").splitlines()
