"""Part of a model in host memory: how many layers' experts, or how many layers, must leave the card.

Only the card is planned here. Layers are taken to be equal, which mixtures of quantizations and models with dense first
layers are not; what the host has, and how fast it answers, is not computed.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from assay.reason.memory.fit import Setting, fit
from assay.types.model import Model, Role, TensorGroup
from assay.types.plan import Fit, Workload

LAYERED: frozenset[Role] = frozenset(
    {"attention", "mlp", "experts", "shared_experts", "router", "norm", "state", "other"}
)
EXPERTS: frozenset[Role] = frozenset({"experts"})


class Offloaded(NamedTuple):
    """What leaves the card.

    Attributes:
        experts_of: layers whose experts lie in host memory, 0 for none.
        layers: layers that stay on the card, None for all.
        host_bytes: weights in host memory.
        fit: of what stays.
    """

    experts_of: int
    layers: int | None
    host_bytes: float
    fit: Fit


def layer_count(model: Model) -> int:
    """Layers that llama.cpp counts."""
    return sum(layer.count for layer in model.layers)


def _less(model: Model, roles: frozenset[Role], kept: int, total: int) -> Model:
    """The model with `kept` of `total` shares of some roles; sizes are rounded up, never down."""

    def share(group: TensorGroup) -> TensorGroup:
        if group.role not in roles:
            return group
        return group._replace(
            size=-(-group.size * kept // total),
            parameters=-(-group.parameters * kept // total),
            active=-(-group.active * kept // total),
        )

    groups = tuple(share(group) for group in model.groups)
    gone = sum(group.size for group in model.groups) - sum(group.size for group in groups)
    value = model.weights.value
    if value is None:
        return model
    weights = replace(
        model.weights,
        value=value - gone,
        low=None if model.weights.low is None else model.weights.low - gone,
        high=None if model.weights.high is None else model.weights.high - gone,
        basis="derived",
        weakest="assumed",
        weakest_share=1.0,
        formula="weights - what lies in host memory, layers taken to be equal",
    )
    return replace(model, groups=groups, weights=weights)


def _fewer(model: Model, kept: int, total: int) -> Model:
    """The model with `kept` of its layers on the card, weights and caches; counts are rounded up."""
    layers = tuple(layer._replace(count=-(-layer.count * kept // total)) for layer in model.layers)
    return replace(_less(model, LAYERED, kept, total), layers=layers)


def _most(fits: Callable[[int], Fit], limit: int) -> tuple[int, Fit] | None:
    """The largest number of 0..limit for which the plan surely fits, and that plan; None where none does."""
    low, high = 0, limit
    found = fits(0)
    if found.verdict != "yes":
        return None
    while low < high:
        middle = (low + high + 1) // 2
        plan = fits(middle)
        if plan.verdict == "yes":
            low, found = middle, plan
        else:
            high = middle - 1
    return low, found


def _size(model: Model, roles: frozenset[Role]) -> int:
    return sum(group.size for group in model.groups if group.role in roles)


def offloaded(setting: Setting, workload: Workload) -> Offloaded | None:
    """What must leave the card, experts before whole layers; None where not even an empty card is enough."""
    model, total = setting.model, layer_count(setting.model)
    if not total or model.weights.value is None:
        return None
    if any(group.role == "experts" for group in model.groups):
        most = _most(lambda kept: fit(setting._replace(model=_less(model, EXPERTS, kept, total)), workload), total)
        if most is not None:
            kept, plan = most
            gone = total - kept
            return Offloaded(gone, None, _size(model, EXPERTS) * gone / total, plan)
    most = _most(lambda kept: fit(setting._replace(model=_fewer(model, kept, total)), workload), total)
    if most is None:
        return None
    kept, plan = most
    return Offloaded(0, kept, _size(model, LAYERED) * (total - kept) / total, plan)
