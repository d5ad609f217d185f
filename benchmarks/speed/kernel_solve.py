"""One fit: its rows, its formula, the parameters that come out, and how far held-out rows lie from them."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from kernel_fits import Error, Model, Start, error, fit
from kernel_tables import RUNTIMES, SYSTEMS, Place, chosen

from assay.knowledge.catalog.gpus import gpu

Array = Any
Columns = dict[str, Array]
READ = Start(0.7, 0.96)
"""No matrix kernel of the tables reads more than this share of a card's bandwidth: what seems to read more rests on
less than was counted."""
SHARE = Start(0.7, 1.0)
FEWEST = 60
"""Fewer training rows fit no curve."""
WORST = 0.3
"""A fit whose cold held-out rows lie further off on average than this share is not shipped."""


class Fit(NamedTuple):
    """One fitted kernel.

    Attributes:
        card, runtime, version: whose.
        key: kind, format and what else tells fits of a kind apart.
        bandwidth, peak, peak_format: the catalogue's figures that the shares are shares of.
        parameters: in the order of the kernel's type.
        regimes: errors of held-out rows by regime, all rows.
        held: errors of the held-out rows whose bytes do not stay in the L2 cache.
        rows: held-out rows of that sort, as the columns of a shape, with measured seconds.
    """

    card: str
    runtime: str
    version: str
    key: str
    bandwidth: float
    peak: float
    peak_format: str
    parameters: tuple[float, ...]
    regimes: dict[str, Error]
    held: Error
    rows: Columns
    borrowed: str = ""


class Unfitted(NamedTuple):
    """A kernel that has measurements and no parameters, and why."""

    card: str
    runtime: str
    version: str
    key: str
    reason: str


NONE = "no usable rows"


def rows_of(train: int, test: int) -> str:
    """Why so few rows are not fitted; of one shape all rows are on one side."""
    return f"{train} usable rows to fit, {test} to keep out" if train + test else NONE


class Problem(NamedTuple):
    """What is to be fitted: a model of chosen rows, and how rows are sorted.

    `model` takes the rows' mask; `own` parameters are shipped, further ones only describe how the rows were measured.
    """

    model: Callable[[Array], Model]
    starts: tuple[Start, ...]
    own: int
    seconds: Array
    held: Array
    cached: Array
    regimes: dict[str, Array]
    shape: Columns


def bandwidth_of(card: str) -> float:
    """The catalogue's bandwidth of a card, bytes/s."""
    value = gpu(card).bandwidth.value
    if value is None:
        raise ValueError(card)
    return value


def peak_of(card: str, name: str) -> float:
    """The lowest dense matrix peak that the catalogue's sources publish for a number format, in operations/s."""
    peaks = [
        peak.rate.value
        for peak in gpu(card).published_peaks
        if peak.format == name and peak.sparsity == "dense" and peak.unit == "matrix" and peak.accumulate != "fp16"
    ]
    return min(value for value in peaks if value is not None)


def solve(place: Place, key: str, peak_format: str, problem: Problem) -> Fit | Unfitted:
    """The fit of a problem, or why there is none."""
    train, test = ~problem.held, problem.held
    card, runtime = SYSTEMS[place.system].card, RUNTIMES.get(place.runtime, place.runtime)
    if min(int(train.sum()), int(test.sum())) < FEWEST:
        return Unfitted(card, runtime, place.version, key, rows_of(int(train.sum()), int(test.sum())))
    found = fit(problem.model(train), problem.seconds[train], problem.starts)
    predicted = problem.model(np.ones(len(problem.seconds), bool))(found)

    def error_of(rows: Array) -> Error:
        return error(predicted[rows], problem.seconds[rows])

    plain = test & ~problem.cached
    held = error_of(plain if plain.any() else test)
    if held.mean > WORST:
        return Unfitted(card, runtime, place.version, key, f"held-out rows {100 * held.mean:.0f} % off")
    return Fit(
        card,
        runtime,
        place.version,
        key,
        bandwidth_of(card),
        peak_of(card, peak_format),
        peak_format,
        tuple(float(value) for value in found[: problem.own]),
        {name: error_of(test & rows) for name, rows in problem.regimes.items()},
        held,
        {**chosen(problem.shape, plain), "seconds": problem.seconds[plain]},
    )


def faster(inside: Array, part: Array, gains: Array) -> Array:
    """How many times the memory's bandwidth rows see that stay in the cache, wholly or in part."""
    return 1.0 + gains[0] * inside + gains[1] * part


GAINS = (Start(0.5), Start(0.2))
