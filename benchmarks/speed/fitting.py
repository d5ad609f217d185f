"""The calibration: coefficients of the speed model's levels from published measurements.

A coefficient's prior is none (0) but for the terms themselves, and the finer the level the tighter it is held: a card's
own figures move its instruction set's only as far as many rows agree. Residuals are logarithms, far ones count less
(Huber). Gauss-Newton with the derivatives that `reason/speed/step.py` hands out; nothing random, nothing typed in.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import log

import numpy as np
from observations import Observation

from assay.reason.speed.step import factors_of

BASES = {
    "read": (log(1 / 0.7), 1.0),
    "multiply": (log(1 / 0.5), 1.0),
    "cache": (log(1 / 0.6), 0.7),
    "attend": (log(1 / 0.3), 1.0),
    "layer": (log(10e-6), 1.5),
    "expert_layer": (log(10e-6), 1.5),
    "step": (log(200e-6), 1.5),
    "pad": (log(16), 1.0),
    "reduce": (log(15e-6), 1.0),
    "ring": (log(1.3), 0.5),
    "read/power": (0.5, 0.5),
    "multiply/power": (0.5, 0.5),
}
"""Prior mean and deviation of each term's own coefficient, in logarithms: a roofline's common sense, and wide."""
LEVELS = {"read": (0.3, 0.15, 0.08), "multiply": (0.5, 0.3, 0.12), "layer": (0.6, 0.3, 0.15)}
"""Deviation of a level's coefficient by how many names it has: one, two, three."""
WIDE = (0.5, 0.3, 0.15)
HUBER = 2.0
TOLERANCE, MOST = 1e-10, 60


def prior(name: str) -> tuple[float, float]:
    """(mean, deviation) of a coefficient."""
    if name in BASES:
        return BASES[name]
    term, *levels = name.split("/")
    return 0.0, LEVELS.get(term, WIDE)[min(len(levels), 3) - 1]


def names_of(observations: Iterable[Observation]) -> list[str]:
    """All coefficients that the observations meet, in order."""
    return sorted({name for one in observations for keys in one.prepared.keys for name, _ in keys})


def fitted(observations: Sequence[Observation], start: Mapping[str, float] | None = None) -> dict[str, float]:
    """The most likely coefficients.

    Args:
        observations: what to fit.
        start: where to start; the priors' means where a name is missing.
    """
    names = names_of(observations)
    place = {name: index for index, name in enumerate(names)}
    means = np.array([prior(name)[0] for name in names])
    weights = 1.0 / np.array([prior(name)[1] for name in names]) ** 2
    begin = start or {}
    theta = np.array([begin.get(name, mean) for name, mean in zip(names, means, strict=True)])
    damping, best = 1e-6, np.inf
    for _ in range(MOST):
        gradient, hessian, loss = _normal(observations, names, place, theta)
        gradient += weights * (theta - means)
        hessian[np.diag_indices_from(hessian)] += weights + damping
        loss += 0.5 * float(np.sum(weights * (theta - means) ** 2))
        move = np.linalg.solve(hessian, -gradient)
        theta = theta + np.clip(move, -0.7, 0.7)
        if abs(best - loss) < TOLERANCE * max(1.0, loss) and float(np.max(np.abs(move))) < 1e-7:
            break
        best = loss
    return dict(zip(names, theta.tolist(), strict=True))


def residual(one: Observation, coefficients: Mapping[str, float]) -> float:
    """log(predicted / measured seconds)."""
    return log(sum(one.contributions(factors_of(one.prepared, coefficients))) / one.seconds)


def _normal(
    observations: Sequence[Observation], names: list[str], place: Mapping[str, int], theta: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    coefficients = dict(zip(names, theta.tolist(), strict=True))
    gradient, hessian, loss = np.zeros(len(names)), np.zeros((len(names), len(names))), 0.0
    for one in observations:
        parts = one.contributions(factors_of(one.prepared, coefficients))
        whole = sum(parts)
        slope: dict[int, float] = {}
        for part, keys in zip(parts, one.prepared.keys, strict=True):
            if part:
                for name, times in keys:
                    index = place[name]
                    slope[index] = slope.get(index, 0.0) + part / whole * times
        off = log(whole / one.seconds) / one.noise
        pull = 1.0 if abs(off) <= HUBER else HUBER / abs(off)
        loss += 0.5 * off * off if abs(off) <= HUBER else HUBER * (abs(off) - HUBER / 2)
        indices = np.fromiter(slope, dtype=np.intp)
        values = np.fromiter(slope.values(), dtype=float) / one.noise
        gradient[indices] += pull * off * values
        hessian[np.ix_(indices, indices)] += pull * np.outer(values, values)
    return gradient, hessian, loss
