"""Part of a model in host memory: how many blocks' experts, or how many blocks, must leave the card.

The last blocks stay, as llama.cpp counts them, with the output; where tensors are known one by one their bytes are
exact, else blocks are taken to be equal and the figures say so. How fast the host answers is not computed here.
"""

from collections.abc import Callable
from typing import NamedTuple

from assay.reason.memory.fit import Setting, fit
from assay.reason.memory.placement import block_count, host_weights
from assay.types.plan import Fit, Verdict, Workload
from assay.types.quantity import Quantity
from assay.types.runtime import LlamaServer


class Offloaded(NamedTuple):
    """What leaves the card.

    Attributes:
        experts_of: blocks, counted from the first, whose experts lie in host memory; 0 for none.
        gpu_layers: blocks that stay on the card, the output counted as one; None for all.
        weights: in host memory, the embedding table with them.
        fit: with that placement.
    """

    experts_of: int
    gpu_layers: int | None
    weights: Quantity
    fit: Fit


def _placing(setting: Setting, server: LlamaServer) -> Setting:
    memory = setting.runtime.memory
    if memory is None:
        return setting
    return setting._replace(runtime=setting.runtime._replace(memory=memory._replace(server=server)))


def _most(fits: Callable[[int], Fit], least: int, limit: int) -> tuple[int, Fit] | None:
    """The largest number of least..limit for which the plan surely fits, and that plan; None where none does."""
    low, high = least, limit
    found = fits(least)
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


def offloaded(setting: Setting, workload: Workload) -> Offloaded | None:
    """What must leave the card, experts before whole blocks; None where not even the output alone has room."""
    model, total, memory = setting.model, block_count(setting.model), setting.runtime.memory
    if not total or model.weights.value is None or memory is None:
        return None
    server = memory.server

    def answer(placement: LlamaServer) -> Fit:
        return fit(_placing(setting, placement), workload)

    if any(group.role == "experts" for group in model.groups):
        most = _most(lambda kept: answer(server._replace(host_experts=total - kept)), 0, total)
        if most is not None:
            gone = total - most[0]
            return Offloaded(gone, None, host_weights(model, server._replace(host_experts=gone)), most[1])
    most = _most(lambda kept: answer(server._replace(gpu_layers=kept)), 1, total + 1)
    if most is None:
        return None
    kept, plan = most
    return Offloaded(0, kept, host_weights(model, server._replace(gpu_layers=kept)), plan)


def host_verdict(needed: Quantity, ram: Quantity) -> Verdict:
    """Whether host memory holds its part: by its pessimistic end *yes*, by its optimistic one *no*."""
    if None in (needed.highest, needed.lowest, ram.lowest, ram.highest):
        return "unknown"
    if (needed.highest or 0) <= (ram.lowest or 0):
        return "yes"
    return "no" if (needed.lowest or 0) > (ram.highest or 0) else "unknown"
