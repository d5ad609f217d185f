"""Quantization schemes: which matrices they convert, in which format, and what is left open."""

import copy
from typing import Any

import pytest

from assay.knowledge import store
from assay.knowledge.catalog.weight_formats import storage
from assay.observe.checkpoint.config import Origin, model
from assay.observe.checkpoint.matching import Matcher, UnknownPatternError, bare
from assay.types.model import Model

ORIGIN = Origin("test", "config.json", "config", ())
LLAMA = "meta-llama/Meta-Llama-3.1-8B"
LINEAR = 32 * (2 * 4096 * 4096 + 2 * 1024 * 4096 + 3 * 4096 * 14336)
"""Parameters of the matrices in the layers of Llama-3.1-8B."""


def quantized(quantization: dict[str, Any] | None, separate: dict[str, Any] | None = None) -> Model:
    body = store.entry("model", LLAMA)
    assert body is not None
    config = copy.deepcopy(body["config"])
    if quantization is not None:
        config["quantization_config"] = quantization
    return model(config, separate, ORIGIN)


def bulk(found: Model) -> tuple[str, int, int]:
    """(format, parameters, bytes) of the converted matrices."""
    groups = [group for group in found.groups if group.role in {"attention", "mlp"}]
    (name,) = {group.format for group in groups}
    return name, sum(group.parameters for group in groups), sum(group.size for group in groups)


def test_block_scales() -> None:
    found = quantized({"quant_method": "fp8", "weight_block_size": [128, 128]})
    assert bulk(found) == ("fp8_block128", LINEAR, LINEAR + LINEAR // (128 * 128) * 4)
    assert found.weights.value == LINEAR + LINEAR // 16384 * 4 + 2 * (found.parameters - LINEAR)


def test_one_scale_per_tensor() -> None:
    assert bulk(quantized({"quant_method": "fp8"})) == ("fp8", LINEAR, LINEAR + 32 * 7 * 4)
    static = quantized({"quant_method": "fp8", "activation_scheme": "static"})
    assert bulk(static) == ("fp8", LINEAR, LINEAR + 32 * 7 * 8)


def test_modelopt_spares_what_its_list_names() -> None:
    separate = {"quantization": {"quant_algo": "NVFP4", "group_size": 16, "exclude_modules": ["lm_head"]}}
    found = quantized(None, separate)
    assert bulk(found) == ("nvfp4", LINEAR, LINEAR // 2 + LINEAR // 16 + 32 * 7 * 8)
    head = next(group for group in found.groups if group.role == "head")
    assert head.format == "bf16"


def test_modelopt_without_a_list_is_left_open() -> None:
    found = quantized(None, {"quantization": {"quant_algo": "FP8"}})
    assert found.weights.value is None
    assert bulk(found)[0] == "unknown"
    assert found.doubts[0].code == "doubt.quantization_not_understood"


def test_gptq_and_awq_in_groups() -> None:
    gptq = quantized({"quant_method": "gptq", "bits": 4, "group_size": 128})
    inputs = 32 * (6 * 4096 + 14336)
    assert bulk(gptq) == ("gptq_int4", LINEAR, LINEAR // 2 + LINEAR // 128 * 20 // 8 + 4 * inputs)
    awq = quantized({"quant_method": "awq", "bits": 4, "group_size": 64, "version": "gemm"})
    assert bulk(awq) == ("awq_int4", LINEAR, LINEAR // 2 + LINEAR // 64 * 20 // 8)


def test_scales_of_scales() -> None:
    """bitsandbytes: 8 bits for 64 elements, 32 bits for 256 of those, and the values of both widths."""
    asked = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    settings = 32 * 7 * (16 * 4 + 112)
    assert bulk(quantized(asked)) == ("bnb_nf4", LINEAR, LINEAR // 2 + LINEAR // 64 * 4 + settings)
    double = bulk(quantized(asked | {"bnb_4bit_use_double_quant": True}))
    settings += 32 * 7 * (256 * 4 + 80)
    assert double == ("bnb_nf4", LINEAR, LINEAR // 2 + LINEAR // 64 + LINEAR // (64 * 256) * 4 + settings)


def _group(**weights: Any) -> dict[str, Any]:
    activations = weights.pop("activations", None)
    group = {"targets": ["Linear"], "weights": weights, "input_activations": activations}
    return {
        "quant_method": "compressed-tensors",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {"group_0": group},
    }


def test_compressed_tensors() -> None:
    dynamic = {"dynamic": True}
    channel = _group(num_bits=8, type="float", strategy="channel", activations=dynamic)
    outputs = 32 * (2 * 4096 + 2 * 1024 + 2 * 14336 + 4096)
    assert bulk(quantized(channel)) == ("fp8_channel", LINEAR, LINEAR + 2 * outputs)
    tensor = _group(num_bits=8, type="float", strategy="tensor", activations={"dynamic": False})
    assert bulk(quantized(tensor)) == ("fp8", LINEAR, LINEAR + 32 * 7 * 8)
    assert bulk(quantized(_group(num_bits=8, type="float", strategy="tensor")))[2] == LINEAR + 32 * 7 * 4
    integer = _group(num_bits=8, type="int", strategy="channel", activations=dynamic)
    assert bulk(quantized(integer))[0] == "int8_w8a8"
    assert bulk(quantized(_group(num_bits=8, type="int", strategy="channel")))[0] == "int8_w8a16"
    packed = _group(num_bits=4, type="int", strategy="group", group_size=32)
    assert bulk(quantized(packed)) == ("int4_w4a16", LINEAR, LINEAR // 2 + LINEAR // 32 * 2 + 32 * 7 * 8)


@pytest.mark.parametrize(
    "quantization",
    [
        {"quant_method": "quip"},
        {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "int4"},
        {"quant_method": "fp8", "weight_block_size": [64, 64]},
        {"quant_method": "gptq", "bits": 5, "group_size": 128},
        {"quant_algo": "W4A8_AWQ"},
        {"quant_algo": "MIXED_PRECISION", "quantized_layers": {"lm_head": {"quant_algo": "SOMETHING"}}},
        {},
        _group(num_bits=9, type="int", strategy="group", group_size=32),
    ],
)
def test_what_is_not_understood_has_no_size(quantization: dict[str, Any]) -> None:
    found = quantized(quantization)
    assert found.weights.value is None
    assert found.doubts[0].code == "doubt.quantization_not_understood"
    assert bulk(found)[0] == "unknown"


def test_an_assumed_type_is_said() -> None:
    body = store.entry("model", LLAMA)
    assert body is not None
    config = copy.deepcopy(body["config"]) | {"quantization_config": {"quant_method": "fp8"}}
    del config["torch_dtype"]
    found = model(config, None, ORIGIN)
    assert found.weights.weakest == "assumed"
    assert 0 < (found.weights.weakest_share or 0) < 0.3
    assert [note.code for note in found.notes] == ["note.plain_type_assumed"]


def test_the_bytes_of_a_matrix() -> None:
    block = storage("fp8_block128")
    four = storage("nvfp4")
    assert block is not None
    assert four is not None
    assert block.size(129, 128) == 129 * 128 + 2 * 4  # a block that is not full has a scale of its own
    assert four.size(2, 16) == 16 + 2 + 8
    assert storage("no_such_format") is None


@pytest.mark.parametrize(
    ("item", "module", "named"),
    [
        ("lm_head", "lm_head", True),
        ("language_model.lm_head", "lm_head", True),
        ("model.layers.1.mlp", "layers.1.mlp.up_proj", True),
        ("model.layers.1.mlp", "layers.10.mlp.up_proj", False),
        ("model.layers.0*", "layers.0.mlp.up_proj", True),
        ("model.layers.0*", "layers.10.mlp.up_proj", False),
        ("gate", "layers.3.mlp.gate", True),
        ("gate", "layers.3.mlp.gate_proj", False),
        ("*.attn.*", "layers.3.attn.q", True),
        ("model.layers.*.self_attn", "layers.3.self_attn.q_proj", True),
        ("model.layers.*.self_attn*", "layers.3.self_attn.q_proj", True),
        ("re:.*self_attn.*", "layers.3.self_attn.q_proj", True),
        (r"re:.*mlp\.(gate|up|gate_up|down)_proj.*", "layers.0.mlp.up_proj", True),
        (r"re:.*mlp\.(gate|up|gate_up|down)_proj.*", "layers.0.mlp.experts.*.up_proj", False),
        (r"re:model\.layers\.\d+\.mlp\.gate$", "layers.12.mlp.gate", True),
        (r"re:model\.layers\.\d+\.mlp\.gate$", "layers.12.mlp.gate_proj", False),
    ],
)
def test_exclude_lists_as_the_runtimes_read_them(item: str, module: str, named: bool) -> None:  # noqa: FBT001
    assert Matcher([item]).matches(module, 4) is named


def test_some_experts_only_is_no_answer() -> None:
    some = Matcher(["model.layers.0.mlp.experts.1.up_proj"])
    assert some.matches("layers.0.mlp.experts.*.up_proj", 4) is None
    every = Matcher([f"model.layers.0.mlp.experts.{number}.up_proj" for number in range(4)])
    assert every.matches("layers.0.mlp.experts.*.up_proj", 4) is True


@pytest.mark.parametrize("pattern", ["re:(a+)+b", "re:(?=x)", "re:[^a]*", "re:(a|b", r"re:\w+", "re:a{3}"])
def test_a_pattern_that_is_not_understood_is_not_run(pattern: str) -> None:
    with pytest.raises(UnknownPatternError):
        Matcher([pattern])
    assert quantized(_group(num_bits=8, type="float") | {"ignore": [pattern]}).weights.value is None


def test_a_pattern_of_many_stars_is_cheap() -> None:
    hostile = Matcher(["re:" + ".*a" * 40 + "$"])
    assert hostile.matches("a" * 39 + "b" * 4000) is False


def test_prefixes_are_dropped() -> None:
    assert bare("model.language_model.layers.1.mlp") == "layers.1.mlp"
    assert bare("language_model.model.layers.1.mlp") == "layers.1.mlp"
    assert bare("backbone.layers.1.mixer") == "layers.1.mixer"
