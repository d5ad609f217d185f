"""The numbers behind a figure, named, so that a reader can do the sum by hand."""

from assay.reason.memory.cache import CachePolicy, elements_per_token, tokens_kept
from assay.types.model import LayerGroup, Model
from assay.types.quantity import Quantity, exact
from assay.types.runtime import Bounds, KvFormat

Inputs = tuple[tuple[str, Quantity], ...]


def _count(value: float, unit: str = "") -> Quantity:
    return exact(value, unit, "documented")


def _coefficient(bounds: Bounds) -> Quantity:
    low, typical, high = bounds
    return Quantity(typical, "", "assumed", low=low, high=high)


def cache_inputs(
    layers: tuple[LayerGroup, ...], context: int, sequences: int, kv: KvFormat, policy: CachePolicy
) -> Inputs:
    """For each kind of layer that keeps tokens: how many, the tokens kept, and the elements of one."""
    found: list[tuple[str, Quantity]] = []
    for layer in layers:
        elements = elements_per_token(layer)
        if elements:
            found += [
                (f"{layer.kind} layers", _count(layer.count)),
                (f"{layer.kind}: tokens kept", _count(tokens_kept(layer, context, sequences, policy), "token")),
                (f"{layer.kind}: elements per token", _count(elements)),
            ]
    return (*found, ("bytes per element", _count(kv.block_bytes / kv.block)))


def weight_inputs(model: Model) -> Inputs:
    """Bytes of each group of tensors: what the sum is made of."""
    root = model.weights.root
    return tuple(
        (f"{group.role}, {group.format}", exact(group.size, "B", root, *model.weights.sources))
        for group in model.groups
        if group.size
    )


def activation_inputs(model: Model, row: int, batched: int, sequences: int, coefficients: tuple[Bounds, ...]) -> Inputs:
    """Sizes and coefficients of the activation peak."""
    names = ("a", "b", "c")
    return (
        ("batched tokens", _count(batched, "token")),
        ("hidden size", _count(model.hidden_size)),
        ("MLP row", _count(row)),
        ("sequences", _count(sequences)),
        ("vocabulary", _count(model.vocabulary)),
        *((name, _coefficient(bounds)) for name, bounds in zip(names, coefficients, strict=True)),
    )


def compute_inputs(model: Model, batched: int, context: int, coefficients: tuple[Bounds, ...]) -> Inputs:
    """Sizes and coefficients of the compute buffer."""
    names = ("a", "b", "c")
    return (
        ("micro-batch", _count(batched, "token")),
        ("vocabulary", _count(model.vocabulary)),
        ("tokens of context", _count(context, "token")),
        *((name, _coefficient(bounds)) for name, bounds in zip(names, coefficients, strict=True)),
    )
