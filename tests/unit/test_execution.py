"""What really executes: the traps that tables on the web fall into, each from the runtime's own source."""

import json
from dataclasses import replace
from typing import Any

import pytest

from assay.answers.asked import CheckRequest
from assay.answers.check import CheckAnswer, answer
from assay.answers.execution import attention_of, path_of
from assay.cli.main import main
from assay.knowledge.catalog import execution
from assay.observe.checkpoint.read import from_catalogue
from assay.reason.execution import at, covers, joint
from assay.types.execution import ExecutionPath, Regime

OWNER = "rtx-pro-6000-blackwell-workstation-edition"


def codes(path: ExecutionPath) -> set[str]:
    return {note.code for note in path.notes}


def multiplied(path: ExecutionPath, batch: int) -> tuple[str, str, str]:
    found = at(path.regimes, batch)
    assert found is not None
    return found.multiplies, found.activations, found.unit


@pytest.mark.parametrize("isa", ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_120a"])
def test_gguf_is_not_dequantized_to_fp16(isa: str) -> None:
    path = path_of("llama.cpp", "gguf:Q4_0", isa)
    assert path.path == "converted"
    assert multiplied(path, 1) == ("int8", "q8_1", "dp4a")
    assert multiplied(path, 64) == ("int8", "q8_1", "tensor")


def test_q8_0_is_multiplied_as_it_is_stored() -> None:
    assert path_of("llama.cpp", "gguf:Q8_0", "sm_89").path == "native"


@pytest.mark.parametrize(
    ("weight_format", "isa", "last"),
    [("gguf:Q4_K", "sm_120a", 5), ("gguf:Q6_K", "sm_120a", 7), ("gguf:Q2_K", "sm_89", 4), ("gguf:Q4_K", "sm_86", 8)],
)
def test_where_the_vector_kernel_ends_differs_by_type_and_card(weight_format: str, isa: str, last: int) -> None:
    path = path_of("llama.cpp", weight_format, isa)
    assert multiplied(path, last)[2] == "dp4a"
    assert multiplied(path, last + 1)[2] == "tensor"


def test_iq1_m_is_the_type_that_is_dequantized() -> None:
    path = path_of("llama.cpp", "gguf:IQ1_M", "sm_120a")
    assert path.path == "weight-only"
    assert [(one.batch, one.path) for one in path.regimes] == [("1..8", "converted"), ("9..", "weight-only")]


@pytest.mark.parametrize("weight_format", ["gguf:MXFP4", "gguf:NVFP4"])
def test_fp4_in_llama_cpp_only_on_12x_and_not_at_small_batch(weight_format: str) -> None:
    number = weight_format.removeprefix("gguf:").lower()
    path = path_of("llama.cpp", weight_format, "sm_120a")
    assert path.path == "native"
    assert multiplied(path, 1) == ("int8", "q8_1", "dp4a")
    assert multiplied(path, 64) == (number, number, "tensor")  # the activations become FP4 too
    other = path_of("llama.cpp", weight_format, "sm_100a")
    assert other.path == "converted"  # although the card has FP4 units
    assert multiplied(other, 64)[0] == "int8"
    assert "execution.llama_fp4_only_12x" in codes(other)


@pytest.mark.parametrize("isa", ["sm_75", "sm_80", "sm_86"])
@pytest.mark.parametrize("weight_format", ["fp8", "fp8_channel", "fp8_block128"])
def test_loading_is_not_native(weight_format: str, isa: str) -> None:
    path = path_of("vllm", weight_format, isa)
    assert path.path == "weight-only"
    assert "execution.loads_is_not_native" in codes(path)
    assert "Marlin" in path.regimes[0].kernel


def test_fp8_blocks_on_ada_are_weight_only_although_it_has_fp8() -> None:
    path = path_of("vllm", "fp8_block128", "sm_89")
    assert path.path == "weight-only"
    assert "execution.vllm_fp8_block_ada" in codes(path)
    assert path_of("vllm", "fp8", "sm_89").path == "native"
    assert path_of("vllm", "fp8_block128", "sm_89", "experts").path == "native"  # Triton comes first there


@pytest.mark.parametrize("isa", ["sm_100a", "sm_103a", "sm_120a", "sm_121a"])
def test_int8_w8a8_is_selected_and_raises(isa: str) -> None:
    path = path_of("vllm", "int8_w8a8", isa)
    assert path.path == "refused"
    assert path.refusal is not None
    assert path.refusal.startswith("Int8 not supported on SM")
    assert "execution.vllm_int8_workaround" in codes(path)
    assert path_of("vllm", "int8_w8a16", isa).path == "weight-only"
    assert path_of("vllm", "int8_w8a8", "sm_90a").path == "native"


def test_formats_on_the_owners_card_in_vllm() -> None:
    assert path_of("vllm", "mxfp4", "sm_120a", "experts").path == "weight-only"  # gpt-oss
    for weight_format, role in (
        ("nvfp4", "linear"),
        ("nvfp4", "experts"),
        ("fp8", "linear"),
        ("fp8_block128", "linear"),
        ("fp8_block128", "experts"),
        ("mxfp8", "linear"),
    ):
        assert path_of("vllm", weight_format, "sm_120a", role).path == "native", weight_format


def test_int4_is_never_multiplied_as_int4() -> None:
    for isa in ("sm_80", "sm_89", "sm_90a", "sm_120a"):
        path = path_of("vllm", "gptq_int4", isa)
        assert (path.path, path.regimes[0].multiplies) == ("weight-only", "bf16")


def test_bf16_at_batch_one_is_a_vector_product() -> None:
    path = path_of("llama.cpp", "gguf:BF16", "sm_120a")
    assert multiplied(path, 1)[2] == "fma"
    assert multiplied(path, 64)[2] == "tensor"
    assert "execution.vector_at_one" in codes(path)
    assert "execution.vector_at_one" in codes(path_of("vllm", "bf16", "sm_120a"))


def test_what_was_not_read_is_unknown() -> None:
    for isa in ("sm_70", "gfx1151", "metal", None):
        path = path_of("vllm", "fp8", isa)
        assert (path.path, path.regimes) == ("unknown", ())
    assert path_of("mlx", "gptq_int4", "metal").path == "unknown"


def test_kernel_and_card_must_agree() -> None:
    regimes = (Regime("any", "native", "nvfp4", "nvfp4", "tensor", "k"),)
    assert joint("native", regimes, frozenset()) == ("native", ())
    path, said = joint("native", regimes, frozenset({"nvfp4"}))
    assert path == "unknown"
    assert [one.code for one in said] == ["execution.contradiction"]
    vector = (Regime("any", "converted", "int8", "q8_1", "dp4a", "k"),)
    assert joint("converted", vector, frozenset({"int8"}))[0] == "converted"  # dp4a is no matrix instruction


@pytest.mark.parametrize(
    ("batch", "tokens", "held"),
    [
        ("any", 1, True), ("1", 1, True), ("1", 2, False), ("1..8", 8, True), ("1..8", 9, False), ("9..", 9, True),
        ("9..", 8, False), ("small", 1, True), ("small", 64, False), ("large", 64, True),
    ],
)  # fmt: skip
def test_which_regime_holds(batch: str, tokens: int, held: bool) -> None:  # noqa: FBT001
    assert covers(Regime(batch, "native", "int8", "int8", "tensor", ""), tokens) is held


def checked(model: str, gpu: str, **keys: object) -> CheckAnswer:
    return answer(CheckRequest(model=model, gpus=(gpu,), **keys))  # type: ignore[arg-type]


def test_a_checkpoint_is_mixed_and_the_shares_say_how() -> None:
    (result,) = checked("openai/gpt-oss-120b", OWNER).results
    assert sum(one.bytes_share for one in result.execution) == pytest.approx(1)
    assert sum(one.work_share for one in result.execution) == pytest.approx(1)
    experts = next(one for one in result.execution if (one.role, one.weight_format) == ("experts", "mxfp4"))
    assert experts.path == "weight-only"
    assert experts.bytes_share > 0.9
    assert 0.6 < experts.work_share < 0.8  # most bytes, by far not all of the work of a token
    assert all(one.evidence or one.role in ("embedding", "norm") for one in result.execution)


def test_what_raises_is_no_yes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "Qwen/Qwen3-30B-A3B", "--gpu", OWNER, "--weights", "int8_w8a8", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["results"][0]
    assert found["verdict"] == "no"
    assert any(reason["code"] == "check.raises" for reason in found["reasons"])
    assert "launch" not in found


def test_bf16_in_vllm_on_turing_is_refused_with_the_way_out() -> None:
    (result,) = checked("Qwen/Qwen3-8B", "t4").results
    assert result.verdict == "no"
    assert any("execution.bf16_as_fp16" in {note.code for note in one.notes} for one in result.execution)


def test_the_documents_carry_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "openai/gpt-oss-120b", "--gpu", OWNER, "--json"])
    body = json.loads(capsys.readouterr().out)
    experts = next(one for one in body["results"][0]["execution"] if one["weight_format"] == "mxfp4")
    assert experts["regimes"][0]["kernel"] == "MARLIN: MarlinExperts"
    assert experts["evidence"][0]["source"] in body["sources"]
    main(["formats", OWNER, "--runtime", "llama.cpp", "--json"])
    paths = json.loads(capsys.readouterr().out)["results"][0]["paths"]
    assert {"runtime", "version", "weight_format", "role", "path", "regimes", "evidence"} <= paths[0].keys()
    assert any(one["weight_format"] == "gguf:MXFP4" and one["path"] == "native" for one in paths)


def test_the_page_says_it_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "openai/gpt-oss-120b", "--gpu", OWNER])
    out = capsys.readouterr().out
    assert "What executes" in out
    assert "weight-only" in out
    main(["check", "openai/gpt-oss-120b", "--gpu", OWNER, "--lang", "ru"])
    assert "только веса" in capsys.readouterr().out


def test_fp8_kv_on_turing_is_refused_in_vllms_words(capsys: pytest.CaptureFixture[str]) -> None:
    found = execution.attention("vllm", "sm_75", "standard")
    assert found is not None
    assert "requires SM89+" in dict(found.refused)["fp8"]
    assert main(["check", "Qwen/Qwen3-0.6B", "--gpu", "t4", "--kv", "fp8", "--json"]) == 1
    body = json.loads(capsys.readouterr().out)["results"][0]
    assert any(one["code"] == "check.kv_raises" for one in body["reasons"])


@pytest.mark.parametrize(
    ("isa", "kind", "kv", "backend"),
    [
        ("sm_120a", "standard", "bf16", "FLASH_ATTN (FlashAttention 2)"),
        ("sm_120a", "standard", "fp8", "FLASHINFER"),  # FlashAttention 2 takes no FP8
        ("sm_90a", "standard", "fp8", "FLASH_ATTN (FlashAttention 3)"),
        ("sm_100a", "standard", "bf16", "FLASHINFER (trtllm-gen)"),
        ("sm_120a", "latent", "bf16", "TRITON_MLA"),
        ("sm_90a", "latent", "bf16", "FLASH_ATTN_MLA"),
    ],
)
def test_attention_backends(isa: str, kind: str, kv: str, backend: str) -> None:
    found = execution.attention("vllm", isa, kind)
    assert found is not None
    assert dict(found.backends)[kv] == backend


GPT_OSS, GEMMA, DSA = "openai/gpt-oss-20b", "google/gemma-3-27b-it", "deepseek-ai/DeepSeek-V3.2"


@pytest.mark.parametrize(
    ("model", "isa", "kv", "backend", "otherwise"),
    [
        # sinks: FlashAttention 2 lacks them, FlashInfer has them through TensorRT-LLM's kernels alone
        (GPT_OSS, "sm_80", "bf16", "TRITON_ATTN", None),
        (GPT_OSS, "sm_86", "bf16", "TRITON_ATTN", None),
        (GPT_OSS, "sm_89", "fp8", "TRITON_ATTN", None),
        (GPT_OSS, "sm_90a", "fp8", "FLASH_ATTN (FlashAttention 3)", None),
        (GPT_OSS, "sm_100a", "bf16", "FLASHINFER (trtllm-gen)", "FLASH_ATTN (FlashAttention 4)"),
        (GPT_OSS, "sm_103a", "fp8", "FLASHINFER (trtllm-gen)", "FLASH_ATTN (FlashAttention 4)"),
        (GPT_OSS, "sm_120a", "bf16", "FLASHINFER (XQA in decode)", "TRITON_ATTN"),
        (GPT_OSS, "sm_121a", "fp8", "FLASHINFER (XQA in decode)", "TRITON_ATTN"),
        (GPT_OSS, "gfx942", "bf16", "ROCM_AITER_UNIFIED_ATTN", "TRITON_ATTN"),
        # an image's tokens see each other in both directions
        (GEMMA, "sm_120a", "bf16", "TRITON_ATTN", "FLASH_ATTN"),
        (GEMMA, "sm_100a", "bf16", "FLASH_ATTN (FlashAttention 4)", "FLASHINFER"),
        (GEMMA, "sm_90a", "bf16", "TRITON_ATTN", "FLASH_ATTN"),
        ("google/gemma-3-12b-it", "sm_90a", "bf16", "TRITON_FLASH_ATTN", "FLASH_ATTN"),  # heads of 256
        ("google/gemma-3-12b-it", "sm_100a", "fp8", "TRITON_FLASHINFER", "FLASHINFER"),
        # an index chooses what is read of the latents: backends for all of them are not asked
        (DSA, "sm_90a", "bf16", "FLASH_ATTN_MLA_SPARSE", None),
        (DSA, "sm_90a", "fp8", "FLASHMLA_SPARSE", None),
        (DSA, "sm_100a", "bf16", "FLASHMLA_SPARSE", "FLASH_ATTN_MLA_SPARSE_FA4"),
        (DSA, "sm_100a", "fp8", "FLASHINFER_MLA_SPARSE", None),
        (DSA, "sm_120a", "bf16", "FLASHINFER_MLA_SPARSE_SM120", None),
        ("Qwen3-8B", "gfx942", "bf16", "ROCM_ATTN", None),
        ("deepseek-ai/DeepSeek-R1", "gfx942", "bf16", "TRITON_MLA", "ROCM_AITER_MLA"),
        # full attention between layers of a fixed state
        ("Qwen/Qwen3.5-35B-A3B", "sm_86", "fp8", "FLASHINFER", None),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "sm_120a", "bf16", "FLASH_ATTN (FlashAttention 2)", None),
    ],
)
def test_vllm_s_attention_by_what_a_model_asks(
    model: str, isa: str, kv: str, backend: str, otherwise: str | None
) -> None:
    found = attention_of(from_catalogue(model), "vllm", isa)
    choice = found.choice(kv) if found else None
    assert choice is not None
    assert (choice.backend, choice.otherwise) == (backend, otherwise)


@pytest.mark.parametrize(("model", "isa", "kv", "words"), [
    (GPT_OSS, "sm_86", "fp8", "Triton attention backend"),  # without sinks FlashInfer takes it
    (GEMMA, "sm_80", "fp8", "Triton attention backend"),
    ("deepseek-ai/DeepSeek-R1", "sm_80", "fp8", "Triton MLA backend"),
    (DSA, "sm_89", "bf16", "No valid attention backend found"),
    (DSA, "sm_120a", "fp16", "No valid attention backend found"),
])  # fmt: skip
def test_what_vllm_s_attention_refuses(model: str, isa: str, kv: str, words: str) -> None:
    found = attention_of(from_catalogue(model), "vllm", isa)
    assert found is not None
    assert words in dict(found.refused)[kv]
    assert kv not in dict(found.backends)


def test_heads_that_a_backend_lacks_change_the_choice() -> None:
    """FlashInfer has kernels for heads of 64, 128 and 256 elements; others fall to Triton, which refuses on Ampere."""
    ninety_six = execution.attention("vllm", "sm_86", "standard", "phi3", frozenset({96}))
    assert ninety_six is not None
    assert "requires SM89+" in dict(ninety_six.refused)["fp8"]
    ada = execution.attention("vllm", "sm_89", "standard", "phi3", frozenset({96}))
    assert ada is not None
    assert dict(ada.backends)["fp8"] == "TRITON_ATTN"
    assert execution.attention("vllm", "sm_89", "standard", "phi3", frozenset({320})) is None


def test_attention_that_was_not_read_is_unknown() -> None:
    assert execution.attention("exllamav3", "sm_120a", "standard") is None
    assert execution.attention("vllm", "gfx1201", "standard") is None
    gemma4 = from_catalogue("google/gemma-4-26B-A4B")
    assert attention_of(gemma4, "vllm", "sm_90a") is None
    assert execution.attention("vllm", "sm_90a", "standard", "gemma4_text", frozenset({256})) is None
    assert attention_of(from_catalogue("nvidia/MiniMax-M3-NVFP4"), "vllm", "sm_90a") is None


def test_what_an_unknown_architecture_asks_of_attention_is_not_guessed() -> None:
    llama = from_catalogue("meta-llama/Llama-3.1-8B")
    assert attention_of(llama, "vllm", "sm_90a") is not None
    assert attention_of(replace(llama, like="llama"), "vllm", "sm_90a") is None


def _said(model: str, gpu: str, **asked: Any) -> tuple[str, set[str], set[str]]:
    """(verdict, codes of the reasons, codes of the advice) for one card."""
    (result,) = answer(CheckRequest(model, (gpu,), **asked)).results
    return result.verdict, {one.code for one in result.reasons}, {one.code for one in result.advice}


@pytest.mark.parametrize(("model", "gpu", "asked"), [
    ("Qwen3-8B", "5090", {"weights": "int8_w8a8", "runtime": "vllm"}),
    ("Qwen3-0.6B", "Tesla T4", {"runtime": "vllm"}),
    ("Llama-3.3-70B-Instruct", "Tesla T4", {"runtime": "vllm"}),
])  # fmt: skip
def test_nothing_is_advised_that_the_runtime_refuses(model: str, gpu: str, asked: dict[str, Any]) -> None:
    """Less context, another KV type or more cards do not help weights that raise."""
    verdict, reasons, advised = _said(model, gpu, **asked)
    assert verdict == "no"
    assert "check.raises" in reasons
    assert not advised & {"advice.context", "advice.concurrency", "advice.kv", "advice.cards"}


def test_fp8_keys_are_not_advised_where_the_backend_refuses_them() -> None:
    """FP16 weights load on Turing; FP8 keys and values, which would fit, do not. On Ada they do."""
    advised = {}
    for gpu in ("Tesla T4", "L4"):
        asked = CheckRequest("Qwen3-1.7B", (gpu,), "vllm", "fp16", "fp16", context=32_768, concurrency=3)
        (result,) = answer(asked._replace(concurrency=3 if gpu == "Tesla T4" else 5)).results
        assert not {one.code for one in result.reasons} & {"check.raises", "check.kv_raises"}
        advised[gpu] = "advice.kv" in {one.code for one in result.advice}
    assert advised == {"Tesla T4": False, "L4": True}


def test_a_refusal_is_not_called_too_large(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "Qwen3-8B", "--weights", "int8_w8a8", "--gpu", "5090", "--runtime", "vllm"]) == 1
    page = capsys.readouterr().out
    assert page.startswith("No: vLLM refuses Qwen3-8B as asked")
    assert "does not fit" not in page


def test_weights_unpacked_while_loading_are_counted_as_they_lie_on_the_card() -> None:
    """FP8 blocks under Transformers on Ampere become BF16 when loaded; on Hopper they stay."""
    sizes = {
        gpu: answer(CheckRequest("Qwen3-8B", (gpu,), runtime="transformers", weights="fp8_block128"))
        .results[0]
        .fit.memory.weights.value
        or 0
        for gpu in ("RTX A6000", "h200-sxm-141gb")
    }
    assert sizes["RTX A6000"] > 1.6 * sizes["h200-sxm-141gb"]


def test_what_was_not_read_is_said_beside_a_yes() -> None:
    verdict, reasons, _ = _said("Qwen/Qwen3-30B-A3B-FP8", "instinct-mi300x", runtime="vllm")
    assert (verdict, "check.unread" in reasons) == ("yes", True)
    assert "check.unread" not in _said("Qwen3-8B", "5090", runtime="vllm")[1]


def test_attention_with_sinks_is_not_told_by_rows_without() -> None:
    """FlashAttention 2, which other models get there, has no sinks; TensorRT-LLM's kernels for them were not read."""
    found = {engine: answer(CheckRequest("openai/gpt-oss-20b", ("5090",), runtime=engine)).results[0].attention
             for engine in ("vllm", "tensorrt-llm")}  # fmt: skip
    assert found["tensorrt-llm"] is None
    assert found["vllm"] is not None
    assert "FLASH_ATTN" not in dict(found["vllm"].backends)["bf16"]


def test_a_model_that_is_converted_to_gguf_is_told_as_converted() -> None:
    """The same truth in the groups and in the doubts: MXFP4 experts of gpt-oss lie in GGUF as MXFP4."""
    _, reasons, _ = _said("openai/gpt-oss-20b", "4090", runtime="llama.cpp")
    assert not reasons & {"check.format_absent", "check.unread"}


def test_fp8_keys_have_one_truth_on_ampere() -> None:
    """FlashInfer takes them there, so that they are no doubt; latent ones fall to Triton, which raises."""
    assert "check.refused" not in _said("Qwen3-8B", "3090", runtime="vllm", kv="fp8")[1]
    latent = execution.attention("vllm", "sm_80", "latent")
    assert latent is not None
    assert "fp8" in dict(latent.refused)


def test_formats_tell_what_attends_and_on_what_that_depends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats", "3090", "--runtime", "sglang"]) == 0
    page = capsys.readouterr().out
    assert "attention, KV cache in bf16, fp16: flashinfer" in page
    assert "needs FlashInfer installed" in page
    assert "without that: triton" in page
    assert main(["formats", "3090", "--runtime", "vllm", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    said = {(one["kind"], one["architecture"], one["kv"]): one for one in result["attention"]}
    assert said["standard", None, "fp8"]["backend"] == "FLASHINFER"
    assert said["standard", "gpt_oss", "fp8"]["backend"] is None
    assert "requires SM89+" in said["standard", "gpt_oss", "fp8"]["refused"]


def test_check_tells_what_attends_and_on_what_that_depends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "openai/gpt-oss-20b", "--gpu", OWNER, "--runtime", "vllm"]) == 0
    page = capsys.readouterr().out
    assert "attention with bf16 keys and values: FLASHINFER (XQA in decode)" in page
    assert "without that: TRITON_ATTN" in page
    assert main(["check", "openai/gpt-oss-20b", "--gpu", OWNER, "--runtime", "vllm", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    (said,) = [one for one in result["attention"] if one["kv"] == "bf16"]
    assert said["otherwise"] == "TRITON_ATTN"
    assert len(said["needs"]) == 2


def test_formats_tell_every_runtime(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats", "4090"]) == 0
    page = capsys.readouterr().out
    assert "vLLM 0.33.0: native: bf16" in page
    assert main(["formats", "4090", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert {path["runtime"] for path in result["paths"]} >= {"vllm", "sglang", "llama.cpp", "transformers"}


@pytest.mark.parametrize("gpus", ["RTX 4000 Ada + Quadro RTX 6000", "Quadro RTX 6000 + RTX 4000 Ada"])
def test_one_card_of_a_pair_that_refuses_is_enough(gpus: str) -> None:
    """Turing refuses BF16 whether it is the smaller card or not, whichever is named first."""
    verdict, reasons, _ = _said("Qwen3-0.6B", gpus, runtime="vllm")
    assert (verdict, "check.raises" in reasons) == ("no", True)
