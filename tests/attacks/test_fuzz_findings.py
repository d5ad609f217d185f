"""Inputs that a fuzzer found or its author tried, and that once broke a reader, took it too long or too much memory."""

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from bounded import cost

from assay.errors import MalformedFile
from assay.observe.checkpoint import config, gguf, shard_index
from assay.observe.checkpoint.read import read

CONFIG: dict[str, Any] = {
    "model_type": "qwen3", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 32, "intermediate_size": 128, "vocab_size": 10,
    "max_position_embeddings": 4096, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
}  # fmt: skip
EXPERTS = {"model_type": "qwen3_moe", "num_experts_per_tok": 1, "moe_intermediate_size": 64}
LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
MOST_MEBIBYTES = 100 * 10**6 / 2**20
TENSOR = b'"%x":{"dtype":"F4","shape":[0],"data_offsets":[0,0]}'
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


def many(count: int, item: bytes) -> bytes:
    if b"%" not in item:
        return (item + b",") * (count - 1) + item
    return b",".join([item % number for number in range(count)])


BOMBS = {
    "lists": (b'{"a":[', 10_000_000, b"[]", b"]}"),
    "objects": (b'{"a":[', 800_000, b'{"a":1}', b"]}"),
    "texts": (b'{"a":[', 6_000_000, b'"ab"', b"]}"),
    "keys": (b'{"a":{', 600_000, b'"%x":1', b"}}"),
    "some keys": (b'{"a":{', 200_000, b'"%x":1', b"}}"),
    "some lists": (b'{"a":[', 750_000, b"[]", b"]}"),
    "one wide letter": (b'{"a":"', 2_900_000, b"abc", "😀".encode() + b'"}'),
    "tensors": (b"{", 500_000, b'"%x":{}', b"}"),
    "valid tensors": (b"{", 400_000, TENSOR, b"}"),
    "most tensors": (b"{", 90_000, TENSOR, b"}"),
    "notes": (b'{"__metadata__":{', 900_000, b'"%x":""', b"}}"),
    "lists for a tensor": (b'{"t":[', 7_000_000, b"[]", b"]}"),
    "a note of 96 MB for tensors": (b'{"__metadata__":{"a":"', 32_000_000, b"\\n", b'"}}'),
    "long names of tensors": (b"{", 90_000, TENSOR.replace(b"%x", b"%x" + b"n" * 950), b"}"),
    "tensors of many dimensions": (b"{", 90_000, TENSOR.replace(b"[0]", b"[0" + b",999" * 60 + b"]"), b"}"),
    "tensors with long numbers": (b"{", 95_000, TENSOR[:-1] + b',"x":' + b"9" * 900 + b"}", b"}"),
}


@LINUX
@pytest.mark.parametrize("kind", BOMBS)
def test_what_json_may_cost(tmp_path: Path, kind: str) -> None:
    head, count, item, tail = BOMBS[kind]
    content = head + many(count, item) + tail
    path = tmp_path / "config.json"
    if "tensor" in kind or kind == "notes":
        path = tmp_path / "x.safetensors"
        content = len(content).to_bytes(8, "little") + content
    path.write_bytes(content)
    found = cost(path)
    assert found.said.startswith(("error.malformed.", "error.limit.", "error.no_config_beside"))
    assert found.seconds < 2
    assert found.mebibytes < MOST_MEBIBYTES


@pytest.mark.parametrize("name", ["config.json", "x.safetensors"])
def test_a_key_repeated_behind_many_others(tmp_path: Path, name: str) -> None:
    content = b"{" + many(60_000, b'"%x":{}') + b',"ea5f":{}}'
    path = tmp_path / name
    path.write_bytes(content if name.endswith("json") else len(content).to_bytes(8, "little") + content)
    started = time.process_time()
    with pytest.raises(MalformedFile) as caught:
        read(path)
    assert time.process_time() - started < 1
    assert caught.value.message.code == "error.malformed.repeated_key"
    assert caught.value.field == "ea5f"


@LINUX
def test_an_index_of_two_hundred_thousand_tensors_is_read(tmp_path: Path) -> None:
    names = (f"model.layers.{n // 3456}.mlp.experts.{n % 384}.up_proj.weight_packed.{n}" for n in range(207_000))
    mapping = {name: f"model-{n // 3000:05d}-of-00069.safetensors" for n, name in enumerate(names)}
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), "utf-8")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": mapping}), "utf-8")
    assert index.stat().st_size > 16 * 2**20
    found = cost(tmp_path)
    assert found.said == "error.malformed.missing_shard"  # the index is read, and of its files none is there
    assert found.seconds < 2
    assert found.mebibytes < MOST_MEBIBYTES


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        (b"}}", None),
        (b',"t1":"a"}}', "repeated_key"),
        (b"}} x", "json"),
        (b'},"weight_map":{}}', "repeated_key"),
        (b',"u":1}}', "json"),
        (b',"u":"../x"}}', "outside_folder"),
        (b"", "json"),
    ],
)
def test_a_long_index_is_as_strict_as_a_short_one(tmp_path: Path, ending: bytes, code: str | None) -> None:
    index = tmp_path / "x.json"
    index.write_bytes(b'{"metadata":{},"weight_map":{' + many(250_000, b'"t%d" : "a.safetensors"') + ending)
    assert index.stat().st_size > shard_index.LONG_BYTES
    if code is None:
        assert shard_index.listed(index) == ["a.safetensors"]
        return
    with pytest.raises(MalformedFile) as caught:
        shard_index.listed(index)
    assert caught.value.message.code == f"error.malformed.{code}"
