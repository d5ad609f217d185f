"""Hostile ONNX files: nothing outside the file's own folder is opened, and no length, count or shape is trusted."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bounded import cost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.errors import AssayError, MalformedFile, UnreadableFile, UnsupportedFile
from assay.observe.checkpoint import onnx as reader
from assay.observe.checkpoint import onnx_wire
from assay.observe.checkpoint.onnx_wire import varint
from assay.report import words

onnx = pytest.importorskip("onnx")
helper, TensorProto = onnx.helper, onnx.TensorProto
LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
FLOAT = TensorProto.FLOAT


def model(*tensors: Any, nodes: tuple[Any, ...] = ()) -> bytes:
    value = helper.make_tensor_value_info("x", FLOAT, [1])
    graph = helper.make_graph(list(nodes), "g", [value], [value], list(tensors))
    content: bytes = helper.make_model(graph).SerializeToString()
    return content


def tensor(dtype: int = FLOAT, shape: tuple[int, ...] = (2,), data: bytes = bytes(8), name: str = "w") -> Any:
    return TensorProto(data_type=dtype, dims=shape, name=name, raw_data=data)


def external(path: str = "d", shape: tuple[int, ...] = (2,), **keys: str) -> Any:
    found = TensorProto(data_type=FLOAT, dims=shape, name="w", data_location=TensorProto.EXTERNAL)
    for key, value in ({"location": path} | keys).items():
        entry = found.external_data.add()
        entry.key, entry.value = key, value
    return found


def refused(path: Path, content: bytes | None = None) -> MalformedFile:
    if content is not None:
        path.write_bytes(content)
    started = time.monotonic()
    with pytest.raises(MalformedFile) as caught:
        reader.read(path)
    assert time.monotonic() - started < 2
    assert caught.value.file == str(path)
    assert caught.value.field is not None
    assert caught.value.offset is not None
    return caught.value


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "truncated"),
        (b"hello", "protobuf"),
        (b"\x08", "truncated"),
        (b"\xff" * 12, "protobuf"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "truncated"),
        (b"\x3b", "protobuf"),
        (b"\x00\x00", "truncated"),
        (b"\x08\x07", "not_onnx"),
        (field(7, b"") + field(7, b"\x0a\x09x"), "truncated"),
        (field(8, b"\x10\x15"), "not_onnx"),
        (field(7, b"\x0a" * 2000), "protobuf"),
    ],
)
def test_bytes_that_are_no_model(tmp_path: Path, content: bytes, code: str) -> None:
    assert refused(tmp_path / "x.onnx", content).message.code == f"error.malformed.{code}"


def test_a_file_cut_short_at_every_byte(tmp_path: Path) -> None:
    node = helper.make_node("MatMulNBits", ["x", "w"], ["y"], domain="com.microsoft", K=2, N=2, bits=4, block_size=16)
    content = model(tensor(), nodes=(node,))
    for length in range(len(content)):
        (tmp_path / "x.onnx").write_bytes(content[:length])
        with pytest.raises(MalformedFile):
            reader.read(tmp_path / "x.onnx")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (tensor(data=bytes(7)), "size_mismatch"),
        (tensor(data=b""), "size_mismatch"),
        (tensor(shape=(-2,)), "out_of_range"),
        (tensor(shape=(2**40, 2**40)), "out_of_range"),
        (tensor(shape=(2**62,)), "size_mismatch"),
        (tensor(shape=(1,) * 65), "too_many_dimensions"),
        (tensor(name=""), "repeated_key"),
        (external(), "missing_shard"),
        (external("../d"), "outside_folder"),
        (external("/etc/passwd"), "outside_folder"),
        (external("a\\..\\d"), "outside_folder"),
        (external(""), "outside_folder"),
        (external("."), "outside_folder"),
        (external("d\0"), "outside_folder"),
        (external("big", shape=(2**61,)), "offset_outside"),
        (external("big", offset="99"), "offset_outside"),
        (external("big", offset="-1"), "not_integer"),
        (external("big", offset="9" * 40), "not_integer"),
        (external("big", offset="٣"), "not_integer"),
        (external("big", length="4"), "size_mismatch"),
    ],
)
def test_a_tensor_that_contradicts_the_file(tmp_path: Path, found: Any, code: str) -> None:
    (tmp_path / "big").write_bytes(bytes(100))
    assert refused(tmp_path / "x.onnx", model(found)).message.code == f"error.malformed.{code}"


def test_both_kinds_of_data_are_refused(tmp_path: Path) -> None:
    found = tensor()
    found.float_data.extend([1.0, 2.0])
    assert refused(tmp_path / "x.onnx", model(found)).message.code == "error.malformed.size_mismatch"


def test_a_name_twice(tmp_path: Path) -> None:
    assert refused(tmp_path / "x.onnx", model(tensor(), tensor())).message.code == "error.malformed.repeated_key"


def test_data_behind_a_link_out_of_the_folder(tmp_path: Path) -> None:
    inside = tmp_path / "model"
    inside.mkdir()
    (tmp_path / "secret").write_bytes(bytes(8))
    (inside / "d").symlink_to(tmp_path / "secret")
    assert refused(inside / "x.onnx", model(external())).message.code == "error.malformed.outside_folder"


def test_data_in_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "d")
    (tmp_path / "x.onnx").write_bytes(model(external()))
    with pytest.raises(UnreadableFile):
        reader.read(tmp_path / "x.onnx")


def test_graphs_in_graphs(tmp_path: Path) -> None:
    content = b""
    for _ in range(2000):  # GraphProto.node.attribute.g
        content = field(1, field(5, field(6, content)))
    found = refused(tmp_path / "x.onnx", field(7, content) + field(8, b"\x10\x15"))
    assert found.message.code == "error.malformed.nesting"


@pytest.mark.parametrize(
    "content",
    [
        field(7, field(1, field(1, b"\xff\xfe") + field(4, b"MatMul"))),
        field(7, field(1, field(4, b"\xc3"))),
        field(7, field(5, b"\x08\x01\x10\x01" + field(8, b"\xff"))),
        field(7, field(5, b"\x08\x01\x10\x01" + field(13, field(1, b"\xff")))),
        field(8, field(1, b"\xff")) + field(7, b""),
    ],
)
def test_names_that_are_no_text(tmp_path: Path, content: bytes) -> None:
    error = refused(tmp_path / "x.onnx", content + field(8, b"\x10\x15"))
    assert error.message.code == "error.malformed.protobuf"


def test_an_input_whose_name_is_no_text_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(field(7, field(11, field(1, b"\xff"))) + field(8, b"\x10\x15"))
    assert reader.read(tmp_path / "x.onnx").layers == ()


@pytest.mark.parametrize("bits", [0, 9, 2**40])
def test_attributes_out_of_range(tmp_path: Path, bits: int) -> None:
    node = helper.make_node("MatMulNBits", ["x", "w"], ["y"], domain="com.microsoft", K=2, N=2, bits=bits)
    assert refused(tmp_path / "x.onnx", model(tensor(), nodes=(node,))).message.code == "error.malformed.out_of_range"


@pytest.mark.parametrize("op", ["DequantizeLinear", "MatMulNBits", "QMoE", "MatMulInteger", "Constant", "If"])
def test_nodes_without_inputs_or_outputs(tmp_path: Path, op: str) -> None:
    for inputs in ([], ["w"], ["", "w"]):
        node = helper.make_node(op, inputs, [])
        (tmp_path / "x.onnx").write_bytes(model(tensor(dtype=TensorProto.INT8), nodes=(node,)))
        with pytest.raises(MalformedFile):
            reader.read(tmp_path / "x.onnx")
        (tmp_path / "x.onnx").write_bytes(model(tensor(dtype=TensorProto.INT8, data=bytes(2)), nodes=(node,)))
        try:
            assert reader.read(tmp_path / "x.onnx").weights.value == 2
        except MalformedFile as error:
            assert error.message.code == "error.malformed.out_of_range"  # noqa: PT017 - attributes are missing too


def nodes(body: bytes, number: int) -> bytes:
    return field(7, field(1, body) * number) + field(8, b"\x10\x15")


SETS = field(8, b"\x10\x15")
SHAPE = field(2, field(1, field(2, field(1, b"") * 300)))
LIMIT = 50_000
"""Nodes, and tensors, that a graph may have."""


def dequantizers() -> bytes:
    weight = field(5, b"\x08\x01\x10\x03" + field(8, b"w") + field(9, b"0"))
    bodies = (field(1, b"w") + field(2, b"o%d" % n) + field(4, b"DequantizeLinear") for n in range(LIMIT))
    return field(7, weight + b"".join(field(1, body) for body in bodies)) + SETS


def chain() -> bytes:
    bodies = (field(1, b"a%d" % n) + field(2, b"a%d" % (n + 1)) + field(4, b"MatMul") for n in range(LIMIT))
    return field(7, b"".join(field(1, body) for body in bodies)) + SETS


def initializers() -> bytes:
    bodies = (b"\x08\x01\x10\x03" + field(8, b"w%d" % n) + field(9, b"0") for n in range(LIMIT))
    return field(7, b"".join(field(5, body) for body in bodies)) + SETS


MANY = {
    "empty nodes": lambda: nodes(b"", 3_000_000),
    "nodes with outputs": lambda: nodes(field(2, b"a"), 1_000_000),
    "attributes": lambda: field(7, field(1, field(5, b"") * 3_000_000)) + SETS,
    "graphs": lambda: field(7, field(1, field(5, field(11, b"") * 3_000_000))) + SETS,
    "tensors": lambda: field(7, field(5, field(8, b"a")) * 1_000_000) + SETS,
    "dimensions": lambda: field(7, field(5, field(1, b"\x01" * 4000)) * 3000) + SETS,
    "inputs": lambda: field(7, field(11, SHAPE) * 9000) + SETS,
    "long names": lambda: nodes(field(3, b"a" * 4000), 5000),
    "operator sets": lambda: field(7, b"") + SETS * 1_000_000,
    "dequantizers": dequantizers,
    "chain": chain,
    "initializers": initializers,
}


@LINUX
@pytest.mark.parametrize("kind", MANY)
def test_what_a_hostile_graph_may_cost(tmp_path: Path, kind: str) -> None:
    (tmp_path / "x.onnx").write_bytes(MANY[kind]())
    found = cost(tmp_path / "x.onnx")
    assert found.said == "read" or found.said.startswith(("error.malformed.", "error.limit."))
    assert found.seconds < 2
    assert found.mebibytes < 100


@pytest.mark.parametrize(
    ("content", "code", "field"),
    [
        (nodes(b"", LIMIT + 1), "messages", "node"),
        (field(7, field(5, b"") * (LIMIT + 1)) + SETS, "messages", "tensor"),
        (nodes(field(3, b"a" * 4000), 2200), "graph", "tag 3"),
    ],
)
def test_more_than_is_read_of_a_graph(tmp_path: Path, content: bytes, code: str, field: str) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(UnsupportedFile) as caught:
        reader.read(tmp_path / "x.onnx")
    assert (caught.value.message.code, caught.value.field) == (f"error.limit.{code}", field)
    assert caught.value.offset is not None


def test_a_name_longer_than_any(tmp_path: Path) -> None:
    error = refused(tmp_path / "x.onnx", nodes(field(3, b"a" * 5000), 1))
    assert (error.message.code, error.field) == ("error.malformed.name_too_long", "tag 3")


@LINUX
def test_weights_of_gigabytes_are_stepped_over(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    size = 2**31
    head = b"\x08\x80\x80\x80\x80\x02\x10\x01" + field(8, b"w") + varint(9 << 3 | 2) + varint(size)
    shape = varint(5 << 3 | 2) + varint(len(head) + size) + head
    sets = field(8, b"\x10\x15")
    path.write_bytes(sets + varint(7 << 3 | 2) + varint(len(shape) + size) + shape)
    os.truncate(path, path.stat().st_size + size)
    found = cost(path)
    assert found.said == "read"
    assert found.seconds < 2
    assert found.mebibytes < 100


def test_a_copy_keeps_what_measures_and_drops_what_weighs(tmp_path: Path) -> None:
    found = tensor(shape=(1000,), data=np.ones(1000, np.float32).tobytes())
    (tmp_path / "x.onnx").write_bytes(model(found))
    copy = onnx_wire.structure(tmp_path / "x.onnx")
    assert len(copy) < 100
    (kept,) = onnx.ModelProto.FromString(copy).graph.initializer
    assert (kept.name, list(kept.dims), kept.raw_data, kept.doc_string) == ("w", [1000], b"", "0:11,9:4000")


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.onnx").write_bytes(content)
    try:
        reader.read(tmp_path / "x.onnx")
    except AssayError as error:
        assert error.exit_code in {2, 3}  # noqa: PT017 - either way is right


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_good_file_with_some_bytes_changed(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    node = helper.make_node("DequantizeLinear", ["w", "s"], ["y"])
    content = bytearray(model(tensor(dtype=TensorProto.INT8), tensor(shape=(), data=bytes(4), name="s"), nodes=(node,)))
    for place, value in changes:
        content[place % len(content)] = value
    (tmp_path / "x.onnx").write_bytes(content)
    try:
        reader.read(tmp_path / "x.onnx")
    except AssayError as error:
        assert error.exit_code in {2, 3}  # noqa: PT017 - same


def test_a_tensor_of_too_many_dimensions_has_no_name_yet(tmp_path: Path) -> None:
    """`dims` is the field, and not the name of a tensor."""
    path = tmp_path / "x.onnx"
    shape = varint(1 << 3 | 2) + varint(1000) + bytes(1000)
    initializer = varint(5 << 3 | 2) + varint(len(shape)) + shape
    path.write_bytes(varint(7 << 3 | 2) + varint(len(initializer)) + initializer)
    with pytest.raises(MalformedFile) as caught:
        reader.read(path)
    assert (caught.value.message.code, caught.value.field) == ("error.malformed.long_shape", "dims")
    assert "dims" not in words.say(caught.value.message, "en")
    assert caught.value.offset is not None
