"""Converted weights as each library stores them: counted alike from the headers and from the configuration."""

import json
import re
import time
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from safetensors_files import Shapes, write
from small_qwen import CONFIG, HIDDEN, LAYERS, MATRICES, WORDS

from assay.knowledge.catalog import weight_formats
from assay.observe.checkpoint import safetensors, stored
from assay.observe.checkpoint.packed import recognised
from assay.observe.checkpoint.read import read
from assay.observe.checkpoint.safetensors import StoredTensor
from assay.types.model import Model

NUMBER = LAYERS * len(MATRICES)
LOGICAL = LAYERS * sum(outputs * inputs for outputs, inputs in MATRICES.values())
Layout = Callable[[int, int], dict[str, tuple[str, tuple[int, ...]]]]
BULK = ("attention", "mlp")


def plain(outputs: int, inputs: int) -> Shapes:
    return {"weight": ("BF16", (outputs, inputs))}


def gptq(bits: int, *, order: bool = True, group: int = 128) -> Layout:
    def layout(outputs: int, inputs: int) -> Shapes:
        groups = ceil(inputs / group)
        found: Shapes = {
            "qweight": ("I32", (ceil(inputs * bits / 32), outputs)),
            "qzeros": ("I32", (groups, ceil(outputs * bits / 32))),
            "scales": ("F16", (groups, outputs)),
        }
        return found | ({"g_idx": ("I32", (inputs,))} if order else {})

    return layout


def awq_gemm(outputs: int, inputs: int) -> Shapes:
    return {
        "qweight": ("I32", (inputs, outputs // 8)),
        "qzeros": ("I32", (inputs // 64, outputs // 8)),
        "scales": ("F16", (inputs // 64, outputs)),
    }


def _zeros_width(inputs: int, group: int) -> int:
    """Words of zero points in a row of AutoAWQ's vector kernels."""
    multiple = {128: 1, 64: 2, 32: 4}[group]
    return ceil(ceil(inputs // group / 8) / multiple) * multiple


def awq_gemv(group: int) -> Layout:
    def layout(outputs: int, inputs: int) -> Shapes:
        width = _zeros_width(inputs, group)
        return {
            "qweight": ("I32", (outputs, inputs // 8)),
            "qzeros": ("I32", (outputs, width)),
            "scales": ("F16", (outputs, width * 8)),
        }

    return layout


def awq_gemv_fast(outputs: int, inputs: int) -> Shapes:
    width = _zeros_width(inputs, 64) * 8
    return {
        "qweight": ("I16", (outputs // 4, inputs)),
        "qzeros": ("F16", (width, outputs)),
        "scales": ("F16", (width, outputs)),
    }


def packed(bits: int, group: int, *, zeros: bool = False, order: bool = False) -> Layout:
    def layout(outputs: int, inputs: int) -> Shapes:
        groups = ceil(inputs / group) if group else 1
        found: Shapes = {
            "weight_packed": ("I32", (outputs, ceil(inputs * bits / 32))),
            "weight_scale": ("BF16", (outputs, groups)),
            "weight_shape": ("I64", (2,)),
        }
        if zeros:
            found["weight_zero_point"] = ("I32", (ceil(outputs * bits / 32), groups))
        return found | ({"weight_g_idx": ("I32", (inputs,))} if order else {})

    return layout


def marlin(bits: int) -> Layout:
    def layout(outputs: int, inputs: int) -> Shapes:
        return {
            "weight_packed": ("I32", (inputs // 32, outputs * 16 * bits // 32)),
            "scale_packed": ("F16", (inputs // 128, outputs)),
            "meta": ("I16", (inputs // 32, outputs * 2)),
        }

    return layout


def bytewise(dtype: str, scale: str = "BF16", *, flat: bool = False, **extra: Any) -> Layout:
    """One byte for each element, and a scale for each output."""

    def layout(outputs: int, inputs: int) -> Shapes:
        found: Shapes = {
            "weight": (dtype, (outputs, inputs)),
            "weight_scale": (scale, (outputs,) if flat else (outputs, 1)),
        }
        return found | {name: (kind, (outputs,) if rows else ()) for name, (kind, rows) in extra.items()}

    return layout


def floats(dtype: str, scale: str, group: int, weight: str = "weight", wide: int = 2, **extra: Any) -> Layout:
    """`wide` elements of 4 bits in a byte (4/3: of 6 bits), and a scale for each group."""

    def layout(outputs: int, inputs: int) -> Shapes:
        found: Shapes = {
            weight: (dtype, (outputs, inputs // 2 if wide == 2 else inputs * 3 // 4)),
            "weight_scale": (scale, (outputs, inputs // group)),
        }
        return found | dict.fromkeys(extra.get("scalars", ()), ("F32", (1,)))

    return layout


def bnb4(kind: str, *, double: bool = False) -> Layout:
    def layout(outputs: int, inputs: int) -> Shapes:
        blocks = ceil(outputs * inputs / 64)
        settings = {"quant_type": kind, "blocksize": 64, "dtype": "bfloat16", "shape": [outputs, inputs]}
        found: Shapes = {
            "weight": ("U8", (outputs * inputs // 2, 1)),
            "weight.absmax": ("U8" if double else "F32", (blocks,)),
            "weight.quant_map": ("F32", (16,)),
        }
        if double:
            settings |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.028813374042510986}
            found["weight.nested_absmax"] = ("F32", (ceil(blocks / 256),))
            found["weight.nested_quant_map"] = ("F32", (256,))
        return found | {f"weight.quant_state.bitsandbytes__{kind}": ("U8", (len(json.dumps(settings)),))}

    return layout


def bnb8(outputs: int, inputs: int) -> Shapes:
    return {"weight": ("I8", (outputs, inputs)), "SCB": ("F32", (outputs,)), "weight_format": ("U8", ())}


def hqq(bits: int, group: int = 64, axis: int = 1) -> Layout:
    def layout(outputs: int, inputs: int) -> Shapes:
        groups = outputs * inputs // group
        rows, columns = (groups, group) if axis == 1 else (group, groups)
        dtype, first = ("I32", ceil(rows / 10)) if bits == 3 else ("U8", rows * bits // 8)
        scales = (groups, 1) if axis == 1 else (1, groups)
        settings = dict.fromkeys(("nbits", "group_size", "axis"), ("I32", ()))
        flags = (
            "view_as_float", "quant_scale", "quant_zero", "offload_meta", "encoded_state_dict", "stores_quant_config",
            "channel_wise", "optimize", "round_zero",
        )  # fmt: skip
        texts = {"packing": "4bit_u8", "unpack_view_dtype": "torch.uint8", "compute_dtype": "torch.bfloat16"}
        return {
            "W_q": (dtype, (first, columns)), "scale": ("BF16", scales), "zero": ("BF16", scales),
            "shape": ("I64", (2,)), **settings, **dict.fromkeys(flags, ("U8", ())),
            **{name: ("U8", (len(text),)) for name, text in texts.items()},
        }  # fmt: skip

    return layout


def quark_int4(outputs: int, inputs: int) -> Shapes:
    return {
        "weight": ("I32", (inputs, outputs // 8)),
        "weight_zero_point": ("I32", (inputs // 128, outputs // 8)),
        "weight_scale": ("BF16", (inputs // 128, outputs)),
    }


def compressed(num_bits: int, kind: str = "int", form: str = "pack-quantized", **other: Any) -> dict[str, Any]:
    """A configuration of compressed-tensors with one group."""
    activations = other.pop("activations", None)
    weights = {"num_bits": num_bits, "type": kind, "symmetric": True, "strategy": "group", **other}
    group = {"targets": ["Linear"], "weights": weights, "input_activations": activations}
    return {
        "quant_method": "compressed-tensors", "version": "0.12.2", "format": form, "ignore": ["lm_head"],
        "quantization_status": "compressed", "config_groups": {"group_0": group},
    }  # fmt: skip


def quarked(weight: Any, inputs: Any = None, **other: Any) -> dict[str, Any]:
    return {
        "quant_method": "quark", "exclude": ["lm_head"], "layer_quant_config": {}, "layer_type_quant_config": {},
        "global_quant_config": {"weight": weight, "input_tensors": inputs, "output_tensors": None},
        "export": {"kv_cache_group": [], "pack_method": "reorder", "weight_format": "real_quantized"}, **other,
    }  # fmt: skip


def _hqq_config(bits: int, group: int = 64, axis: int = 1) -> dict[str, Any]:
    weights = {"nbits": bits, "group_size": group, "channel_wise": True, "axis": axis, "view_as_float": False}
    outer = {"weight_quant_params": weights, "scale_quant_params": None, "zero_quant_params": None}
    return {"quant_method": "hqq", "quant_config": outer, "skip_modules": ["lm_head"]}


def _bnb_config(kind: str, *, double: bool = False) -> dict[str, Any]:
    return {
        "quant_method": "bitsandbytes", "load_in_4bit": True, "_load_in_4bit": True, "load_in_8bit": False,
        "bnb_4bit_quant_type": kind, "bnb_4bit_use_double_quant": double, "llm_int8_skip_modules": None,
    }  # fmt: skip


MX = {"dtype": "fp4", "qscheme": "per_group", "group_size": 32, "scale_format": "e8m0", "is_dynamic": False}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128}
DYNAMIC = {"num_bits": 8, "type": "int", "dynamic": True}
EXACT: list[tuple[Layout, dict[str, Any], str]] = [
    *[(gptq(bits), GPTQ | {"bits": bits}, f"gptq_int{bits}") for bits in (2, 3, 4, 8)],
    (gptq(4, group=512), GPTQ | {"group_size": -1, "checkpoint_format": "gptq_v2"}, "gptq_int4"),
    (awq_gemm, AWQ | {"group_size": 64, "version": "gemm"}, "awq_int4"),
    *[
        (awq_gemv(group), AWQ | {"group_size": group, "version": "gemv"}, "awq_gemv_int4")
        for group in (32, 64, 128)
    ],
    (awq_gemv_fast, {"quant_method": "awq", "w_bit": 4, "q_group_size": 64, "version": "GEMV_FAST"},
     "awq_gemv_fast_int4"),
    *[(packed(bits, 64), compressed(bits, group_size=64), f"int{bits}_w{bits}a16") for bits in (2, 3, 4, 5, 6, 7, 8)],
    (packed(8, 0), compressed(8, strategy="channel"), "int8_w8a16"),
    (packed(8, 128, zeros=True), compressed(8, group_size=128, symmetric=False), "int8_w8a16"),
    (packed(4, 128, zeros=True), compressed(4, group_size=128, symmetric=False), "int4_w4a16"),
    (packed(4, 32, order=True), compressed(4, group_size=32, actorder="group"), "int4_w4a16"),
    (packed(4, 32), compressed(4, group_size=32, actorder="weight"), "int4_w4a16"),
    (marlin(4), compressed(4, form="marlin-24", group_size=128), "marlin24_int4"),
    (marlin(8), compressed(8, form="marlin-24", group_size=128), "marlin24_int8"),
    (
        floats("U8", "F8_E4M3", 16, "weight_packed", scalars=("weight_global_scale",)),
        compressed(4, "float", "nvfp4-pack-quantized", strategy="tensor_group", group_size=16), "nvfp4_w4a16",
    ),
    (
        floats("U8", "F8_E4M3", 16, "weight_packed", scalars=("weight_global_scale", "input_global_scale")),
        compressed(4, "float", "nvfp4-pack-quantized", strategy="tensor_group", group_size=16,
                   activations={"num_bits": 4, "type": "float", "dynamic": "local"}), "nvfp4",
    ),
    (
        floats("U8", "U8", 32, "weight_packed"),
        compressed(4, "float", "mxfp4-pack-quantized", group_size=32,
                   activations={"num_bits": 4, "type": "float", "dynamic": True}), "mxfp4",
    ),
    (bytewise("F8_E4M3"), compressed(8, "float", "float-quantized", strategy="channel", activations=DYNAMIC),
     "fp8_channel"),
    (bytewise("F8_E4M3", "F32", flat=True), quarked(
        {"dtype": "fp8_e4m3", "qscheme": "per_channel", "is_dynamic": False}, {"dtype": "fp8_e4m3", "is_dynamic": True}
    ), "fp8_channel"),
    (quark_int4, quarked({"dtype": "uint4", "qscheme": "per_group", "group_size": 128}), "quark_int4"),
    (floats("U8", "U8", 32), quarked(MX, MX | {"is_dynamic": True}), "mxfp4"),
    (floats("U8", "U8", 32, wide=1), quarked(MX | {"dtype": "fp6_e3m2"}, MX | {"is_dynamic": True}), "mxfp6"),
    (bnb8, {"quant_method": "bitsandbytes", "load_in_8bit": True, "load_in_4bit": False}, "bnb_int8"),
    *[(hqq(bits), _hqq_config(bits), f"hqq_int{bits}") for bits in (1, 2, 3, 4, 8)],
    *[(hqq(bits, axis=0), _hqq_config(bits, axis=0), f"hqq_int{bits}") for bits in (2, 3, 4, 8)],
    (bytewise("F8_E4M3", "F32"), {"quant_method": "fbgemm_fp8", "modules_to_not_convert": ["lm_head"]}, "fp8_channel"),
]  # fmt: skip


def shapes_of(layout: Layout) -> Shapes:
    found: Shapes = {
        "model.embed_tokens.weight": ("BF16", (WORDS, HIDDEN)),
        "model.norm.weight": ("BF16", (HIDDEN,)),
        "lm_head.weight": ("BF16", (WORDS, HIDDEN)),
    }
    for layer in range(LAYERS):
        path = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            found[f"{path}.{norm}.weight"] = ("BF16", (HIDDEN,))
        for norm in ("q_norm", "k_norm"):
            found[f"{path}.self_attn.{norm}.weight"] = ("BF16", (128,))
        for module, (outputs, inputs) in MATRICES.items():
            found |= {f"{path}.{module}.{part}": entry for part, entry in layout(outputs, inputs).items()}
    return found


def folder(path: Path, shapes: Shapes | None, quantization: dict[str, Any] | None) -> Model:
    path.mkdir(exist_ok=True)
    config = CONFIG if quantization is None else CONFIG | {"quantization_config": quantization}
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if shapes is not None:
        write(path / "model.safetensors", shapes)
    return read(path)


def rows(model: Model) -> set[tuple[Any, ...]]:
    return {
        (group.role, group.format, group.parameters, group.active, group.tensors, group.size) for group in model.groups
    }


def file_bytes(path: Path) -> int:
    return sum(tensor.size for tensor in safetensors.tensors(path / "model.safetensors"))


def bulk(model: Model) -> tuple[set[str], int, int]:
    """(formats, parameters, bytes) of the converted matrices."""
    found = [group for group in model.groups if group.role in BULK]
    return (
        {group.format for group in found},
        sum(group.parameters for group in found),
        sum(group.size for group in found),
    )


def named(case: Any) -> str:
    return case if isinstance(case, str) else ""


@pytest.mark.parametrize(("layout", "quantization", "name"), EXACT, ids=named)
def test_headers_and_configuration_agree_to_the_byte(
    tmp_path: Path, layout: Layout, quantization: dict[str, Any], name: str
) -> None:
    known = folder(tmp_path / "plain", shapes_of(plain), None)
    held = folder(tmp_path / "stored", shapes_of(layout), None)
    assert bulk(held)[0] == {name}
    assert held.doubts == ()
    assert held.weights.value == file_bytes(tmp_path / "stored")
    for role in {group.role for group in known.groups}:
        logical = [sum(each.parameters for each in one.groups if each.role == role) for one in (known, held)]
        assert logical[0] == logical[1], role
    described = folder(tmp_path / "described", None, quantization)
    assert rows(described) == rows(held)
    assert described.doubts == ()
    both = folder(tmp_path / "both", shapes_of(layout), quantization)
    assert rows(both) == rows(held)
    assert weight_formats.known(name)


@pytest.mark.parametrize("kind", ["nf4", "fp4"])
@pytest.mark.parametrize("double", [False, True])
def test_bitsandbytes_of_four_bits(tmp_path: Path, kind: str, double: bool) -> None:  # noqa: FBT001
    held = folder(tmp_path / "stored", shapes_of(bnb4(kind, double=double)), None)
    assert bulk(held)[:2] == ({f"bnb_{kind}"}, LOGICAL)
    assert held.weights.value == file_bytes(tmp_path / "stored")
    assert held.doubts == ()
    described = folder(tmp_path / "described", None, _bnb_config(kind, double=double))
    assert bulk(described)[:2] == bulk(held)[:2]
    assert 0 <= bulk(described)[2] - bulk(held)[2] <= 40 * NUMBER  # a text of settings, whose numbers vary in length
    assert described.doubts == ()


def test_weights_of_four_bits_in_another_type_of_storage(tmp_path: Path) -> None:
    def layout(outputs: int, inputs: int) -> Shapes:
        return bnb4("nf4")(outputs, inputs) | {"weight": ("BF16", (outputs * inputs // 4, 1))}

    assert bulk(folder(tmp_path, shapes_of(layout), None))[:2] == ({"bnb_nf4"}, LOGICAL)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_gptq_without_the_groups_of_inputs(tmp_path: Path, bits: int) -> None:
    held = folder(tmp_path, shapes_of(gptq(bits, order=False)), None)
    assert bulk(held)[:2] == ({f"gptq_int{bits}"}, LOGICAL)
    assert held.weights.value == file_bytes(tmp_path)
    assert held.doubts == ()


def _mixed_rows(inputs: int, bits: tuple[int, ...]) -> int:
    """Words down the inputs where each run of 32 has its own width."""
    return sum(bits[number % len(bits)] for number in range(inputs // 32))


def exl2(outputs: int, inputs: int) -> Shapes:
    groups = inputs // 32
    filled = ceil(outputs / 32) * 32
    return {
        "q_weight": ("I32", (_mixed_rows(inputs, (5, 4, 3)), filled)),
        "q_scale": ("I32", (groups, filled // 8)),
        "q_scale_max": ("F16", (groups,)),
        "q_groups": ("I16", (groups * 2,)),
        "q_invperm": ("I32", (inputs,)),
    }


def exl3(bits: int) -> Layout:
    def layout(outputs: int, inputs: int) -> Shapes:
        rows, columns = ceil(inputs / 128) * 8, ceil(outputs / 128) * 8
        return {
            "trellis": ("I16", (rows, columns, 16 * bits)),
            "suh": ("F16", (rows * 16,)),
            "svh": ("F16", (columns * 16,)),
            "mcg": ("I32", ()),
        }

    return layout


@pytest.mark.parametrize(
    ("layout", "name", "quantization"),
    [
        (exl2, "exl2", {"quant_method": "exl2", "bits": 4.25, "head_bits": 6}),
        (exl3(3), "exl3", {"quant_method": "exl3", "bits": 3.0, "head_bits": 6}),
    ],
)
def test_exllama_knows_its_bits_in_the_headers_alone(
    tmp_path: Path, layout: Layout, name: str, quantization: dict[str, Any]
) -> None:
    shapes = shapes_of(layout)
    del shapes["lm_head.weight"]
    shapes |= {f"lm_head.{part}": entry for part, entry in layout(WORDS, HIDDEN).items()}
    held = folder(tmp_path / "stored", shapes, quantization)
    assert bulk(held)[:2] == ({name}, LOGICAL)
    head = next(group for group in held.groups if group.role == "head")
    assert (head.format, head.parameters) == (name, WORDS * HIDDEN)  # filled up in the file, and no more of the model
    assert held.weights.value == file_bytes(tmp_path / "stored")
    described = folder(tmp_path / "described", None, quantization)
    assert described.weights.value is None
    assert bulk(described)[0] == {"unknown"}
    assert described.doubts[0].code == "doubt.quantization_not_understood"


def ao_int4(outputs: int, inputs: int) -> Shapes:
    scales = ("BF16", (inputs // 128, outputs))
    return {"_weight_qdata": ("U8", (outputs, inputs // 2)), "_weight_scale": scales, "_weight_zero_point": scales}


def ao_plain(outputs: int, inputs: int) -> Shapes:
    """Int4Tensor as torchao's int4_tensor.py has it: fbgemm's pack_int4 keeps the type of what it packs, int8."""
    scales = ("BF16", (inputs // 128, outputs))
    return {"_weight_qdata": ("I8", (outputs, inputs // 2)), "_weight_scale": scales, "_weight_zero_point": scales}


def ao_unpacked(outputs: int, inputs: int) -> Shapes:
    """IntxUnpackedToInt8Tensor: a byte for each element, whatever its width."""
    return {
        "_weight_qdata": ("I8", (outputs, inputs)),
        "_weight_scale": ("BF16", (outputs, inputs // 32)),
        "_weight_zero_point": ("I8", (outputs, inputs // 32)),
    }


def ao_older(outputs: int, inputs: int) -> Shapes:
    return {"weight:qdata": ("F8_E4M3", (outputs, inputs)), "weight:scale": ("F32", (outputs, 1))}


def ao_older_int8(outputs: int, inputs: int) -> Shapes:
    return {"weight:_data": ("I8", (outputs, inputs)), "weight:_scale": ("BF16", (outputs, 1))}


def ao_tiles(outputs: int, inputs: int) -> Shapes:
    filled = ceil(inputs / 1024) * 1024
    return {
        "_weight_qdata": ("I32", (outputs // 8, filled // 128, 32, 4)),
        "_weight_scale_and_zero": ("BF16", (filled // 128, outputs, 2)),
    }


def ao_int8(outputs: int, inputs: int) -> Shapes:
    return {"_weight_qdata": ("I8", (outputs, inputs)), "_weight_scale": ("BF16", (outputs, 1))}


def ao_fp8(outputs: int, inputs: int) -> Shapes:
    return {"_weight_qdata": ("F8_E4M3", (outputs, inputs)), "_weight_scale": ("F32", (outputs, 1))}


def ao_mxfp4(outputs: int, inputs: int) -> Shapes:
    return {"_weight_qdata": ("U8", (outputs, inputs // 2)), "_weight_scale": ("F8_E8M0", (outputs, inputs // 32))}


def ao_nvfp4(outputs: int, inputs: int) -> Shapes:
    return {
        "_weight_qdata": ("U8", (outputs, inputs // 2)),
        "_weight_scale": ("F8_E4M3", (outputs * inputs // 16,)),
        "_weight_per_tensor_scale": ("F32", ()),
    }


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        (ao_int4, "torchao_int4"), (ao_plain, "torchao_int4"), (ao_unpacked, "torchao_int8"),
        (ao_older, "torchao_float8"), (ao_older_int8, "torchao_int8"), (ao_tiles, "torchao_int4"),
        (ao_int8, "torchao_int8"), (ao_fp8, "torchao_float8"),
        (ao_mxfp4, "torchao_mxfp4"), (ao_nvfp4, "torchao_nvfp4"),
    ],
)  # fmt: skip
def test_torchao_taken_apart(tmp_path: Path, layout: Layout, name: str) -> None:
    held = folder(tmp_path, shapes_of(layout), {"quant_method": "torchao", "quant_type": {"default": {}}})
    assert bulk(held)[:2] == ({name}, LOGICAL)
    assert held.weights.value == file_bytes(tmp_path)
    assert held.doubts == ()


def test_torchao_names_tensors_that_it_leaves_whole(tmp_path: Path) -> None:
    """Older versions wrote `norm.weight:_data` for what is no subclass."""
    shapes = {f"{name}:_data" if "norm" in name else name: entry for name, entry in shapes_of(ao_older).items()}
    held = folder(tmp_path, shapes, {"quant_method": "torchao", "quant_type": {"default": {}}})
    assert any(name.endswith("norm.weight:_data") for name in shapes)
    assert (bulk(held)[:2], held.doubts) == (({"torchao_float8"}, LOGICAL), ())


@pytest.mark.parametrize(
    ("layout", "config", "name"),
    [
        (ao_fp8, "Float8DynamicActivationFloat8WeightConfig", "torchao_float8_w8a8"),
        (ao_fp8, "Float8WeightOnlyConfig", "torchao_float8_w8a16"),
        (ao_int8, "Int8DynamicActivationInt8WeightConfig", "torchao_int8_w8a8"),
        (ao_int8, "Int8WeightOnlyConfig", "torchao_int8_w8a16"),
        (ao_nvfp4, "NVFP4DynamicActivationNVFP4WeightConfig", "torchao_nvfp4_w4a4"),
        (ao_nvfp4, "NVFP4WeightOnlyConfig", "torchao_nvfp4_w4a16"),
        (ao_fp8, "FqnToConfig", "torchao_float8"),
        (ao_fp8, "Int8WeightOnlyConfig", "torchao_float8"),
    ],
)
def test_the_configuration_tells_what_torchao_does_with_activations(
    tmp_path: Path, layout: Layout, config: str, name: str
) -> None:
    quantization = {"quant_method": "torchao", "quant_type": {"default": {"_type": config, "_data": {}}}}
    held = folder(tmp_path, shapes_of(layout), quantization)
    assert bulk(held)[:2] == ({name}, LOGICAL)


@pytest.mark.parametrize(("group", "name"), [(32, "fp_quant_mxfp4"), (16, "fp_quant_nvfp4"), (64, "unknown")])
def test_fp_quant_is_told_by_its_groups(tmp_path: Path, group: int, name: str) -> None:
    """vLLM's fp_quant.py: two elements in a byte, scales as bytes, and Hadamard matrices beside them."""

    def shapes(outputs: int, inputs: int) -> Shapes:
        return {
            "qweight": ("U8", (outputs, inputs // 2)), "scales": ("U8", (outputs, inputs // group)),
            "weight_global_scale": ("F32", (1,)), "act_global_scale": ("F32", (1,)),
            "forward_hadamard_matrix": ("BF16", (32, 32)), "backward_hadamard_matrix": ("BF16", (32, 32)),
        }  # fmt: skip

    held = folder(tmp_path, shapes_of(shapes), {"quant_method": "fp_quant", "forward_dtype": "mxfp4"})
    assert {each.format for each in held.groups if each.role == "mlp"} == {name}
    assert held.weights.value == file_bytes(tmp_path)
    assert bool(held.doubts) == (name == "unknown")


@pytest.mark.parametrize(
    ("data", "scale", "zero", "name", "parameters"),
    [
        ((64, 32), (1, 64), ("BF16", (1, 64)), "torchao_int4", 64 * 64),
        ((4, 64, 32), (4, 2, 64), ("BF16", (4, 2, 64)), "torchao_int4", 4 * 64 * 64),
        ((64, 32), (3, 64), ("BF16", (3, 64)), "unknown", 64 * 32),
        ((64, 32), (1, 32), ("BF16", (1, 32)), "unknown", 64 * 32),
        ((64, 32), (64, 1), ("BF16", (64, 1)), "unknown", 64 * 32),
        ((64, 32), (64, 1), ("I8", (64, 1)), "torchao_int8", 64 * 32),
        ((64, 32), (3, 32), None, "unknown", 64 * 32),
    ],
)
def test_which_subclass_of_torchao_bytes_are(
    data: tuple[int, ...], scale: tuple[int, ...], zero: tuple[str, tuple[int, ...]] | None, name: str, parameters: int
) -> None:
    parts = {"_weight_qdata": ("I8", data), "_weight_scale": ("BF16", scale)}
    parts |= {} if zero is None else {"_weight_zero_point": zero}
    found = recognised({part: StoredTensor(part, dtype, shape, 0, 0) for part, (dtype, shape) in parts.items()})
    assert (found.format, found.parameters) == (name, parameters)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("int4_weight_only", "int4_weight_only"),
        (
            {"default": {"_type": "Int4WeightOnlyConfig", "_data": {"group_size": 128}, "_version": 1}},
            "Int4WeightOnlyConfig",
        ),
    ],
)
def test_torchao_depends_on_its_version(tmp_path: Path, kind: Any, said: str) -> None:
    described = folder(tmp_path, None, {"quant_method": "torchao", "quant_type": kind})
    assert described.weights.value is None
    assert dict(described.doubts[0].parameters)["detail"] == said


@pytest.mark.parametrize(
    ("layout", "quantization", "name"),
    [
        (packed(4, 128), compressed(4, group_size=128, activations=DYNAMIC), "int4_w4a8"),
        (packed(4, 128), compressed(4, group_size=128, activations=DYNAMIC | {"type": "float"}), "int4_w4afp8"),
        (floats("U8", "U8", 32, "weight_packed"), compressed(4, "float", "mxfp4-pack-quantized", group_size=32),
         "mxfp4_w4a16"),
        (floats("U8", "U8", 32), quarked(MX), "mxfp4_w4a16"),
        (bytewise("I8"), compressed(8, form="int-quantized", strategy="channel", activations=DYNAMIC), "int8_w8a8"),
        (bytewise("I8"), compressed(8, form="naive-quantized", strategy="channel"), "int8_w8a16"),
        (
            bytewise("I8", "F32", flat=True, weight_zero_point=("I8", True), input_scale=("F32", False),
                     input_zero_point=("I8", False)),
            quarked({"dtype": "int8", "qscheme": "per_channel"}, {"dtype": "int8", "qscheme": "per_tensor"}),
            "int8_w8a8",
        ),
    ],
)  # fmt: skip
def test_what_becomes_of_activations_is_the_configurations(
    tmp_path: Path, layout: Layout, quantization: dict[str, Any], name: str
) -> None:
    held = folder(tmp_path / "stored", shapes_of(layout), quantization)
    assert bulk(held)[:2] == ({name}, LOGICAL)
    assert rows(folder(tmp_path / "described", None, quantization)) == rows(held)


def test_integers_narrower_than_their_bytes_have_no_size(tmp_path: Path) -> None:
    """W4A8 without a packing format lies in whole bytes: taken for packed it would be half of what is stored."""
    asked = compressed(4, group_size=128, activations=DYNAMIC)
    del asked["format"]
    assert folder(tmp_path, None, asked).weights.value is None


@pytest.mark.parametrize(
    ("layout", "name"),
    [
        (lambda outputs, inputs: {"weight": ("F8_E5M2", (outputs, inputs))}, "fp8_e5m2"),
        (lambda outputs, inputs: {"weight": ("F8_E5M2", (outputs, inputs)), "weight_scale": ("F32", ())}, "fp8_e5m2"),
        (bytewise("F8_E5M2"), "unknown"),
        (lambda outputs, inputs: {"weight": ("F8_E4M3", (outputs, inputs))}, "unknown"),
    ],
)
def test_the_two_kinds_of_fp8(tmp_path: Path, layout: Layout, name: str) -> None:
    held = folder(tmp_path, shapes_of(layout), None)
    assert bulk(held)[:2] == ({name}, LOGICAL)
    assert held.weights.value == file_bytes(tmp_path)


def _odd(part: str, **others: tuple[str, tuple[int, ...]]) -> Layout:
    """Words that no matrix comes to, or what is given instead, with these parts."""
    return lambda outputs, _: {part: ("I32", (outputs, 7)), **others}


NOTHING = ("I32", (0, 0))


@pytest.mark.parametrize(
    "layout",
    [
        _odd("qweight"), _odd("qweight", scales=("F16", (1, 7))), _odd("qweight", g_idx=("I32", (5,))),
        _odd("qweight", scales=("F16", (1, 7)), g_idx=("I32", (2000,))),
        _odd("qweight", scales=("F16", (1, 7)), qzeros=("I32", ())),
        _odd("qweight", scales=("F16", (1, 7)), qzeros=("I32", (1, 0))),
        _odd("qzeros", qweight=NOTHING, scales=NOTHING, qzeros=NOTHING), _odd("weight_packed"),
        _odd("weight_packed", scale_packed=("F16", ())), _odd("weight_packed", weight_zero_point=("I32", (0, 1))),
        _odd("W_q"), _odd("W_q", scale=("F16", (0, 1))), _odd("zero", W_q=("U8", (0, 0)), scale=("F16", (1, 1))),
        _odd("q_weight"), _odd("trellis"), _odd("_weight_qdata"), _odd("compressed"),
        _odd("weight"), _odd("weight", weight_scale=("BF16", (1, 1))),
        _odd("input_scale", weight=("U8", (4, 4)), weight_scale=("U8", (4, 0))),
        _odd("input_scale", weight=("U8", ()), weight_scale=("F8_E4M3", ())),
    ],
)  # fmt: skip
def test_shapes_that_do_not_add_up(tmp_path: Path, layout: Layout) -> None:
    held = folder(tmp_path, shapes_of(layout), None)
    assert bulk(held)[0] == {"unknown"}
    assert held.weights.value == file_bytes(tmp_path)
    assert "doubt.stored_format_unknown" in {doubt.code for doubt in held.doubts}


def test_several_groups_and_what_they_leave_alone(tmp_path: Path) -> None:
    asked = compressed(4, group_size=128)
    asked["config_groups"] |= {
        "group_1": {
            "targets": ["re:.*down_proj$"],
            "weights": {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": True},
            "input_activations": DYNAMIC | {"type": "float"}, "format": "float-quantized",
        },
        "kv": {"targets": ["LlamaAttention"], "weights": None, "input_activations": DYNAMIC},
    }  # fmt: skip
    asked |= {"format": "mixed-precision", "ignore": ["lm_head", "re:.*self_attn.*"]}
    asked["config_groups"]["group_0"]["format"] = "pack-quantized"

    def shapes() -> Shapes:
        found = shapes_of(packed(4, 128))
        for name in [name for name in found if "_proj." in name and re.search("self_attn|down_proj", name)]:
            del found[name]
        for layer in range(LAYERS):
            for module, (outputs, inputs) in MATRICES.items():
                if "self_attn" in module or "down" in module:
                    other = plain if "self_attn" in module else bytewise("F8_E4M3")
                    path = f"model.layers.{layer}.{module}"
                    found |= {f"{path}.{part}": entry for part, entry in other(outputs, inputs).items()}
        return found

    held = folder(tmp_path / "stored", shapes(), asked)
    assert {(group.role, group.format) for group in held.groups if group.role in BULK} == {
        ("attention", "bf16"), ("mlp", "int4_w4a16"), ("mlp", "fp8_channel")
    }  # fmt: skip
    assert rows(folder(tmp_path / "described", None, asked)) == rows(held)


def test_patterns_of_quark(tmp_path: Path) -> None:
    asked = quarked(MX, MX | {"is_dynamic": True})
    asked["layer_quant_config"] = {
        "*down_proj": {"weight": {"dtype": "fp8_e4m3", "qscheme": "per_tensor"}, "input_tensors": None},
        "*self_attn*": {"weight": None, "input_tensors": None},
    }
    formats = {(group.role, group.format) for group in folder(tmp_path, None, asked).groups if group.role in BULK}
    assert formats == {("attention", "bf16"), ("mlp", "mxfp4"), ("mlp", "fp8")}


@pytest.mark.parametrize(
    "quantization",
    [
        GPTQ | {"checkpoint_format": "marlin"},
        GPTQ | {"dynamic": {"-:.*gate.*": {}}},
        AWQ | {"version": "marlin"},
        AWQ | {"group_size": 256, "version": "gemv"},
        {"quant_method": "bitsandbytes", "load_in_4bit": False},
        {"quant_method": "hqq", "quant_config": {"model.layers.0": {}}},
        _hqq_config(5),
        quarked([{"dtype": "fp8_e4m3", "qscheme": "per_tensor"}, {"dtype": "int4", "qscheme": "per_channel"}]),
        quarked(MX | {"group_size": 16}),
        quarked(MX, algo_config=[{"name": "rotation", "online_r1_rotation": True}]),
        quarked(MX, export={"weight_format": "fake_quantized"}),
        compressed(4, form="dense", group_size=128),
        compressed(4, group_size=128) | {"quantization_status": "frozen"},
        compressed(8, "float", "float-quantized", strategy="block", block_structure=[64, 64]),
        compressed(4, group_size=128) | {"sparsity_config": {"format": "sparse-24-bitmask"}},
        {"quant_method": "fp8", "fmt": "e5m2", "weight_block_size": [128, 128]},
    ],
)
def test_what_the_configuration_leaves_open_has_no_size(tmp_path: Path, quantization: dict[str, Any]) -> None:
    found = folder(tmp_path, None, quantization)
    assert found.weights.value is None
    assert bulk(found)[0] == {"unknown"}
    assert found.doubts[0].code == "doubt.quantization_not_understood"


def test_a_head_that_gptq_converts(tmp_path: Path) -> None:
    found = folder(tmp_path, None, GPTQ | {"lm_head": True})
    assert next(group.format for group in found.groups if group.role == "head") == "gptq_int4"


def test_far_more_than_a_filled_matrix_is_a_doubt(tmp_path: Path) -> None:
    shapes = {name: entry for name, entry in shapes_of(exl3(3)).items() if "0.mlp.up_proj" not in name}
    shapes |= {f"model.layers.0.mlp.up_proj.{part}": entry for part, entry in exl3(3)(4096, 4096).items()}
    found = folder(tmp_path, shapes, None)
    assert [doubt.code for doubt in found.doubts] == ["doubt.parameters_differ", "doubt.weight_differs"]


MOE: dict[str, Any] = {
    "model_type": "mixtral", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "intermediate_size": 128, "vocab_size": 10, "num_local_experts": 4,
    "num_experts_per_tok": 2, "max_position_embeddings": 128, "torch_dtype": "bfloat16", "tie_word_embeddings": False,
}  # fmt: skip


@pytest.mark.parametrize(
    "quantization",
    [_bnb_config("nf4"), _hqq_config(4), {"quant_method": "bitsandbytes", "load_in_8bit": True}],
)
def test_whether_experts_are_linear_layers_is_the_libraries(tmp_path: Path, quantization: dict[str, Any]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(MOE | {"quantization_config": quantization}), encoding="utf-8")
    found = read(tmp_path)
    formats = {group.role: group.format for group in found.groups}
    assert formats["experts"] == "unknown"
    assert formats["attention"] not in ("unknown", "bf16")
    assert found.weights.value is None
    assert [dict(doubt.parameters)["detail"] for doubt in found.doubts] == ["experts, vision"]


def test_packed_words_of_a_matrix_that_the_configuration_does_not_name(tmp_path: Path) -> None:
    """Their width stays open: 4 bits in groups of 128 and 8 bits in groups of 64 have the same shapes."""
    shapes = shapes_of(plain)
    for name in [name for name in shapes if "layers.0.self_attn" in name and re.search("[qkv]_proj", name)]:
        del shapes[name]
    fused = "model.layers.0.self_attn.qkv_proj"
    shapes |= {f"{fused}.{part}": entry for part, entry in packed(4, 128)(512, 256).items()}
    found = folder(tmp_path, shapes, None)
    assert ("attention", "unknown") in {(group.role, group.format) for group in found.groups}
    assert found.weights.value == file_bytes(tmp_path)
    assert "doubt.stored_format_unknown" in {doubt.code for doubt in found.doubts}


def test_stacked_experts_with_their_scales(tmp_path: Path) -> None:
    path = "model.layers.0.feed_forward.experts.gate_up_proj"
    write(
        tmp_path / "model.safetensors",
        {
            path: ("U8", (4, 256, 32)),
            f"{path}_weight_scale": ("F8_E4M3", (4, 256, 4)),
            f"{path}_weight_scale_2": ("F32", ()),
            f"{path}_input_scale": ("F32", ()),
        },
    )
    (matrix,) = stored.matrices(safetensors.tensors(tmp_path / "model.safetensors"))
    assert matrix[:4] == ("layers.0.feed_forward.experts.gate_up_proj", "nvfp4", 4 * 256 * 64, 4 * 256 * 36 + 8)


@pytest.mark.parametrize(
    ("parts", "name", "parameters"),
    [
        ({"weight": ("I8", (64, 32)), "scale": ("F8_E8M0", (64, 2))}, "mxfp4", 64 * 64),
        ({"weight": ("F4", (64, 64)), "weight_scale": ("F8_E8M0", (64, 2))}, "mxfp4", 64 * 64),
        (
            {"weight": ("F4", (64, 64)), "weight_scale": ("F8_E4M3", (64, 4)), "weight_scale_2": ("F32", ())},
            "nvfp4_w4a16", 64 * 64,
        ),
        (
            {"weight": ("U8", (4, 32, 256)), "weight_scale": ("F8_E4M3", (4, 4, 256)), "weight_scale_2": ("F32", ())},
            "nvfp4_w4a16", 4 * 64 * 256,
        ),
        ({"weight": ("U8", (4, 32)), "weight_scale": ("U8", (2, 4))}, "unknown", 4 * 32),
        ({"weight": ("U8", (64, 32)), "weight_scale": ("F8_E4M3", (64, 4))}, "unknown", 64 * 32),
        ({"weight": ("U8", (32, 64)), "weight_scale": ("BF16", (64, 4)), "pre_quant_scale": ("BF16", (64,))},
         "unknown", 32 * 64),
        ({"weight": ("I8", (64, 64))}, "unknown", 64 * 64),
        ({"weight.SCB": ("F32", (64,)), "weight": ("I8", (64, 64))}, "bnb_int8", 64 * 64),
    ],
)  # fmt: skip
def test_parts_of_one_matrix(tmp_path: Path, parts: Shapes, name: str, parameters: int) -> None:
    write(tmp_path / "model.safetensors", {f"layers.0.mlp.up_proj.{part}": entry for part, entry in parts.items()})
    tensors = safetensors.tensors(tmp_path / "model.safetensors")
    (matrix,) = stored.matrices(tensors)
    assert matrix[1:4] == (name, parameters, sum(tensor.size for tensor in tensors))


@pytest.mark.parametrize("shape", [(), (2, 8), (0,)])
def test_blocks_of_another_extent(tmp_path: Path, shape: tuple[int, ...]) -> None:
    parts: Shapes = {"experts.up_proj_blocks": ("U8", shape), "experts.up_proj_scales": ("U8", shape[:-1])}
    write(tmp_path / "model.safetensors", parts)
    (matrix,) = stored.matrices(safetensors.tensors(tmp_path / "model.safetensors"))
    assert matrix.format == "unknown"


@pytest.mark.parametrize(
    ("layout", "quantization", "name"),
    [
        (packed(4, 32), compressed(4, group_size=32, activations=DYNAMIC), "int4_w4a8"),
        (gptq(4, group=32), GPTQ | {"group_size": 32}, "gptq_int4"),
    ],
    ids=["int4_w4a8", "gptq_int4"],
)
def test_each_expert_is_a_matrix(tmp_path: Path, layout: Layout, quantization: dict[str, Any], name: str) -> None:
    config = json.dumps(MOE | {"quantization_config": quantization})
    path = "model.layers.0.block_sparse_moe"
    matrices = {f"{path}.experts.{number}.{part}": (128, 64) for number in range(4) for part in ("w1", "w3")}
    matrices |= {f"{path}.experts.{number}.w2": (64, 128) for number in range(4)}
    matrices |= {f"model.layers.0.self_attn.{part}_proj": (64 if part in "qo" else 32, 64) for part in "qkvo"}
    shapes: Shapes = {
        f"model.layers.0.{norm}_layernorm.weight": ("BF16", (64,)) for norm in ("input", "post_attention")
    }
    shapes |= {"model.norm.weight": ("BF16", (64,)), f"{path}.gate.weight": ("BF16", (4, 64))}
    shapes |= {f"{end}.weight": ("BF16", (10, 64)) for end in ("model.embed_tokens", "lm_head")}
    for module, extents in matrices.items():
        shapes |= {f"{module}.{part}": entry for part, entry in layout(*extents).items()}
    for kind in ("held", "described"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "config.json").write_text(config, encoding="utf-8")
    write(tmp_path / "held" / "model.safetensors", shapes)
    held = read(tmp_path / "held")
    experts = next(group for group in held.groups if group.role == "experts")
    assert (experts.format, experts.parameters, experts.active) == (name, 4 * 3 * 64 * 128, 2 * 3 * 64 * 128)
    assert rows(held) == rows(read(tmp_path / "described"))
    assert held.doubts == ()


def test_modelopt_of_two_precisions(tmp_path: Path) -> None:
    """NVFP4 in the MLPs, FP8 in the attention: `hf_quant_config.json` names each layer, the headers need no names."""
    four = floats("U8", "F8_E4M3", 16, scalars=("weight_scale_2", "input_scale"))
    eight: Layout = lambda outputs, inputs: {  # noqa: E731 - as the others
        "weight": ("F8_E4M3", (outputs, inputs)), "weight_scale": ("F32", ()), "input_scale": ("F32", ()),
    }  # fmt: skip
    mlp, attention = shapes_of(four), shapes_of(eight)
    shapes = {name: entry for name, entry in mlp.items() if "self_attn" not in name or "norm" in name}
    shapes |= {name: entry for name, entry in attention.items() if "self_attn" in name}
    held = folder(tmp_path / "held", shapes, None)
    algorithms = {"mlp": {"quant_algo": "NVFP4", "group_size": 16}, "self_attn": {"quant_algo": "FP8"}}
    layers = {
        f"model.layers.{layer}.{module}": algorithms[module.partition(".")[0]]
        for layer in range(LAYERS) for module in MATRICES
    }  # fmt: skip
    separate = {"quantization": {"quant_algo": "MIXED_PRECISION", "quantized_layers": layers}}
    (tmp_path / "described").mkdir()
    (tmp_path / "described" / "hf_quant_config.json").write_text(json.dumps(separate), encoding="utf-8")
    assert rows(folder(tmp_path / "described", None, None)) == rows(held)
    assert {(group.role, group.format) for group in held.groups if group.role in BULK} == {
        ("attention", "fp8"), ("mlp", "nvfp4")
    }  # fmt: skip
    assert held.weights.value == file_bytes(tmp_path / "held")


@pytest.mark.parametrize("asked", [compressed(4, group_size=128), _hqq_config(4)])
def test_scales_of_a_model_of_32_bits(tmp_path: Path, asked: dict[str, Any]) -> None:
    """They are as wide as the model: at 16 bits they would be half of what is stored."""
    config = CONFIG | {"torch_dtype": "float32", "quantization_config": asked}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert read(tmp_path).weights.value is None


def _many(number: int) -> dict[str, Any]:
    eight = {"weight": {"dtype": "fp8_e4m3", "qscheme": "per_tensor"}, "input_tensors": None}
    return {
        f"*.{index}.mlp.x": {"weight": MX, "input_tensors": None} if index % 2 else eight for index in range(number)
    }


def _groups(number: int) -> dict[str, Any]:
    one = compressed(4, group_size=128)["config_groups"]["group_0"]
    return {str(index): one for index in range(number)}


@pytest.mark.parametrize(
    "asked",
    [
        quarked(MX, exclude=["lm_head"] * 100_000, layer_quant_config=_many(30)),
        quarked(MX, layer_quant_config=_many(20_000)),
        compressed(4, group_size=128) | {
            "ignore": [f"model.layers.{number}.x" for number in range(100_000)],
            "config_groups": _groups(30),
        },
        compressed(4, group_size=128) | {
            "config_groups": _groups(9000),
        },
    ],
    ids=["quark-list", "quark-settings", "groups-list", "groups"],
)  # fmt: skip
def test_long_lists_are_compiled_once_and_rules_have_an_end(tmp_path: Path, asked: dict[str, Any]) -> None:
    started = time.process_time()
    folder(tmp_path, None, asked)
    assert time.process_time() - started < 2


def lacking(layout: Layout, part: str) -> Layout:
    """The layout without the scales or signs of this name, or with none of their rows."""

    def without(outputs: int, inputs: int) -> Shapes:
        return {name: entry for name, entry in layout(outputs, inputs).items() if name != part}

    return without


def empty(layout: Layout, part: str) -> Layout:
    def emptied(outputs: int, inputs: int) -> Shapes:
        return {
            name: (dtype, (0, *shape[1:])) if name == part else (dtype, shape)
            for name, (dtype, shape) in layout(outputs, inputs).items()
        }

    return emptied


@pytest.mark.parametrize(
    "layout",
    [
        lacking(packed(4, 128), "weight_scale"), empty(packed(4, 128), "weight_scale"), empty(gptq(4), "scales"),
        empty(ao_int8, "_weight_scale"), lacking(exl3(4), "suh"), lacking(exl2, "q_scale"),
        lambda outputs, inputs: gptq(4)(outputs, inputs) | plain(outputs, inputs),
    ],
)  # fmt: skip
def test_elements_without_their_scales_or_stored_twice_are_of_no_format(tmp_path: Path, layout: Layout) -> None:
    found = folder(tmp_path, shapes_of(layout), None)
    assert "doubt.stored_format_unknown" in {doubt.code for doubt in found.doubts}


def test_four_bits_of_bitsandbytes_have_their_tables(tmp_path: Path) -> None:
    shapes = {name: entry for name, entry in shapes_of(bnb4("nf4")).items() if not name.endswith(".absmax")}
    found = folder(tmp_path, shapes, None)
    assert "doubt.stored_format_unknown" in {doubt.code for doubt in found.doubts}
    assert folder(tmp_path / "whole", shapes_of(bnb4("nf4")), None).doubts == ()


@pytest.mark.parametrize("layout", [exl3(4), exl2, packed(4, 128), packed(8, 128), ao_tiles])
def test_a_packed_matrix_has_the_rows_of_the_configuration(tmp_path: Path, layout: Layout) -> None:
    """A cache of half the key heads is no other width, and no filling up."""
    shapes = {name: entry for name, entry in shapes_of(layout).items() if "k_proj" not in name}
    for number in range(LAYERS):
        shapes |= {f"model.layers.{number}.self_attn.k_proj.{part}": e for part, e in layout(512, HIDDEN).items()}
    assert folder(tmp_path, shapes, None).doubts


@pytest.mark.parametrize(
    ("layout", "said", "code"),
    [
        (gptq(8), {"quant_method": "gptq", "bits": 4, "group_size": 128}, "note.format_declared_otherwise"),
        (gptq(4), {"quant_method": "gptq", "bits": 4, "group_size": 128}, None),
        (awq_gemm, None, "note.format_not_declared"),
        (plain, None, None),
    ],
)
def test_formats_that_the_configuration_does_not_declare(
    tmp_path: Path, layout: Layout, said: dict[str, Any] | None, code: str | None
) -> None:
    notes = folder(tmp_path, shapes_of(layout), said).notes
    assert [(note.code, note.level) for note in notes] == ([] if code is None else [(code, "warning")])
