"""What several cards, and the runtime itself, take besides: gathered layers, buckets, buffers, CUDA's own."""

from assay.reason.training import states, widths
from assay.reason.training.bounds import NOTHING, Bounds, Part, Terms, term
from assay.types.model import Model
from assay.types.training import Training

ENDS: tuple[str, ...] = ("embedding", "head", "norm")
COMPUTED = 2.0
"""Bytes of an element on its way between cards: what is computed with has 16 bits."""


def _layer_bytes(model: Model, training: Training, terms: Terms) -> Bounds:
    """One layer put together: the layers' parameters by their number, 4-bit ones in 4 bits."""
    outside = widths.parameters(model, "embedding", "head", "vision")
    if training.method != "qlora":
        size = Bounds(*(COMPUTED * (model.parameters - outside),) * 3)
    else:
        experts, linear = widths.parameters(model, "experts"), widths.parameters(model, *widths.LINEAR)
        rest = model.parameters - outside - experts - linear
        size = term(terms, "nf4") * linear + term(terms, "experts_nf4") * experts + term(terms, "frozen") * rest
    return size * (1.0 / widths.layer_count(model))


def _sharded(model: Model, training: Training, terms: Terms) -> Bounds:
    layer = _layer_bytes(model, training, terms)
    root = COMPUTED * widths.parameters(model, "embedding", "head")
    size = layer * term(terms, "layers_gathered") + term(terms, "root_gathered") * root
    return size + layer * term(terms, "gradients_gathered") if training.method == "full" else size


def gathered(model: Model, training: Training, trained: Bounds, cards: int, terms: Terms) -> Part:
    """Memory of communication: layers gathered for a moment, or buckets beside repeated weights, and buffers."""
    names: tuple[str, ...] = ()
    size = NOTHING
    if training.shard == "fsdp":
        names = ("layers_gathered", "root_gathered", *(("gradients_gathered",) if training.method == "full" else ()))
        size = _sharded(model, training, terms)
        formula = "layers gathered x bytes of a layer + embedding and head"
    else:
        names = ("buckets",)
        size = states.gradients(training, trained, cards, terms).size * term(terms, "buckets")
        formula = "gradients a second time, as buckets"
    if cards > 1:
        return Part(
            size + term(terms, "communication"), f"{formula} + communication buffers", (*names, "communication")
        )
    return Part(size if training.shard == "fsdp" else NOTHING, formula, names)


def overhead(model: Model, training: Training, held: Bounds, terms: Terms) -> Part:
    """CUDA's context and workspaces, the buffer of dequantized weights, and what lies between `held` tensors."""
    buffer = NOTHING
    names: tuple[str, ...] = ("context", "fragmentation")
    if training.method == "qlora":
        buffer = term(terms, "dequantized") * widths.largest_matrix(model)[0]
        names = ("context", "dequantized", "fragmentation")
    size = term(terms, "context") + buffer + (held + buffer) * term(terms, "fragmentation")
    return Part(size, "context + largest matrix in 16 bits + tensors x fragmentation", names)
