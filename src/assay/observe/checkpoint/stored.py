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
    "act_global_scale", "forward_hadamard_matrix", "backward_hadamard_matrix",
))  # fmt: skip
"""Last words of the tensors that belong to a matrix, beside `weight` itself."""
STACKED = ("_blocks", "_scales", "_weight_scale_inv", "_weight_scale_2", "_weight_scale", "_input_scale")
"""Ends of the parts of experts that are stored as one, whose own name stands before it."""
WEIGHT = ".weight"
SUBCLASS = "_weight_"
"""Beginning of the parts that torchao takes its tensors apart into; until 2025 it wrote `weight:qdata` for them."""


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


def _older_split(name: str) -> tuple[str, str]:
    """The same for `module.weight:qdata`; torchao called tensors that it left whole `norm.weight:_data`."""
    tensor, _, attribute = name.rpartition(":")
    if attribute == "_data":
        return tensor.removesuffix(WEIGHT), "weight"
    if tensor.endswith(WEIGHT):
        return tensor.removesuffix(WEIGHT), f"{SUBCLASS}{attribute.removeprefix('_')}"
    return name, "weight"


def _split(name: str) -> tuple[str, str]:
    """(module, part) of a tensor that is not just `module.weight`; a part is `weight`, `bias` or one of the scales."""
    if ":" in name:
        return _older_split(name)
    module, _, last = name.rpartition(".")
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


def _plain() -> dict[str, str]:
    """The formats of the types in which a weight alone is not converted, as most are."""
    types = weight_formats.safetensors_types().items()
    return {dtype: name for dtype, (name, bits) in types if dtype not in PACKED and BITS.get(dtype) == bits}


def _shared(tensors: list[StoredTensor]) -> dict[str, dict[str, StoredTensor] | None]:
    """The tensors of every module that has others than one weight, by their parts.

    The other modules are left where they are: an index has 100,000 of one weight each.
    """
    found: dict[str, dict[str, StoredTensor] | None] = {}
    for usual in (False, True):
        for tensor in tensors if found or not usual else ():
            name = tensor.name
            if (name.endswith(WEIGHT) and ".weight." not in name) != usual:
                continue
            module, part = (name[: -len(WEIGHT)], "weight") if usual else _split(name)
            known = found.get(module) if usual else found.setdefault(module, {})
            if known is not None:
                known[part if part not in known else name] = tensor
    return found


def matrices(tensors: list[StoredTensor]) -> list[Matrix]:
    """All weights of a checkpoint, each with its scales, in the order of the files."""
    types = _plain()
    shared = _shared(tensors)
    found = []
    for tensor in tensors:
        name = tensor.name
        usual = name.endswith(WEIGHT) and ".weight." not in name
        module = name[: -len(WEIGHT)] if usual else _split(name)[0]
        if module in shared:
            parts = shared[module]
            if parts is None:
                continue
            shared[module] = None
        else:
            parts = {}
        plain = types.get(tensor.dtype) if len(parts) < 2 else None
        if plain is not None and (not parts or "weight" in parts):
            found.append(
                Matrix(bare(module.removesuffix(".bias")), plain, tensor.elements, tensor.size, 1, None, tensor.shape)
            )
            continue
        parts = parts or {"weight": tensor}
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
