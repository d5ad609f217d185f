"""ONNX models: what reads a tensor says what it is; its bytes are those of its elements, wherever they lie."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.errors import AssayError, MissingExtra, UnsupportedFile
from assay.observe.checkpoint import onnx as reader
from assay.types.model import LayerGroup, Model

onnx = pytest.importorskip("onnx")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto

N, K, BLOCK = 64, 256, 32
FLOAT, INT4 = TensorProto.FLOAT, TensorProto.INT4


def array(name: str, values: Any) -> Any:
    return numpy_helper.from_array(np.asarray(values), name)


def raw(name: str, dtype: int, shape: tuple[int, ...], size: int) -> Any:
    return helper.make_tensor(name, dtype, shape, bytes(size), raw=True)


def value(name: str, shape: list[Any] | None = None, dtype: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, dtype, shape or ["b", K])


def write(path: Path, nodes: list[Any], tensors: list[Any], inputs: list[Any] | None = None, **keys: Any) -> Path:
    graph = helper.make_graph(nodes, "g", inputs or [value("x")], [value("y", ["b", N])], tensors)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, **keys).SerializeToString())
    return path


def rows(model: Model) -> set[tuple[str, str, int, int, int]]:
    return {(group.role, group.format, group.parameters, group.tensors, group.size) for group in model.groups}


def test_plain_weights_have_the_role_of_their_name_or_of_the_node(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "onnx::MatMul_7"], ["h"], name="/model/layers.0/self_attn/q_proj/MatMul"),
        helper.make_node("MatMul", ["h", "model.layers.0.mlp.up_proj.weight"], ["y"], name="anything"),
        helper.make_node("Add", ["y", "c"], ["z"], name="nothing"),
    ]
    tensors = [
        array("onnx::MatMul_7", np.zeros((K, N), np.float32)),
        array("model.layers.0.mlp.up_proj.weight", np.zeros((N, N), np.float16)),
        raw("c", TensorProto.BFLOAT16, (N,), 2 * N),
        array("shape", np.zeros(3, np.int64)),
    ]
    model = reader.read(write(tmp_path / "m.onnx", nodes, tensors))
    assert rows(model) == {
        ("attention", "fp32", K * N, 1, 4 * K * N),
        ("mlp", "fp16", N * N, 1, 2 * N * N),
        ("other", "bf16", N, 1, 2 * N),
        ("other", "other", 0, 1, 24),
    }
    assert model.container == "onnx"
    assert [doubt.code for doubt in model.doubts] == ["doubt.onnx_no_configuration"]
    assert [dict(note.parameters)["opsets"] for note in model.notes] == ["ai.onnx 21, com.microsoft 1"]


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_matmulnbits_counts_its_logical_matrix(tmp_path: Path, bits: int) -> None:
    name = "model.layers.0.attn.q_proj.MatMul"
    attributes = {"K": K, "N": N, "bits": bits, "block_size": BLOCK}
    inputs = ["x", f"{name}.weight_Q4", f"{name}.weight_scales", f"{name}.weight_zp", "", f"{name}.bias"]
    node = helper.make_node("MatMulNBits", inputs, ["y"], name=f"/{name}", domain="com.microsoft", **attributes)
    blocks = K // BLOCK
    packed, scales, zeros = N * K * bits // 8, N * blocks * 2, N * blocks * bits // 8
    tensors = [
        array(inputs[1], np.zeros((N, blocks, BLOCK * bits // 8), np.uint8)),
        array(inputs[2], np.zeros(N * blocks, np.float16)),
        array(inputs[3], np.zeros(zeros, np.uint8)),
        array(inputs[5], np.zeros(N, np.float16)),
    ]
    model = reader.read(write(tmp_path / "m.onnx", [node], tensors))
    assert rows(model) == {
        ("attention", f"onnx_int{bits}", N * K, 1, packed + scales + zeros),
        ("attention", "fp16", N, 1, 2 * N),
    }


def test_a_bits_attribute_larger_than_the_tensor_is_refused(tmp_path: Path) -> None:
    node = helper.make_node(
        "MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", K=K, N=N, bits=8, block_size=BLOCK
    )
    tensors = [array("w", np.zeros((N, K // 2), np.uint8)), array("s", np.zeros(N, np.float32))]
    with pytest.raises(AssayError) as caught:
        reader.read(write(tmp_path / "m.onnx", [node], tensors))
    assert caught.value.message.code == "error.malformed.size_mismatch"
    assert caught.value.field == "w"


def qdq(weight: Any, scale: Any, *, activations: bool, block: int = 0) -> tuple[list[Any], list[Any]]:
    keys = {"axis": 0, "block_size": block} if block else {}
    nodes = [helper.make_node("DequantizeLinear", ["w", "s", "z"], ["wd"], **keys)]
    source = "x"
    if activations:
        nodes += [
            helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
            helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        ]
        source = "xd"
    nodes += [
        helper.make_node("Transpose", ["wd"], ["wt"]),
        helper.make_node("MatMul", [source, "wt"], ["y"], name="/layers.0/mlp/fc1/MatMul"),
    ]
    zero = raw("z", weight.data_type, (), 1)
    extra = [array("xs", np.float32(1)), array("xz", np.int8(0))] if activations else []
    return nodes, [weight, scale, zero, *extra]


@pytest.mark.parametrize(("activations", "name"), [("integers", "int8_w8a8"), ("floats", "onnx_int8")])
def test_a_dequantized_weight_tells_by_its_neighbour_whether_activations_are_integers(
    tmp_path: Path, activations: str, name: str
) -> None:
    weight, scale = array("w", np.zeros((N, K), np.int8)), array("s", np.zeros(N, np.float32))
    model = reader.read(write(tmp_path / "m.onnx", *qdq(weight, scale, activations=activations == "integers")))
    assert ("mlp", name, N * K, 1, N * K + 4 * N + 1) in rows(model)


def test_four_bit_weights_in_blocks(tmp_path: Path) -> None:
    weight = raw("w", INT4, (K, N), K * N // 2)
    scale = array("s", np.zeros((K // BLOCK, N), np.float32))
    model = reader.read(write(tmp_path / "m.onnx", *qdq(weight, scale, activations=False, block=BLOCK)))
    (group,) = [group for group in model.groups if group.format == "onnx_int4"]
    assert (group.parameters, group.size) == (K * N, K * N // 2 + K // BLOCK * N * 4 + 1)


def test_integer_operators_and_a_bias_of_accumulators(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"]),
        helper.make_node("MatMulInteger", ["xq", "w", "xz", "wz"], ["h"], name="/layers.0/mlp/fc1/MatMul_quant"),
        helper.make_node("DequantizeLinear", ["b", "bs"], ["bd"]),
    ]
    tensors = [
        array("w", np.zeros((K, N), np.int8)),
        array("wz", np.int8(0)),
        array("b", np.zeros(N, np.int32)),
        array("bs", np.float32(1)),
    ]
    model = reader.read(write(tmp_path / "m.onnx", nodes, tensors))
    assert {row[1:] for row in rows(model)} == {("int8_w8a8", K * N, 1, K * N + 1), ("other", N, 1, 4 * N + 4)}


def test_packed_bytes_that_nothing_explains_are_unknown(tmp_path: Path) -> None:
    node = helper.make_node("Mystery", ["x", "w"], ["y"], domain="somebody.else")
    model = reader.read(write(tmp_path / "m.onnx", [node], [array("w", np.zeros(99, np.uint8))]))
    assert {(group.format, group.parameters, group.size) for group in model.groups} == {("unknown", 99, 99)}
    assert "doubt.stored_format_unknown" in {doubt.code for doubt in model.doubts}


def test_subgraphs_share_the_outer_tensors_and_hold_their_own(tmp_path: Path) -> None:
    def branch(own: str) -> Any:
        nodes = [
            helper.make_node("MatMul", ["x", "shared"], ["t"], name="/layers.0/mlp/a/MatMul"),
            helper.make_node("MatMul", ["t", own], ["out"], name="/layers.0/mlp/b/MatMul"),
        ]
        out = [value("out", ["b", N])]
        return helper.make_graph(nodes, own, [], out, [array(own, np.zeros((N, N), np.float32))])

    node = helper.make_node("If", ["flag"], ["y"], then_branch=branch("then"), else_branch=branch("else"))
    tensors = [array("shared", np.zeros((K, N), np.float32)), array("flag", np.ones((), np.bool_))]
    model = reader.read(write(tmp_path / "m.onnx", [node], tensors))
    assert ("mlp", "fp32", K * N + 2 * N * N, 3, 4 * (K * N + 2 * N * N)) in rows(model)


def test_a_constant_node_is_a_weight_and_large_data_is_stepped_over(tmp_path: Path) -> None:
    big = array("c", np.zeros((512, 1024), np.float32))
    nodes = [
        helper.make_node("Constant", [], ["w"], value=big),
        helper.make_node("MatMul", ["x", "w"], ["y"], name="/lm_head/MatMul"),
    ]
    path = write(tmp_path / "m.onnx", nodes, [])
    assert path.stat().st_size > 2 * 2**20
    assert rows(reader.read(path)) == {("head", "fp32", 512 * 1024, 1, 4 * 512 * 1024)}


def test_weights_beside_the_file(tmp_path: Path) -> None:
    tensor = raw("lm_head.weight", FLOAT, (N, K), 4 * N * K)
    node = helper.make_node("Gemm", ["x", "lm_head.weight"], ["y"])
    graph = helper.make_graph([node], "g", [value("x")], [value("y", ["b", N])], [tensor])
    model = helper.make_model(graph)
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    assert (tmp_path / "m.onnx").stat().st_size < 1000
    assert rows(reader.read(tmp_path / "m.onnx")) == {("head", "fp32", N * K, 1, 4 * N * K)}


def test_layers_by_the_cache_that_the_graph_takes(tmp_path: Path) -> None:
    inputs = [value("input_ids", ["b", "s"])]
    for layer in range(3):
        inputs += [value(f"past_key_values.{layer}.{part}", ["b", 4, "p", 64]) for part in ("key", "value")]
    node = helper.make_node("MatMul", ["x", "lm_head.weight"], ["y"])
    tensors = [array("lm_head.weight", np.zeros((N, K), np.float32))]
    model = reader.read(write(tmp_path / "m.onnx", [node], tensors, inputs))
    assert model.layers == (LayerGroup("full", 3, 0, 4, 64, 64),)


def test_layers_by_the_configuration_of_the_runtime(tmp_path: Path) -> None:
    decoder = {
        "num_hidden_layers": 2,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_size": 32,
        "hidden_size": K,
    }
    document = {"model": {"context_length": 4096, "vocab_size": N, "decoder": decoder}}
    (tmp_path / "genai_config.json").write_text(json.dumps(document), encoding="utf-8")
    node = helper.make_node("MatMul", ["x", "lm_head.weight"], ["y"])
    tensors = [
        array("lm_head.weight", np.zeros((N, K), np.float32)),
        array("model.embed_tokens.weight", np.zeros((N, K), np.float32)),
    ]
    few = reader.read(write(tmp_path / "few.onnx", [node], tensors))
    assert [doubt.code for doubt in few.doubts] == ["doubt.parameters_fewer"]
    layer = array("model.layers.0.mlp.up_proj.weight", np.zeros((5 * K, K), np.float32))
    model = reader.read(write(tmp_path / "m.onnx", [node], [*tensors, layer]))
    assert model.layers == (LayerGroup("full", 2, 8, 2, 32, 32),)
    assert (model.max_context, model.vocabulary, model.doubts) == (4096, N, ())
    assert {group.role: group.active for group in model.groups} == {
        "head": N * K, "embedding": K, "mlp": 5 * K * K
    }  # fmt: skip


def test_the_configuration_above_the_folder_onnx(tmp_path: Path) -> None:
    config = {
        "model_type": "llama", "hidden_size": K, "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": N,
        "intermediate_size": N, "max_position_embeddings": 128,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (tmp_path / "onnx").mkdir()
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    path = write(tmp_path / "onnx" / "model.onnx", [node], [array("w", np.zeros((N, K), np.float32))])
    model = reader.read(path)
    assert (model.architecture, model.max_context, len(model.layers)) == ("llama", 128, 1)


@pytest.mark.parametrize(
    ("rows", "heads", "doubts"),
    [
        (50, 2, []),
        (49, 2, ["doubt.parameters_fewer"]),
        (4000, 2, ["doubt.parameters_more"]),
        (50, 4, ["doubt.cache_differs"]),
        (0, 2, ["doubt.parameters_fewer"]),
    ],
)
def test_a_graph_of_another_model_than_the_configuration(
    tmp_path: Path, rows: int, heads: int, doubts: list[str]
) -> None:
    config = {
        "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 16,
        "num_key_value_heads": 2, "intermediate_size": 150, "max_position_embeddings": 128, "tie_word_embeddings": True,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    least = 16 * 64 + 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 150 + 3 * 64
    tensors = [array("w", np.zeros((rows, least // 50), np.float32)), array("v", np.zeros(least % 50, np.float32))]
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    cache = [value(f"past_key_values.0.{part}", ["b", heads, "past", 16]) for part in ("key", "value")]
    model = reader.read(write(tmp_path / "m.onnx", [node], tensors if rows else [], [value("x"), *cache]))
    assert [doubt.code for doubt in model.doubts] == doubts


def test_without_the_package_the_install_line_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], [])
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra) as caught:
        reader.read(path)
    assert dict(caught.value.hint.parameters)["command"] == "pip install 'gpu-assay[onnx]'"
    assert caught.value.exit_code == 3


def test_sparse_tensors_are_refused_by_name(tmp_path: Path) -> None:
    sparse = helper.make_sparse_tensor(array("v", np.zeros(2, np.float32)), array("i", np.zeros(2, np.int64)), [9])
    graph = helper.make_graph([], "g", [value("x")], [value("y")], [], sparse_initializer=[sparse])
    (tmp_path / "m.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(UnsupportedFile):
        reader.read(tmp_path / "m.onnx")
