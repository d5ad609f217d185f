"""Tensors of types that a newer library may write: named, their bytes counted, the rest read, the verdict unknown."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hub_server import CONFIG, llama_tensors
from packages import GEMMA, real_file
from safetensors_files import write

from assay.cli.main import main
from assay.observe.checkpoint import gguf, unknown_types
from assay.observe.checkpoint.read import read
from assay.types.model import Model

CARD = "RTX PRO 6000 Blackwell Workstation Edition"


def kinds(model: Model) -> list[tuple[str, int]]:
    """(type, tensors) of the doubts about unknown types."""
    named = [dict(doubt.parameters) for doubt in model.doubts if doubt.code == "doubt.unknown_tensor_type"]
    return [(str(values["type"]), int(str(values["tensors"]))) for values in named]


def retyped(path: Path, number: int, names: set[str]) -> Path:
    """Gemma's header with these tensors of another type, over a hole of the file's size."""
    original = real_file(GEMMA)
    with original.open("rb") as stream:
        content = bytearray(stream.read(16 * 2**20))
    for name in names:
        at = content.index(struct.pack("<Q", len(name)) + name.encode()) + 8 + len(name)
        (dimensions,) = struct.unpack_from("<I", content, at)
        struct.pack_into("<I", content, at + 4 + 8 * dimensions, number)
    path.write_bytes(content)
    with path.open("r+b") as stream:
        stream.truncate(original.stat().st_size)
    return path


def test_a_gguf_type_57_is_named_and_the_rest_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = gguf.header(real_file(GEMMA)).tensors
    chosen = [tensor for tensor in known if tensor.format == "gguf:Q4_K"]
    path = retyped(tmp_path / "new.gguf", 57, {tensor.name for tensor in chosen})
    found = {tensor.name: tensor for tensor in gguf.header(path).tensors}
    assert [tensor._replace(offset=0) for tensor in known if tensor not in chosen] == [
        found[tensor.name]._replace(offset=0) for tensor in known if tensor not in chosen
    ]
    for tensor in chosen:
        new = found[tensor.name]
        assert (new.format, new.type, new.elements) == ("unknown", 57, tensor.elements)
        assert tensor.size <= new.size < tensor.size + 32  # up to the next one: what aligns it is counted
    model = read(path)
    assert kinds(model) == [("57", len(chosen))]
    assert model.weights.value >= read(real_file(GEMMA)).weights.value
    assert main(["check", str(path), "--gpu", CARD]) == 3
    out = capsys.readouterr().out
    assert "unknown type 57" in out
    assert main(["check", str(path), "--gpu", CARD, "--json"]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert answer["results"][0]["verdict"] == "unknown"


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def tensor(name: str, kind: int, offset: int, extent: int = 32) -> bytes:
    return text(name) + struct.pack("<IQIQ", 1, extent, kind, offset)


def small(path: Path, *tensors: bytes, data: int) -> Path:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), 0) + b"".join(tensors)
    path.write_bytes(head + bytes(-len(head) % 32 + data))
    return path


@pytest.mark.parametrize("number", [4, 5, 31, 36, 38, 57, 2**32 - 1])
def test_the_last_tensor_has_the_bytes_to_the_end(tmp_path: Path, number: int) -> None:
    path = small(tmp_path / "x.gguf", tensor("a", 0, 0), tensor("b", number, 128), data=192)
    assert [(one.size, one.format, one.type) for one in gguf.header(path).tensors] == [
        (128, "gguf:F32", 0),
        (64, "unknown", number),
    ]


def test_an_unknown_type_without_room_is_malformed(tmp_path: Path) -> None:
    for name, tensors, data in (
        ("over.gguf", (tensor("a", 0, 0), tensor("b", 57, 0)), 128),
        ("under.gguf", (tensor("a", 57, 0), tensor("b", 0, 0)), 128),
        ("end.gguf", (tensor("a", 0, 0), tensor("b", 57, 128)), 128),
        ("beyond.gguf", (tensor("a", 0, 0), tensor("b", 57, 2**40)), 128),
        ("twice.gguf", (tensor("a", 57, 0), tensor("b", 57, 0)), 128),
    ):
        with pytest.raises(gguf.MalformedFile) as caught:
            gguf.header(small(tmp_path / name, *tensors, data=data))
        assert caught.value.field in ("a", "b"), name


def folder(path: Path, dtype: str) -> Path:
    """A small llama whose first matrix has a dtype that no list has."""
    shapes: dict[str, Any] = {name: (kind, tuple(shape)) for name, (kind, shape) in llama_tensors().items()}
    path.mkdir()
    (path / "config.json").write_text(json.dumps(CONFIG))
    file = write(path / "model.safetensors", shapes)
    content = file.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    name = next(name for name in header if "q_proj" in name)
    header[name]["dtype"] = dtype
    new = json.dumps(header).encode()
    file.write_bytes(len(new).to_bytes(8, "little") + new + content[8 + size :])
    return path


def test_a_safetensors_type_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    known, strange = read(folder(tmp_path / "known", "BF16")), read(folder(tmp_path / "new", "F9_E9M9"))
    assert kinds(strange) == [("F9_E9M9", 1)]
    assert strange.weights.value == known.weights.value
    assert {group.format for group in strange.groups} == {group.format for group in known.groups} | {"unknown"}
    assert main(["check", str(tmp_path / "new"), "--gpu", CARD, "--json"]) == 3


def test_many_types_are_summed_up() -> None:
    found = unknown_types.doubts(["7", *"abcdef", "7"])
    assert [dict(doubt.parameters) for doubt in found] == [
        {"type": "7", "tensors": 2},
        *({"type": name, "tensors": 1} for name in "abc"),
        {"types": 3, "tensors": 3},
    ]


def test_onnx(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    helper, proto = onnx.helper, onnx.TensorProto
    value = helper.make_tensor_value_info("x", proto.FLOAT, [1])
    beside = proto(data_type=58, dims=(4,), name="v", data_location=proto.EXTERNAL)
    entry = beside.external_data.add()
    entry.key, entry.value = "location", "d"
    tensors = [
        proto(data_type=57, dims=(2, 3), name="w", raw_data=bytes(7)),
        beside,
        proto(data_type=proto.FLOAT, dims=(2,), name="u", raw_data=bytes(8)),
    ]
    graph = helper.make_graph([], "g", [value], [value], tensors)
    (tmp_path / "d").write_bytes(bytes(11))
    (tmp_path / "x.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    model = read(tmp_path / "x.onnx")
    assert kinds(model) == [("57", 1), ("58", 1)]
    assert {(group.format, group.size) for group in model.groups} == {("unknown", 18), ("fp32", 8)}


def test_a_known_file_has_no_such_doubt() -> None:
    assert kinds(read(real_file(GEMMA))) == []
