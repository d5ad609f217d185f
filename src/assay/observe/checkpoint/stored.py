"""Tensor groups from safetensors headers: what is really stored decides, whatever the configuration says.

A converted matrix is several tensors (packed weights, scales, zero points). They are put together by their names, and
the packed elements are counted as the parameters they hold.
"""

from typing import NamedTuple

from assay.knowledge.catalog import weight_formats
from assay.observe.checkpoint.matching import bare
from assay.observe.checkpoint.safetensors import BITS, StoredTensor

PARTS = (
    "weight_scale_inv", "weight_scale_2", "weight_global_scale", "input_global_scale", "weight_zero_point",
    "weight_packed", "weight_scale", "weight_shape", "weight_g_idx", "input_scale", "input_zero_point", "qweight",
    "qzeros", "scales", "g_idx", "k_scale", "v_scale", "q_scale", "prob_output_scale", "scale",
)  # fmt: skip
"""Last words of the tensors that belong to a matrix, beside `weight` itself."""
WHOLE = frozenset({"weight", "weight_packed", "qweight", "_blocks"})
"""Parts that hold a matrix's elements."""
PACKED = frozenset({"U8", "I8", "I32", "U32", "F8_E4M3", "F8_E5M2", "F4"})


class Matrix(NamedTuple):
    """A weight with all that is stored for it.

    Attributes:
        module: its path without the model's prefixes.
        format: weight-format id, or `unknown`.
        parameters: logical elements.
        size: bytes with scales.
        tensors: weights in the file, scales not counted.
    """

    module: str
    format: str
    parameters: int
    size: int
    tensors: int = 1


def _split(name: str) -> tuple[str, str]:
    """(module, part) of a tensor's name; a part is `weight`, `bias` or one of the scales."""
    module, _, last = name.rpartition(".")
    if last == "weight" and ".weight." not in name:
        return module, last
    for suffix in ("_blocks", "_scales"):
        if last.endswith(suffix):
            return f"{module}.{last.removesuffix(suffix)}", suffix
    if ".weight." in name:  # bitsandbytes hangs its tables below the weight
        return name.partition(".weight.")[0], "weight." + name.partition(".weight.")[2]
    if last == "weight" or last in PARTS:
        return module, last
    return name, "weight"


def _rows(tensor: StoredTensor) -> int:
    return tensor.shape[0] if tensor.shape else 1


def _ceil(value: int, unit: int) -> int:
    return -(-value // unit)


def _fp8(parts: dict[str, StoredTensor]) -> str:
    """The format of an FP8 weight by the extent of its scales."""
    weight = parts["weight"]
    scale = parts.get("weight_scale_inv") or parts.get("weight_scale") or parts.get("scale")
    if scale is None or len(weight.shape) < 2:
        return "unknown"
    rows, columns = weight.shape[-2], weight.shape[-1]
    if scale.dtype in ("U8", "F8_E8M0") and scale.shape[-1:] == (_ceil(columns, 32),):
        return "mxfp8"
    if scale.elements == 1:
        return "fp8"
    if scale.shape[-2:] == (_ceil(rows, 128), _ceil(columns, 128)):
        return "fp8_block128"
    if scale.elements == weight.elements // columns:
        return "fp8_channel"
    return "unknown"


def _packed_four_bits(parts: dict[str, StoredTensor]) -> str:
    """The format of a weight of two 4-bit floats per byte."""
    if "weight_scale_2" in parts or "weight_global_scale" in parts:
        activations = "input_scale" in parts or "input_global_scale" in parts
        return "nvfp4" if activations else "nvfp4_w4a16"
    scale = parts.get("weight_scale")
    if scale is not None and scale.dtype in ("U8", "F8_E8M0"):
        return "mxfp4"
    return "unknown"


def _integers(parts: dict[str, StoredTensor]) -> tuple[str, int]:
    """(format, parameters) of a weight of packed integers: GPTQ, AWQ, compressed-tensors."""
    packed = parts.get("qweight") or parts["weight_packed"]
    words = packed.elements * 32
    if "weight_packed" in parts:
        scale = parts.get("weight_scale")
        inputs = _rows(packed) and packed.shape[-1] * 8
        if packed.dtype == "I32" and scale is not None and inputs % max(scale.shape[-1], 1) == 0:
            return "int4_w4a16", words // 4
        return "unknown", words // 4
    zeros, scales = parts.get("qzeros"), parts.get("scales")
    if "g_idx" in parts:
        inputs = parts["g_idx"].elements
        bits = 32 * _rows(packed) // max(inputs, 1)
        name = {4: "gptq_int4", 8: "gptq_int8"}.get(bits, "unknown")
        return name, words // max(bits, 1)
    if zeros is not None and scales is not None and len(packed.shape) == 2:
        bits = 32 * packed.shape[-1] // max(scales.shape[-1], 1)
        return ("awq_int4" if bits == 4 else "unknown"), words // max(bits, 1)
    return "unknown", words // 4


def _recognised(parts: dict[str, StoredTensor]) -> tuple[str, int]:  # noqa: PLR0911 - one scheme a line
    """(format, parameters) of the tensors of one matrix."""
    if "_blocks" in parts:
        packed = parts["_blocks"]
        return ("mxfp4" if packed.dtype == "U8" and "_scales" in parts else "unknown"), packed.elements * 2
    if "qweight" in parts or ("weight_packed" in parts and parts["weight_packed"].dtype != "U8"):
        return _integers(parts)
    weight = parts.get("weight") or parts.get("weight_packed")
    if weight is None:
        return "unknown", 0
    if weight.dtype in ("F8_E4M3", "F8_E5M2"):
        return _fp8(parts), weight.elements
    if any(part.startswith("weight.quant_state.bitsandbytes__nf4") for part in parts):
        return "bnb_nf4", weight.elements * 2
    if weight.dtype == "U8":
        return _packed_four_bits(parts), weight.elements * 2
    if weight.dtype == "I8":
        return ("bnb_int8" if "weight.SCB" in parts or "SCB" in parts else "int8_w8a8"), weight.elements
    plain = weight_formats.safetensors_types().get(weight.dtype)
    if plain is None or BITS[weight.dtype] != plain[1]:
        return ("other" if weight.dtype in BITS and weight.dtype not in PACKED else "unknown"), weight.elements
    return plain[0], weight.elements


def _plain(weight: StoredTensor, types: dict[str, tuple[str, int]]) -> tuple[str, int] | None:
    """(format, parameters) of a weight alone in an unconverted type, which most are; None for all others."""
    if weight.dtype in PACKED:
        return None
    found = types.get(weight.dtype)
    return None if found is None or BITS[weight.dtype] != found[1] else (found[0], weight.elements)


def _gathered(tensors: list[StoredTensor]) -> dict[str, StoredTensor | dict[str, StoredTensor]]:
    """By module: its only weight, or its parts by their names. An index has 100,000 modules of one weight each."""
    found: dict[str, StoredTensor | dict[str, StoredTensor]] = {}
    for tensor in tensors:
        module, part = _split(tensor.name)
        known = found.get(module)
        if known is None:
            found[module] = tensor if part == "weight" else {part: tensor}
            continue
        if not isinstance(known, dict):
            known = found[module] = {"weight": known}
        known[part if part not in known else tensor.name] = tensor
    return found


def matrices(tensors: list[StoredTensor]) -> list[Matrix]:
    """All weights of a checkpoint, each with its scales, in the order of the files."""
    types = weight_formats.safetensors_types()
    found = []
    for module, held in _gathered(tensors).items():
        parts = held
        if not isinstance(parts, dict):
            plain = _plain(parts, types)
            if plain is not None:
                found.append(Matrix(bare(module.removesuffix(".bias")), *plain, parts.size))
                continue
            parts = {"weight": parts}
        size = sum([part.size for part in parts.values()])
        if WHOLE.isdisjoint(parts):
            # Scales of the KV cache and the like belong to no weight: their bytes count, their numbers do not.
            found.append(Matrix(bare(module), "fp32", 0, size, 0))
            continue
        name, parameters = _recognised(parts)
        found.append(Matrix(bare(module.removesuffix(".bias")), name, parameters, size))
    return found
