"""Cross-validation: what the model says of measurements it was not fitted to, by how near the fitted ones are.

Four ways of leaving out: a fold of groups (no twin of a row remains: same card, model shape and source), a card, a
runtime on a card, a runtime. Which stratum a left-out row belongs to follows from what remained.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor
from typing import NamedTuple

from fitting import fitted, residual
from observations import Observation

from assay.types.speed import Seen

FOLDS = 25
NOMINAL = 0.8
ROUGHLY = 1e-5
"""Tolerance of the fits to all but one fold: they start near their end, and errors are told in percent."""
FEWEST = 12
"""Residuals below which a stratum is judged with the next wider one."""


class Left(NamedTuple):
    """A row that was left out: log(predicted / measured seconds), and what remained of its kind."""

    one: Observation
    residual: float
    seen: Seen
    folded: str


def fold_of(group: str) -> int:
    """The fold of a group: decided by its name's hash, so that added rows move no other."""
    return int(hashlib.sha256(group.encode()).hexdigest(), 16) % FOLDS


def _seen(one: Observation, rest: Iterable[Observation]) -> Seen:
    gpus, pairs, runtimes = set(), set(), set()
    for other in rest:
        gpus.add(other.gpu)
        pairs.add((other.gpu, other.runtime))
        runtimes.add(other.runtime)
    if (one.gpu, one.runtime) in pairs:
        return "calibrated"
    if one.gpu in gpus:
        return "seen"
    return "unseen" if one.runtime in runtimes else "runtime"


def left_out(observations: Sequence[Observation], fold: Callable[[Observation], str]) -> list[Left]:
    """Every row, predicted by a fit to the rows of all other folds."""
    whole = fitted(observations)
    found = []
    for name in sorted({fold(one) for one in observations}):
        rest = [one for one in observations if fold(one) != name]
        coefficients = fitted(rest, whole, ROUGHLY)
        cache: dict[tuple[str, str], Seen] = {}
        for one in observations:
            if fold(one) == name:
                key = one.gpu, one.runtime
                if key not in cache:
                    cache[key] = _seen(one, rest)
                found.append(Left(one, residual(one, coefficients), cache[key], name))
    return found


def by_group(observations: Sequence[Observation]) -> list[Left]:
    """Groups left out, several at a time."""
    return left_out(observations, lambda one: f"fold {fold_of(one.group):02}")


def by_card(observations: Sequence[Observation]) -> list[Left]:
    """A card left out whole."""
    return left_out(observations, lambda one: one.gpu)


def by_pair(observations: Sequence[Observation]) -> list[Left]:
    """A runtime left out on one card, where the card was measured under another."""
    runtimes: dict[str, set[str]] = {}
    for one in observations:
        runtimes.setdefault(one.gpu, set()).add(one.runtime)
    several = {gpu for gpu, names in runtimes.items() if len(names) > 1}
    whole = left_out(observations, lambda one: f"{one.gpu} {one.runtime}" if one.gpu in several else "")
    return [each for each in whole if each.folded]


def by_runtime(observations: Sequence[Observation]) -> list[Left]:
    """A runtime left out on all cards."""
    return left_out(observations, lambda one: one.runtime)


def ends(residuals: Sequence[float]) -> tuple[float, float]:
    """The interval that holds a new residual with a chance of `NOMINAL`, were all alike."""
    ordered = sorted(residuals)
    number, tail = len(ordered), (1.0 - NOMINAL) / 2
    low = max(floor((number + 1) * tail) - 1, 0)
    high = min(ceil((number + 1) * (1.0 - tail)) - 1, number - 1)
    return ordered[low], ordered[high]
