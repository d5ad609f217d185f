"""What a probe's results give a prediction of speed: the rates that this card was seen to sustain."""

from collections.abc import Iterable
from typing import NamedTuple

from assay.types.probe import Measurement

MEMORY = ("memory.read", "memory.copy", "memory.triad")


class Attained(NamedTuple):
    """Rates of one card, measured.

    Attributes:
        bandwidth: B/s sustained by the best of read, copy and triad, or None.
        peaks: by number-format id the sustained FLOP/s (OP/s for integers) of the best library product.
        instruction: by number-format id the same of the best loop in registers: a bound that no kernel exceeds.
    """

    bandwidth: float | None
    peaks: dict[str, float]
    instruction: dict[str, float]


def _rate(one: Measurement) -> float | None:
    regime = one.sustained or one.boost
    return None if regime is None or one.wrong is not None else regime.rate


def attained(measurements: Iterable[Measurement]) -> Attained:
    """The sustained rates, boost where nothing else was reached; what was wrong or refused gives none."""
    bandwidth: float | None = None
    peaks: dict[str, float] = {}
    instruction: dict[str, float] = {}
    for one in measurements:
        rate, workload = _rate(one), one.workload
        if rate is None:
            continue
        if workload.name in MEMORY:
            bandwidth = max(bandwidth or 0.0, rate)
        elif workload.format is not None and workload.weights is None:
            into = peaks if workload.kind == "gemm" else instruction
            into[workload.format] = max(into.get(workload.format, 0.0), rate)
    return Attained(bandwidth, peaks, instruction)


class Crossing(NamedTuple):
    """Rows at which a product with weights of `weights` is no longer faster than the same in `format`.

    Attributes:
        weights: weight-format id of the narrower weights.
        format: number format of the product that it is compared with.
        pays: rows measured at which the narrower one was faster.
        stops: the least rows measured at which it was not, or None.
    """

    weights: str
    format: str
    pays: tuple[int, ...]
    stops: int | None


def crossings(measurements: Iterable[Measurement]) -> tuple[Crossing, ...]:
    """Where weight-only formats stop paying, by products of equal (N, K) and rows, each as fast as measured."""
    seconds: dict[tuple[str | None, str | None], dict[tuple[int, int, int], float]] = {}
    for one in measurements:
        rate, workload = _rate(one), one.workload
        if rate and workload.shape is not None:
            rows, columns, depth = workload.shape
            row = seconds.setdefault((workload.weights, workload.format), {})
            took = 2 * rows * columns * depth / rate
            row[workload.shape] = min(took, row.get(workload.shape, took))
    found = []
    for (weights, form), narrow in seconds.items():
        wide = seconds.get((None, form), {})
        both = sorted(set(narrow) & set(wide))
        if weights is None or form is None or not both:
            continue
        pays = tuple(shape[0] for shape in both if narrow[shape] < wide[shape])
        stops = min((shape[0] for shape in both if narrow[shape] >= wide[shape]), default=None)
        found.append(Crossing(weights, form, pays, stops))
    return tuple(found)
