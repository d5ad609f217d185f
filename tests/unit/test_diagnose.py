"""A log against its prediction: what holds, what does not and why, which model and cards a log means."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from packages import SMOLLM2, real_file

from assay.answers.diagnose import DiagnoseAnswer, DiagnoseRequest, answer
from assay.answers.log_kernels import selections_of
from assay.cli.main import main
from assay.errors import UnknownGpu, UnknownModel
from assay.knowledge.catalog.logs import causes, kernel_path
from assay.knowledge.catalog.runtimes import memory_at
from assay.knowledge.catalog.sources import source
from assay.observe.runtimes.read import read
from assay.reason.agreement import outcome
from assay.types.execution import ExecutionPath
from assay.types.execution import Path as ExecutedPath
from assay.types.quantity import Quantity, exact

LOGS = Path(__file__).parents[1] / "fixtures" / "logs"
GIB = 2**30


def log(name: str) -> str:
    return str(LOGS / f"{name}.log")


def ask(name: str, model: str | None = None, *gpus: str) -> DiagnoseAnswer:
    return answer(DiagnoseRequest(log(name), model, gpus))


def outcomes(found: DiagnoseAnswer) -> dict[str, str]:
    (result,) = found.results
    return {one.row.name: one.row.outcome for one in result.rows}


def changed(name: str, old: str, new: str, tmp_path: Path) -> str:
    """The log with one of its words changed: a server that did something else."""
    text = (LOGS / f"{name}.log").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "server.log"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


GPT_OSS = "vllm-gpt-oss-120b-4x-a100"
FOUR_A100 = "4x A100 80GB PCIe"
QWEN3_Q8 = "llama-cpp-qwen3-235b-q8-a6000"


def test_the_figures_of_a_published_start_agree_with_the_prediction() -> None:
    found = ask(GPT_OSS, None, FOUR_A100)
    assert found.model is not None
    assert found.model.name == "openai/gpt-oss-120b"
    told = outcomes(found)
    assert {told[name] for name in ("kv_room", "concurrency", "graphs", "total")} == {"inside"}
    assert found.results[0].verdict == "yes"


def test_padded_shards_of_four_cards_are_inside_the_prediction() -> None:
    """17.22 GiB on each of four cards, where a quarter of the file is 15.19: the pessimistic end allows for it."""
    found = ask(GPT_OSS, None, FOUR_A100)
    assert (outcomes(found)["weights"], found.exit_code) == ("inside", 0)


def test_more_than_predicted_is_exit_1_with_a_cause_and_a_flag(tmp_path: Path) -> None:
    path = changed(GPT_OSS, "17.2217 GiB", "19.2217 GiB", tmp_path)
    found = answer(DiagnoseRequest(path, None, (FOUR_A100,)))
    (weights,) = [one for one in found.results[0].rows if one.row.name == "weights"]
    assert weights.row.outcome == "above"
    assert [(cause.id, cause.flag) for cause in weights.causes][:1] == [("padded_shards", "--tensor-parallel-size")]
    assert found.exit_code == 1


@pytest.mark.parametrize(
    "name", [QWEN3_Q8, "llama-cpp-qwen3-235b-q8-a6000-b5192", "llama-cpp-qwen3-30b-a3b-rtx4090-rtx5090"]
)
def test_llama_cpp_to_the_mebibyte(name: str) -> None:
    """Model, cards, context and KV type are all read from the log."""
    found = ask(name)
    assert found.exit_code == 0
    (result,) = found.results
    rows = {one.row.name: one.row for one in result.rows}
    for wanted in ("file_size", "kv"):
        seen, predicted = rows[wanted].observed, rows[wanted].predicted
        assert seen.value == pytest.approx(predicted.value, rel=0.001)
    assert rows["compute"].outcome == "inside"


def test_a_cache_of_another_type_is_found_out(tmp_path: Path) -> None:
    """The log's context says 32,768 tokens in q8_0; its buffer is twice that."""
    path = changed(QWEN3_Q8, "KV buffer size =  3196.00 MiB", "KV buffer size =  6392.00 MiB", tmp_path)
    found = answer(DiagnoseRequest(path))
    assert outcomes(found)["kv"] == "above"
    (kv,) = [one for one in found.results[0].rows if one.row.name == "kv"]
    assert {cause.flag for cause in kv.causes} == {"--cache-type-k, --cache-type-v"}
    assert found.exit_code == 1


def test_keys_and_values_of_different_types_are_not_compared(tmp_path: Path) -> None:
    found = answer(DiagnoseRequest(changed(QWEN3_Q8, "V (q8_0)", "V (f16)", tmp_path)))
    assert outcomes(found)["kv"] == "unknown"


def test_weights_left_in_host_memory_are_not_called_a_difference() -> None:
    found = ask(QWEN3_Q8)
    assert outcomes(found)["device_weights"] == "unknown"
    assert found.results[0].verdict is None


def test_sglang_weights_and_cache_of_a_token() -> None:
    told = outcomes(ask("sglang-qwen3-14b", "Qwen3-14B", "L40S"))
    assert [told[name] for name in ("weights", "kv_per_token", "kv_tokens", "kv_room")] == ["inside"] * 4


def test_one_card_named_without_a_number_is_as_many_as_the_log_has_ranks() -> None:
    (result,) = ask(GPT_OSS, None, "A100 80GB PCIe").results
    assert [(entry.card.gpu.id, entry.number) for entry in result.cards] == [("a100-pcie-80gb", 4)]


def test_without_a_card_what_does_not_depend_on_it_is_compared() -> None:
    found = ask("llama-cpp-windows-b5273")
    assert found.results[0].cards == ()
    assert (outcomes(found)["file_size"], outcomes(found)["kv"]) == ("inside", "inside")
    told = outcomes(ask(GPT_OSS))
    assert (told["weights"], told["graphs"], told["kv_room"], told["total"]) == (
        "inside",
        "inside",
        "unknown",
        "unknown",
    )
    assert ask(GPT_OSS).results[0].verdict is None


def test_pipeline_stages_are_not_compared(tmp_path: Path) -> None:
    path = changed(GPT_OSS, "pipeline_parallel_size=1", "pipeline_parallel_size=2", tmp_path)
    found = answer(DiagnoseRequest(path, None, (FOUR_A100,)))
    assert set(outcomes(found).values()) == {"unknown"}
    assert "diagnose.pipeline" in {said.code for said in found.messages}


def test_the_model_s_own_file_and_a_real_run_agree() -> None:
    """A run of our own on two CPU cores, compared with the very file that was loaded."""
    found = ask("llama-cpp-smollm2-cpu-xllamacpp", str(real_file(SMOLLM2)))
    assert outcomes(found) == {"file_size": "inside", "kv": "inside", "compute": "inside"}
    assert found.exit_code == 0


def test_an_ambiguous_card_forks_the_answer() -> None:
    found = ask(GPT_OSS, None, "4x A100 80GB")
    assert {result.cards[0].card.gpu.id for result in found.results} == {"a100-pcie-80gb", "a100-sxm4-80gb"}
    assert found.exit_code == 0


def test_without_a_model_the_log_speaks_alone() -> None:
    found = ask("vllm-glm-5.1-nvfp4-8x-rtx-pro-6000-dcp1-mtp0")
    assert found.model is None
    assert set(outcomes(found).values()) == {"unknown"}
    assert found.exit_code == 0
    assert {"diagnose.unknown_model", "diagnose.no_gpu"} & {said.code for said in found.messages}


def test_a_name_that_the_user_gives_must_be_known() -> None:
    with pytest.raises(UnknownGpu):
        ask(GPT_OSS, None, "no such card")
    with pytest.raises(UnknownModel):
        ask(GPT_OSS, "no-such-model", FOUR_A100)


def test_a_start_that_failed_although_it_was_predicted_to_fit(tmp_path: Path) -> None:
    path = changed(GPT_OSS, "Available KV cache memory: 45.32 GiB", "Available KV cache memory: -1.00 GiB", tmp_path)
    with Path(path).open("a", encoding="utf-8") as stream:
        stream.write("ValueError: No available memory for the cache blocks. Try increasing\n")
    found = answer(DiagnoseRequest(path, None, (FOUR_A100,)))
    assert found.surprised(found.results[0])
    assert found.exit_code == 1


def test_a_start_that_failed_as_predicted_is_no_surprise() -> None:
    found = ask("vllm-qwen2.5-14b-fp8-gb10", "Qwen3-14B", "GB10")
    assert [trouble.code for trouble in found.log.troubles] == ["vllm_no_kv"]
    assert not found.surprised(found.results[0])


def test_the_share_that_a_log_prints_is_the_one_predicted_for() -> None:
    (half,) = ask("vllm-qwen2-7b-a100-80gb-half", "Qwen3-14B", "A100 80GB PCIe").results
    (quarter,) = ask("vllm-qwen2-7b-a100-80gb", "Qwen3-14B", "A100 80GB PCIe").results
    assert half.available is not None
    assert quarter.available is not None
    assert half.available.value == pytest.approx(2 * (quarter.available.value or 0), rel=1e-6)


def test_a_share_that_is_not_printed_is_the_default_of_the_release(tmp_path: Path) -> None:
    path = changed("vllm-qwen2-7b-a100-80gb", ", 'gpu_memory_utilization': 0.25", "", tmp_path)
    (result,) = answer(DiagnoseRequest(path, "Qwen3-14B", ("A100 80GB PCIe",))).results
    assert result.available is not None
    memory = memory_at("vllm", "0.10.1.1")
    assert memory is not None
    assert memory.fraction is not None
    assert (memory.fraction.value, memory.graphs_counted) == (0.9, False)
    shown = 81_920 * 2**20
    assert 0.88 * shown < (result.available.value or 0) < 0.9 * shown


def test_a_share_that_is_not_printed_by_an_unknown_release_may_be_the_old_default(tmp_path: Path) -> None:
    path = changed("vllm-qwen2-7b-a100-80gb", ", 'gpu_memory_utilization': 0.25", "", tmp_path)
    text = Path(path).read_text(encoding="utf-8").replace("0.10.1.1", "somebody's build")
    Path(path).write_text(text, encoding="utf-8")
    (result,) = answer(DiagnoseRequest(path, "Qwen3-14B", ("A100 80GB PCIe",))).results
    assert result.available is not None
    assert (result.available.low or 0) < 0.91 * (result.available.high or 0) / 0.92


def _interval(low: float, value: float, high: float) -> Quantity:
    return Quantity(value, "B", "assumed", low=low, high=high)


@pytest.mark.parametrize(
    ("seen", "tolerance", "ceiling", "expected"),
    [
        (100, 0, False, "inside"),
        (111, 0, False, "above"),
        (111, 0.02, False, "inside"),
        (89, 0, False, "below"),
        (89, 0, True, "inside"),
        (111, 0, True, "above"),
    ],
)
def test_outcomes(seen: float, tolerance: float, ceiling: bool, expected: str) -> None:  # noqa: FBT001
    assert outcome(exact(seen, "B", "reported"), _interval(90, 100, 110), tolerance, ceiling=ceiling) == expected
    assert outcome(None, _interval(90, 100, 110)) == "unknown"


def _path_of(path: ExecutedPath) -> Any:
    return lambda _runtime, name, isa, _role: ExecutionPath("vllm", "1", name, isa, path)


@pytest.mark.parametrize(
    ("predicted", "agrees"), [("weight-only", True), ("native", False), ("unknown", None)]
)  # fmt: skip
def test_a_selected_kernel_is_compared_with_the_predicted_path(predicted: ExecutedPath, agrees: bool | None) -> None:  # noqa: FBT001
    found = ask(GPT_OSS, None, FOUR_A100)
    rows = selections_of(read(log(GPT_OSS)), found.model, "sm_80", _path_of(predicted))
    (marlin,) = [row for row in rows if row.selection.name == "Marlin"]
    assert (marlin.format, marlin.told, marlin.predicted, marlin.agrees) == ("mxfp4", "weight-only", predicted, agrees)


def test_without_a_model_the_prediction_is_unknown() -> None:
    rows = selections_of(read(log(GPT_OSS)), None, "sm_80")
    assert {row.predicted for row in rows} == {"unknown"}
    assert {row.agrees for row in rows} == {None}


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("MarlinFP8ScaledMMLinearKernel", "weight-only"),
        ("MacheteLinearKernel", "weight-only"),
        ("CutlassFP8ScaledMMLinearKernel", "native"),
        ("B12X NvFp4", "native"),
        ("MARLIN NvFp4", "weight-only"),
        ("MarlinNvFp4LinearKernel", "weight-only"),
        ("TRITON Fp8", None),
        ("FLASH_ATTN", None),
    ],
)
def test_what_a_kernel_s_name_tells(name: str, path: str | None) -> None:
    found = kernel_path(name)
    assert (found and found.path) == path


def test_every_cause_is_of_a_row_and_has_a_source() -> None:
    rows = {
        "weights", "file_size", "device_weights", "kv_room", "kv", "kv_per_token", "kv_tokens", "concurrency",
        "state", "activation", "graphs", "compute", "total", "attention",
    }  # fmt: skip
    for cause in causes():
        assert set(cause.rows) <= rows, cause.id
        assert set(cause.outcomes) <= ({"other"} if "attention" in cause.rows else {"above", "below"}), cause.id
        assert all(source(name).kind != "local" for name in cause.sources), cause.id
        assert set(cause.runtimes) <= {"vllm", "sglang", "llama.cpp"}, cause.id


@pytest.mark.parametrize("name", sorted(path.stem for path in LOGS.glob("*.log")))
def test_every_document_keeps_to_its_schema(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    import jsonschema

    from assay.report.json import diagnose

    schema = json.loads((Path(diagnose.__file__).parent / "schemas" / "assay.diagnose-1.json").read_text())
    assert main(["diagnose", "--log", log(name), "--json"]) in {0, 1}
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema)
    assert document["schema"] == "assay.diagnose/1"
    for result in document["results"]:
        for row in result["rows"]:
            assert row["observed"]["basis"] in {"reported", "derived"}
            assert row["observed"]["sources"] == [log(name)]


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("name", sorted(path.stem for path in LOGS.glob("*.log")))
def test_every_page_has_words_for_everything(name: str, language: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diagnose", "--log", log(name), "--lang", language]) in {0, 1}
    said = capsys.readouterr()
    assert not said.err
    assert not re.search(r"\b(diagnose|row|unknown)\.[a-z_]+", said.out)


def test_a_log_from_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    import io
    import sys

    stream = io.TextIOWrapper(io.BytesIO(Path(log(QWEN3_Q8)).read_bytes()))
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(["diagnose", "--log", "-", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["log"]["file"] == "-"
    assert document["results"][0]["rows"][0]["observed"]["sources"] == ["stdin"]
