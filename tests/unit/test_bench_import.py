"""Benchmark files of several tools and releases, read field by field; cards and models looked up, never guessed."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from bench_files import (
    as_csv,
    as_lines,
    llama_row,
    old_llama_row,
    old_vllm_result,
    prompt_row,
    sglang_result,
    vllm_result,
)

from assay.answers.bench import import_files, stored
from assay.answers.measured import Naming
from assay.cli.main import main
from assay.errors import UnknownGpu, UnknownModel, UsageError
from assay.observe.measurements.read import read
from assay.observe.measurements.store import concerning, everything
from assay.observe.profile import store_path
from assay.types.measurement import MeasuredCard, Measurement

SCHEMA = Path(__file__).parents[2] / "src/assay/report/json/schemas/assay.bench-1.json"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def written(tmp_path: Path, content: Any, name: str = "results.json") -> str:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return str(path)


def only(tmp_path: Path, content: Any) -> Measurement:
    (found,) = read(written(tmp_path, content))
    return found


def test_a_row_of_llama_bench(tmp_path: Path) -> None:
    found = only(tmp_path, [llama_row(n_depth=4096)])
    assert (found.kind, found.runtime, found.version) == ("decode", "llama.cpp", "b6543 (0123abcd)")
    assert found.when == "2026-10-01T10:00:00Z"
    assert found.cards == (MeasuredCard("NVIDIA GeForce RTX 5090", (), 1, "file"),)
    assert (found.model.text, found.model.weights) == ("Qwen3-8B", "gguf:Q4_K_M")
    assert found.workload == (1, None, 128, 4096, "fp16")
    assert found.figures.decode_per_sequence == pytest.approx(126.14, abs=0.01)
    assert (found.figures.prefill, found.figures.samples, found.figures.spread) == (None, 2, 2.636)
    assert (found.host, found.partial) == ("no", None)
    assert dict(found.settings)["flash_attn"] == "True"


def test_a_prompt_and_both_together(tmp_path: Path) -> None:
    prompt, both = read(written(tmp_path, [prompt_row(), llama_row(n_prompt=128)
        | {"avg_ts": 252.28, "samples_ts": []}]))  # fmt: skip
    assert (prompt.kind, prompt.figures.prefill, prompt.figures.decode_total) == ("prefill", 5120.0, None)
    assert both.kind == "mixed"
    assert both.figures.throughput == pytest.approx(126.14, abs=0.01)
    assert both.figures.decode_per_sequence is None


@pytest.mark.parametrize("form", ["array", "lines", "csv", "utf-16"])
def test_the_forms_of_llama_bench_say_the_same(tmp_path: Path, form: str) -> None:
    rows = [llama_row(), prompt_row()]
    path = tmp_path / "results"
    if form == "array":
        path.write_text(json.dumps(rows, indent=2))
    elif form == "lines":
        path.write_text(as_lines(*rows))
    elif form == "csv":
        path.write_text(as_csv(*rows))
    else:
        path.write_text(json.dumps(rows), encoding="utf-16")
    decode, prefill = read(str(path))
    assert decode.figures.decode_total == pytest.approx(126.14, abs=0.01)
    assert prefill.figures.prefill == 5120.0
    assert decode.workload == (1, None, 128, 0, "fp16")
    assert [each.origin.row for each in (decode, prefill)] == [0, 1]
    assert len(decode.origin.digest) == 64


def test_a_release_with_a_flag_for_each_backend(tmp_path: Path) -> None:
    found = only(tmp_path, old_llama_row())
    assert found.cards == (MeasuredCard("NVIDIA GeForce RTX 4090", (), 2, "file"),)
    assert found.workload.depth == 0


TWO = "NVIDIA GeForce RTX 5090, NVIDIA GeForce RTX 5090"
MIXED = "NVIDIA GeForce RTX 5090, NVIDIA GeForce RTX 3090"


@pytest.mark.parametrize(
    ("changes", "cards"),
    [
        ({"gpu_info": TWO}, [("NVIDIA GeForce RTX 5090", 2)]),
        ({"gpu_info": TWO, "split_mode": "none"}, [("NVIDIA GeForce RTX 5090", 1)]),
        ({"gpu_info": TWO, "devices": "CUDA1"}, [("NVIDIA GeForce RTX 5090", 1)]),
        ({"gpu_info": MIXED}, [("NVIDIA GeForce RTX 5090", 1), ("NVIDIA GeForce RTX 3090", 1)]),
        ({"gpu_info": MIXED, "split_mode": "none", "main_gpu": 1}, [("NVIDIA GeForce RTX 3090", 1)]),
        ({"gpu_info": MIXED, "devices": "CUDA0"}, [(MIXED, 1)]),
        ({"gpu_info": TWO, "backends": "CUDA,Vulkan"}, [(TWO, 1)]),
        ({"devices": "none"}, []),
        ({"gpu_info": ""}, []),
    ],
)
def test_which_of_a_machines_cards_a_test_ran_on(
    tmp_path: Path, changes: dict[str, Any], cards: list[tuple[str, int]]
) -> None:
    """`gpu_info` lists every device, once for each backend: what the file does not tell apart stays one name."""
    found = only(tmp_path, llama_row(**changes))
    assert [(card.text, card.number) for card in found.cards] == cards


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({}, "no"),
        ({"n_gpu_layers": -1}, "no"),
        ({"n_gpu_layers": 0}, "yes"),
        ({"n_gpu_layers": 20}, "unsaid"),
        ({"n_cpu_moe": 3}, "yes"),
        ({"no_kv_offload": True}, "yes"),
        ({"tensor_buft_overrides": "exps=CPU"}, "yes"),
    ],
)
def test_what_ran_from_host_memory(tmp_path: Path, changes: dict[str, Any], host: str) -> None:
    found = only(tmp_path, llama_row(**changes))
    assert found.host == host
    assert ("bench.note.host" in [note.code for note in found.notes]) == (host == "yes")


@pytest.mark.parametrize(
    ("name", "kind", "weights"),
    [
        ("a/Qwen3-8B-Q4_K_M.gguf", "qwen3 8B Q4_K - Medium", "gguf:Q4_K_M"),
        ("a/model.gguf", "qwen3 8B Q4_K - Medium", "gguf:Q4_K_M"),
        ("a/model.gguf", "llama 7B mostly Q4_0", "gguf:Q4_0"),
        ("a/model.gguf", "llama 7B IQ4_XS - 4.25 bpw", "gguf:IQ4_XS"),
        ("a/model.gguf", "llama 7B IQ3_S mix - 3.66 bpw", "gguf:IQ3_M"),
        ("a/model.gguf", "llama 7B Q2_K - Medium", "gguf:Q2_K"),
        ("a/model.gguf", "gpt-oss 20B MXFP4 MoE", "gguf:MXFP4"),
        ("a/model.gguf", "llama 7B BF16", "gguf:BF16"),
        ("a/model.gguf", "llama 7B all F32 (guessed)", "gguf:F32"),
        ("a/model.gguf", "llama 7B unknown, may not work", None),
        ("C:\\m\\GLM-4.5-UD-Q2_K_XL-00001-of-00003.gguf", "glm", "gguf:UD-Q2_K_XL"),
    ],
)
def test_the_weights_are_those_of_the_files_name_else_of_its_type(
    tmp_path: Path, name: str, kind: str, weights: str | None
) -> None:
    found = only(tmp_path, llama_row(model_filename=name, model_type=kind))
    assert found.model.weights == weights


def test_keys_and_values_of_different_types_are_no_one_format(tmp_path: Path) -> None:
    found = only(tmp_path, llama_row(type_k="q8_0", type_v="q4_0"))
    assert found.workload.kv is None
    assert "bench.note.two_kv" in [note.code for note in found.notes]
    assert only(tmp_path, llama_row(type_k="q8_0", type_v="q8_0")).workload.kv == "q8_0"


def test_a_result_of_vllm(tmp_path: Path) -> None:
    found = only(tmp_path, vllm_result())
    assert (found.kind, found.runtime, found.version) == ("serving", "vllm", None)
    assert found.when == "2026-10-01T10:11:12"
    assert found.workload == (8, 512, 128, 0, None)
    figures = found.figures
    assert figures.decode_per_sequence == pytest.approx(1000 / 15)
    assert (figures.throughput, figures.samples) == (512.0, 40)
    assert figures.spread == pytest.approx(1000 / 15 * 0.6 / 15)
    assert figures.ttft == (0.095, 0.09, None, 0.18)
    assert figures.itl == (0.015, 0.0147, None, 0.03)
    assert (found.cards, found.host, found.partial) == ((), "unsaid", None)


def test_a_protocol_is_no_runtime(tmp_path: Path) -> None:
    assert only(tmp_path, vllm_result(backend="openai", endpoint_type="openai")).runtime is None
    assert only(tmp_path, vllm_result(backend="openai-chat")).runtime is None
    assert only(tmp_path, vllm_result(backend="sglang")).runtime == "sglang"


def test_a_result_of_2024(tmp_path: Path) -> None:
    found = only(tmp_path, old_vllm_result())
    assert found.workload.concurrency == 40
    assert found.figures.decode_per_sequence == pytest.approx(1000 / 60)


def test_requests_at_a_rate_are_not_said_to_be_at_once(tmp_path: Path) -> None:
    found = only(tmp_path, vllm_result(request_rate=4.0, max_concurrency=None))
    assert found.workload.concurrency is None
    assert [note.code for note in found.notes] == ["bench.note.paced"]


def test_failed_requests_make_it_partial(tmp_path: Path) -> None:
    found = only(tmp_path, vllm_result(num_prompts=50, failed=10))
    assert found.partial is not None
    assert dict(found.partial.parameters) == {"failed": 10, "asked": 50}


def test_lines_of_sglang(tmp_path: Path) -> None:
    first, second = read(written(tmp_path, as_lines(sglang_result(), sglang_result(accept_length=2.5))))
    assert (first.runtime, first.version, first.model.text) == ("sglang", "0.5.4", "Qwen/Qwen3-8B")
    assert first.origin.tool == "sglang bench_serving"
    assert dict(first.settings)["tp_size"] == "2"
    assert [note.code for note in second.notes] == ["bench.note.speculative"]


def test_an_imported_file_is_stored_once_and_found_by_what_it_concerns(tmp_path: Path) -> None:
    file = written(tmp_path, [llama_row(), prompt_row()])
    for _ in range(2):
        found = import_files((file,), Naming())
    assert (found.messages, [each.id for each in found.measurements]) == ((), [1, 2])
    assert concerning(store_path(), "geforce-rtx-5090", "llama.cpp", "Qwen/Qwen3-8B") == found.measurements


def test_what_the_user_names_comes_before_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, vllm_result(model_id="/models/mine", backend="openai"))
    unnamed = import_files((file,), Naming())
    assert [said.code for said in unnamed.messages] == ["bench.no_gpu", "bench.unknown_model", "bench.no_runtime"]
    naming = Naming("2x H100 SXM", "Qwen3-8B", "vllm", "fp8_block128")
    (named,) = import_files((file,), naming).measurements
    assert (named.gpu, named.gpus, named.runtime) == ("h100-sxm5-80gb", 2, "vllm")
    assert named.model == ("Qwen3-8B", "Qwen/Qwen3-8B", "fp8_block128", "user")
    assert everything(store_path()) == (named,)


def test_an_ambiguous_card_stays_ambiguous(tmp_path: Path) -> None:
    found = import_files((written(tmp_path, llama_row(gpu_info="NVIDIA H100")),), Naming())
    (kept,) = found.measurements
    assert len(kept.cards[0].candidates) > 1
    assert kept.gpu is None
    (said,) = found.messages
    assert said.code == "bench.ambiguous_gpu"
    assert kept.cards[0].candidates[0] in str(dict(said.parameters)["candidates"])


def test_a_card_that_the_catalogue_lacks_stays_a_name(tmp_path: Path) -> None:
    found = import_files((written(tmp_path, llama_row(gpu_info="Matrox G200")),), Naming())
    assert found.measurements[0].cards[0].candidates == ()
    assert [said.code for said in found.messages] == ["bench.unknown_gpu"]


@pytest.mark.parametrize(
    ("naming", "error"),
    [
        (Naming(gpu="no such card"), UnknownGpu),
        (Naming(model="Qwen3"), None),
        (Naming(runtime="no such runtime"), UsageError),
        (Naming(weights="no_such_format"), UsageError),
    ],
)
def test_a_name_that_is_none_is_an_error(tmp_path: Path, naming: Naming, error: type[Exception] | None) -> None:
    file = written(tmp_path, llama_row())
    if error is None:
        assert import_files((file,), naming).measurements[0].model.id is None
        return
    with pytest.raises(error):
        import_files((file,), naming)
    assert not store_path().exists()


def test_two_models_of_one_name_are_not_chosen_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.answers import measured
    from assay.types.message import message

    def several(name: str) -> str:
        raise UnknownModel(message("error.ambiguous_model", query=name, number=2), message("hint.unknown_model"))

    monkeypatch.setattr(measured, "resolve", several)
    with pytest.raises(UnknownModel):
        import_files((written(tmp_path, llama_row()),), Naming(model="Both"))


def test_one_file_that_cannot_be_believed_stores_none(tmp_path: Path) -> None:
    good = written(tmp_path, llama_row(), "good.json")
    bad = written(tmp_path, llama_row(avg_ts=-1), "bad.json")
    assert main(["bench", "import", good, bad]) == 2
    assert stored().measurements == ()


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_documents_agree_with_their_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], language: str
) -> None:
    schema = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    file = written(tmp_path, [llama_row(), prompt_row()])
    other = written(tmp_path, vllm_result(failed=1, num_prompts=41), "vllm.json")
    for arguments in (["import", file, other], ["list"], [], ["forget", "2"], ["list"]):
        assert main(["bench", *arguments, "--json", "--lang", language]) == 0
        document = json.loads(capsys.readouterr().out)
        schema.validate(document)
        cited = {name for each in document["measurements"] for name in each["throughput"]["sources"]}
        assert cited <= document["sources"].keys()
    assert [each["id"] for each in document["measurements"]] == [1, 3]
    assert [each["complete"] for each in document["measurements"]] == [True, False]
    assert document["measurements"][0]["decode_total"]["basis"] == "measured"
    assert main(["bench", "forget", "2", "--json"]) == 2


def test_the_explanation_names_file_and_date(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, llama_row())
    assert main(["bench", "import", file, "--explain", "--lang", "en"]) == 0
    page = capsys.readouterr().out
    assert (
        f"{file} (2026-10-01T10:00:00Z)" in page.replace("\n    ", " ").replace("\n", " ").replace("  ", "")
        or file in page
    )
    assert "2026-10-01T10:00:00Z" in page
