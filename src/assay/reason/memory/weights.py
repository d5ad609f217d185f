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
    everywhere = sum(group.size for group in model.groups if group.role in REPLICATED)
    low, typical, high = (everywhere + latent for latent in _latent(model))
    if low == high:  # the usual case: plain figures are many times cheaper in searches
        return derive(
            "B",
            "(weights - replicated) / cards + replicated",
            [("weights", weights)],
            lambda whole: float(-(-(whole - low) // cards) + low),
        )
    formula = "norms, routers, and latent attention's projections down"
    replicated = Quantity(typical, "B", "derived", weights.sources, low=low, high=high, formula=formula)
    return derive(
        "B",
        "(weights - replicated) / cards + replicated",
        [("weights", weights), ("replicated", replicated)],
        lambda whole, kept: float(-(-(whole - kept) // cards) + kept),
    )


QUERY_RANKS = (0, 3, 4)
"""(least, usual, most) width of the latent queries over that of the latent keys: 3 in DeepSeek-V3, 4 in GLM-5."""


def _latent(model: Model) -> tuple[int, int, int]:
    """(low, typical, high) bytes of latent attention's projections down, which every card keeps whole.

    vLLM: fused_qkv_a_proj and kv_a_proj_with_mqa are replicated. The width of the latent queries is not described.
    """
    layers = [layer for layer in model.layers if layer.kind == "mla"]
    attention = [group for group in model.groups if group.role == "attention" and group.parameters]
    if not layers or not attention:
        return 0, 0, 0
    each = max(group.size / group.parameters for group in attention)
    keys = sum(layer.count * (layer.latent_dim + layer.rope_dim) for layer in layers) * model.hidden_size
    queries = sum(layer.count * layer.latent_dim for layer in layers) * model.hidden_size
    low, typical, high = (int((keys + queries * rank) * each) for rank in QUERY_RANKS)
    return low, typical, high
