"""The numbers behind a figure, named, so that a reader can do the sum by hand."""

from assay.reason.memory.cache import CachePolicy, elements_per_token, tokens_kept
from assay.reason.memory.vllm_cache import Pool
from assay.types.model import LayerGroup, Model
from assay.types.quantity import ASKED, Quantity, exact
from assay.types.runtime import Activation, Bounds, KvFormat

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


def pool_inputs(pool: Pool, blocks: int, scheduler: tuple[str, ...], sources: tuple[str, ...]) -> Inputs:
    """Blocks that are taken, the bytes of one; for each kind of layer its groups and the tokens of a block."""
    found: list[tuple[str, Quantity]] = []
    for table in pool.tables:
        found += [
            (f"{table.kind}: groups of layers", _count(table.groups, "", *sources)),
            (f"{table.kind}: tokens of a block", _count(table.tokens, "token", *scheduler)),
        ]
    return (
        ("blocks", _count(blocks, "", *scheduler)),
        ("bytes of a block", _count(pool.block_bytes, "B", *sources)),
        *found,
    )


def weight_inputs(model: Model) -> Inputs:
    """Bytes of each group of tensors: what the sum is made of."""
    root = model.weights.root
    return tuple(
        (f"{group.role}, {group.format}", exact(group.size, "B", root, *model.weights.sources))
        for group in model.groups
        if group.size
    )


def activation_inputs(
    model: Model, row: int, load: tuple[int, int], terms: Activation, scheduler: tuple[str, ...]
) -> Inputs:
    """Sizes and coefficients of the activation peak; `load` is (batched tokens, sequences) of the scheduler."""
    batched, sequences = load
    return (
        ("batched tokens", _count(batched, "token", *scheduler)),
        ("hidden size", _count(model.hidden_size, "", *model.sources)),
        ("MLP row", _count(row, "", *model.sources)),
        ("sequences", _count(sequences, "sequence", *scheduler)),
        ("vocabulary", _count(model.vocabulary, "", *model.sources)),
        ("a", _coefficient(terms.hidden)),
        ("b", _coefficient(terms.width)),
        ("c", _coefficient(terms.logits)),
        ("d", _coefficient(terms.kept)),
    )
