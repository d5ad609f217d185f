"""Weight bytes in a card's memory: as loaded, and as shared among cards."""

from dataclasses import replace

from assay.reason.memory.trace import weight_inputs
from assay.types.model import Model
from assay.types.quantity import Quantity, derive, exact
from assay.types.runtime import RuntimeMemory, Split

REPLICATED = frozenset({"norm", "router"})
"""Roles that every card keeps whole, however the others are divided."""


def loaded_weights(model: Model, memory: RuntimeMemory | None) -> Quantity:
    """Bytes of all weights once the runtime has loaded them: some formats are padded and repacked."""
    plain = replace(model.weights, inputs=model.weights.inputs or weight_inputs(model))
    factors = {} if memory is None else memory.loaded
    if plain.value is None:
        return plain
    for name, factor in factors.items():
        size = sum(group.size for group in model.groups if group.format == name)
        if size:
            grown = exact(size, "B", model.weights.root, *model.weights.sources)
            plain = derive(
                "B",
                "weights in the file + weights of that format x (growth when loaded - 1)",
                [("weights", plain), (f"weights, {name}", grown), ("growth when loaded", factor)],
                lambda weights, part, growth: float(round(weights + part * (growth - 1))),
            )
    return plain


def _dealt(model: Model, weights: Quantity, cards: int) -> Quantity:
    """The fullest card where whole layers are dealt out and the output counts as one more.

    llama.cpp keeps the embedding table in host memory; a tied one is there and on the card of the output.
    """
    size = {role: sum(group.size for group in model.groups if group.role == role) for role in ("embedding", "head")}
    output = size["head"] or size["embedding"]
    layers = max(1, sum(layer.count for layer in model.layers))
    slots = -(-(layers + 1) // cards)

    def fullest(whole: float) -> float:
        layer = (whole - size["embedding"] - size["head"]) / layers
        return float(round(max(slots * layer, (slots - 1) * layer + output)))

    return derive(
        "B", "layers on the fullest card x a layer, the output counted as one", [("weights", weights)], fullest
    )


def weights_per_card(model: Model, weights: Quantity, cards: int, split: Split | None = "tensor") -> Quantity:
    """Weight bytes on the fullest of `cards` cards; under tensor parallelism norms and routers are replicated."""
    if cards == 1:
        return weights
    if split == "layer":
        return _dealt(model, weights, cards)
    replicated = sum(group.size for group in model.groups if group.role in REPLICATED)
    return derive(
        "B",
        "(weights - replicated) / cards + replicated",
        [("weights", weights)],
        lambda whole: float(-(-(whole - replicated) // cards) + replicated),
    )
