"""Fits a few positive parameters to many measured times: least squares of the logarithms, far rows weighted down.

The pseudo-Huber loss of log(model / measured) is minimized over the logarithms of the parameters by Levenberg and
Marquardt's damped steps: every parameter stays positive, every row counts by its relative error, nothing is random.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = Any
"""A vector of floats."""
Model = Callable[[Array], Array]
"""Seconds of every row for a vector of parameters."""

SCALE = 0.1
"""Relative errors well above this one weigh by their size, not by its square."""
STEP = 1e-4
ROUNDS = 200
DAMPINGS = 24
STILL = 1e-9
"""The fit ends when a round moves no parameter by more than this share of it."""
NOTHING = 1e-14
"""A time below this (seconds) is no time: a parameter that fell so low was not needed."""


class Start(NamedTuple):
    """Where a parameter starts, the most it may be (a share is at most 1), and whether it stays where it starts."""

    value: float
    most: float = np.inf
    fixed: bool = False


def _loss(errors: Array) -> float:
    return float(SCALE**2 * np.sum(np.sqrt(1.0 + (errors / SCALE) ** 2) - 1.0))


def _slopes(errors_at: Callable[[Array], Array], point: Array) -> Array:
    columns = []
    for index in range(len(point)):
        ahead, behind = point.copy(), point.copy()
        ahead[index] += STEP
        behind[index] -= STEP
        columns.append((errors_at(ahead) - errors_at(behind)) / (2.0 * STEP))
    return np.stack(columns, axis=1)


def _step(curvature: Array, slope: Array, damping: float, loose: Array) -> Array:
    own = curvature[np.ix_(loose, loose)]
    ridge = damping * np.diag(np.diag(own) + 1e-9 * np.trace(own) + 1e-12)
    step = np.zeros(len(slope))
    step[loose] = np.clip(np.linalg.solve(own + ridge, -slope[loose]), -1.0, 1.0)
    return step


def fit(model: Model, seconds: Array, starts: tuple[Start, ...]) -> Array:
    """The parameters that fit `seconds` best."""
    values = np.array([start.value for start in starts])
    free = np.array([not start.fixed for start in starts])
    most = np.log(np.array([start.most for start in starts])[free])
    measured = np.log(seconds)

    def whole(point: Array) -> Array:
        filled = values.copy()
        filled[free] = np.exp(point)
        return filled

    def errors_at(point: Array) -> Array:
        return np.log(model(whole(point))) - measured

    point = np.log(values[free])
    errors, damping = errors_at(point), 1e-3
    for _ in range(ROUNDS):
        slopes = _slopes(errors_at, point)
        weighted = slopes / np.sqrt(1.0 + (errors / SCALE) ** 2)[:, None]
        curvature, slope = weighted.T @ slopes, weighted.T @ errors
        before, loss = point, _loss(errors)
        # A parameter that would leave through its upper end stays there while the others move.
        loose = np.flatnonzero((point < most) | (slope > 0.0))
        for _ in range(DAMPINGS):
            moved = np.minimum(point + _step(curvature, slope, damping, loose), most)
            found = errors_at(moved)
            if _loss(found) < loss:
                point, errors, damping = moved, found, max(damping / 5.0, 1e-12)
                break
            damping *= 4.0
        if np.max(np.abs(point - before)) < STILL:
            break
    found = whole(point)
    return np.where(found < NOTHING, 0.0, found)


class Error(NamedTuple):
    """Absolute relative errors: mean, median, and of how many rows."""

    mean: float
    median: float
    rows: int


def error(predicted: Array, seconds: Array) -> Error:
    """How far predictions lie from what was measured."""
    if not len(seconds):
        return Error(float("nan"), float("nan"), 0)
    apart = np.abs(predicted / seconds - 1.0)
    return Error(float(np.mean(apart)), float(np.median(apart)), len(seconds))
