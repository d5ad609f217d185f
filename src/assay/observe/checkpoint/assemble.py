"""A layout and a quantization scheme together: the tensor groups of a model with their bytes."""

from typing import NamedTuple

from assay.knowledge.catalog import weight_formats
from assay.knowledge.catalog.weight_formats import Storage
from assay.observe.checkpoint.schemes import Scheme
from assay.observe.checkpoint.tensors import Tensor
from assay.types.message import message
from assay.types.model import Role, TensorGroup
from assay.types.quantity import Basis, Quantity, unknown

FORMULA = "sum over tensors of elements x bits / 8 + bytes of scales"


class Sizes(NamedTuple):
    """Parameters, active parameters, tensors and bytes of one tensor entry."""

    parameters: int
    active: int
    tensors: int
    size: int


def _stored(tensor: Tensor, storage: Storage, *, plain: bool) -> Sizes:
    """What one entry of a layout comes to in this storage."""
    elements = tensor.elements
    row = elements // tensor.shape[0]
    active = elements * tensor.chosen if tensor.rows_used is None else tensor.rows_used * row
    unscaled = plain or len(tensor.shape) < 2
    one = (elements * storage.bits + 7) // 8 if unscaled else storage.size(tensor.shape[0], row)
    tensors = tensor.stored if plain and tensor.stored is not None else tensor.copies
    return Sizes(elements * tensor.copies, active, tensors, one * tensor.copies)


def groups(tensors: list[Tensor], scheme: Scheme, plain: str) -> tuple[TensorGroup, ...]:
    """Tensor groups by role and format, in order of first appearance.

    Args:
        tensors: the layout's tensors.
        scheme: which of them are converted, and into what.
        plain: weight-format id of the others; `unknown` when the checkpoint does not say.
    """
    totals: dict[tuple[Role, str], list[int]] = {}
    basic: dict[str, Storage] = {}
    for tensor in tensors:
        found = scheme.storage_of(tensor) if tensor.linear and scheme.rules else None
        if found is None:
            name = tensor.dtype or plain
            if name not in basic:
                basic[name] = weight_formats.storage(name) or Storage("unknown", 0)
            sizes = _stored(tensor, basic[name], plain=True)
            key = (tensor.role, basic[name].format)
        else:
            sizes = _stored(tensor, found, plain=False)
            key = (tensor.role, found.format)
        row = totals.get(key)
        if row is None:
            totals[key] = list(sizes)
        else:
            for index, value in enumerate(sizes):
                row[index] += value
    return tuple(TensorGroup(role, name, *row) for (role, name), row in totals.items())


def weights(found: tuple[TensorGroup, ...], sources: tuple[str, ...], *, assumed: str | None = None) -> Quantity:
    """The bytes of all groups as a figure: exact arithmetic on what a vendor's file says.

    Args:
        found: the groups that a runtime loads.
        sources: where the configuration or the headers come from.
        assumed: format of groups whose type was assumed, if any: their share of the bytes is `assumed`.
    """
    if any(group.format == "unknown" for group in found):
        parts = sum(group.parameters for group in found if group.format == "unknown")
        return unknown("B", message("unknown.weights_format", parameters=parts))
    total = sum(group.size for group in found)
    resting = sum(group.size for group in found if group.format == assumed) if assumed else 0
    basis: Basis = "assumed" if resting else "documented"
    share = resting / total if resting else 1.0
    return Quantity(total, "B", "derived", sources, weakest=basis, weakest_share=share, formula=FORMULA)


def stored_weights(found: tuple[TensorGroup, ...], sources: tuple[str, ...]) -> Quantity:
    """The bytes of all groups as the file's own header gives them; unknown formats have known bytes there."""
    total = sum(group.size for group in found)
    return Quantity(
        total,
        "B",
        "derived",
        sources,
        weakest="documented",
        weakest_share=1.0,
        formula="sum over tensors of the bytes in the file's header",
    )
