"""The verdict on the real catalogue: what joins the rooms, and published starts that failed."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors_files import Shapes, write

from assay.answers.asked import CheckRequest, columns_of, default_runtime, kv_of, workload_of
from assay.answers.check import CheckResult, answer, result_of
from assay.answers.judged import setting_of
from assay.answers.model import answer as read_model
from assay.answers.refusals import unloadable
from assay.errors import MissingKnowledge, UsageError
from assay.knowledge.catalog import runtimes
from assay.reason.deploy.adapters import slot


def result(model: str, gpu: str, **asked: object) -> CheckResult:
    (only,) = answer(CheckRequest(model, (gpu,), **asked)).results  # type: ignore[arg-type]
    return only


@pytest.mark.parametrize(
    ("model", "gpu", "asked", "source"),
    [
        ("gpt-oss-120b", "h100-sxm5-80gb", {}, "vLLM issues 23278, 27508, 33155"),
        ("Qwen/Qwen3-VL-235B-A22B-Instruct", "8x a100-sxm4-80gb", {}, "QwenLM/Qwen3-VL issue 1684"),
        ("Qwen/Qwen3-235B-A22B-FP8", "8x h100-sxm5-80gb", {}, "vLLM issue 17569"),
        ("Qwen/Qwen3-30B-A3B-FP8", "4x 4090", {}, "vLLM issue 25292"),
        ("Qwen3-30B-A3B", "4x A10", {"context": 1024}, "vLLM issue 17469"),
        ("01-ai/Yi-34B", "7x 4090", {"context": 2048}, "vLLM issue 11797"),
        ("Llama-3.1-8B", "tesla-v100-pcie-32gb", {}, "vLLM asks for BF16 from capability 8.0"),
    ],
)
def test_a_published_failure_is_no_yes(model: str, gpu: str, asked: dict[str, int], source: str) -> None:
    assert result(model, gpu, **asked).verdict != "yes", source


@pytest.mark.parametrize(
    ("model", "gpu", "asked", "source"),
    [
        ("meta-llama/Meta-Llama-3.1-70B", "6x 3090", {"runtime": "llama.cpp", "context": 4096}, "5.85 tok/s published"),
        ("gpt-oss-120b", "rtx-pro-6000-blackwell-workstation-edition", {}, "made for one 80 GB card and more"),
        ("Qwen3-30B-A3B", "rtx-pro-6000-blackwell-workstation-edition", {}, "the owner's own case"),
    ],
)
def test_a_published_success_is_no_no(model: str, gpu: str, asked: dict[str, object], source: str) -> None:
    assert result(model, gpu, **asked).verdict != "no", source


def test_the_weakest_card_of_a_mixed_pair_counts() -> None:
    pair = result("Qwen3-8B", "5090 + 3090")
    alone = result("Qwen3-8B", "2x 3090")
    assert pair.fit.memory.available == alone.fit.memory.available
    assert pair.speed.decode_per_sequence.value == alone.speed.decode_per_sequence.value


def test_layers_dealt_to_several_cards_are_no_faster() -> None:
    one = result("Qwen3-8B", "3090", runtime="llama.cpp", context=2048)
    two = result("Qwen3-8B", "2x 3090", runtime="llama.cpp", context=2048)
    assert two.speed.decode_per_sequence.value == pytest.approx(one.speed.decode_per_sequence.value, rel=0.02)


def test_the_cache_of_every_card_is_read() -> None:
    few = result("Llama-3.3-70B", "8x h200-sxm-141gb", context=1024, concurrency=64)
    many = result("Llama-3.3-70B", "8x h200-sxm-141gb", context=32_768, concurrency=64)
    # 64 x 15,872 more tokens of 320 KiB, over eight cards of 4.8 TB/s.
    least = 64 * (16_384 - 512) * 320 * 1024 / (8 * 4.8e12)
    assert (many.speed.itl.value or 0) - (few.speed.itl.value or 0) > 0.8 * least


def test_a_card_of_two_dies_is_one_device() -> None:
    speed = result("Llama-3.1-8B", "MI250X", context=4096).speed.decode_per_sequence
    assert speed.high is not None
    assert speed.high < 1640e9 / 15e9


def test_a_context_beyond_the_models_own_is_refused_and_no_cards_are_advised() -> None:
    found = result("Qwen3-8B", "5090", context=1_000_000)
    assert found.verdict == "no"
    assert [reason.code for reason in found.reasons] == ["check.beyond_model"]
    assert found.advice == ()


def test_converted_weights_have_no_command_until_they_exist() -> None:
    found = result("Qwen3-8B", "5090", weights="awq_int4")
    assert found.verdict == "yes"
    assert found.launch is None
    assert "check.needs_file" in [reason.code for reason in found.reasons]


def test_a_hybrid_model_is_started_with_as_many_slots_as_fit() -> None:
    found = result("Qwen/Qwen3.5-27B", "rtx-pro-6000-blackwell-max-q-workstation-edition")
    assert found.launch is not None
    assert f"--max-num-seqs {int(found.fit.max_concurrency.value or 0)}" in found.launch


def test_advice_names_cards_formats_and_what_divides() -> None:
    codes = {advice.code for advice in result("Qwen3-30B-A3B", "5090").advice}
    assert {"advice.weights", "advice.cards"} <= codes
    (divides,) = result("Qwen3-30B-A3B", "3x 5090").advice
    assert dict(divides.parameters) == {"count": 4, "gpu": "GeForce RTX 5090"}


@pytest.mark.parametrize(
    "asked",
    [{"kv": "q3"}, {"weights": "q4"}, {"runtime": "ollama"}, {"context": 0}, {"concurrency": -1}],
)
def test_what_is_not_known_is_a_usage_error(asked: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        result("Qwen3-8B", "5090", **asked)


@pytest.mark.parametrize("asked", [{"adapters": 2, "runtime": "llama.cpp"}, {"offload": True}])
def test_what_is_not_planned_yet_is_refused(asked: dict[str, object]) -> None:
    with pytest.raises(MissingKnowledge):
        result("Qwen3-8B", "5090", **asked)


def test_names_of_runtimes_and_kv_types_are_taken_in_any_case() -> None:
    assert result("Qwen3-8B", "h100-sxm5-80gb", runtime="VLLM", kv="FP8").verdict == "yes"


def test_apples_machines_are_asked_about_mlx() -> None:
    found = answer(CheckRequest("Qwen3-8B", ("m3 ultra",)))
    assert found.runtime.id == "mlx"
    assert found.results[0].verdict == "unknown"


def test_containers_that_one_runtime_is_made_for_choose_it() -> None:
    model = read_model("Qwen3-8B")
    for container, engine in (("gguf", "llama.cpp"), ("onnx", "onnxruntime"), ("tensorrt-llm", "tensorrt-llm")):
        assert default_runtime(replace(model, container=container), []) == engine
    packed = replace(model, groups=(model.groups[0]._replace(format="mlx_int4"),))
    columns, _ = columns_of(("5090",))
    assert default_runtime(packed, columns) == "mlx"
    assert default_runtime(model, columns) == "vllm"


@pytest.mark.parametrize(
    ("runtime", "container", "code"),
    [
        ("vllm", "gguf", "check.gguf_plugin"),
        ("tensorrt-llm", "tensorrt-llm", "check.former_backend"),
        ("vllm", "tensorrt-llm", "check.not_loaded"),
        ("tensorrt-llm", "gguf", "check.not_loaded"),
    ],
)
def test_what_a_runtime_no_longer_loads_is_said_with_the_reason(runtime: str, container: str, code: str) -> None:
    """vLLM 0.33.0 has no loader of GGUF, its plugin has; TensorRT-LLM's guide: the engine backend is removed."""
    column = columns_of(("5090",))[0][0]
    model = replace(read_model("Qwen3-8B"), container=container)
    engine = runtimes.runtime(runtime)
    setting = setting_of(model, engine, kv_of(None, engine, model), column)
    request = CheckRequest("a.file", ("5090",))
    assert [reason.code for reason in unloadable(request, setting)] == [code]
    found = result_of(request, model, engine, setting.kv, workload_of(request, model, setting.kv), column)
    assert (found.verdict, found.launch, found.advice) == ("unknown", None, ())


def stored(folder: Path, **config: Any) -> Path:
    """A folder of a small model as transformers stores it, or as the keys of its configuration say."""
    document = {
        "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 32,
        "num_key_value_heads": 1, "intermediate_size": 128, "max_position_embeddings": 512, "torch_dtype": "bfloat16",
        "tie_word_embeddings": True,
    } | config  # fmt: skip
    packed = "quantization" in config
    rows = {"q": (64, 64), "k": (32, 64), "v": (32, 64), "o": (64, 64)}
    matrices = {f"layers.0.self_attn.{name}_proj": shape for name, shape in rows.items()}
    matrices |= {"layers.0.mlp.gate_proj": (128, 64), "layers.0.mlp.up_proj": (128, 64), "embed_tokens": (32, 64)}
    matrices["layers.0.mlp.down_proj"] = (64, 128)
    shapes: Shapes = {
        f"model.{name}.weight": ("BF16", (64,))
        for name in ("norm", "layers.0.input_layernorm", "layers.0.post_attention_layernorm")
    }
    for name, (outputs, inputs) in matrices.items():
        shapes[f"model.{name}.weight"] = ("U32", (outputs, inputs // 8)) if packed else ("BF16", (outputs, inputs))
        if packed:
            shapes |= {f"model.{name}.{part}": ("BF16", (outputs, inputs // 64)) for part in ("scales", "biases")}
    write(folder / "model.safetensors", shapes)
    (folder / "config.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("config", "runtime", "asked", "verdict"),
    [
        ({}, "vllm", {}, "yes"),
        ({}, "llama.cpp", {}, "unknown"),
        ({}, "llama.cpp", {"weights": "gguf:Q4_0"}, "yes"),
        ({"quantization": {"group_size": 64, "bits": 4}}, "vllm", {}, "unknown"),
    ],
)
def test_files_that_a_runtime_does_not_load(
    tmp_path: Path, config: dict[str, Any], runtime: str, asked: dict[str, Any], verdict: str
) -> None:
    found = result(str(stored(tmp_path, **config)), "5090", runtime=runtime, **asked)
    assert found.verdict == verdict
    reasons = {reason.code for reason in found.reasons}
    assert ("check.not_loaded" in reasons) is (verdict == "unknown")
    if verdict == "unknown":
        assert (found.advice, found.launch) == ((), None)


def test_a_model_that_is_named_is_converted_for_the_runtime() -> None:
    found = result("Qwen3-8B", "5090", runtime="llama.cpp")
    assert found.verdict == "yes"
    assert "check.needs_file" in {reason.code for reason in found.reasons}


def test_slots_for_adapters_are_counted_beside_the_model() -> None:
    plain, adapted = (answer(CheckRequest("Qwen3-8B", ("5090",), adapters=number)).results[0] for number in (0, 4))
    each = slot(answer(CheckRequest("Qwen3-8B", ("5090",))).model, 16)
    grown = (adapted.fit.memory.overhead.value or 0) - (plain.fit.memory.overhead.value or 0)
    assert grown == pytest.approx(4 * (each.value or 0))
    assert plain.launch is not None
    assert adapted.launch is None
    assert answer(CheckRequest("Qwen3-8B", ("5090",), adapters=4000)).exit_code == 1
    with pytest.raises(MissingKnowledge):
        answer(CheckRequest("Qwen3-8B", ("5090",), runtime="sglang", adapters=1))
    # Latent attention has matrices whose sides are not described: unknown, never yes.
    assert answer(CheckRequest("DeepSeek-V3", ("8x B200",), adapters=1)).exit_code == 3


def test_a_kv_type_that_few_backends_take_is_no_yes_without_their_word() -> None:
    found = result("Qwen3-8B", "b200", kv="nvfp4")
    assert (found.verdict, found.reasons[0].code) == ("unknown", "check.kv_unread")
    # 36 layers of 8 heads, keys and values of 128 elements: 9 bytes for 16 of them.
    assert found.fit.memory.kv_per_sequence.value == 36 * 8 * 256 * 9 // 16 * 32_768
    assert result("Llama-3.3-70B", "5090", kv="nvfp4").verdict == "no"
