"""Inputs that a fuzzer found, and that once broke a reader or took it too long."""

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest

from assay.errors import MalformedFile
from assay.observe.checkpoint import config, gguf
from assay.observe.checkpoint.read import read

CONFIG: dict[str, Any] = {
    "model_type": "qwen3", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 32, "intermediate_size": 128, "vocab_size": 10,
    "max_position_embeddings": 4096, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
}  # fmt: skip
EXPERTS = {"model_type": "qwen3_moe", "num_experts_per_tok": 1, "moe_intermediate_size": 64}
ORIGIN = config.Origin("x", "config.json", "config", ())


@pytest.mark.parametrize("index", ["model.safetensors.index.json", "pytorch_model.bin.index.json"])
@pytest.mark.parametrize("name", ["x" * 300, "я" * 130, "a\x00b", "\ud800"], ids=["long", "letters", "nul", "half"])
def test_a_shard_with_a_name_that_no_file_can_have(tmp_path: Path, index: str, name: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    there = "a.safetensors" if index.startswith("model") else "a.bin"
    (tmp_path / there).write_bytes(b"")
    (tmp_path / index).write_text(json.dumps({"weight_map": {"a": there, "b": name}}), "utf-8")
    with pytest.raises(MalformedFile) as caught:
        read(tmp_path)
    assert caught.value.message.code == "error.malformed.missing_shard"


@pytest.mark.parametrize("length", [2**63 - 8, 2**63, 2**64 - 1])
def test_a_word_that_ends_beyond_any_offset(tmp_path: Path, length: int) -> None:
    words = struct.pack("<Q", length) + struct.pack("<Q", 1) + b"a" + bytes(64)
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 8, 2)
    (tmp_path / "x.gguf").write_bytes(head + words)
    with pytest.raises(MalformedFile) as caught:
        gguf.header(tmp_path / "x.gguf")
    assert caught.value.message.code == "error.malformed.truncated"


def test_one_expert_left_out_of_many(tmp_path: Path) -> None:
    excluded = {"quant_method": "fp8", "modules_to_not_convert": ["model.layers.0.mlp.experts.3.up_proj"]}
    document = {**CONFIG, **EXPERTS, "num_experts": 2**16, "num_hidden_layers": 200, "quantization_config": excluded}
    (tmp_path / "config.json").write_text(json.dumps(document), "utf-8")
    started = time.process_time()
    found = read(tmp_path)
    assert time.process_time() - started < 1
    formats = {group.format for group in found.groups if group.role == "experts"}
    assert formats == {"fp8", "unknown"}  # the matrix of which some are converted and one is not


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["layers.0.mlp.experts.1.up_proj", "layers.0.mlp.experts.0.up_proj"], {"bf16", "fp8"}),
        (["layers.0.mlp.experts.1.up_proj"], {"unknown", "fp8"}),
        (["layers.0.mlp.experts.7.up_proj"], {"fp8"}),
        (["layers.9.mlp.experts.0.up_proj"], {"fp8"}),
    ],
)
def test_experts_that_names_single_out(names: list[str], expected: set[str]) -> None:
    excluded = {"quant_method": "fp8", "modules_to_not_convert": names}
    document = {**CONFIG, **EXPERTS, "num_experts": 2, "num_hidden_layers": 2, "quantization_config": excluded}
    found = config.model(document, None, ORIGIN)
    assert {group.format for group in found.groups if group.role == "experts"} == expected
