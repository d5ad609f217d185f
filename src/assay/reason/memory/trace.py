"""The numbers behind a figure, named, so that a reader can do the sum by hand."""

from assay.reason.memory.cache import CachePolicy, elements_per_token, tokens_kept
from assay.types.model import LayerGroup, Model
from assay.types.quantity import ASKED, Quantity, exact
from assay.types.runtime import Bounds, KvFormat

Inputs = tuple[tuple[str, Quantity], ...]


def _count(value: float, unit: str = "", *sources: str) -> Quantity:
    return exact(value, unit, "documented", *sources)


def _coefficient(bounds: Bounds) -> Quantity:
    low, typical, high = bounds
    return Quantity(typical, "", "assumed", low=low, high=high)


def cache_inputs(
    layers: tuple[LayerGroup, ...],
    tokens: tuple[int, int],
    kv: KvFormat,
    policy: CachePolicy,
    sources: tuple[str, ...],
) -> Inputs:
    """For each kind of layer that keeps tokens: how many, the tokens kept, and the elements of one.

    `tokens` are (tokens of a sequence, sequences); `sources` describe the layers.
    """
    context, sequences = tokens
    found: list[tuple[str, Quantity]] = []
    for layer in layers:
        elements = elements_per_token(layer)
        if elements:
            found += [
                (f"{layer.kind} layers", _count(layer.count, "", *sources)),
                (f"{layer.kind}: tokens kept", _count(tokens_kept(layer, context, sequences, policy), "token", ASKED)),
                (f"{layer.kind}: elements per token", _count(elements, "", *sources)),
            ]
    return (*found, ("bytes per element", _count(kv.block_bytes / kv.block, "", ASKED)))


def weight_inputs(model: Model) -> Inputs:
    """Bytes of each group of tensors: what the sum is made of."""
    root = model.weights.root
    return tuple(
        (f"{group.role}, {group.format}", exact(group.size, "B", root, *model.weights.sources))
        for group in model.groups
        if group.size
    )


def activation_inputs(
    model: Model, row: int, load: tuple[int, int], coefficients: tuple[Bounds, ...], scheduler: tuple[str, ...]
) -> Inputs:
    """Sizes and coefficients of the activation peak; `load` is (batched tokens, sequences) of the scheduler."""
    batched, sequences = load
    names = ("a", "b", "c")
    return (
        ("batched tokens", _count(batched, "token", *scheduler)),
        ("hidden size", _count(model.hidden_size, "", *model.sources)),
        ("MLP row", _count(row, "", *model.sources)),
        ("sequences", _count(sequences, "sequence", *scheduler)),
        ("vocabulary", _count(model.vocabulary, "", *model.sources)),
        *((name, _coefficient(bounds)) for name, bounds in zip(names, coefficients, strict=True)),
    )
