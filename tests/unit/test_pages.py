"""The pages of formats, models and tables: what a reader would misread."""

import json
from pathlib import Path

import pytest

from assay.answers import formats, tables
from assay.answers.model import answer as read_model
from assay.report import words
from assay.report.json.model import document
from assay.report.layout import formats as formats_layout
from assay.report.layout import model as model_layout
from assay.report.layout import tables as tables_layout
from assay.report.lines import MAX_WIDTH, width_of
from assay.report.numbers import LANGUAGES, Language
from assay.report.text import report_lines
from assay.types.message import message
from assay.types.report import Report

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_attention_heads": 64,
    "num_hidden_layers": 80,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "torch_dtype": "bfloat16",
    "quantization_config": {"quant_method": "nobody_knows"},
}


def lines_of(report: Report, language: Language = "en", width: int = MAX_WIDTH) -> list[str]:
    return [line.text for line in report_lines(report, language, width)]


def formats_page(*cards: str, language: Language = "en") -> list[str]:
    return lines_of(formats_layout.layout(formats.answer(cards)), language)


def row(lines: list[str], begin: str) -> str:
    return next(line for line in lines if line.removeprefix("≠ ").lstrip().startswith(begin))


def test_what_only_vector_units_have_is_not_absent() -> None:
    lines = formats_page("5090")
    assert "vector units" in row(lines, "FP32")
    assert "104.8 TFLOP/s D" in row(lines, "FP32")
    assert "1.64 TFLOP/s d" in row(lines, "FP64")
    assert "only emulated: INT4, INT1" in " ".join(lines[:2])
    assert "FP32, FP64" not in lines[0]
    assert row(lines, "INT4").split()[:3] == ["INT4", "emulated", "–"]


def test_a_format_that_is_absent_has_no_rate_anywhere() -> None:
    found = formats.answer(("h100-sxm5-80gb",)).results[0]
    assert all(not entry.peaks for entry in found.formats if entry.verdict == "absent")
    assert any(entry.on_vector_units for entry in found.formats if entry.format.id == "fp32")
    assert all(entry.verdict == "native" for entry in found.formats if entry.format.id == "fp64")


def test_the_accumulator_of_the_peaks_is_named() -> None:
    text = " ".join(" ".join(formats_page("rtx-pro-5000-blackwell-48gb")).split())
    assert "peaks are with FP32 accumulation where there is a choice" in text
    assert "with FP16 accumulation, because the rate with FP32 is not known: FP16, FP8 E5M2" in text
    assert "contradict each other: 294.8 TFLOP/s and 535.5 TFLOP/s" in text
    assert "accumulator of: FP8 E4M3" in " ".join(" ".join(formats_page("h100-nvl-94gb")).split())


def test_plain_small_formats_run_like_fp8() -> None:
    text = " ".join(" ".join(formats_page("rtx-pro-6000-blackwell-workstation-edition")).split())
    assert "FP6 E3M2, FP6 E2M3, FP4 E2M1 run at the rate of FP8" in text
    assert "run at the rate of FP8" not in " ".join(formats_page("4090"))


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA), encoding="utf-8")
    return path


@pytest.mark.parametrize("language", LANGUAGES)
def test_unknown_weights_leave_no_hole_and_no_zero(unknown: Path, language: Language) -> None:
    lines = lines_of(model_layout.layout(read_model(str(unknown))), language)
    assert lines[0].endswith({"en": "parameters, weights unknown", "ru": "размер весов неизвестен"}[language])
    assert "hf_quant_config.json" in lines[1]
    assert not any(" 0 B" in line or " 0 Б" in line for line in lines)
    assert any(words.say(message("figure.unknown"), language) in line for line in lines if "MLP" in line)


def test_unknown_weights_are_null_with_a_note(unknown: Path) -> None:
    body = document(read_model(str(unknown)), "en")
    groups = [group for group in body["groups"] if group["format"] == "unknown"]
    assert len(groups) == 2
    for group in groups:
        assert group["bytes"]["value"] is None
        assert group["bytes"]["note"]


def test_a_copy_says_what_it_is_stored_as_and_what_was_published() -> None:
    lines = lines_of(model_layout.layout(read_model("Qwen/Qwen3-30B-A3B-FP8")))
    assert row(lines, "stored here as").split()[-1] == "fp8_block128"
    assert row(lines, "first published as").split()[-1] == "bf16"


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("meta-llama/Meta-Llama-3.1-8B", "Meta-Llama-3.1-8B"),
        ("nvidia/NVIDIA-Nemotron-3-Nano", "Nemotron-3-Nano"),
        ("Qwen/Qwen3-8B", "Qwen3-8B"),
    ],
)
def test_an_owner_is_left_out_only_where_a_name_remains(name: str, short: str) -> None:
    assert tables_layout._short(name) == short


def test_the_headline_counts_of_all_models() -> None:
    everything = tables.answer(tables.TablesRequest(("5090",)))
    total = len(everything.tables[0])
    for request in (
        tables.TablesRequest(("5090",), fits=True),
        tables.TablesRequest(("5090",), family="Qwen3"),
    ):
        found = tables.answer(request)
        headline = words.say(tables_layout.layout(found).headline[0], "en")
        fitting = sum(entry.result.verdict == "yes" for entry in found.tables[0])
        assert headline.startswith(f"{fitting} of {total} models of the catalogue ")
        assert "as stored" in headline
        assert found.left_out == total - len(found.tables[0])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_row_of_the_tables_stays_in_one_piece(language: Language) -> None:
    page = lines_of(tables_layout.layout(tables.answer(tables.TablesRequest(("5090",)))), language)
    assert max(map(width_of, page)) <= MAX_WIDTH
    assert sum(line.startswith("Qwen3-8B ") for line in page) == 1


def test_russian_counts_agree() -> None:
    def all_yes(count: int) -> str:
        return words.say(message("check.headline.all_yes", model="M", count=count), "ru")

    assert [all_yes(count).rpartition("каждый из ")[2] for count in (2, 3, 5, 21, 32)] == [
        "2 вариантов", "3 вариантов", "5 вариантов", "21 варианта", "32 вариантов",
    ]  # fmt: skip
    one = words.say(message("tables.headline", yes=21, count=75, gpu="X"), "ru")
    assert one == "21 из 75 моделей каталога помещается как есть на X"


def test_one_verb_for_fitting() -> None:
    text = (words.LOCALE / "ru" / "LC_MESSAGES" / "assay.po").read_text(encoding="utf-8")
    assert "влез" not in text
    assert "сам движок" not in text
    assert "перекодирован" not in text
