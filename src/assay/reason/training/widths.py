"""The sizes that training needs of a model: sides of its matrices, widths of what a token leaves in a layer.

A matrix of P elements with one side of the hidden size h has P/h + h inputs and outputs, so that groups of tensors tell
what adapters and factored moments need without the shape of each. Two kinds of layers have matrices without such a side
(latent attention) or widths that the description does not give (recurrent states): those are bounded.
"""

from typing import NamedTuple

from assay.reason.deploy.adapters import matrix_count
from assay.reason.training.bounds import Bounds
from assay.types.model import LayerGroup, Model, Role, TensorGroup
from assay.types.training import Targets

PLAIN = frozenset({"full", "sliding", "chunked"})
"""Attention whose four matrices follow from heads and their dimensions."""
LINEAR: frozenset[Role] = frozenset({"attention", "mlp", "shared_experts", "state"})
QUANTIZED: frozenset[Role] = LINEAR | {"experts"}
"""Roles of linear layers, which QLoRA stores in 4 bits."""
GATED = 3
"""Matrices of a gated MLP."""


class Sides(NamedTuple):
    """Inputs + outputs of matrices, and their inputs alone, summed over all of them; (low, typical, high)."""

    both: Bounds
    inputs: Bounds


def groups(model: Model, *roles: Role) -> tuple[TensorGroup, ...]:
    """The groups of these roles."""
    return tuple(group for group in model.groups if group.role in roles)


def parameters(model: Model, *roles: Role) -> int:
    """Parameters of these roles."""
    return sum(group.parameters for group in groups(model, *roles))


def layer_count(model: Model) -> int:
    """All layers."""
    return max(1, sum(layer.count for layer in model.layers))


def _same(value: float) -> Bounds:
    return Bounds(value, value, value)


def _query_value(layer: LayerGroup, hidden: int) -> tuple[int, int]:
    """(sides, inputs) of the query and value matrices of a group of layers."""
    outputs = layer.query_heads * layer.key_dim + layer.kv_heads * layer.value_dim
    return layer.count * (2 * hidden + outputs), layer.count * 2 * hidden


def _attention(layer: LayerGroup, hidden: int) -> tuple[int, int, int]:
    """(parameters, sides, inputs) of query, key, value and output of a group of layers."""
    queries, read = layer.query_heads * layer.key_dim, layer.query_heads * layer.value_dim
    outputs = queries + layer.kv_heads * (layer.key_dim + layer.value_dim)
    count = layer.count
    return count * hidden * (outputs + read), count * (4 * hidden + outputs + read), count * (3 * hidden + read)


def attention_sides(model: Model) -> Sides:
    """All matrices of attention; what heads do not explain (output gates, biases) counts as further outputs."""
    hidden = max(1, model.hidden_size)
    stored = parameters(model, "attention")
    latent = [layer for layer in model.layers if layer.kind == "mla"]
    if latent:
        count = sum(group.tensors for group in groups(model, "attention"))
        narrow = min(layer.latent_dim or hidden for layer in latent)
        low, high = stored / hidden + count * narrow, stored / narrow + count * hidden
        both = Bounds(low, (low + high) / 2, high)
        return Sides(both, both)
    rows = [_attention(layer, hidden) for layer in model.layers if layer.kind in PLAIN]
    further = max(0, stored - sum(row[0] for row in rows)) // hidden
    return Sides(_same(sum(row[1] for row in rows) + further), _same(sum(row[2] for row in rows)))


def _other_sides(model: Model, *roles: Role) -> Sides:
    """Matrices with one side of the hidden size, from their groups."""
    hidden = max(1, model.hidden_size)
    both = sum(group.parameters / hidden + matrix_count(group, model) * hidden for group in groups(model, *roles))
    # Of a gated MLP two matrices read the hidden size and one its width: between a third and two thirds are inputs.
    return Sides(_same(both), Bounds(both / 3, both * 0.45, both * 2 / 3))


def target_sides(model: Model, targets: Targets) -> Sides:
    """The matrices that get an adapter."""
    hidden = max(1, model.hidden_size)
    if targets == "query-value":
        rows = [_query_value(layer, hidden) for layer in model.layers if layer.kind in PLAIN]
        if len(rows) < len(model.layers) and any(layer.kind == "mla" for layer in model.layers):
            return attention_sides(model)  # latent attention has no such pair: counted as all of it
        return Sides(_same(sum(row[0] for row in rows)), _same(sum(row[1] for row in rows)))
    found = attention_sides(model)
    if targets == "attention":
        return found
    roles: tuple[Role, ...] = ("mlp", "shared_experts", "state")
    others = _other_sides(model, *roles, *(("experts",) if targets == "experts" else ()))
    return Sides(found.both + others.both, found.inputs + others.inputs)


def adapter_inputs(model: Model, targets: Targets) -> Bounds:
    """Inputs of the adapted matrices that one token meets: of experts, the chosen ones only."""
    if targets != "experts":
        return target_sides(model, targets).inputs
    dense = target_sides(model, "all-linear").inputs
    stored, active = parameters(model, "experts"), sum(group.active for group in groups(model, "experts"))
    return dense + _other_sides(model, "experts").inputs * (active / stored if stored else 0.0)


def factored(model: Model) -> Bounds:
    """Rows + columns of all matrices, and the elements of vectors: what Adafactor keeps a number for."""
    hidden = max(1, model.hidden_size)
    wide = parameters(model, "embedding", "head", "router", "vision", "other") / hidden
    many = sum(group.tensors for group in groups(model, "embedding", "head", "router", "vision", "other"))
    ends = _same(wide + many * hidden + parameters(model, "norm"))
    return ends + attention_sides(model).both + _other_sides(model, "mlp", "shared_experts", "state", "experts").both


class Layer(NamedTuple):
    """What one token leaves in layers, in elements by kind.

    Attributes:
        norms: hidden elements under a norm; inputs: hidden elements that are a linear layer's input.
        attention: queries, keys, values and outputs; mlp: parameters of the MLP that the token meets / hidden size.
        dispatch: hidden elements copied for each chosen expert.
        other: inputs and outputs of matrices of layers whose widths are not described.
    """

    norms: float
    inputs: float
    attention: float
    mlp: float
    dispatch: float
    other: float


def _attended(layer: LayerGroup) -> int:
    queries = layer.query_heads * (layer.key_dim + layer.value_dim)
    return queries + layer.kv_heads * (layer.key_dim + layer.value_dim)


def all_layers(model: Model) -> Layer:
    """What one token leaves in all layers."""
    hidden, count = max(1, model.hidden_size), layer_count(model)
    plain = [layer for layer in model.layers if layer.kind in PLAIN]
    active = sum(group.active for group in groups(model, "mlp", "experts", "shared_experts"))
    other = 0.0
    if len(plain) < len(model.layers):
        other = _other_sides(model, "state").both.high
        other += attention_sides(model).both.high if any(layer.kind == "mla" for layer in model.layers) else 0.0
    return Layer(
        norms=2.0 * hidden * count,
        inputs=2.0 * hidden * count,
        attention=float(sum(layer.count * _attended(layer) for layer in plain)),
        mlp=active / hidden,
        dispatch=float(hidden * model.experts_per_token * count),
        other=other,
    )


def widest_layer(model: Model) -> Layer:
    """The most that one token leaves in a single layer."""
    hidden, every, count = max(1, model.hidden_size), all_layers(model), layer_count(model)
    plain = [layer for layer in model.layers if layer.kind in PLAIN]
    others = max(1, sum(layer.count for layer in model.layers if layer.kind not in PLAIN and layer.kind != "none"))
    return Layer(
        norms=2.0 * hidden,
        inputs=2.0 * hidden,
        attention=float(max((_attended(layer) for layer in plain), default=0)),
        mlp=max(float(GATED * model.intermediate), every.mlp / count),
        dispatch=float(hidden * model.experts_per_token),
        other=every.other / others,
    )


def largest_matrix(model: Model) -> tuple[float, float]:
    """(elements of the largest linear matrix, elements of the largest tensor), at the most."""
    hidden = max(1, model.hidden_size)
    attended = [layer.query_heads * max(layer.key_dim, layer.value_dim) for layer in model.layers]
    linear = float(hidden * max(model.intermediate, hidden, *attended))
    return linear, max(linear, float(hidden * model.vocabulary))
