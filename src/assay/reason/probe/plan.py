"""How the time of a probe is divided among its workloads, and what is left out for want of it."""

from collections.abc import Sequence
from typing import NamedTuple

from assay.types.probe import Workload

QUICK_S, FULL_S = 90.0, 360.0
OVERHEAD = 0.2
"""Share of the time kept for compiling, allocating, checking and for the look at the card."""
LEAST_S, MOST_S = 0.4, 12.0
"""A workload gets no less (it would say nothing) and no more (it would say nothing new)."""
WEIGHTS = {"gemm": 3.0, "memory": 2.0, "copy": 1.0, "micro": 1.0}
DECODE_ROWS = 256
DECODE_WEIGHT = 0.7
"""Products of few rows are many and short."""


class Schedule(NamedTuple):
    """The stretches of one workload, in s.

    Attributes:
        rest_s: idle before each burst.
        burst_s, bursts: length and number of the boost windows.
        warm_s: at most so long until the card has settled.
        window_s, windows: length and number of the sustained windows.
    """

    rest_s: float
    burst_s: float
    bursts: int
    warm_s: float
    window_s: float
    windows: int

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.bursts * (self.rest_s + self.burst_s) + self.warm_s + self.windows * self.window_s


class Share(NamedTuple):
    """A workload with its time; None where there is none left for it."""

    workload: Workload
    seconds: float | None


BURSTS, WINDOWS = 8, 8


def schedule(seconds: float) -> Schedule:
    """The stretches of a workload that has so many seconds: 2/5 for boost, 1/5 to settle, 2/5 sustained."""
    return Schedule(
        rest_s=min(0.25, 0.2 * seconds / BURSTS),
        burst_s=min(0.25, 0.2 * seconds / BURSTS),
        bursts=BURSTS,
        warm_s=0.2 * seconds,
        window_s=0.4 * seconds / WINDOWS,
        windows=WINDOWS,
    )


def _weight(workload: Workload) -> float:
    if workload.shape is not None and workload.shape[0] <= DECODE_ROWS:
        return DECODE_WEIGHT
    return WEIGHTS[workload.kind]


def divide(workloads: Sequence[Workload], budget_s: float) -> tuple[Share, ...]:
    """The time of each workload, in their order, the first being of most interest.

    Where not all would get `LEAST_S`, the last are left out; what one cannot use goes to the others.
    """
    usable = budget_s * (1 - OVERHEAD)
    kept = list(workloads[: max(0, int(usable / LEAST_S))])
    seconds = {one.name: LEAST_S for one in kept}
    open_ones, rest = list(kept), usable - LEAST_S * len(kept)
    while open_ones and rest > 1e-9:
        weights = sum(_weight(one) for one in open_ones)
        spare = 0.0
        for one in open_ones:
            wanted = seconds[one.name] + rest * _weight(one) / weights
            seconds[one.name] = min(MOST_S, wanted)
            spare += wanted - seconds[one.name]
        open_ones = [one for one in open_ones if seconds[one.name] < MOST_S]
        rest = spare
    return tuple(Share(one, seconds.get(one.name)) for one in workloads)
