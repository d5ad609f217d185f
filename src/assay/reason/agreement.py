"""Whether what a log shows agrees with what was predicted."""

from typing import Literal

from assay.types.quantity import Quantity

Outcome = Literal["inside", "above", "below", "unknown"]
"""Where the observed figure lies against the predicted interval; `above` means that more was used than foreseen."""


def outcome(
    observed: Quantity | None, predicted: Quantity | None, tolerance: float = 0.0, *, ceiling: bool = False
) -> Outcome:
    """Where an observed interval lies against a predicted one.

    Args:
        observed: with the interval that its printed digits leave.
        predicted: with its own interval.
        tolerance: share of the prediction's ends by which they may be missed.
        ceiling: the prediction is a most; less is no difference.
    """
    if observed is None or predicted is None or observed.value is None or predicted.value is None:
        return "unknown"
    low, high = predicted.lowest or 0.0, predicted.highest or 0.0
    slack = tolerance * max(abs(low), abs(high))
    if (observed.lowest or 0.0) > high + slack:
        return "above"
    if not ceiling and (observed.highest or 0.0) < low - slack:
        return "below"
    return "inside"
