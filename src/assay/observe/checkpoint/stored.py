"""Tensor groups from safetensors headers: what is really stored decides, whatever the configuration says.

A converted matrix is several tensors (packed weights, scales, zero points). They are put together by their names, and
the packed elements are counted as the parameters they hold.
"""

from typing import NamedTuple

from assay.knowledge.catalog import weight_formats
from assay.observe.checkpoint.matching import bare
from assay.observe.checkpoint.packed import PACKED, WHOLE, Open, recognised
from assay.observe.checkpoint.safetensors import BITS, StoredTensor

PARTS = frozenset((
    "weight_scale_inv", "weight_scale_2", "weight_global_scale", "input_global_scale", "weight_zero_point",
    "weight_packed", "weight_scale", "weight_shape", "weight_g_idx", "input_scale", "input_zero_point", "qweight",
    "qzeros", "scales", "g_idx", "k_scale", "v_scale", "q_scale", "prob_output_scale", "scale", "pre_quant_scale",
    "input_scale_ub", "scale_packed", "meta", "SCB", "weight_format",
    "W_q", "zero", "nbits", "group_size", "shape", "axis", "packing", "unpack_view_dtype", "view_as_float",
    "quant_scale", "quant_zero", "compute_dtype", "offload_meta", "encoded_state_dict", "stores_quant_config",
    "channel_wise", "optimize", "round_zero",
    "q_weight", "q_scale_max", "q_groups", "q_invperm", "q_perm", "trellis", "su", "sv", "suh", "svh", "mcg", "mul1",
))  # fmt: skip
"""Last words of the tensors that belong to a matrix, beside `weight` itself."""
STACKED = ("_blocks", "_scales", "_weight_scale_inv", "_weight_scale_2", "_weight_scale", "_input_scale")
"""Ends of the parts of experts that are stored as one, whose own name stands before it."""
SUBCLASS = "_weight_"
"""Beginning of the parts that torchao takes its tensors apart into."""


class Matrix(NamedTuple):
    """A weight with all that is stored for it.

    Attributes:
        module: its path without the model's prefixes.
        format: weight-format id, or `unknown`.
        parameters: logical elements.
        size: bytes with scales.
        tensors: weights in the file, scales not counted.
        open: what only the shape that the configuration gives can tell, or None.
        shape: its extents where its elements are not packed, else nothing.
    """

    module: str
    format: str
    parameters: int
    size: int
    tensors: int = 1
    open: Open | None = None
    shape: tuple[int, ...] = ()


def _split(name: str) -> tuple[str, str]:
    """(module, part) of a tensor's name; a part is `weight`, `bias` or one of the scales."""
    module, _, last = name.rpartition(".")
    if last == "weight" and ".weight." not in name:
        return module, last
    if ".weight." in name:  # bitsandbytes hangs its tables below the weight
        module, _, part = name.partition(".weight.")
        return module, part
    if last in PARTS or last.startswith(SUBCLASS):
        return module, last
    if last.endswith(STACKED):
        suffix = next(suffix for suffix in STACKED if last.endswith(suffix))
        part = suffix if suffix in ("_blocks", "_scales") else suffix.removeprefix("_")
        return f"{module}.{last.removesuffix(suffix)}", part
    return name, "weight"


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
                found.append(Matrix(bare(module.removesuffix(".bias")), *plain, parts.size, 1, None, parts.shape))
                continue
            parts = {"weight": parts}
        size = sum([part.size for part in parts.values()])
        if WHOLE.isdisjoint(parts):
            # Scales of the KV cache and the like belong to no weight: their bytes count, their numbers do not.
            found.append(Matrix(bare(module), "fp32", 0, size, 0))
            continue
        told = recognised(parts)
        weight = parts.get("weight")
        shape = weight.shape if weight is not None and weight.elements == told.parameters else ()
        found.append(
            Matrix(bare(module.removesuffix(".bias")), told.format, told.parameters, size, 1, told.open, shape)
        )
    return found
