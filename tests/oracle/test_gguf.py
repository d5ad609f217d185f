"""The GGUF header walk against the `gguf` package: every tensor type, every kind of metadata, and a real file."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFEndian, GGUFValueType
from packages import SMOLLM2, real_file

from assay.errors import MalformedFile, UnknownModel, UnsupportedArchitecture, UnsupportedFile
from assay.observe.checkpoint import gguf as walk
from assay.observe.checkpoint.read import read

TYPES = [kind for kind in GGML_QUANT_SIZES if kind.name != "Q8_1"]  # an older block in the package: test_ggml_types
PLAIN = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "I8": np.int8, "I16": np.int16}
PLAIN |= {"I32": np.int32, "I64": np.int64}


def raw(kind: GGMLQuantizationType, rows: int, blocks: int) -> tuple[np.ndarray, GGMLQuantizationType | None]:
    """Zeros of a type: rows x blocks, as the writer takes them."""
    elements, size = GGML_QUANT_SIZES[kind]
    if kind.name in PLAIN:
        return np.zeros((rows, blocks * elements), PLAIN[kind.name]), None
    return np.zeros((rows, blocks * size), np.uint8), kind


def write(path: Path, architecture: str, tensors: dict[str, Any], **metadata: Any) -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in metadata.items():
        name = f"{architecture}.{key.replace('__', '.')}"
        if isinstance(value, list):
            writer.add_array(name, value)
        elif isinstance(value, str):
            writer.add_string(name, value)
        else:
            writer.add_uint32(name, value)
    for name, (data, kind) in tensors.items():
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_every_type_of_tensor(tmp_path: Path) -> None:
    tensors = {f"blk.0.{kind.name.lower()}.weight": raw(kind, 3, 2) for kind in TYPES}
    path = write(tmp_path / "all.gguf", "llama", tensors)
    ours = {tensor.name: tensor for tensor in walk.header(path).tensors}
    reader = gguf.GGUFReader(path)
    assert len(reader.tensors) == len(TYPES) == len(ours)
    start = reader.data_offset
    for theirs in reader.tensors:
        mine = ours[theirs.name]
        assert mine.size == theirs.n_bytes
        assert mine.elements == theirs.n_elements
        assert mine.format == f"gguf:{theirs.tensor_type.name}"
        assert mine.shape == tuple(int(extent) for extent in theirs.shape)
        assert start + mine.offset == theirs.data_offset


def test_every_kind_of_metadata(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "kv.gguf", "llama")
    values = {
        GGUFValueType.UINT8: 255, GGUFValueType.INT8: -128, GGUFValueType.UINT16: 65535, GGUFValueType.INT16: -32768,
        GGUFValueType.UINT32: 2**32 - 1, GGUFValueType.INT32: -(2**31), GGUFValueType.FLOAT32: 0.5,
        GGUFValueType.BOOL: True, GGUFValueType.STRING: "слово", GGUFValueType.UINT64: 2**64 - 1,
        GGUFValueType.INT64: -(2**63), GGUFValueType.FLOAT64: 0.1,
    }  # fmt: skip
    for kind, value in values.items():
        writer.add_key_value(f"key.{kind.name}", value, kind)
        writer.add_key_value(f"list.{kind.name}", [value, value], GGUFValueType.ARRAY, sub_type=kind)
    writer.add_tensor("x", np.zeros((1, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = walk.header(tmp_path / "kv.gguf").metadata
    for kind, value in values.items():
        assert found[f"key.{kind.name}"] == value
        expected = walk.Array(2) if kind is GGUFValueType.STRING else [value, value]
        assert found[f"list.{kind.name}"] == expected


def small(path: Path, architecture: str = "qwen3", **metadata: Any) -> Path:
    """A model of two blocks, 64 wide, with 4 heads of 32."""
    keys = {
        "block_count": 2, "context_length": 4096, "embedding_length": 64, "feed_forward_length": 128,
        "attention__head_count": 4, "attention__head_count_kv": 2, "attention__key_length": 32,
        "attention__value_length": 32,
    } | metadata  # fmt: skip
    q8 = GGMLQuantizationType.Q8_0
    tensors = {"token_embd.weight": raw(q8, 100, 2), "output_norm.weight": (np.zeros(64, np.float32), None)}
    for block in range(keys["block_count"]):
        tensors[f"blk.{block}.attn_q.weight"] = raw(q8, 128, 2)
        tensors[f"blk.{block}.attn_norm.weight"] = (np.zeros(64, np.float32), None)
        tensors[f"blk.{block}.ffn_up.weight"] = raw(q8, 128, 2)
    if "nextn_predict_layers" in keys:
        tensors[f"blk.{keys['block_count'] - 1}.nextn.eh_proj.weight"] = raw(q8, 64, 4)
    return write(path, architecture, tensors, **keys)


def test_a_small_model(tmp_path: Path) -> None:
    found = read(small(tmp_path / "small.gguf"))
    assert found.architecture == "qwen3"
    assert found.container == "gguf"
    (layer,) = found.layers
    assert (layer.kind, layer.count, layer.query_heads, layer.kv_heads, layer.key_dim) == ("full", 2, 4, 2, 32)
    roles = {group.role: group for group in found.groups}
    assert roles["attention"].format == "gguf:Q8_0"
    assert roles["attention"].size == 2 * 128 * 2 * 34
    assert roles["embedding"].active == roles["embedding"].parameters == 6400
    assert found.weights.value == sum(group.size for group in found.groups)
    assert (found.vocabulary, found.hidden_size, found.max_context) == (100, 64, 4096)


def test_windows_by_the_architectures_rule(tmp_path: Path) -> None:
    path = small(tmp_path / "oss.gguf", "gpt-oss", block_count=4, attention__sliding_window=128)
    assert [(layer.kind, layer.count) for layer in read(path).layers] == [("sliding", 2), ("full", 2)]
    gemma = small(tmp_path / "gemma.gguf", "gemma3", block_count=12, attention__sliding_window=1024)
    assert [(layer.kind, layer.count) for layer in read(gemma).layers] == [("sliding", 10), ("full", 2)]


def test_latent_attention(tmp_path: Path) -> None:
    keys = {"attention__kv_lora_rank": 512, "rope__dimension_count": 64, "attention__head_count_kv": 1}
    path = small(tmp_path / "mla.gguf", "deepseek2", attention__key_length_mla=192, **keys)
    (layer,) = read(path).layers
    assert (layer.kind, layer.latent_dim + layer.rope_dim) == ("mla", 576)
    older = keys | {"attention__head_count_kv": 4, "attention__key_length": 192, "attention__value_length": 128}
    (layer,) = read(small(tmp_path / "older.gguf", "deepseek2", **older)).layers
    assert (layer.kind, layer.kv_heads, layer.key_dim, layer.value_dim) == ("full", 4, 192, 128)


def test_hybrid_states_are_fp32(tmp_path: Path) -> None:
    keys = {"ssm__conv_kernel": 4, "ssm__inner_size": 4096, "ssm__state_size": 128, "ssm__group_count": 16}
    path = small(tmp_path / "hybrid.gguf", "qwen35", block_count=4, full_attention_interval=4, **keys)
    layers = {layer.kind: layer for layer in read(path).layers}
    assert (layers["linear"].count, layers["full"].count) == (3, 1)
    assert layers["linear"].state_size == (3 * 8192 + 4096 * 128) * 4


def test_key_heads_of_each_block(tmp_path: Path) -> None:
    path = small(tmp_path / "deci.gguf", "deci", attention__head_count_kv=[2, 0])
    assert [(layer.kind, layer.kv_heads) for layer in read(path).layers] == [("full", 2), ("none", 0)]
    with pytest.raises(UnsupportedArchitecture):
        read(small(tmp_path / "odd.gguf", "qwen3", attention__head_count_kv=[2, 0]))


def test_prediction_blocks_are_apart(tmp_path: Path) -> None:
    path = small(tmp_path / "mtp.gguf", "glm4moe", block_count=3, nextn_predict_layers=1)
    found = read(path)
    assert found.layers[0].count == 2
    assert {group.role for group in found.optional} == {"mtp"}


def test_split_files_are_read_together(tmp_path: Path) -> None:
    data = np.zeros((64, 64), np.float32)
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "qwen3", split_max_tensors=2)
    for key, value in {"block_count": 4, "embedding_length": 64, "attention.head_count": 4}.items():
        writer.add_uint32(f"qwen3.{key}", value)
    for block in range(4):
        writer.add_tensor(f"blk.{block}.attn_q.weight", data)
    writer.add_uint32("qwen3.vocab_size", 10)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    parts = sorted(tmp_path.glob("*.gguf"))
    assert len(parts) == 2
    for part in parts:
        assert read(part).weights.value == 4 * data.nbytes
    parts[1].unlink()
    with pytest.raises(MalformedFile) as caught:
        read(parts[0])
    assert caught.value.field == parts[1].name


def test_a_big_endian_file_is_refused_by_name(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "big.gguf", "llama", endianess=GGUFEndian.BIG)
    writer.add_tensor("x", np.zeros((1, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(UnsupportedFile) as caught:
        read(tmp_path / "big.gguf")
    assert caught.value.message.code == "error.gguf_big_endian"
    assert caught.value.exit_code == 3


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedArchitecture):
        read(small(tmp_path / "x.gguf", "no-such-architecture"))


def test_a_real_file() -> None:
    path = real_file(SMOLLM2)
    reader = gguf.GGUFReader(path)
    ours = {tensor.name: tensor for tensor in walk.header(path).tensors}
    for theirs in reader.tensors:
        mine = ours.pop(theirs.name)
        assert (mine.size, mine.elements) == (theirs.n_bytes, theirs.n_elements)
        assert mine.format == f"gguf:{theirs.tensor_type.name}"
    assert not ours
    found = read(path)
    assert found.parameters == 134_515_008
    assert found.weights.value == sum(tensor.n_bytes for tensor in reader.tensors)
    assert [(layer.kind, layer.count, layer.kv_heads, layer.key_dim) for layer in found.layers] == [("full", 30, 3, 64)]


def test_a_folder_of_one_gguf_and_of_several(tmp_path: Path) -> None:
    small(tmp_path / "a.gguf")
    assert read(tmp_path).name == "a.gguf"
    small(tmp_path / "b.gguf")
    with pytest.raises(UnknownModel) as caught:
        read(tmp_path)
    assert caught.value.candidates == ("a.gguf", "b.gguf")


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "lora.gguf", "llama")
    writer.add_type("adapter")
    writer.add_tensor("blk.0.attn_q.weight.lora_a", np.zeros((8, 64), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(UnsupportedArchitecture) as caught:
        read(tmp_path / "lora.gguf")
    assert (caught.value.field, dict(caught.value.message.parameters)["detail"]) == (
        "general.type",
        "general.type: adapter",
    )
