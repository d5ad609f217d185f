"""What a model asks of a card in every step, whatever the card: matrices to read and multiply, caches, layers."""

from typing import NamedTuple

from assay.reason.memory.cache import FIXED, GROWING, WINDOWED, row_bytes
from assay.types.model import Model, TensorGroup
from assay.types.runtime import KvFormat

APART = frozenset({"vision", "mtp", "adapter"})
"""Roles that a plain text step does not touch."""
SMALL = 0.01
"""Of the weights: smaller dense groups are counted with the largest one."""


class Matrix(NamedTuple):
    """Weights of one kind in one weight format, over all layers and cards.

    Attributes:
        kind: `dense`, `experts` (routed), or `head` (multiplied for the last token of a prompt only).
        format: weight-format id.
        size: bytes with scales; parameters: all of them; met: those that one token is multiplied with.
    """

    kind: str
    format: str
    size: float
    parameters: float
    met: float


class Cache(NamedTuple):
    """Like layers' caches: bytes of a row, and operations of a pair of tokens; `window` bounds what a token sees."""

    layers: int
    row: float
    pair: float
    window: int | None


class Shape(NamedTuple):
    """A model as its steps see it.

    Attributes:
        matrices: weights; caches: of the layers that attend.
        state: bytes of fixed states that one sequence reads and writes.
        layers, expert_layers: how many; experts, chosen: of a layer and of a token.
        hidden: elements of a token's row.
    """

    matrices: tuple[Matrix, ...]
    caches: tuple[Cache, ...]
    state: float
    layers: int
    expert_layers: int
    experts: int
    chosen: int
    hidden: int


def distinct_experts(experts: int, per_token: int, tokens: float) -> float:
    """Expected share of a layer's experts that a batch touches: 1 - (1 - k/E)^B, tokens choosing independently."""
    if not experts:
        return 1.0
    return float(1.0 - (1.0 - per_token / experts) ** tokens)


def read(model: Model, group: TensorGroup) -> bool:
    """Whether a step reads the group: rows of a table that is only looked up are left out, a tied head is not."""
    if group.role in APART:
        return False
    return group.role != "embedding" or all(other.role != "head" for other in model.groups)


def group_bytes(model: Model, group: TensorGroup, tokens: float) -> float:
    """Bytes of one tensor group that a step over so many tokens reads."""
    if not read(model, group):
        return 0.0
    share = distinct_experts(model.experts, model.experts_per_token, tokens) if group.role == "experts" else 1.0
    return group.size * share


def _kind(group: TensorGroup) -> str:
    if group.role in ("head", "embedding"):
        return "head"
    return "experts" if group.role == "experts" else "dense"


def _matrix(group: TensorGroup) -> Matrix:
    met = group.active if group.role == "experts" else group.parameters
    return Matrix(_kind(group), group.format, float(group.size), float(group.parameters), float(met))


def _joined(one: Matrix, other: Matrix) -> Matrix:
    return one._replace(
        size=one.size + other.size, parameters=one.parameters + other.parameters, met=one.met + other.met
    )


def matrices(model: Model) -> tuple[Matrix, ...]:
    """The weights that steps read, by kind and format, largest first; small dense ones with the largest dense one."""
    found: dict[tuple[str, str], Matrix] = {}
    for group in model.groups:
        if read(model, group):
            each = _matrix(group)
            key = each.kind, each.format
            found[key] = _joined(found[key], each) if key in found else each
    ordered = sorted(found.values(), key=lambda each: -each.size)
    least = SMALL * sum(each.size for each in ordered)
    dense = next((index for index, each in enumerate(ordered) if each.kind == "dense"), None)
    if dense is None:
        return tuple(ordered)
    small = [each for each in ordered[dense + 1 :] if each.kind == "dense" and each.size < least]
    for each in small:
        ordered[dense] = _joined(ordered[dense], each)
    return tuple(each for each in ordered if each not in small)


def shape_of(model: Model, kv: KvFormat) -> Shape:
    """A model's shape, its caches kept in an element format."""
    caches, state = [], 0.0
    for layer in model.layers:
        if layer.kind in GROWING or layer.kind in WINDOWED:
            latent = layer.kind == "mla"
            # Absorbed latent attention: scores over latent + rotary dims, values over the latent, for every head.
            dims = 2 * layer.latent_dim + layer.rope_dim if latent else layer.key_dim + layer.value_dim
            row = row_bytes(layer, kv)
            caches.append(Cache(layer.count, row, 2.0 * layer.query_heads * dims, layer.window))
        elif layer.kind in FIXED:
            state += 2.0 * layer.count * layer.state_size
    layers = sum(layer.count for layer in model.layers)
    return Shape(
        matrices(model),
        tuple(caches),
        state,
        layers,
        layers if model.experts else 0,
        model.experts,
        model.experts_per_token,
        model.hidden_size,
    )
