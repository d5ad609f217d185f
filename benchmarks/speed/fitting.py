"""The calibration: coefficients of the speed model's levels from published measurements.

A coefficient's prior is none (0) but for the terms themselves, and the finer the level the tighter it is held: a card's
own figures move its instruction set's only as far as many rows agree. Residuals are logarithms, far ones count less
(Huber). Gauss-Newton with the derivatives that `reason/speed/step.py` hands out; nothing random, nothing typed in.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import log
from operator import add
from typing import NamedTuple

import numpy as np
from kernel_priors import Linear, kernel_rows
from observations import Observation

from assay.reason.speed.step import Factors, factors_of

BASES = {
    "read": (log(1 / 0.7), 1.0),
    "multiply": (log(1 / 0.5), 1.0),
    "cache": (log(1 / 0.6), 0.7),
    "attend": (log(1 / 0.3), 1.0),
    "layer": (log(10e-6), 1.5),
    "expert_layer": (log(10e-6), 1.5),
    "step": (log(200e-6), 1.5),
    "each": (log(5e-6), 1.5),
    "rows": (log(20), 1.0),
    "mix": (log(0.5), 1.0),
    "pad": (log(16), 1.0),
    "reduce": (log(15e-6), 1.0),
    "ring": (log(1.3), 0.5),
    "read/power": (0.5, 0.5),
    "multiply/power": (0.5, 0.5),
}
"""Prior mean and deviation of each term's own coefficient, in logarithms: a roofline's common sense, and wide."""
LEVELS = {"mix": (1.0, 0.5, 0.3), "read": (0.3, 0.15, 0.08), "multiply": (0.5, 0.3, 0.12), "layer": (0.6, 0.3, 0.15)}
"""Deviation of a level's coefficient by how many names it has: one, two, three."""
WIDE = (0.5, 0.3, 0.15)
HUBER = 2.0
TOLERANCE, STILL, SHORTEST, MOST = 1e-9, 1e-6, 1e-3, 60


def prior(name: str) -> tuple[float, float]:
    """(mean, deviation) of a coefficient."""
    if name in BASES:
        return BASES[name]
    term, *levels = name.split("/")
    return 0.0, LEVELS.get(term, WIDE)[min(len(levels), 3) - 1]


def _all_keys(one: Observation) -> Iterable[tuple[str, float]]:
    yield from (pair for keys in one.prepared.keys for pair in keys)
    yield from one.prepared.mix


@cache
def _names(one: Observation) -> frozenset[str]:
    """The coefficients that an observation meets: those of places where it spends time."""
    start = {name: prior(name)[0] for name, _ in _all_keys(one)}
    own, waited = one.parts(factors_of(one.prepared, start))
    spent = [*(map(add, own, waited) if waited else own), sum(waited)]
    keys = (*one.prepared.keys, one.prepared.mix)
    return frozenset(name for part, some in zip(spent, keys, strict=True) if part > 0.0 for name, _ in some)


def _met(observations: Iterable[Observation], linear: Iterable[Linear]) -> list[str]:
    told = frozenset(name for row in linear for name, _ in row.keys)
    return sorted(told.union(*(_names(one) for one in observations)))


class _Row(NamedTuple):
    """An observation with where its coefficients stand: (place of the factor, coefficient, times) as arrays."""

    one: Observation
    places: np.ndarray
    names: np.ndarray
    times: np.ndarray


def _indexed(one: Observation, place: Mapping[str, int]) -> _Row:
    pairs = [
        (index, place[name], times)
        for index, keys in enumerate((*one.prepared.keys, one.prepared.mix))
        for name, times in keys
        if name in place
    ]
    places, names, times = zip(*pairs, strict=True)
    return _Row(one, np.array(places), np.array(names), np.array(times))


def _evaluated(row: _Row, theta: np.ndarray) -> tuple[float, np.ndarray]:
    """(log of predicted over measured seconds, its derivative by each of the row's coefficients)."""
    one = row.one
    sums = np.bincount(row.places, row.times * theta[row.names], minlength=len(one.prepared.keys) + 1)
    values = np.exp(sums).tolist()
    own, waited = one.parts(Factors(values[:-1], values[-1]))
    waiting = sum(waited)
    parts = np.array([*(map(add, own, waited) if waited else own), waiting])
    whole = sum(own) + waiting
    return log(whole / one.seconds), parts[row.places] * row.times / whole


class _Known(NamedTuple):
    """What the kernel tables say: slopes x coefficients = values, in units of each row's noise."""

    slopes: np.ndarray
    values: np.ndarray


def _arranged(linear: Sequence[Linear], place: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    slopes, values = np.zeros((len(linear), len(place))), np.zeros(len(linear))
    for index, row in enumerate(linear):
        for name, times in row.keys:
            slopes[index, place[name]] += times / row.noise
        values[index] = row.value / row.noise
    return slopes, values


def fitted(
    observations: Sequence[Observation], start: Mapping[str, float] | None = None, tolerance: float = TOLERANCE
) -> dict[str, float]:
    """The most likely coefficients.

    Args:
        observations: what to fit.
        start: where to start; the priors' means where a name is missing.
        tolerance: share of the loss whose gain is not worth another step.
    """
    linear = kernel_rows()
    names = _met(observations, linear)
    place = {name: index for index, name in enumerate(names)}
    rows = [_indexed(one, place) for one in observations]
    noise = np.array([one.noise for one in observations])
    means = np.array([prior(name)[0] for name in names])
    weights = 1.0 / np.array([prior(name)[1] for name in names]) ** 2
    known = _Known(*_arranged(linear, place))
    theta = np.array([(start or {}).get(name, mean) for name, mean in zip(names, means, strict=True)])
    state = _linear(rows, noise, theta, len(names))
    loss = _loss(state[0], theta, means, weights, known)
    for _ in range(MOST):
        off, slopes = state
        pull = np.minimum(1.0, HUBER / np.maximum(np.abs(off), 1e-12))
        told = known.slopes @ theta - known.values
        firmly = np.minimum(1.0, HUBER / np.maximum(np.abs(told), 1e-12))
        gradient = slopes.T @ (pull * off) + known.slopes.T @ (firmly * told) + weights * (theta - means)
        hessian = slopes.T @ (slopes * pull[:, None]) + np.diag(weights)
        hessian += known.slopes.T @ (known.slopes * firmly[:, None])
        move = np.clip(np.linalg.solve(hessian, -gradient), -1.0, 1.0)
        scale = 1.0
        while True:  # a step that does not descend is halved
            tried = theta + scale * move
            state = _linear(rows, noise, tried, len(names))
            after = _loss(state[0], tried, means, weights, known)
            if after <= loss or scale < SHORTEST:
                break
            scale /= 2
        gained, theta, loss = loss - after, tried, after
        if gained < tolerance * max(1.0, loss) or float(np.max(np.abs(scale * move))) < STILL:
            break
    return dict(zip(names, theta.tolist(), strict=True))


def _linear(rows: Sequence[_Row], noise: np.ndarray, theta: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Residuals and their derivatives, in units of each row's noise."""
    off, slopes = np.zeros(len(rows)), np.zeros((len(rows), count))
    for index, row in enumerate(rows):
        off[index], slope = _evaluated(row, theta)
        np.add.at(slopes[index], row.names, slope)
    return off / noise, slopes / noise[:, None]


def _huber(off: np.ndarray) -> float:
    far = np.abs(off)
    return float(np.sum(np.where(far <= HUBER, 0.5 * off * off, HUBER * (far - HUBER / 2))))


def _loss(off: np.ndarray, theta: np.ndarray, means: np.ndarray, weights: np.ndarray, known: _Known) -> float:
    held = 0.5 * float(np.sum(weights * (theta - means) ** 2))
    return _huber(off) + _huber(known.slopes @ theta - known.values) + held


def residual(one: Observation, coefficients: Mapping[str, float]) -> float:
    """log(predicted / measured seconds)."""
    own, waited = one.parts(factors_of(one.prepared, coefficients))
    return log((sum(own) + sum(waited)) / one.seconds)
