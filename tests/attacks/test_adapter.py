"""Hostile adapters, and hostile configurations of MLX and TensorRT-LLM: each in one line, none a crash."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors_files import Shapes, write

from assay.errors import AssayError, MalformedFile, UnreadableFile
from assay.observe.checkpoint.read import read

PAIR: Shapes = {"m.q_proj.lora_A.weight": ("F32", (2, 4)), "m.q_proj.lora_B.weight": ("F32", (4, 2))}
CONFIG: dict[str, Any] = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]}
VALUES = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
JUNK = VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(st.text(max_size=5), VALUES, max_size=3)


def folder(path: Path, config: Any, content: Shapes | None = None) -> Path:
    (path / "adapter_config.json").write_text(config if isinstance(config, str) else json.dumps(config), "utf-8")
    write(path / "adapter_model.safetensors", PAIR if content is None else content)
    return path


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        ({"r": -1}, "r"),
        ({"r": 0}, "r"),
        ({"r": 2**40}, "r"),
        ({"r": "8"}, "r"),
        ({"lora_alpha": -1}, "lora_alpha"),
        ({"lora_alpha": True}, "lora_alpha"),
        ({"lora_alpha": 1e300}, "lora_alpha"),
        ({"target_modules": [1]}, "target_modules"),
        ({"target_modules": {"a": 1}}, "target_modules"),
        ({"rank_pattern": {"a": 0}}, "rank_pattern.a"),
        ({"rank_pattern": [1]}, "rank_pattern"),
        ({"base_model_name_or_path": 7}, "base_model_name_or_path"),
        ({"peft_type": 7}, "peft_type"),
    ],
)
def test_keys_of_the_wrong_kind(tmp_path: Path, keys: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedFile) as caught:
        read(folder(tmp_path, CONFIG | keys))
    assert caught.value.field == field
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("config", "code"),
    [("{", "json"), ("[1]", "not_object"), ('{"a":' * 50_000, "nesting"), ('{"r": 1, "r": 2}', "repeated_key")],
)
def test_a_configuration_that_is_none(tmp_path: Path, config: str, code: str) -> None:
    with pytest.raises(MalformedFile) as caught:
        read(folder(tmp_path, config))
    assert caught.value.message.code == f"error.malformed.{code}"


def test_names_that_would_take_a_pattern_long(tmp_path: Path) -> None:
    name = ".lora_A" * 20_000
    with pytest.raises(MalformedFile):
        read(folder(tmp_path, CONFIG, {f"{name}x": ("F32", (2, 2))}))


def test_tensors_without_two_dimensions(tmp_path: Path) -> None:
    content: Shapes = {"m.lora_A.weight": ("F32", ()), "m.lora_B.weight": ("F32", (0,))}
    assert read(folder(tmp_path, CONFIG, content)).parameters == 1


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_fifo_is_not_waited_for(tmp_path: Path, file: str) -> None:
    folder(tmp_path, CONFIG)
    (tmp_path / file).unlink()
    os.mkfifo(tmp_path / file)
    with pytest.raises(UnreadableFile):
        read(tmp_path)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from([*CONFIG, "rank_pattern", "lora_parameters", "model"]), JUNK, max_size=4))
def test_any_configuration_of_an_adapter(tmp_path: Path, keys: dict[str, Any]) -> None:
    try:
        read(folder(tmp_path, CONFIG | keys))
    except AssayError as error:
        assert error.exit_code in {2, 3}  # noqa: PT017 - either way is right


LLAMA = {
    "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 64,
    "intermediate_size": 64, "max_position_embeddings": 64, "torch_dtype": "float16",
}  # fmt: skip
PACKED: Shapes = {
    "lm_head.weight": ("U32", (64, 8)),
    "lm_head.scales": ("F16", (64, 1)),
    "lm_head.biases": ("F16", (64, 1)),
}


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(["mode", "bits", "group_size", "lm_head", "model.norm"]), JUNK, max_size=4))
def test_any_quantization_of_mlx(tmp_path: Path, keys: dict[str, Any]) -> None:
    document = LLAMA | {"quantization": {"group_size": 64, "bits": 4} | keys}
    (tmp_path / "config.json").write_text(json.dumps(document), "utf-8")
    write(tmp_path / "model.safetensors", PACKED)
    for source in (tmp_path, tmp_path / "config.json"):
        try:
            read(source)
        except AssayError as error:
            assert error.exit_code in {2, 3}  # noqa: PT017 - same


@pytest.mark.parametrize(
    ("weight", "scales", "code"),
    [
        ((64, 8), (64, 0), "size_mismatch"),
        ((64, 0), (64, 1), "size_mismatch"),
        ((64,), (64,), "size_mismatch"),
        ((64, 8), (32, 1), "size_mismatch"),
        ((64, 7), (64, 1), "group_size"),
        ((), (), "size_mismatch"),
    ],
)
def test_words_of_mlx_that_describe_no_matrix(
    tmp_path: Path, weight: tuple[int, ...], scales: tuple[int, ...], code: str
) -> None:
    """The file that is wrong is named, and where: the configuration only where its group is."""
    document = LLAMA | {"quantization": {"group_size": 64, "bits": 4}}
    (tmp_path / "config.json").write_text(json.dumps(document), "utf-8")
    write(tmp_path / "model.safetensors", {"lm_head.weight": ("U32", weight), "lm_head.scales": ("F16", scales)})
    with pytest.raises(MalformedFile) as caught:
        read(tmp_path)
    assert caught.value.message.code == f"error.malformed.{code}"
    file, field = (
        ("config.json", b'"group_size"') if code == "group_size" else ("model.safetensors", b'"lm_head.scales"')
    )
    assert (caught.value.file, caught.value.offset) == (
        str(tmp_path / file),
        (tmp_path / file).read_bytes().index(field),
    )


TRT = {
    "architecture": "LlamaForCausalLM", "dtype": "float16", "logits_dtype": "float32", "vocab_size": 64,
    "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 64,
    "max_position_embeddings": 64,
}  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(st.sampled_from([*TRT, "mapping", "quantization", "moe", "qwen_type"]), JUNK, max_size=4),
    st.booleans(),
)
def test_any_configuration_of_tensorrt_llm(tmp_path: Path, keys: dict[str, Any], engine: bool) -> None:  # noqa: FBT001
    document: dict[str, Any] = TRT | keys
    if engine:
        document = {"pretrained_config": document, "build_config": {"max_seq_len": 64}}
    (tmp_path / "config.json").write_text(json.dumps(document), "utf-8")
    write(tmp_path / "rank0.safetensors", {"lm_head.weight": ("F16", (64, 64)), "lm_head.scale": ("F16", ())})
    try:
        read(tmp_path)
    except AssayError as error:
        assert error.exit_code in {2, 3}  # noqa: PT017 - same
