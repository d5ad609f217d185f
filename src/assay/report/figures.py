"""Figures of a model that its page and its document both show."""

from assay.reason.memory.cache import elements_per_token
from assay.types.message import message
from assay.types.model import LayerGroup, Model, TensorGroup
from assay.types.quantity import Quantity, exact, unknown

MATRICES = frozenset(("attention", "mlp", "experts", "shared_experts", "state"))
"""Roles of the matrices that a quantization is named after."""
CACHE_BYTES = 2
"""Bytes of a cache element at 16 bits, the type a cache has unless another is asked for."""


def group_size(model: Model, group: TensorGroup) -> Quantity:
    """Bytes of one tensor group, on the evidence that the model's weights rest on; unknown in an unknown format."""
    if group.format == "unknown" and not group.size:
        return unknown("B", message("unknown.group_format"))
    return exact(group.size, "B", model.weights.root, *model.weights.sources)


def matrix_formats(model: Model) -> tuple[str, ...]:
    """The weight formats of the layers' matrices, most bytes first, without those of less than a tenth of the bytes.

    Embeddings and the head are left out, since most quantizations leave them alone: by their bytes, a small model with
    a large vocabulary would be called unquantized.
    """
    within = [group for group in model.groups if group.role in MATRICES] or list(model.groups)
    sizes: dict[str, int] = {}
    for group in within:
        sizes[group.format] = sizes.get(group.format, 0) + group.size
    total = sum(sizes.values())
    return tuple(sorted((name for name in sizes if sizes[name] * 10 >= total), key=lambda name: -sizes[name]))


def stored_format(model: Model) -> str | None:
    """The formats of `matrix_formats` in one word; None where a format or its size is not known."""
    found = matrix_formats(model)
    return None if model.weights.value is None or "unknown" in found else " + ".join(found) or None


def _derived(model: Model, value: int, formula: str) -> Quantity:
    root = model.weights.root
    return Quantity(value, "B", "derived", model.weights.sources, weakest=root, weakest_share=1.0, formula=formula)


def layer_cache(model: Model, layers: LayerGroup) -> Quantity | None:
    """Bytes that one token adds to these layers at 16 bits; None for layers that keep nothing per token."""
    elements = layers.count * elements_per_token(layers)
    if not elements:
        return None
    return _derived(model, elements * CACHE_BYTES, "layers x elements kept per token x 2 B")


def token_cache(model: Model) -> Quantity:
    """Bytes that one token adds to the KV cache at 16 bits, windowed layers counted while they are filling."""
    if not model.layers:
        return unknown("B", message("unknown.layers"))
    elements = sum(layers.count * elements_per_token(layers) for layers in model.layers)
    return _derived(model, elements * CACHE_BYTES, "sum over layers of elements kept per token x 2 B")


def fixed_state(model: Model) -> Quantity | None:
    """Bytes of state that a sequence keeps whatever its length; None where there is no such layer."""
    size = sum(layers.count * layers.state_size for layers in model.layers)
    return _derived(model, size, "sum over layers of the fixed state") if size else None
