"""The attention backend of a log against the predicted one: what holds, what does not, and of which version."""

import json
from pathlib import Path

import pytest

from assay.answers.diagnose import AttentionDiagnosis, DiagnoseRequest, answer
from assay.answers.log_attention import same_version
from assay.cli.main import main
from assay.observe.runtimes.read import read

LOGS = Path(__file__).parents[1] / "fixtures" / "logs"
GPT_OSS, FOUR_A100 = "vllm-gpt-oss-120b-4x-a100", "4x A100 80GB PCIe"
TRITON = "Using Triton backend on V1 engine."
READ = ("0.10.1.1", "0.33.0")
"""The log's version, made the one whose source was read."""


def changed(name: str, tmp_path: Path, *pairs: tuple[str, str]) -> str:
    text = (LOGS / f"{name}.log").read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "server.log"
    path.write_text(text, encoding="utf-8")
    return str(path)


def asked(path: str, model: str | None, gpu: str) -> tuple[AttentionDiagnosis, int]:
    found = answer(DiagnoseRequest(path, model, (gpu,)))
    (result,) = found.results
    assert result.attention is not None
    return result.attention, found.exit_code


def gpt_oss(tmp_path: Path, *pairs: tuple[str, str], gpu: str = FOUR_A100) -> tuple[AttentionDiagnosis, int]:
    return asked(changed(GPT_OSS, tmp_path, *pairs), None, gpu)


def sglang(tmp_path: Path, *lines: str, gpu: str = "L40S", model: str = "Qwen/Qwen3-14B") -> AttentionDiagnosis:
    path = tmp_path / "sglang.log"
    text = (LOGS / "sglang-qwen3-14b.log").read_text(encoding="utf-8")
    path.write_text("\n".join([*lines, text]), encoding="utf-8")
    return asked(str(path), model, gpu)[0]


def test_what_a_real_server_chose_is_what_its_source_says(tmp_path: Path) -> None:
    """gpt-oss on four A100: FlashAttention 2 has no sinks, so that Triton attends."""
    found, _ = gpt_oss(tmp_path, READ)
    assert [one.name for one in found.row.seen] == ["TRITON_ATTN"]
    assert (found.row.outcome, found.causes) == ("held", ())
    assert found.row.sources == ("vllm-0-33-source",)


def test_another_version_is_not_silently_held(tmp_path: Path) -> None:
    found, code = gpt_oss(tmp_path)
    assert (found.row.outcome, code) == ("held_elsewhere", 0)


def test_another_version_that_chose_otherwise_is_no_wrong_prediction(tmp_path: Path) -> None:
    found, code = gpt_oss(tmp_path, (TRITON, "Using Flash Attention backend on V1 engine."))
    assert (found.row.outcome, code) == ("differs_elsewhere", 0)
    assert found.causes[0].id == "attention_version"


def test_another_backend_of_the_same_version_is_exit_1(tmp_path: Path) -> None:
    found, code = gpt_oss(tmp_path, READ, (TRITON, "Using Flash Attention backend on V1 engine."))
    assert (found.row.outcome, code) == ("differs", 1)
    assert [(cause.id, cause.flag) for cause in found.causes] == [("attention_ruled_out", "--attention-backend")]


def test_a_backend_that_was_asked_for_is_its_own_cause(tmp_path: Path) -> None:
    for line, wished in (
        ("Using AttentionBackendEnum.FLEX_ATTENTION backend.", True),
        ("Using FLEX_ATTENTION backend (selected via --attention-backend).", True),
        ("Using FLEX_ATTENTION attention backend out of potential backends: ['FLEX_ATTENTION'].", False),
        ("Using AttentionBackendEnum.FLEX_ATTENTION attention backend out of potential backends: ['x'].", False),
        ("Found incompatible backend(s) [x]. Overriding with FLEX_ATTENTION out of potential backends: ['x'].", False),
    ):
        found, _ = gpt_oss(tmp_path, READ, (TRITON, line))
        assert [one.name for one in found.row.seen] == ["FLEX_ATTENTION"], line
        assert found.row.outcome == "differs"
        assert (found.causes[0].id == "attention_asked") is wished, line


def test_what_is_picked_without_flashinfer_is_named_as_that(tmp_path: Path) -> None:
    """On sm_120 sinks need FlashInfer and its compiled kernels; Triton shows that they were missing."""
    found, code = gpt_oss(tmp_path, READ, gpu="4x RTX PRO 6000 Blackwell Workstation Edition")
    assert (found.row.outcome, code) == ("differs", 1)
    assert found.causes[0].id == "attention_otherwise"


def test_flash_attention_s_version_counts(tmp_path: Path) -> None:
    line = "Using FLASH_ATTN attention backend out of potential backends: ['FLASH_ATTN'].\n{}"
    for number, outcome in (("3", "held"), ("2", "differs")):
        said = line.format(f"INFO 09-10 23:27:30 [flash_attn.py:1] Using FlashAttention version {number}")
        found, _ = gpt_oss(tmp_path, READ, (TRITON, said), gpu="4x H100 SXM 80GB")
        assert [one.name for one in found.row.seen] == ["FLASH_ATTN", f"FlashAttention {number}"]
        assert found.row.outcome == outcome


def test_e5m2_keys_are_not_compared(tmp_path: Path) -> None:
    """FlashAttention 3 takes E4M3 only: what was predicted for FP8 does not hold for the other."""
    attends = (TRITON, "Using FLASH_ATTN attention backend out of potential backends: ['FLASH_ATTN'].")
    for kv, outcome in (("fp8", "held"), ("fp8_e5m2", "unknown")):
        found, _ = gpt_oss(
            tmp_path, READ, attends, ("kv_cache_dtype=auto", f"kv_cache_dtype={kv}"), gpu="4x H100 SXM 80GB"
        )
        assert found.row.outcome == outcome


def test_a_second_backend_is_a_difference_unless_a_draft_may_have_it(tmp_path: Path) -> None:
    line = "INFO 09-10 23:27:30 [cuda.py:1] Using FLEX_ATTENTION attention backend out of potential backends: ['x']."
    second = (TRITON, f"{TRITON}\n{line}")
    assert gpt_oss(tmp_path, READ, second)[0].row.outcome == "differs"
    drafted = ("speculative_config=None", "speculative_config=SpeculativeConfig(method='eagle3')")
    assert gpt_oss(tmp_path, READ, second, drafted)[0].row.outcome == "held"


def test_a_refused_kv_type_that_started_is_a_difference(tmp_path: Path) -> None:
    """FP8 keys with sinks raise on sm_80; a server that holds a cache all the same proves it wrong."""
    found, code = gpt_oss(tmp_path, READ, ("kv_cache_dtype=auto", "kv_cache_dtype=fp8"))
    assert found.row.predicted is not None
    assert (found.row.predicted.backend, found.row.outcome, code) == (None, "differs", 1)


def test_sglang_s_default_line_is_read(tmp_path: Path) -> None:
    line = "[2026-11-01 00:00:00] Attention backend not specified. Use {} backend by default."
    found = sglang(tmp_path, line.format("flashinfer"))
    assert [one.name for one in found.row.seen] == ["flashinfer"]
    assert found.row.outcome == "held_elsewhere"  # the log does not say its version
    found = sglang(tmp_path, line.format("triton"))
    assert found.row.outcome == "differs_elsewhere"
    assert [cause.id for cause in found.causes] == ["attention_version", "attention_otherwise"]


def test_sglang_s_arguments_ask_for_a_backend_only_where_none_was_filled_in(tmp_path: Path) -> None:
    arguments = "[2026-11-01 00:00:00] server_args=ServerArgs(model_path='Qwen/Qwen3-14B', attention_backend='triton')"
    default = "[2026-11-01 00:00:01] Attention backend not specified. Use triton backend by default."
    assert "attention_asked" in {cause.id for cause in sglang(tmp_path, arguments).causes}
    assert "attention_asked" not in {cause.id for cause in sglang(tmp_path, arguments, default).causes}


@pytest.mark.parametrize("line", [
    "Use triton as default attention backend for Gemma4",
    "Use triton as attention backend on other platforms for Llama4 model",
])  # fmt: skip
def test_sglang_s_lines_of_single_models(line: str, tmp_path: Path) -> None:
    assert [one.name for one in sglang(tmp_path, f"[2026-11-01 00:00:00] {line}").row.seen] == ["triton"]


def test_llama_cpp_without_flash_attention(tmp_path: Path) -> None:
    name, version = "llama-cpp-qwen3-235b-q8-a6000", ("5274 (d541533a)", "5274 (0c1e57098)")
    on = asked(changed(name, tmp_path, version), None, "RTX A6000")[0]
    assert on.row.outcome == "held"
    off = asked(changed(name, tmp_path, version, ("flash_attn    = 1", "flash_attn    = 0")), None, "RTX A6000")[0]
    assert off.row.outcome == "differs"
    assert [(cause.id, cause.flag) for cause in off.causes] == [("attention_flash", "--flash-attn")]


@pytest.mark.parametrize(("said", "same"), [
    ("0.33.0", True), ("v0.33.0", True), ("0.33.0+cu130", True), ("0.33.0rc1", False), ("10.33.0", False),
    ("0.33.01", False), ("0.20.2rc1.dev249", False),
])  # fmt: skip
def test_which_versions_are_the_one_that_was_read(said: str, same: bool, tmp_path: Path) -> None:  # noqa: FBT001
    assert same_version(read(changed(GPT_OSS, tmp_path, ("0.10.1.1", said)))) is same


def test_the_page_and_the_document_tell_the_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = changed(GPT_OSS, tmp_path, READ, (TRITON, "Using Flash Attention backend on V1 engine."))
    assert main(["diagnose", "--log", path, "--gpu", FOUR_A100]) == 1
    page = capsys.readouterr().out
    assert "FLASH_ATTN" in page
    assert "another one" in page
    assert "--attention-backend" in page
    assert main(["diagnose", "--log", path, "--gpu", FOUR_A100, "--json"]) == 1
    (result,) = json.loads(capsys.readouterr().out)["results"]
    row = result["attention"]
    assert (row["predicted"], row["outcome"]) == ("TRITON_ATTN", "differs")
    assert [one["text"] for one in row["observed"]] == ["FLASH_ATTN"]
    assert row["causes"][0]["flag"] == "--attention-backend"
