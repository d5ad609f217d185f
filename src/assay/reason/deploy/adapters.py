"""Room for LoRA adapters: bytes of one slot, and how many slots the memory plan leaves room for."""

from collections.abc import Sequence

from assay.types.message import message
from assay.types.model import Model, TensorGroup
from assay.types.quantity import Quantity, unknown

ELEMENT_BYTES = 2
BOUND = "bound-adapter-slot"
ADAPTED = frozenset({"attention", "mlp", "experts", "shared_experts", "head", "embedding"})
NARROW = frozenset({"mla", "linear", "mamba"})
"""Kinds of layers with matrices that have no side of the hidden size: the bound below does not hold for them."""
EXPERT_MATRICES = 3
FORMULA = "2 B x rank x sum over matrices of (inputs + outputs), each matrix taken to have one side of the hidden size"


def matrix_count(group: TensorGroup, model: Model) -> int:
    """How many matrices a group is, counted at the most: experts may be stored stacked."""
    if group.role != "experts":
        return group.tensors
    layers = sum(layer.count for layer in model.layers)
    return max(group.tensors, layers * max(1, model.experts) * EXPERT_MATRICES)


def slot(model: Model, rank: int) -> Quantity:
    """Bytes of one slot of an adapter, at the most: vLLM keeps two matrices of the largest rank for every matrix.

    A matrix of P elements with one side of the hidden size h has P/h + h inputs and outputs. Nothing is taken off for
    tensor parallelism, which divides but one of the two.
    """
    if not model.hidden_size or any(layer.kind in NARROW for layer in model.layers):
        return unknown("B", message("unknown.adapter_slot"))
    hidden = model.hidden_size
    sides = sum(
        group.parameters / hidden + matrix_count(group, model) * hidden
        for group in model.groups
        if group.role in ADAPTED
    )
    return Quantity(
        float(int(sides) * rank * ELEMENT_BYTES),
        "B",
        "derived",
        (*model.sources, BOUND),
        weakest="assumed",
        weakest_share=1.0,
        formula=FORMULA,
    )


def slots(free: Quantity, each: Quantity, wanted: int) -> int | None:
    """How many of the wanted slots surely fit beside the plan; None where a figure is not known."""
    if free.lowest is None or each.highest is None:
        return None
    return max(0, min(wanted, int(free.lowest // each.highest)))


def rank_for(needed: int, accepted: Sequence[str]) -> int | None:
    """The smallest rank that the runtime takes and that is enough; None where it takes none so large."""
    if not accepted:
        return needed
    return min((int(each) for each in accepted if int(each) >= needed), default=None)
