"""Seventeen mistakes that other tools make on current models, each a test that Assay does not.

The reference values are derived by hand: KV bytes per token = 2 x layers x KV heads x head dim x 2; latent attention
= layers x (kv_lora_rank + rope dim) x 2; a sliding layer holds its window.
"""

import json
import re
from functools import cache

import pytest

from assay.answers.asked import CheckRequest
from assay.answers.cards import card
from assay.answers.check import CheckAnswer, CheckResult, answer
from assay.answers.model import answer as read_model
from assay.cli.main import main
from assay.errors import UnknownGpu
from assay.reason.memory.cache import FULL_SIZE, WINDOW_ONLY, elements_per_token, kv_bytes
from assay.types.runtime import KvFormat

GIB = 2**30
BF16 = KvFormat("bf16", 1, 2)
PRO_6000 = "RTX PRO 6000 Blackwell Workstation Edition"


@cache
def check(model: str, gpu: str = PRO_6000, concurrency: int = 1, runtime: str | None = None) -> CheckAnswer:
    return answer(CheckRequest(model, (gpu,), runtime=runtime, context=32_768, concurrency=concurrency))


def result(model: str, gpu: str = PRO_6000, concurrency: int = 1, runtime: str | None = None) -> CheckResult:
    (only,) = check(model, gpu, concurrency, runtime).results
    return only


def gib(model: str, sequences: int = 1, *, full: bool = False) -> float:
    layers = read_model(model).layers
    return kv_bytes(layers, 32_768, sequences, BF16, FULL_SIZE if full else WINDOW_ONLY) / GIB


REFERENCE = {
    # model: (weights GiB, KV at 32,768 tokens, the same for 8 sequences, full-size KV)
    "Qwen/Qwen3-30B-A3B": (56.87, 3.0, 24.0, 3.0),
    "meta-llama/Meta-Llama-3.1-8B": (14.96, 4.0, 32.0, 4.0),
    "meta-llama/Llama-3.3-70B-Instruct": (131.42, 10.0, 80.0, 10.0),
    "mistralai/Mixtral-8x22B-v0.1": (261.94, 7.0, 56.0, 7.0),
    "deepseek-ai/DeepSeek-V3": (627, 2.14453125, 17.15625, 2.14453125),
    "openai/gpt-oss-120b": (60.77, 1.12939453125, 9.03515625, 2.25),
    "google/gemma-3-27b-it": (51.08, 2.90625, 23.25, 15.5),
}


@pytest.mark.parametrize("model", REFERENCE)
def test_reference_values(model: str) -> None:
    weights, one, eight, full = REFERENCE[model]
    assert (gib(model), gib(model, 8), gib(model, full=True)) == (one, eight, full)
    found = read_model(model).weights.value
    assert found is not None
    assert found / GIB == pytest.approx(weights, rel=0.0005)


def test_01_an_unknown_card_is_refused_and_never_given_another_cards_bandwidth() -> None:
    with pytest.raises(UnknownGpu):
        check("Qwen/Qwen3-30B-A3B", "RTX PRO 9000 Blackwell")
    assert card("rtx-pro-6000-blackwell-workstation-edition").gpu.bandwidth.value == 1792e9


def test_02_weights_as_released_come_first() -> None:
    found = check("Qwen/Qwen3-30B-A3B")
    assert {group.format for group in found.model.groups} == {"bf16"}
    assert [advice.code for advice in found.results[0].advice] == ["advice.as_released"]


def test_03_a_latent_cache_is_not_the_full_hidden_width() -> None:
    kv = result("deepseek-ai/DeepSeek-V3", "8x H200 SXM").fit.memory.kv_per_sequence
    assert kv.value == 61 * 576 * 32_768 * 2


def test_04_sliding_layers_hold_their_window_and_what_the_runtime_adds() -> None:
    kv = result("google/gemma-3-27b-it").fit.memory.kv
    assert kv.low == 2.90625 * GIB
    assert kv.high is not None
    # vLLM keeps window and the two batches in flight, far from every token.
    assert kv.high < 15.5 * GIB * 0.7
    assert result("google/gemma-3-27b-it", concurrency=8).verdict != "no"


@pytest.mark.parametrize(
    ("model", "billions"),
    [("nvidia/Qwen3-235B-A22B-NVFP4", 235), ("openai/gpt-oss-120b", 117), ("openai/gpt-oss-20b", 21)],
)
def test_05_packed_tensors_count_their_logical_parameters(model: str, billions: int) -> None:
    assert read_model(model).parameters / 1e9 == pytest.approx(billions, rel=0.01)


def test_06_the_context_is_the_models_own_or_32768() -> None:
    assert read_model("meta-llama/Meta-Llama-3.1-8B").max_context == 131_072
    found = answer(CheckRequest("meta-llama/Meta-Llama-3.1-8B", (PRO_6000,)))
    assert found.workload.context == 32_768


def test_07_memory_is_binary_throughout_and_its_parts_sum(capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "Qwen/Qwen3-30B-A3B", "--gpu", PRO_6000, "--lang", "en"])
    assert not re.findall(r"\bGB\b(?!/s)", capsys.readouterr().out)
    plan = result("Qwen/Qwen3-30B-A3B").fit.memory
    parts = [plan.weights, plan.kv, plan.state, plan.activation, plan.overhead]
    assert plan.total.value == pytest.approx(sum(part.value or 0 for part in parts))
    assert {part.unit for part in (*parts, plan.total, plan.available)} == {"B"}


def test_08_an_explicit_head_dim_is_used() -> None:
    (layer,) = read_model("Qwen/Qwen3-30B-A3B").layers
    assert (layer.kv_heads, layer.key_dim, layer.value_dim) == (4, 128, 128)
    assert gib("openai/gpt-oss-120b", full=True) == 2.25


def test_09_a_four_bit_model_fits_the_card_it_was_made_for() -> None:
    found = result("openai/gpt-oss-120b")
    assert found.fit.memory.weights.low == pytest.approx(60.77 * GIB, rel=0.0005)
    assert found.verdict == "yes"


def test_10_an_fp8_repository_takes_one_byte_a_parameter() -> None:
    weights = read_model("deepseek-ai/DeepSeek-V3").weights.value
    assert weights is not None
    assert weights / read_model("deepseek-ai/DeepSeek-V3").parameters == pytest.approx(1, abs=0.02)


def test_11_fp8_weights_do_not_make_an_fp8_cache() -> None:
    plain, quantized = result("Qwen/Qwen3-30B-A3B"), result("Qwen/Qwen3-30B-A3B-FP8")
    assert plain.fit.memory.kv.value == quantized.fit.memory.kv.value
    assert check("Qwen/Qwen3-30B-A3B-FP8").kv.id == "bf16"


def test_12_kinds_of_layers_dtype_and_one_decode_figure() -> None:
    model = read_model("openai/gpt-oss-120b")
    assert sorted((layer.kind, layer.count) for layer in model.layers) == [("full", 18), ("sliding", 18)]
    (latent,) = read_model("deepseek-ai/DeepSeek-V3").layers
    assert elements_per_token(latent) == 576
    speed = result("openai/gpt-oss-120b").speed
    assert speed.decode_total.value == speed.decode_per_sequence.value
    assert result("openai/gpt-oss-120b", "H200 SXM").verdict == "yes"


def test_13_grouped_query_attention_is_not_ignored() -> None:
    assert gib("meta-llama/Llama-3.3-70B-Instruct") == 10


def test_14_experts_are_counted() -> None:
    assert read_model("mistralai/Mixtral-8x22B-v0.1").parameters == 140_620_634_112


@pytest.mark.parametrize("model", ["meta-llama/Meta-Llama-3.1-8B", "Qwen/Qwen3-30B-A3B"])
def test_15_activations_are_a_few_gib_at_most(model: str) -> None:
    highest = result(model).fit.memory.activation.high
    assert highest is not None
    assert highest < 8 * GIB


def test_16_the_real_memory_of_the_card_and_the_context_of_the_process_are_subtracted() -> None:
    plan = result("Qwen/Qwen3-30B-A3B").fit.memory
    assert plan.available.high is not None
    assert plan.available.high < 97_887 * 2**20 * 0.92
    assert plan.overhead.low is not None
    assert plan.overhead.low > 0


def test_17_what_is_cached_is_the_latent_and_the_rotary_part() -> None:
    (layer,) = read_model("deepseek-ai/DeepSeek-V3").layers
    assert (layer.latent_dim, layer.rope_dim) == (512, 64)


def test_the_document_of_a_verdict_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "Qwen/Qwen3-30B-A3B", "--gpu", PRO_6000, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["results"][0]["verdict"] == "yes"
    assert document["results"][0]["gpus"] == [{"id": "rtx-pro-6000-blackwell-workstation-edition", "count": 1}]
