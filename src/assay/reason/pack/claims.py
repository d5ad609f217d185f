"""What a server takes of each card beside others, and what it lets be used there.

A runtime that is told a fraction of the card (vLLM) holds that fraction of every card of its group, and refuses to
start where less is free: so a group of unequal cards is as small as its smallest. Fractions are whole thousandths,
rounded up from the pessimistic end; memory is counted in thousandths of a byte, so that nothing is rounded twice.
"""

from math import ceil, floor
from typing import NamedTuple

from assay.reason.deploy.shares import STEPS
from assay.reason.memory.fit import CardMemory, available_memory
from assay.reason.pack.search import UNLIMITED, Way
from assay.types.plan import MemoryPlan
from assay.types.quantity import Quantity

HAIR = 1e-9
"""0.57 x 1000 is 569.9999999999999."""


class Need(NamedTuple):
    """Bytes on each card of a group: the optimistic end of what is known, and the pessimistic one, None if unknown."""

    low: float
    high: float | None


class Member(NamedTuple):
    """A kind of card in a group, and what a process sees of it."""

    kind: str
    seen: Quantity


def need_of(plan: MemoryPlan) -> Need:
    """What one card holds of a server; what is certainly needed counts even where another part is unknown."""
    parts = (plan.weights, plan.kv, plan.state, plan.activation, plan.overhead)
    return Need(sum(part.lowest or 0.0 for part in parts), plan.total.highest)


def together(needs: tuple[Need, ...]) -> Need:
    """What each card of a group holds where the plan depends on the kind of card: the widest."""
    highs = [need.high for need in needs]
    known = [high for high in highs if high is not None]
    return Need(min(need.low for need in needs), max(known) if len(known) == len(highs) else None)


def seen_by_process(card: CardMemory) -> Quantity:
    """Bytes of a card that a process sees: what the driver shows, less what CUDA keeps."""
    return available_memory(card, None)


def steps_of(need: float, members: tuple[Member, ...]) -> int | None:
    """Thousandths of each card that hold `need` bytes on the smallest; None where a card's memory is unknown."""
    seen = [member.seen.lowest for member in members]
    known = [size for size in seen if size]
    return max(ceil(need * STEPS / size) for size in known) if len(known) == len(seen) else None


def _ceiling(size: float, share: float | None) -> int:
    return int(size) * (STEPS if share is None else floor(share * STEPS + HAIR))


def surely(need: Need, members: tuple[Member, ...], share: float | None) -> Way | None:
    """The group with the pessimistic need in the pessimistic room; None where one of them is unknown.

    Args:
        need: on each card.
        members: the cards of the group, sorted by kind.
        share: of each card that may be used in all, for a runtime that is told a fraction; else None.
    """
    steps = None if need.high is None else steps_of(need.high, members)
    if steps is None or need.high is None:
        return None
    sizes = [member.seen.lowest or 0.0 for member in members]
    whole = ceil(need.high) * STEPS
    claims = tuple(whole if share is None else int(size) * steps for size in sizes)
    return Way(tuple(member.kind for member in members), claims, tuple(_ceiling(size, share) for size in sizes))


def possibly(need: Need, members: tuple[Member, ...], share: float | None) -> Way:
    """The group with the optimistic need in the optimistic room; unknown memory is no limit."""
    sizes = [member.seen.highest for member in members]
    ceilings = tuple(UNLIMITED if size is None else _ceiling(size, share) for size in sizes)
    return Way(tuple(member.kind for member in members), (floor(need.low) * STEPS,) * len(members), ceilings)


def widened(ways: tuple[Way, ...], more: int) -> tuple[Way, ...]:
    """The same groups if every card had `more` bytes for use."""
    return tuple(way._replace(ceilings=tuple(one + more * STEPS for one in way.ceilings)) for way in ways)
