"""Tensors of ONNX files against the package onnx: names, shapes and bytes of every type, inside and beside the file."""

from pathlib import Path
from typing import Any

import pytest

from assay.observe.checkpoint import onnx_tensors, onnx_wire

onnx = pytest.importorskip("onnx")
helper, TensorProto = onnx.helper, onnx.TensorProto
KINDS = {name: number for name, number in TensorProto.DataType.items() if name not in ("UNDEFINED", "STRING")}


def model(tensors: list[Any]) -> Any:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    node = helper.make_node("Identity", ["x"], ["y"])
    return helper.make_model(helper.make_graph([node], "g", [value], [value], tensors))


def ours(path: Path) -> dict[str, onnx_tensors.Stored]:
    store = onnx_tensors.Store(path)
    graph = onnx.ModelProto.FromString(onnx_wire.structure(path)).graph
    return {proto.name: store.tensor(proto) for proto in graph.initializer}


def test_every_type_of_the_package_is_known() -> None:
    assert {number: name for number, (name, _) in onnx_tensors.TYPES.items()}.items() >= {
        number: name for name, number in TensorProto.DataType.items() if name != "UNDEFINED"
    }.items()


@pytest.mark.parametrize("raw", ["raw", "typed"])
def test_every_type_has_the_bytes_that_the_package_gives_it(tmp_path: Path, raw: str) -> None:
    tensors = []
    for name, number in KINDS.items():
        typed = helper.make_tensor(name, number, (3, 5), [0] * 15)
        if raw == "raw":
            array = onnx.numpy_helper.to_array(typed)
            typed = onnx.numpy_helper.from_array(array, name)
            assert typed.data_type == number
        tensors.append(typed)
    onnx.save_model(model(tensors), tmp_path / "m.onnx")
    found = ours(tmp_path / "m.onnx")
    assert found.keys() == KINDS.keys()
    for proto in tensors:
        again = onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(proto))
        assert found[proto.name].shape == (3, 5)
        assert found[proto.name].size == len(again.raw_data)


def test_data_beside_the_file(tmp_path: Path) -> None:
    tensors = [
        helper.make_tensor(name, number, (64,), bytes(onnx_tensors.TYPES[number][1] * 8), raw=True)
        for name, number in KINDS.items()
    ]
    sizes = {proto.name: len(proto.raw_data) for proto in tensors}
    onnx.save_model(model(tensors), tmp_path / "m.onnx", save_as_external_data=True, location="m.bin", size_threshold=0)
    assert {name: stored.size for name, stored in ours(tmp_path / "m.onnx").items()} == sizes


def test_the_copy_is_the_model_without_its_data(tmp_path: Path) -> None:
    tensors = [helper.make_tensor("w", TensorProto.FLOAT, (3, 5), bytes(60), raw=True)]
    whole = model(tensors)
    onnx.save_model(whole, tmp_path / "m.onnx")
    copy = onnx.ModelProto.FromString(onnx_wire.structure(tmp_path / "m.onnx"))
    assert copy.graph.node == whole.graph.node
    assert copy.graph.input == whole.graph.input
    assert copy.opset_import == whole.opset_import
    assert [list(proto.dims) for proto in copy.graph.initializer] == [[3, 5]]
