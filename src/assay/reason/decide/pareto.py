"""Which options nothing else betters on every side: quality, throughput, latency, context, memory.

A speed counts by its typical value, so that the front is one; that two of them cannot be told apart is said where they
are compared. What is not known is never taken for good or bad: an option whose loss nobody measured is dominated only
by one that is known to lose no more, that is by the weights as released or by the same weights and cache.
"""

from collections.abc import Sequence

from assay.reason.decide.needs import turn_of
from assay.types.decide import Interval, Weighed


def _loses_no_more(one: Weighed, other: Weighed) -> bool:
    """Whether one is known to lose no more than the other, by a protocol of both."""
    if (one.option.weights, one.option.kv) == (other.option.weights, other.option.kv) or one.lossless:
        return True
    if other.lossless or one.option.kv != other.option.kv:
        return False
    known = {loss.protocol: loss for loss in other.losses}
    pairs = [(loss, known[loss.protocol]) for loss in one.losses if loss.protocol in known]
    return bool(pairs) and len(known) == len(pairs) and all(mine.high <= theirs.low for mine, theirs in pairs)


def _no_slower(one: Interval | None, other: Interval | None) -> bool:
    return one is not None and other is not None and one[1] >= other[1]


def _latency(weighed: Weighed, output: int) -> Interval | None:
    """The time of an answer, as a rate."""
    turn = turn_of(weighed.pace, output)
    return None if turn is None else (1 / turn[2], 1 / turn[1], 1 / turn[0])


def no_worse(one: Weighed, other: Weighed, output: int) -> bool:
    """Whether one is known to be no worse than the other on every side.

    Args:
        one: an option.
        other: another for the same need.
        output: tokens of an answer, for the latency.
    """
    return (
        one.context >= other.context
        and one.total[1] * one.option.copies * one.option.cards
        <= other.total[1] * other.option.copies * other.option.cards
        and _no_slower(one.pace.total, other.pace.total)
        and _no_slower(_latency(one, output), _latency(other, output))
        and _loses_no_more(one, other)
    )


def front(found: Sequence[Weighed], output: int) -> tuple[Weighed, ...]:
    """The options that nothing dominates, in their order; of equal ones all stay."""
    return tuple(
        one
        for one in found
        if not any(no_worse(other, one, output) and not no_worse(one, other, output) for other in found)
    )
