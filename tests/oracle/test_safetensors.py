"""The safetensors header against the `safetensors` package, and formats from what is stored."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packages import MINILM, real_file
from safetensors import safe_open
from safetensors.numpy import save_file
from small_qwen import CONFIG, HIDDEN, LAYERS, MATRICES, WORDS

from assay.errors import MalformedFile, UnsupportedArchitecture
from assay.knowledge import store
from assay.observe.checkpoint import safetensors as header
from assay.observe.checkpoint import stored
from assay.observe.checkpoint.read import read
from assay.types.model import Model

BYTES = {"F32": 4, "F16": 2, "BF16": 2, "U8": 1, "I8": 1, "I32": 4, "I64": 8, "F8_E4M3": 1, "F8_E8M0": 1}
Shapes = dict[str, tuple[str, tuple[int, ...]]]


def write(path: Path, shapes: Shapes) -> Path:
    """A file of zeros with these dtypes and shapes, written by hand: numpy knows neither BF16 nor FP8."""
    document: dict[str, Any] = {}
    position = 0
    for name, (dtype, shape) in shapes.items():
        size = BYTES[dtype] * int(np.prod(shape, dtype=np.int64))
        document[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, position + size]}
        position += size
    content = json.dumps(document).encode()
    path.write_bytes(len(content).to_bytes(8, "little") + content + bytes(position))
    return path


def model_shapes(matrix: Any) -> Shapes:
    """The tensors of the small model, its matrices as `matrix(name, outputs, inputs)` stores them."""
    shapes: Shapes = {
        "model.embed_tokens.weight": ("BF16", (WORDS, HIDDEN)),
        "lm_head.weight": ("BF16", (WORDS, HIDDEN)),
    }
    shapes["model.norm.weight"] = ("BF16", (HIDDEN,))
    for layer in range(LAYERS):
        path = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{path}.{norm}.weight"] = ("BF16", (HIDDEN,))
        for norm in ("q_norm", "k_norm"):
            shapes[f"{path}.self_attn.{norm}.weight"] = ("BF16", (128,))
        for name, (outputs, inputs) in MATRICES.items():
            shapes |= matrix(f"{path}.{name}", outputs, inputs)
    return shapes


def plain(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": ("BF16", (outputs, inputs))}


def block(name: str, outputs: int, inputs: int) -> Shapes:
    scales = (-(-outputs // 128), -(-inputs // 128))
    return {f"{name}.weight": ("F8_E4M3", (outputs, inputs)), f"{name}.weight_scale_inv": ("F32", scales)}


def per_tensor(name: str, outputs: int, inputs: int) -> Shapes:
    return {
        f"{name}.weight": ("F8_E4M3", (outputs, inputs)),
        f"{name}.weight_scale": ("F32", ()),
        f"{name}.input_scale": ("F32", ()),
    }


def channel(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": ("F8_E4M3", (outputs, inputs)), f"{name}.weight_scale": ("BF16", (outputs, 1))}


def nvfp4(name: str, outputs: int, inputs: int) -> Shapes:
    return {
        f"{name}.weight": ("U8", (outputs, inputs // 2)),
        f"{name}.weight_scale": ("F8_E4M3", (outputs, inputs // 16)),
        f"{name}.weight_scale_2": ("F32", ()),
        f"{name}.input_scale": ("F32", ()),
    }


def mxfp8(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": ("F8_E4M3", (outputs, inputs)), f"{name}.weight_scale": ("U8", (outputs, inputs // 32))}


def gptq(name: str, outputs: int, inputs: int) -> Shapes:
    return {
        f"{name}.qweight": ("I32", (inputs // 8, outputs)),
        f"{name}.qzeros": ("I32", (inputs // 128, outputs // 8)),
        f"{name}.scales": ("F16", (inputs // 128, outputs)),
        f"{name}.g_idx": ("I32", (inputs,)),
    }


def awq(name: str, outputs: int, inputs: int) -> Shapes:
    return {
        f"{name}.qweight": ("I32", (inputs, outputs // 8)),
        f"{name}.qzeros": ("I32", (inputs // 128, outputs // 8)),
        f"{name}.scales": ("F16", (inputs // 128, outputs)),
    }


def packed(name: str, outputs: int, inputs: int) -> Shapes:
    return {
        f"{name}.weight_packed": ("I32", (outputs, inputs // 8)),
        f"{name}.weight_scale": ("BF16", (outputs, inputs // 32)),
        f"{name}.weight_shape": ("I32", (2,)),
    }


def mystery(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": ("U8", (outputs, inputs // 2)), f"{name}.secret": ("F32", (1,))}


def folder(tmp_path: Path, shapes: Shapes, config: dict[str, Any] | None = None) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(config or CONFIG), encoding="utf-8")
    write(tmp_path / "model.safetensors", shapes)
    return tmp_path


def same_as_config(found: Model, quantization: dict[str, Any], tmp_path: Path) -> None:
    """What the headers gave must be what the configuration alone promises, to the byte."""
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "config.json").write_text(json.dumps(CONFIG | {"quantization_config": quantization}), encoding="utf-8")
    described = read(alone)
    assert {(g.role, g.format, g.parameters, g.active, g.tensors, g.size) for g in found.groups} == {
        (g.role, g.format, g.parameters, g.active, g.tensors, g.size) for g in described.groups
    }


def test_the_header_is_what_the_package_reads(tmp_path: Path) -> None:
    arrays = {
        "a": np.zeros((3, 5), np.float32), "b.c": np.zeros((2, 2, 2), np.float16), "scalar": np.zeros((), np.int64),
        "empty": np.zeros((0, 4), np.uint8), "flag": np.zeros(7, np.bool_),
    }  # fmt: skip
    save_file(arrays, tmp_path / "x.safetensors", metadata={"format": "np"})
    ours = {tensor.name: tensor for tensor in header.tensors(tmp_path / "x.safetensors")}
    with safe_open(tmp_path / "x.safetensors", "np") as theirs:
        assert ours.keys() == set(theirs.keys())
        for name in theirs.keys():  # noqa: SIM118 - the package's object is no mapping
            assert ours[name].shape == tuple(theirs.get_slice(name).get_shape())
            assert ours[name].dtype == theirs.get_slice(name).get_dtype()
            assert ours[name].size == arrays[name].nbytes


@pytest.mark.parametrize(
    ("matrix", "name", "quantization"),
    [
        (plain, "bf16", {}),
        (block, "fp8_block128", {"quant_method": "fp8", "weight_block_size": [128, 128]}),
        (per_tensor, "fp8", {"quant_method": "fp8", "activation_scheme": "static"}),
        (nvfp4, "nvfp4", {"quant_algo": "NVFP4", "exclude_modules": ["lm_head"]}),
        (gptq, "gptq_int4", {"quant_method": "gptq", "bits": 4, "group_size": 128}),
        (awq, "awq_int4", {"quant_method": "awq", "bits": 4, "group_size": 128}),
        (channel, "fp8_channel", None),
        (mxfp8, "mxfp8", None),
        (packed, "int4_w4a16", None),
    ],
)
def test_the_stored_tensors_decide(tmp_path: Path, matrix: Any, name: str, quantization: Any) -> None:
    found = read(folder(tmp_path, model_shapes(matrix)))
    assert found.container == "safetensors"
    assert found.doubts == ()
    assert {group.format for group in found.groups if group.role in {"attention", "mlp"}} == {name}
    logical = sum(outputs * inputs for outputs, inputs in MATRICES.values()) * LAYERS
    assert sum(group.parameters for group in found.groups if group.role in {"attention", "mlp"}) == logical
    stored_bytes = sum(tensor.size for tensor in header.tensors(tmp_path / "model.safetensors"))
    assert found.weights.value == stored_bytes
    if quantization:
        same_as_config(found, quantization, tmp_path)
    elif quantization == {}:
        assert found.parameters == logical + 2 * WORDS * HIDDEN + HIDDEN + LAYERS * (2 * HIDDEN + 2 * 128)


def test_a_configuration_that_says_nothing_is_overruled(tmp_path: Path) -> None:
    found = read(folder(tmp_path, model_shapes(nvfp4)))
    assert (found.weights.value or 0) < 2 * found.parameters * 0.4


def integer(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": ("I8", (outputs, inputs)), f"{name}.weight_scale": ("BF16", (outputs, 1))}


@pytest.mark.parametrize(
    ("matrix", "bits", "kind", "activations", "name"),
    [
        (integer, 8, "int", {"dynamic": True}, "int8_w8a8"),
        (integer, 8, "int", None, "int8_w8a16"),
        (channel, 8, "float", {"dynamic": True}, "fp8_channel"),
        (channel, 8, "float", None, "fp8_w8a16"),
        (integer, None, None, None, "unknown"),
    ],
)
def test_formats_that_are_stored_alike(
    tmp_path: Path, matrix: Any, bits: int | None, kind: str | None, activations: Any, name: str
) -> None:
    config = dict(CONFIG)
    if bits is not None:
        weights = {"num_bits": bits, "type": kind, "strategy": "channel"}
        group = {"targets": ["Linear"], "weights": weights, "input_activations": activations}
        config["quantization_config"] = {
            "quant_method": "compressed-tensors", "ignore": ["lm_head"], "config_groups": {"group_0": group}
        }  # fmt: skip
    found = read(folder(tmp_path, model_shapes(matrix), config))
    assert {group.format for group in found.groups if group.role == "mlp"} == {name}
    assert found.weights.value == sum(t.size for t in header.tensors(tmp_path / "model.safetensors"))
    assert bool(found.doubts) is (name == "unknown")


def test_packed_tensors_of_unknown_kind_are_a_doubt(tmp_path: Path) -> None:
    found = read(folder(tmp_path, model_shapes(mystery)))
    assert "doubt.stored_format_unknown" in {doubt.code for doubt in found.doubts}
    assert "unknown" in {group.format for group in found.groups}


def test_missing_tensors_are_a_doubt(tmp_path: Path) -> None:
    shapes = {name: entry for name, entry in model_shapes(plain).items() if "layers.1" not in name}
    found = read(folder(tmp_path, shapes))
    assert [doubt.code for doubt in found.doubts] == ["doubt.parameters_differ", "doubt.weight_missing"]


def test_a_tied_head_that_is_stored_counts_once(tmp_path: Path) -> None:
    found = read(folder(tmp_path, model_shapes(plain), CONFIG | {"tie_word_embeddings": True}))
    assert [note.code for note in found.notes] == ["note.head_stored_twice"]
    assert found.doubts == ()
    embedding = next(group for group in found.groups if group.role == "embedding")
    assert embedding.active == embedding.parameters == WORDS * HIDDEN


def test_packed_experts_of_gpt_oss(tmp_path: Path) -> None:
    config = (store.entry("model", "openai/gpt-oss-20b") or {})["config"]
    small = config | {
        "num_hidden_layers": 1, "layer_types": ["full_attention"], "num_local_experts": 4, "num_experts_per_tok": 2,
        "hidden_size": 64, "intermediate_size": 64, "vocab_size": 10, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 32,
    }  # fmt: skip
    path = "model.layers.0.mlp.experts"
    shapes: Shapes = {
        f"{path}.gate_up_proj_blocks": ("U8", (4, 128, 2, 16)),
        f"{path}.gate_up_proj_scales": ("U8", (4, 128, 2)),
        f"{path}.gate_up_proj_bias": ("BF16", (4, 128)),
        f"{path}.down_proj_blocks": ("U8", (4, 64, 2, 16)),
        f"{path}.down_proj_scales": ("U8", (4, 64, 2)),
        f"{path}.down_proj_bias": ("BF16", (4, 64)),
    }
    found = read(folder(tmp_path, shapes, small))
    experts = next(group for group in found.groups if group.format == "mxfp4")
    assert (experts.role, experts.parameters) == ("experts", 4 * 3 * 64 * 64)
    assert experts.active == experts.parameters // 2
    assert experts.size == experts.parameters // 2 + experts.parameters // 32


def test_several_files_and_their_index(tmp_path: Path) -> None:
    shapes = model_shapes(plain)
    names = list(shapes)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for file, chosen in halves.items():
        write(tmp_path / file, {name: shapes[name] for name in chosen})
    (tmp_path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    index = {"weight_map": {name: file for file, chosen in halves.items() for name in chosen}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert read(tmp_path).weights == read(tmp_path / "a.safetensors").weights
    (tmp_path / "whole").mkdir()
    assert read(tmp_path).parameters == read(folder(tmp_path / "whole", shapes)).parameters
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(MalformedFile) as caught:
        read(tmp_path)
    assert caught.value.field == "b.safetensors"
    (tmp_path / "a.safetensors").unlink()
    with pytest.raises(MalformedFile):
        read(tmp_path)
    (tmp_path / "model.safetensors.index.json").unlink()
    assert read(tmp_path).container == "config"


def test_a_file_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedArchitecture):
        read(write(tmp_path / "alone.safetensors", model_shapes(plain)))


def test_a_real_file() -> None:
    path = real_file(MINILM)
    ours = {tensor.name: tensor for tensor in header.tensors(path)}
    with safe_open(path, "np") as theirs:
        assert ours.keys() == set(theirs.keys())
        assert all(ours[name].shape == theirs.get_tensor(name).shape for name in ours)
        assert all(ours[name].size == theirs.get_tensor(name).nbytes for name in ours)
    found = stored.matrices(list(ours.values()))
    assert sum(matrix.size for matrix in found) == sum(tensor.size for tensor in ours.values())
    assert sum(matrix.parameters for matrix in found) == sum(tensor.elements for tensor in ours.values())
