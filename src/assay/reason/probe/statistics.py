"""Windows of equal launches -> rates: boost, sustained, and when a card has settled.

The rules follow what the measuring of achievable matrix rates has settled on: short bursts after a rest count for
boost only where the clock stayed up, a long run counts once its second half is as fast as its first.
"""

from collections.abc import Sequence
from statistics import median

from assay.types.probe import Regime, Sample, Window

BOOST_BEST = 5
"""The median of so many fastest bursts: one lucky burst is not the card's rate."""
CLOCK_KEPT = 0.97
"""A burst counts for boost while its lowest clock is at least this share of the highest seen."""
SLOWER_AT_MOST = 0.01
"""Steady: the second half at most 1 % slower than the first."""
SPREAD_AT_MOST = 0.10
"""Steady: windows within 10 % of each other."""


def window(seconds: float, count: int, samples: Sequence[Sample], ended_at: float) -> Window:
    """`count` launches of `seconds` together that ended at `ended_at`, with the samples taken meanwhile."""
    began = ended_at - seconds
    inside = [one for one in samples if began <= one.at <= ended_at]
    clocks = [one.clock_hz for one in inside if one.clock_hz is not None]
    powers = [one.power_w for one in inside if one.power_w is not None]
    return Window(
        seconds / count,
        min(clocks, default=None),
        sum(powers) / len(powers) if powers else None,
        _reasons(inside),
    )


def _reasons(found: Sequence[Sample | Window]) -> tuple[str, ...]:
    return tuple(sorted({reason for one in found for reason in one.throttle}))


def _median(values: list[float]) -> float | None:
    return median(values) if values else None


def _regime(windows: Sequence[Window], work: float, seconds: float, *, steady: bool | None) -> Regime:
    times = [one.seconds for one in windows]
    return Regime(
        rate=work / seconds,
        low=work / max(times),
        high=work / min(times),
        windows=len(times),
        spread=spread(windows),
        clock_hz=_median([one.clock_hz for one in windows if one.clock_hz is not None]),
        power_w=_median([one.power_w for one in windows if one.power_w is not None]),
        steady=steady,
        throttle=_reasons(windows),
    )


def spread(windows: Sequence[Window]) -> float:
    """(longest - shortest) / median of the launches; 0 for a single window."""
    times = [one.seconds for one in windows]
    return (max(times) - min(times)) / median(times)


def boost(windows: Sequence[Window], work: float) -> Regime | None:
    """The median of the fastest bursts whose clock stayed up; None without any.

    Args:
        windows: bursts, each after a rest.
        work: operations or B of one launch.
    """
    if not windows:
        return None
    highest = max((one.clock_hz for one in windows if one.clock_hz is not None), default=0.0)
    kept = [one for one in windows if one.clock_hz is None or one.clock_hz >= CLOCK_KEPT * highest]
    fastest = sorted(kept, key=lambda one: one.seconds)[:BOOST_BEST]
    return _regime(fastest, work, median(one.seconds for one in fastest), steady=None)


def settled(windows: Sequence[Window], last: int = 4) -> bool:
    """Whether the last windows are steady: the card has found the clock that its power allows."""
    return len(windows) >= last and is_steady(windows[-last:])


def is_steady(windows: Sequence[Window]) -> bool:
    """Whether the second half is at most 1 % slower than the first, and all windows lie within 10 %."""
    half = len(windows) // 2
    if not half:
        return False
    first = sum(one.seconds for one in windows[:half]) / half
    second = sum(one.seconds for one in windows[half:]) / (len(windows) - half)
    return second <= first * (1 + SLOWER_AT_MOST) and spread(windows) <= SPREAD_AT_MOST


def sustained(windows: Sequence[Window], work: float) -> Regime | None:
    """All work over all time of the windows, and whether they were steady; None without any."""
    if not windows:
        return None
    mean = sum(one.seconds for one in windows) / len(windows)
    return _regime(windows, work, mean, steady=is_steady(windows))
