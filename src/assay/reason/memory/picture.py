"""The figures that a drawing of a card's memory needs besides the plan."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import log2

from assay.reason.memory.fit import UNSTATED_CONTEXT, CardMemory, Setting, available_memory, fit
from assay.types.model import Role, TensorGroup
from assay.types.picture import CardRoom, MemoryPicture, Step, WeightShare
from assay.types.plan import MemoryPlan, Workload
from assay.types.quantity import Quantity

Name = tuple[Role, str]
Sizes = dict[Name, int]
End = Callable[[Quantity], float | None]

FIRST_CONTEXT = 1024
"""The frontier begins here, or earlier for a model of short contexts: a sixteenth of its limit."""
WHOLE_ON_EACH = frozenset({"norm", "router"})
"""Roles that tensor parallelism keeps whole on every card."""


def contexts(limit: int | None, stated: int) -> tuple[int, ...]:
    """Powers of two up to the model's limit, the limit itself, and the stated context unless it lies beyond."""
    longest = limit or max(stated, UNSTATED_CONTEXT)
    first = min(FIRST_CONTEXT, 1 << int(log2(max(1, longest // 16))))
    powers = (1 << power for power in range(first.bit_length() - 1, longest.bit_length()))
    return tuple(sorted({*powers, *({limit} if limit else ()), *({stated} if stated <= longest else ())}))


def frontier(setting: Setting, workload: Workload) -> tuple[Step, ...]:
    """For each context the most sequences that fit: the same search as for the stated context."""
    return tuple(
        Step(tokens, fit(setting, workload._replace(context=tokens)).max_concurrency)
        for tokens in contexts(setting.model.max_context, workload.context)
    )


def _on_one_card(setting: Setting, groups: Iterable[TensorGroup], end: End, whole: float) -> Sizes | None:
    """Bytes of each role and format on one card, as loaded and divided; None unless they add up to `whole`.

    Nothing is scaled to fit: a sum that is off by more than rounding follows another rule than the plan's.
    """
    memory, cards = setting.runtime.memory, setting.card.cards
    exact_sizes: dict[Name, float] = {}
    for group in groups:
        grown = None if memory is None else memory.loaded.get(group.format)
        size = group.size * (1.0 if grown is None else end(grown) or 1.0)
        size /= 1 if group.role in WHOLE_ON_EACH else cards
        exact_sizes[group.role, group.format] = exact_sizes.get((group.role, group.format), 0.0) + size
    sizes = {name: round(size) for name, size in exact_sizes.items()}
    rest = round(whole) - sum(sizes.values())
    if not sizes or abs(rest) > len(sizes) + 1:
        return None
    sizes[max(sizes, key=lambda name: sizes[name])] += rest
    return sizes


def weight_shares(setting: Setting, weights: Quantity) -> tuple[WeightShare, ...]:
    """The plan's weights by role and format; empty where the groups do not add up to them.

    A table of embeddings may stay in host memory.
    """
    ends: tuple[End, ...] = (lambda figure: figure.lowest, lambda figure: figure.value, lambda figure: figure.highest)
    groups = setting.model.groups
    for chosen in (groups, tuple(group for group in groups if group.role != "embedding")):
        found = [_on_one_card(setting, chosen, end, whole) for end in ends if (whole := end(weights)) is not None]
        known = [sizes for sizes in found if sizes is not None]
        if len(known) == len(ends):
            low, value, high = known
            return tuple(
                WeightShare(
                    *name,
                    replace(
                        weights,
                        value=value[name],
                        low=low[name] if low[name] < high[name] else None,
                        high=high[name] if low[name] < high[name] else None,
                    ),
                )
                for name in value
                if high[name]
            )
    return ()


def picture(setting: Setting, workload: Workload, plan: MemoryPlan, cards: Iterable[CardMemory]) -> MemoryPicture:
    """What is drawn of a plan; `cards` hold each kind of card with its own memory and number."""
    memory = setting.runtime.memory
    rooms = (CardRoom(card.usable, available_memory(card, memory), card.cards) for card in cards)
    return MemoryPicture(tuple(rooms), weight_shares(setting, plan.weights), frontier(setting, workload))
