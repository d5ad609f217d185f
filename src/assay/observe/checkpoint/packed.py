"""What the stored tensors of one matrix are: its format and its logical elements, from names, types and shapes alone.

Layouts as the libraries write them: compressed-tensors compressors/, GPTQModel nn_modules/qlinear/__init__.py, AutoAWQ
awq/modules/linear/, bitsandbytes functional.py QuantState.as_dict, HQQ core/bitpack.py, ExLlamaV2
conversion/adaptivegptq.py, ExLlamaV3 modules/quant/exl3.py, vLLM quantization/quark/, torchao prototype/safetensors/,
vLLM quantization/fp_quant.py.
Where a shape does not add up the format is `unknown`: the bytes are the file's in any case.
"""

from collections.abc import Callable
from math import prod
from typing import NamedTuple

from assay.knowledge.catalog import weight_formats
from assay.observe.checkpoint.safetensors import BITS, StoredTensor

Parts = dict[str, StoredTensor]
WORD = 32
PACKED = frozenset({"U8", "I8", "I32", "U32", "F8_E4M3", "F8_E5M2", "F4"})
"""Types whose elements need not be those of the matrix."""
POWERS = frozenset({"U8", "F8_E8M0"})
"""Types of scales that are powers of two."""
TORCHAO = {
    "fp8": "torchao_float8", "fp8_channel": "torchao_float8", "fp8_block128": "torchao_float8",
    "mxfp8": "torchao_mxfp8", "mxfp4": "torchao_mxfp4",
}  # fmt: skip
"""torchao multiplies with kernels of its own, and what becomes of the activations stands in no tensor."""
THREES = 10
"""Elements of 3 bits that HQQ lays into a 32-bit word."""
TILE = 16
"""Rows and columns that ExLlamaV3 and Marlin keep together."""


class Open(NamedTuple):
    """What only the matrix's own shape tells, which the layout of the model has.

    Attributes:
        family: formats to choose from by the width of an element, as in `int{0}_w{0}a16`; empty: the format stands.
        bits: of all elements together; 0: only their number is open, since rows or columns may be filled up.
        filled: multiples that rows and columns are filled up to.
        spare: elements that are filled up beside.
        rows: of the matrix, where they are known though its columns are not; 0: they are not.
    """

    family: str = ""
    bits: int = 0
    filled: tuple[int, int] = (1, 1)
    spare: int = 0
    rows: int = 0

    def holds(self, shape: tuple[int, ...], parameters: int) -> bool:
        """Whether a matrix of this shape, filled up, has these elements."""
        *_, rows, columns = (1, *shape)
        if self.rows and rows != self.rows:
            return False
        full = prod(shape[:-2]) * _ceil(rows, self.filled[0]) * _ceil(columns, self.filled[1]) * prod(self.filled)
        return bool(self.bits) or full <= parameters <= full + self.spare


class Found(NamedTuple):
    """What was recognised: weight-format id or `unknown`, logical elements, and what is open."""

    format: str
    parameters: int
    open: Open | None = None


def _ceil(value: int, unit: int) -> int:
    return -(-value // unit)


def _unknown(tensor: StoredTensor) -> Found:
    """Nothing is known but the bytes; the elements are at least as many."""
    return Found("unknown", tensor.elements, Open())


def _fp8(weight: StoredTensor, scale: StoredTensor | None) -> str:  # noqa: PLR0911 - one extent a line
    """The format of an FP8 weight by the extent of its scales."""
    wide = weight.dtype == "F8_E5M2"
    if wide:
        return "fp8_e5m2" if scale is None or scale.elements == 1 else "unknown"
    if scale is None or len(weight.shape) < 2 or not weight.elements:
        return "unknown"
    rows, columns = weight.shape[-2], weight.shape[-1]
    if scale.dtype in POWERS and scale.shape[-1:] == (_ceil(columns, 32),):
        return "mxfp8"
    if scale.elements == 1:
        return "fp8"
    if scale.shape[-2:] == (_ceil(rows, 128), _ceil(columns, 128)):
        return "fp8_block128"
    if scale.elements == weight.elements // columns:
        return "fp8_channel"
    return "unknown"


def _floats(weight: StoredTensor, scale: StoredTensor | None, *, tensor_scale: bool, activations: bool) -> Found:
    """A weight of bytes that hold several floats (NVFP4, MXFP4, MXFP6), or of a type with four bits."""
    if scale is None or len(scale.shape) != len(weight.shape) or not scale.elements:
        return _unknown(weight)
    width, rest = divmod(weight.size * 8, scale.elements)
    elements = weight.elements if weight.dtype == "F4" else weight.elements * 2
    # Groups lie along one side: the last, or the one before where stacked experts are stored inputs first.
    grouped = sum(extent != blocks for extent, blocks in zip(weight.shape, scale.shape, strict=True))
    if rest or grouped != 1:
        return _unknown(weight)
    if scale.dtype == "F8_E4M3" and width == 16 * 4 and tensor_scale:
        return Found("nvfp4" if activations else "nvfp4_w4a16", elements)
    if scale.dtype in POWERS and width == 32 * 4:
        return Found("mxfp4", elements)
    if scale.dtype in POWERS and width == 32 * 6:
        return Found("mxfp6", weight.elements * 4 // 3)
    return _unknown(weight)


def _mxfp4_blocks(parts: Parts) -> Found:
    packed, scales = parts["_blocks"], parts.get("_scales")
    paired = packed.dtype == "U8" and scales is not None and packed.shape[:-1] == scales.shape
    if not paired or packed.shape[-1:] != (TILE,):
        return _unknown(packed)
    return Found("mxfp4", packed.elements * 2)


def _gptq(packed: StoredTensor, parts: Parts) -> Found:
    """Words down the inputs; the group of each input (`g_idx`) tells their number, else the zero points the width."""
    rows, outputs = packed.shape
    zeros, order = parts.get("qzeros"), parts.get("g_idx")
    words = zeros.shape[-1] if zeros is not None and len(zeros.shape) == 2 else 0
    inputs = 0 if order is None else order.elements
    bits = rows * WORD // inputs if inputs else words * WORD // outputs
    if bits not in (2, 3, 4, 8):
        return _unknown(packed)
    inputs = inputs or rows * WORD // bits
    if rows != _ceil(inputs * bits, WORD) or words not in (0, _ceil(outputs * bits, WORD)):
        return _unknown(packed)
    return Found(f"gptq_int{bits}", inputs * outputs)


def _fp_quant(packed: StoredTensor, scales: StoredTensor) -> Found:
    """Two FP4 values in a byte, and a scale for 32 (MXFP4) or 16 (NVFP4) of them."""
    width, rest = divmod(packed.size * 8, scales.elements or 1)
    name = {32 * 4: "fp_quant_mxfp4", 16 * 4: "fp_quant_nvfp4"}.get(width)
    return _unknown(packed) if rest or name is None else Found(name, packed.elements * 2)


def _qweight(parts: Parts) -> Found:  # noqa: PLR0911 - one packing a line
    """GPTQ, FP-Quant, AutoAWQ's three packings: told apart by which side has the outputs of the scales."""
    packed, scales, zeros = parts["qweight"], parts.get("scales"), parts.get("qzeros")
    if scales is None or len(packed.shape) != 2 or len(scales.shape) != 2 or not packed.elements:
        return _unknown(packed)
    if packed.dtype == "U8" and "weight_global_scale" in parts:
        return _fp_quant(packed, scales)
    rows, columns = packed.shape
    if packed.dtype == "I16":
        # gemv_fast.py: four rows in one, and zero points as wide as the scales.
        fast = zeros is not None and zeros.shape == scales.shape and rows * 4 == scales.shape[-1]
        return Found("awq_gemv_fast_int4", packed.elements * 4) if fast else _unknown(packed)
    if packed.dtype != "I32":
        return _unknown(packed)
    if zeros is not None and "g_idx" not in parts:
        if zeros.shape == (scales.shape[0], columns) and columns * 8 == scales.shape[-1]:
            return Found("awq_int4", packed.elements * 8)
        # A row of scales for each row of words: for GPTQ groups of eight inputs, which it does not make.
        if zeros.shape[:1] == scales.shape[:1] == (rows,) and zeros.shape[-1] * 8 == scales.shape[-1]:
            return Found("awq_gemv_int4", packed.elements * 8)
    return _gptq(packed, parts) if columns == scales.shape[-1] else _unknown(packed)


def _compressed(parts: Parts) -> Found:
    """compressed-tensors: `weight_packed` of bytes (floats) or of words (integers of any width)."""
    packed, scale = parts["weight_packed"], parts.get("weight_scale")
    if packed.dtype == "U8":
        return _floats(
            packed, scale, tensor_scale="weight_global_scale" in parts, activations="input_global_scale" in parts
        )
    if packed.dtype != "I32" or not packed.shape:
        return _unknown(packed)
    if "scale_packed" in parts:
        return _marlin_24(packed, parts["scale_packed"])
    scaled = scale is not None and scale.shape[:-1] in (packed.shape[:-1], ())
    return _words(packed, parts) if scaled else _unknown(packed)


def _words(packed: StoredTensor, parts: Parts) -> Found:
    """Integers in words along the inputs."""
    zeros, order = parts.get("weight_zero_point"), parts.get("weight_g_idx")
    outputs = prod(packed.shape[:-1])
    if order is not None and order.elements:
        width, rest = divmod(packed.shape[-1] * WORD, order.elements)
        if not rest and weight_formats.known(f"int{width}_w{width}a16"):
            return Found(f"int{width}_w{width}a16", outputs * order.elements)
    if zeros is not None and zeros.dtype == "I32" and len(zeros.shape) == len(packed.shape) == 2:
        width, rest = divmod(zeros.shape[0] * WORD, outputs or 1)  # zero points are packed down the outputs
        if not rest and weight_formats.known(f"int{width}_w{width}a16"):
            return Found(f"int{width}_w{width}a16", packed.elements * WORD // width)
    # Symmetric ones of 4 bits in groups of 128 and of 8 bits in groups of 64 have the same shapes.
    rows = outputs if len(packed.shape) == 2 else 0
    return Found("unknown", packed.elements * 4, Open("int{0}_w{0}a16", packed.elements * WORD, rows=rows))


def _marlin_24(packed: StoredTensor, scale: StoredTensor) -> Found:
    """Half of the inputs, in tiles: the words of 16 of them lie behind each other."""
    outputs = scale.shape[-1] if scale.shape else 0
    if len(packed.shape) != 2 or not outputs:
        return _unknown(packed)
    bits, rest = divmod(packed.shape[1] * WORD, outputs * TILE)
    if rest or bits not in (4, 8):
        return _unknown(packed)
    return Found(f"marlin24_int{bits}", packed.shape[0] * TILE * 2 * outputs)


def _bitsandbytes(weight: StoredTensor, parts: Parts) -> Found | None:
    """Four bits, laid flat into bytes or into another type of storage; or eight bits by rows."""
    for kind in ("nf4", "fp4"):
        if f"quant_state.bitsandbytes__{kind}" in parts and {"absmax", "quant_map"} <= parts.keys():
            return Found(f"bnb_{kind}", weight.size * 2)
    if "SCB" in parts and weight.dtype == "I8":
        return Found("bnb_int8", weight.elements)
    return None


def _hqq(parts: Parts) -> Found:
    """Packed down the first axis; scales of groups along rows (axis 1) count its unpacked rows."""
    packed, scale = parts["W_q"], parts.get("scale")
    if scale is None or len(packed.shape) != 2 or not packed.elements:
        return _unknown(packed)
    rows, columns = packed.shape
    groups = scale.shape[0] if scale.shape[1:] == (1,) else 0
    down = scale.shape == (1, columns)  # axis 0: rows are the elements of a group, and the scale does not count them
    if packed.dtype == "I32":
        if groups and rows == _ceil(groups, THREES):
            return Found("hqq_int3", groups * columns)
        spare = (THREES - 1) * columns
        return Found("hqq_int3", packed.elements * THREES, Open(spare=spare)) if down else _unknown(packed)
    if packed.dtype != "U8":
        return _unknown(packed)
    if groups and not groups % rows and groups // rows in (1, 2, 4, 8):
        return Found(f"hqq_int{8 * rows // groups}", groups * columns)
    return Found("unknown", packed.elements, Open("hqq_int{0}", packed.size * 8)) if down else _unknown(packed)


def _exl2(parts: Parts) -> Found:
    """Words down the inputs, of a width that changes from group to group; outputs are filled up to 32."""
    packed, order = parts["q_weight"], parts.get("q_invperm") or parts.get("q_perm")
    if order is None or len(packed.shape) != 2 or "q_scale" not in parts:
        return _unknown(packed)
    return Found("exl2", order.elements * packed.shape[1], Open(filled=(32, 1)))


def _exl3(parts: Parts) -> Found:
    """Tiles of 16 x 16 elements with 16 bits for each bit of an element; both sides are filled up to 128."""
    trellis = parts["trellis"]
    if trellis.dtype != "I16" or len(trellis.shape) != 3 or not 1 <= trellis.shape[2] // TILE <= 8:
        return _unknown(trellis)
    signs = any(parts.keys() >= {f"su{end}", f"sv{end}"} for end in ("", "h"))
    if trellis.shape[2] % TILE or not signs:
        return _unknown(trellis)
    return Found("exl3", trellis.shape[0] * trellis.shape[1] * TILE * TILE, Open(filled=(128, 128)))


def _torchao_bytes(data: StoredTensor, scale: StoredTensor, zero: StoredTensor | None) -> Found:
    """Int8Tensor has its scales along the rows; Int4Tensor two elements in a byte, and scales by groups, then rows.

    Int4Tensor keeps zero points in the type of the scales, IntxUnpackedToInt8Tensor as bytes.
    """
    rows = data.shape[-2] if len(data.shape) > 1 else 0
    if zero is not None and zero.shape == scale.shape and zero.dtype == scale.dtype:
        groups = scale.shape[-2] if len(scale.shape) == len(data.shape) else 0
        whole = rows and groups and not data.shape[-1] * 2 % groups
        if whole and scale.shape == (*data.shape[:-2], groups, rows):
            return Found("torchao_int4", data.elements * 2)
        return _unknown(data)
    if scale.elements in (1, rows) or scale.shape[:-1] == data.shape[:-1]:
        return Found("torchao_int8", data.elements)
    return _unknown(data)


def _torchao(parts: Parts) -> Found:  # noqa: PLR0911 - one subclass a line
    """A tensor subclass taken apart: its data, and the scales that tell which subclass it was."""
    data, scale = parts["_weight_qdata"], parts.get("_weight_scale")
    if data.dtype in ("F8_E4M3", "F8_E5M2"):
        told = _fp8(data, scale)
        return Found(TORCHAO.get(told, told), data.elements)
    if data.dtype == "I8" and scale is not None:
        return _torchao_bytes(data, scale, parts.get("_weight_zero_point"))
    if data.dtype == "I32" and ("_weight_scale_and_zero" in parts or "_weight_zero_point" in parts):
        tiled = Open(filled=(8, 1024)) if len(data.shape) == 4 else None
        return Found("torchao_int4", data.elements * 8, tiled)
    if data.dtype == "U8" and "_weight_zero_point" in parts:
        return Found("torchao_int4", data.elements * 2)
    if data.dtype == "U8":
        flat = scale is not None and data.elements == scale.elements * 8 and scale.dtype == "F8_E4M3"
        if flat:  # scales may lie in the order of the kernel, whatever their shape
            static = "_weight_act_per_tensor_scale" in parts
            return Found("torchao_nvfp4_w4a4" if static else "torchao_nvfp4", data.elements * 2)
        floats = _floats(data, scale, tensor_scale=False, activations=False)
        return floats._replace(format=TORCHAO.get(floats.format, floats.format))
    return _unknown(data)


def _quark_int4(weight: StoredTensor, scale: StoredTensor | None) -> Found:
    """Words along the outputs, which are filled up to eight."""
    if scale is None or len(weight.shape) != 2 or len(scale.shape) != 2:
        return _unknown(weight)
    if weight.shape[1] != _ceil(scale.shape[1], 8):
        return _unknown(weight)
    return Found("quark_int4", weight.shape[0] * scale.shape[1])


def _weight(parts: Parts) -> Found:  # noqa: PLR0911 - one scheme a line
    """A tensor named `weight` with whatever hangs on it."""
    weight = parts["weight"]
    if "_weight_scale" in parts:
        return _torchao({**parts, "_weight_qdata": weight})
    found = _bitsandbytes(weight, parts)
    if found is not None:
        return found
    scale = parts.get("weight_scale_inv") or parts.get("weight_scale") or parts.get("scale")
    if weight.dtype in ("F8_E4M3", "F8_E5M2"):
        return Found(_fp8(weight, scale), weight.elements)
    narrow = weight.dtype == "I8" and scale is not None and scale.dtype in POWERS
    if weight.dtype in ("U8", "F4") or narrow:
        return _floats(weight, scale, tensor_scale="weight_scale_2" in parts, activations="input_scale" in parts)
    if weight.dtype == "I32":
        return _quark_int4(weight, scale)
    if weight.dtype == "I8":
        return Found("int8_w8a8" if scale is not None else "unknown", weight.elements)
    plain = weight_formats.safetensors_types().get(weight.dtype)
    if plain is None or BITS[weight.dtype] != plain[1]:
        return Found("unknown" if weight.dtype in PACKED or weight.dtype not in BITS else "other", weight.elements)
    return Found(plain[0], weight.elements)


_READERS: dict[str, Callable[[Parts], Found]] = {
    "_blocks": _mxfp4_blocks,
    "qweight": _qweight,
    "weight_packed": _compressed,
    "W_q": _hqq,
    "q_weight": _exl2,
    "trellis": _exl3,
    "_weight_qdata": _torchao,
    "weight": _weight,
    "compressed": lambda parts: _unknown(parts["compressed"]),  # compressed-tensors' bit masks of sparse weights
}
WHOLE = frozenset(_READERS)
"""Parts that hold a matrix's elements."""


def recognised(parts: Parts) -> Found:
    """Format and logical elements of the tensors of one matrix, by the part that holds its elements.

    Args:
        parts: tensors by the last words of their names, at least one of `WHOLE` among them.
    """
    held = [part for part in _READERS if part in parts]
    found = _READERS[held[0]](parts)
    # Nothing says which of two a runtime takes, nor what elements are whose scales are not there.
    if len(held) > 1 or any("scal" in name and not part.elements for name, part in parts.items()):
        return Found("unknown", found.parameters, found.open)
    return found
