"""Several servers on one card: what each is given, so that the sum stays below what may be used."""

from math import ceil
from typing import NamedTuple

from assay.types.plan import Verdict
from assay.types.quantity import Quantity

STEPS = 1000
"""Fractions are told to the runtime in steps of a thousandth of the card, rounded up."""


class Shares(NamedTuple):
    """The verdict, and the fraction of the card for each server in order (empty unless something may fit)."""

    verdict: Verdict
    fractions: tuple[float, ...]


def _steps(size: float, whole: float) -> int:
    return ceil(size * STEPS / whole)


def shared(needs: tuple[Quantity, ...], beside: Quantity, seen: Quantity, most: float) -> Shares:
    """Fractions of the card, the first server given what the others leave.

    Args:
        needs: total memory of each server, the one that grows first.
        beside: memory that no server's fraction holds (a vector index).
        seen: what a process sees of the card; a runtime's fraction is of this.
        most: the share of it that may be used in all.

    Yes where the pessimistic needs fit into the pessimistic room, no where the optimistic ones exceed the optimistic.
    """
    figures = (*needs, beside)
    if seen.lowest is None or seen.highest is None or any(one.highest is None or one.lowest is None for one in figures):
        return Shares("unknown", ())
    if sum(one.lowest or 0.0 for one in figures) > seen.highest * most:
        return Shares("no", ())
    steps = [_steps(one.highest or 0.0, seen.lowest) for one in figures]
    left = int(most * STEPS) - sum(steps)
    if left < 0:
        return Shares("unknown", ())
    fractions = [step / STEPS for step in steps[: len(needs)]]
    fractions[0] = (steps[0] + left) / STEPS
    return Shares("yes", tuple(fractions))
