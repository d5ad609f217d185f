"""An option for a need on plain numbers: whether it runs and meets what was asked, how fast, how far, how large."""

from collections.abc import Callable
from math import ceil
from typing import NamedTuple

from assay.reason.decide.needs import goal_of
from assay.reason.memory.fit import UNSTATED_CONTEXT, Setting
from assay.reason.memory.outcome import Fixed, Outcome, outcome
from assay.types.decide import Interval, Limit, Loss, Need, Option, Pace, Weighed
from assay.types.plan import Verdict, Workload

STEP = 1024
"""Contexts are told in multiples of this."""
NOTHING = Pace(None, None, None)
Pacer = Callable[[Workload, int], Pace]
"""The speeds of one copy for a workload, so many tokens written in each turn."""


class Ground(NamedTuple):
    """What no need changes about an option.

    Attributes:
        option: which.
        setting: one copy on its cards; fixed: its memory that no workload changes.
        standing: the verdict if memory were no question.
        pace: its speeds.
        same_weights, same_cache, losses: see `Weighed`.
        stored: bytes of the weights; wide: bits of an element of the KV cache.
    """

    option: Option
    setting: Setting
    fixed: Fixed
    standing: Verdict
    pace: Pacer
    same_weights: bool
    same_cache: bool
    losses: tuple[Loss, ...]
    stored: float
    wide: float


def both(*verdicts: Verdict) -> Verdict:
    """No if any says no, unknown if any is unknown, else yes."""
    return "no" if "no" in verdicts else "unknown" if "unknown" in verdicts else "yes"


def at_least(rate: Interval | None, asked: float | None) -> Verdict:
    """Whether a speed surely reaches what was asked, surely does not, or cannot be told."""
    if asked is None:
        return "yes"
    if rate is None:
        return "unknown"
    return "yes" if rate[0] >= asked else "no" if rate[2] < asked else "unknown"


def loses_at_most(losses: tuple[Loss, ...], limit: Limit | None, *, lossless: bool) -> Verdict:
    """Whether no more than that is lost: by the protocol that was named, else by each that has figures.

    Where no figure of the protocol exists the answer is unknown: what nobody measured is not zero.
    """
    if limit is None or lossless:
        return "yes"
    judged = [loss for loss in losses if limit.protocol in (None, loss.protocol)]
    if not judged:
        return "unknown"
    verdicts: list[Verdict] = [
        "yes" if loss.high <= limit.share else "no" if loss.low > limit.share else "unknown" for loss in judged
    ]
    return both(*verdicts)


def _room(found: Outcome) -> float | None:
    """Bytes that surely stay free; None where the need is not known."""
    if not found.complete or found.available is None:
        return None
    return found.available[0] - found.total[1]


def reach(ground: Ground, sequences: int, prompt: int) -> int:
    """Tokens of each of so many sequences that surely fit, in steps of 1,024, at most what the model takes; else 0."""
    limit = ground.setting.model.max_context or UNSTATED_CONTEXT

    def room(context: int) -> float | None:
        return _room(outcome(ground.setting, Workload(context, sequences, min(prompt, context)), ground.fixed))

    most = room(limit)
    if most is None:
        return 0
    if most >= 0:
        return limit
    low, high = 1, max(1, limit // STEP)
    least = room(STEP)
    if least is None or least < 0 or limit < STEP:
        return 0
    missing = most
    while high - low > 1:
        # What grows with the context is all but linear: the straight line between the ends meets it in a few steps.
        guess = low + int((high - low) * least / (least - missing))
        middle = min(high - 1, max(low + 1, guess))
        found = room(middle * STEP)
        if found is not None and found >= 0:
            low, least = middle, found
        else:
            high, missing = middle, -1.0 if found is None else found
    return low * STEP


def together(pace: Pace, copies: int) -> Pace:
    """The pace of several copies side by side."""
    if copies == 1 or pace.total is None:
        return pace
    low, typical, high = pace.total
    return pace._replace(total=(low * copies, typical * copies, high * copies))


def weigh(ground: Ground, need: Need) -> Weighed:
    """Everything that is known of an option for a need."""
    option = ground.option
    each = ceil(need.users / option.copies)
    workload = Workload(need.context, each, need.prompt, option.kv)
    found = outcome(ground.setting, workload, ground.fixed)
    longest = ground.setting.model.max_context
    beyond: Verdict = "no" if longest is not None and need.context > longest else "yes"
    verdict = both(found.verdict, ground.standing, beyond)
    pace = NOTHING if verdict == "no" else together(ground.pace(workload, need.output), option.copies)
    return Weighed(
        option=option,
        verdict=verdict,
        meets=both(
            verdict,
            at_least(pace.decode, need.min_rate),
            loses_at_most(ground.losses, need.most_lost, lossless=ground.same_weights and ground.same_cache),
        ),
        same_weights=ground.same_weights,
        same_cache=ground.same_cache,
        losses=ground.losses,
        pace=pace,
        goal=goal_of(need, pace),
        context=0 if verdict == "no" else reach(ground, each, need.prompt),
        total=found.total,
        available=found.available,
        stored=ground.stored,
        wide=ground.wide,
    )
