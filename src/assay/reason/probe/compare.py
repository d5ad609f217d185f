"""Two probes side by side: the same workload's rates, and whether they differ by more than their own spread."""

from typing import Literal, NamedTuple

from assay.types.probe import Regime, Run, Workload

Change = Literal["same", "faster", "slower", "only_first", "only_second"]
LEAST = 0.03
"""Two runs of one card on different days differ by up to 3 %."""


class Compared(NamedTuple):
    """One workload in two probes.

    Attributes:
        workload: it.
        first, second: the sustained rates, boost where nothing else was reached; None where there is none.
        ratio: second / first, or None.
        change: beyond the spread of both and 3 %.
    """

    workload: Workload
    first: Regime | None
    second: Regime | None
    ratio: float | None
    change: Change


def _rates(run: Run) -> dict[str, tuple[Workload, Regime]]:
    found = {}
    for one in run.measurements:
        regime = one.sustained or one.boost
        if regime is not None and one.wrong is None:
            found[one.workload.name] = (one.workload, regime)
    return found


def _change(first: Regime, second: Regime) -> tuple[float, Change]:
    ratio = second.rate / first.rate
    noise = max(LEAST, first.spread / 2, second.spread / 2)
    if abs(ratio - 1) <= noise:
        return ratio, "same"
    return ratio, "faster" if ratio > 1 else "slower"


def compared(first: Run, second: Run) -> tuple[Compared, ...]:
    """Every workload that either probe measured, in the order of the first."""
    left, right = _rates(first), _rates(second)
    found = []
    for name in dict.fromkeys((*left, *right)):
        if name in left and name in right:
            workload, one = left[name]
            other = right[name][1]
            ratio, change = _change(one, other)
            found.append(Compared(workload, one, other, ratio, change))
        elif name in left:
            found.append(Compared(left[name][0], left[name][1], None, None, "only_first"))
        else:
            found.append(Compared(right[name][0], None, right[name][1], None, "only_second"))
    return tuple(found)
