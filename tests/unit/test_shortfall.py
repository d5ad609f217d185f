"""A measurement against its prediction: what holds, what does not, and only causes whose evidence applies."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from bench_files import llama_row, prompt_row, vllm_result

from assay.answers.bench import import_files
from assay.answers.measured import Naming
from assay.answers.shortfall import ShortfallAnswer, ShortfallRequest, answer
from assay.cli.main import main
from assay.errors import MissingKnowledge, UsageError
from assay.report.layout.shortfall import layout
from assay.report.lines import MAX_WIDTH, width_of
from assay.report.text import report_lines

SCHEMA = Path(__file__).parents[2] / "src/assay/report/json/schemas/assay.shortfall-1.json"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def slow(**changes: Any) -> dict[str, Any]:
    """The row of a card that generates a token in a second."""
    times = [128_000_000_000]
    return llama_row(
        avg_ns=times[0], avg_ts=1.0, stddev_ns=0, stddev_ts=0.0, samples_ns=times, samples_ts=[1.0], **changes
    )


def usual() -> dict[str, Any]:
    """The row of a card as quick as published measurements of it."""
    times = [470_000_000]
    rate = 128e9 / times[0]
    return llama_row(avg_ns=times[0], avg_ts=rate, stddev_ns=0, stddev_ts=0.0, samples_ns=times, samples_ts=[rate])


def crawling(**changes: Any) -> dict[str, Any]:
    """vLLM with 8 at once, a second for each token."""
    times = {"mean_tpot_ms": 1000.0, "median_tpot_ms": 1000.0, "p99_tpot_ms": 1100.0, "mean_itl_ms": 1000.0,
             "median_itl_ms": 1000.0, "p99_itl_ms": 1100.0, "duration": 640.0}  # fmt: skip
    rates = {"request_throughput": 40 / 640, "output_throughput": 8.0, "total_token_throughput": 40.0}
    return vllm_result(**times | rates | changes)


def compared(tmp_path: Path, row: Any, *naming: str | None) -> ShortfallAnswer:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(row), encoding="utf-8")
    return answer(ShortfallRequest(str(path), Naming(*naming)))


def suspects(found: ShortfallAnswer) -> dict[str, bool]:
    return {each.id: each.shown for each in found.comparisons[0].suspects}


def test_inside_slower_faster(tmp_path: Path) -> None:
    inside = compared(tmp_path, usual())
    assert [row.outcome for row in inside.comparisons[0].rows] == ["inside"]
    assert (inside.exit_code, inside.comparisons[0].suspects) == (0, ())
    slower = compared(tmp_path, slow())
    assert [row.outcome for row in slower.comparisons[0].rows] == ["slower"]
    assert (slower.exit_code, slower.comparisons[0].short) == (1, True)
    fast = [1_000_000]
    faster = compared(tmp_path, prompt_row() | {"avg_ns": 1_000_000, "avg_ts": 512_000.0, "samples_ns": fast})
    assert [row.outcome for row in faster.comparisons[0].rows] == ["faster"]
    assert (faster.exit_code, faster.comparisons[0].suspects) == (1, ())


def test_the_measured_figure_is_the_files_and_the_predicted_one_is_checks(tmp_path: Path) -> None:
    (one,) = compared(tmp_path, slow()).comparisons
    (row,) = one.rows
    assert (row.measured.value, row.measured.basis) == (1.0, "measured")
    assert "results.json" in row.measured.sources[0]
    assert row.predicted == one.result.speed.decode_per_sequence


def test_what_the_file_rules_out_is_no_suspect(tmp_path: Path) -> None:
    """CUDA on NVIDIA's card, all layers on it, one card: neither backend nor spill nor PCIe; the tables say no path."""
    assert suspects(compared(tmp_path, slow())).keys() == {"power", "processor"}


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"backends": "Vulkan"}, {"backend"}),
        ({"backends": "BLAS"}, {"backend"}),
        ({"n_cpu_moe": 4}, {"spill"}),
        ({"no_kv_offload": True}, {"spill"}),
    ],
)
def test_what_the_file_shows_comes_first(tmp_path: Path, changes: dict[str, Any], shown: set[str]) -> None:
    found = compared(tmp_path, slow(**changes))
    # A small model's step is bound by its launches: the tables show the processor as well.
    assert {name for name, is_shown in suspects(found).items() if is_shown} == shown | {"processor"}
    assert found.comparisons[0].suspects[0].shown


def test_layers_that_may_have_been_left_behind_are_not_ruled_out(tmp_path: Path) -> None:
    assert suspects(compared(tmp_path, slow(n_gpu_layers=20)))["spill"] is False


def test_the_bus_is_suspected_where_something_crosses_it(tmp_path: Path) -> None:
    two = "NVIDIA GeForce RTX 5090, NVIDIA GeForce RTX 5090"
    assert "pcie" in suspects(compared(tmp_path, slow(gpu_info=two)))
    assert "pcie" in suspects(compared(tmp_path, slow(n_cpu_moe=4)))


def test_unpacked_weights_are_suspected_only_where_the_tables_say_so(tmp_path: Path) -> None:
    """AWQ on Hopper is unpacked to 16 bits by vLLM; FP8 is multiplied as it is."""
    unpacked = compared(tmp_path, crawling(), "H100 SXM", "Qwen/Qwen3-8B", None, "awq_int4")
    assert any(group.path == "weight-only" for group in unpacked.comparisons[0].result.execution)
    assert suspects(unpacked)["weight_only"] is True
    rates = {"request_throughput": 40 / 5120, "output_throughput": 1.0, "total_token_throughput": 5.0}
    one_at_once = crawling(max_concurrency=1, duration=5120.0, **rates)
    alone = compared(tmp_path, one_at_once, "H100 SXM", "Qwen/Qwen3-8B", None, "awq_int4")
    assert alone.comparisons[0].short
    assert "weight_only" not in suspects(alone)
    native = compared(tmp_path, crawling(), "H100 SXM", "Qwen/Qwen3-8B", None, "fp8")
    assert native.comparisons[0].short
    assert "weight_only" not in suspects(native)


def test_every_suspect_has_a_command_of_its_vendor(tmp_path: Path) -> None:
    for gpu, words in (("5090", "nvidia-smi"), ("MI300X", "amd-smi")):
        (one,) = compared(tmp_path, slow(n_cpu_moe=1), gpu).comparisons
        commands = {each.id: each.command for each in one.suspects}
        assert commands["power"].startswith(words)
        assert commands["spill"].startswith(words)


def test_an_ambiguous_card_is_compared_as_each_that_it_may_be(tmp_path: Path) -> None:
    found = compared(tmp_path, llama_row(gpu_info="NVIDIA H100"))
    assert len(found.comparisons) == len(found.comparisons[0].measurement.cards[0].candidates) > 1
    assert "bench.ambiguous_gpu" in [said.code for said in found.messages]


def test_a_stored_measurement_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps([usual(), slow()]), encoding="utf-8")
    import_files((str(path),), Naming())
    assert answer(ShortfallRequest("1")).exit_code == 0
    assert answer(ShortfallRequest("2")).exit_code == 1
    with pytest.raises(UsageError):
        answer(ShortfallRequest("3"))


@pytest.mark.parametrize(
    ("row", "naming"),
    [
        (vllm_result(), ()),
        (vllm_result(backend="openai"), ("5090",)),
        (llama_row(model_filename="nobody.gguf", model_type=""), ()),
        (llama_row(n_prompt=128, avg_ts=252.28), ()),
        (llama_row(gpu_info="Matrox G200"), ()),
    ],
)
def test_what_cannot_be_compared_says_why(tmp_path: Path, row: dict[str, Any], naming: tuple[str, ...]) -> None:
    with pytest.raises(MissingKnowledge) as caught:
        compared(tmp_path, row, *naming)
    assert dict(caught.value.message.parameters)["why"]


def test_either_a_log_or_a_measurement(capsys: pytest.CaptureFixture[str]) -> None:
    for options in ((), ("--log", "x", "--bench", "y"), ("--log", "x", "--runtime", "vllm"),
                    ("--bench", "1", "--gpu", "5090", "--gpu", "4090")):  # fmt: skip
        assert main(["diagnose", *options]) == 2
    assert "error: name either" in capsys.readouterr().err


@pytest.mark.parametrize("language", ["en", "ru"])
def test_document_and_page(tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps([slow(backends="Vulkan"), usual()]), encoding="utf-8")
    assert main(["diagnose", "--bench", str(path), "--json", "--lang", language]) == 1
    document = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(document)
    assert [result["rows"][0]["outcome"] for result in document["results"]] == ["slower", "inside"]
    assert document["results"][0]["suspects"][0]["id"] == "backend"
    found = answer(ShortfallRequest(str(path)))
    lines = [line.text for line in report_lines(layout(found), "ru" if language == "ru" else "en", MAX_WIDTH)]
    text = "\n".join(lines)
    assert lines[0] == {"en": "Slower than predicted", "ru": "Медленнее предсказанного"}[language]
    assert max(map(width_of, lines)) <= MAX_WIDTH
    assert "llama-bench --list-devices" in text
    assert text.index("llama-bench --list-devices") < text.index("nvidia-smi")
    assert "shortfall." not in text
