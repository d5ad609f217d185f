"""A model's weights in another format than the one it was released in: an estimate of bytes.

Quantizers convert the linear layers and keep embeddings, head, norms, routers and convolutions in 16 bits; that is
an assumption about a file that does not exist yet, and the figure says so.
"""

from dataclasses import replace
from math import ceil
from typing import NamedTuple

from assay.types.message import message
from assay.types.model import Model, TensorGroup
from assay.types.quantity import Quantity

CONVERTED_ROLES = frozenset({"attention", "mlp", "experts", "shared_experts"})

SIXTEEN_BITS = frozenset({"bf16", "fp16"})


class ElementCost(NamedTuple):
    """Storage of a weight format: `bits` an element and `scale_bits` for each block of `block` elements (0: none)."""

    format: str
    bits: float
    scale_bits: int
    block: int

    def size(self, parameters: int) -> int:
        """Bytes of that many parameters, every started block counted whole."""
        scales = ceil(parameters / self.block) * self.scale_bits if self.block else 0
        return ceil((parameters * self.bits + scales) / 8)


def _converted(group: TensorGroup, cost: ElementCost) -> TensorGroup:
    # A runtime's --dtype turns every 16-bit tensor into the other type, a quantizer only the linear layers.
    everywhere = {group.format, cost.format} <= SIXTEEN_BITS
    if group.role not in CONVERTED_ROLES and not everywhere:
        return group
    return group._replace(format=cost.format, size=cost.size(group.parameters))


def requantized(model: Model, cost: ElementCost) -> Model:
    """The model with its linear layers stored in another format; its weights become an assumed figure."""
    groups = tuple(_converted(group, cost) for group in model.groups)
    size = sum(group.size for group in groups)
    weights = Quantity(
        size,
        "B",
        "derived",
        model.weights.sources,
        weakest="assumed",
        weakest_share=sum(g.size for g in groups if g.role in CONVERTED_ROLES) / size if size else 1.0,
        note=message("note.requantized", format=cost.format),
        formula="linear layers: parameters x bits + block scales; the rest as released",
    )
    origin = model.requantized_from or model.name
    return replace(model, groups=groups, weights=weights, requantized_from=origin, blocks=())
