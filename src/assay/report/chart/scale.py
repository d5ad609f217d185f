"""Where a value lies between the ends of an axis."""

from math import log

from assay.types.chart import Axis


def position(axis: Axis, value: float) -> float:
    """0 at the axis's low end, 1 at its high end; values beyond an end lie on it."""
    if value <= axis.low:
        return 0.0
    if value >= axis.high:
        return 1.0
    if axis.scale == "log":
        return log(value / axis.low) / log(axis.high / axis.low)
    return (value - axis.low) / (axis.high - axis.low)
