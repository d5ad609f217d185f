"""Figures from the times at which tokens arrived; pure."""

from collections.abc import Sequence
from itertools import pairwise
from math import floor, sqrt
from typing import NamedTuple

from assay.observe.measurements.server import Stream
from assay.types.measurement import Figures, Percentiles
from assay.types.message import Message, message

LEAST_SHARE = 0.1
"""All sequences must have decoded together for this share of the time, or their common speed is not told."""
SINGLE = 1.05
"""Tokens of a chunk, on the average, up to which a time between chunks is one between tokens."""


class Observed(NamedTuple):
    """What one rung saw: its finished requests, and when chunks of the unfinished ones arrived.

    Times are of one monotonic clock. `begin` and `end` bound the time in which requests were started.
    """

    concurrency: int
    begin: float
    end: float
    finished: tuple[Stream, ...]
    unfinished: tuple[tuple[float, ...], ...] = ()


def percentile(values: Sequence[float], share: float) -> float:
    """The quantile of sorted values, between two of them linearly."""
    place = share * (len(values) - 1)
    below = floor(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def percentiles(values: Sequence[float]) -> Percentiles:
    """Mean and quantiles; without values nothing."""
    if not values:
        return Percentiles()
    ordered = sorted(values)
    mean = sum(ordered) / len(ordered)
    return Percentiles(mean, percentile(ordered, 0.5), percentile(ordered, 0.9), percentile(ordered, 0.99))


def _deviation(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _counted(stream: Stream, observed: Observed) -> tuple[float, ...]:
    """The chunks of a request while as many were under way as were asked for: the last ones have the card alone."""
    return tuple(when for when in stream.chunks if when <= observed.end)


def _speed(stream: Stream, observed: Observed) -> float | None:
    """Token/s of a sequence after its first chunk."""
    chunks = _counted(stream, observed)
    seconds = chunks[-1] - chunks[0] if len(chunks) > 1 else 0.0
    return _weight(stream) * (len(chunks) - 1) / seconds if seconds > 0 else None


def _weight(stream: Stream) -> float:
    return stream.tokens / len(stream.chunks)


def _weighted(observed: Observed) -> list[tuple[float, float]]:
    """(when, tokens) of every chunk, those of unfinished requests included."""
    usual = sum(map(_weight, observed.finished)) / max(1, len(observed.finished))
    found = [(when, _weight(stream)) for stream in observed.finished for when in stream.chunks]
    return found + [(when, usual) for chunks in observed.unfinished for when in chunks]


def _together(observed: Observed) -> float | None:
    """Token/s of all sequences while as many as were asked for decode at once."""
    spans = [stream.chunks for stream in observed.finished] + [chunks for chunks in observed.unfinished if chunks]
    marks = sorted([(chunks[0], 1) for chunks in spans] + [(chunks[-1], -1) for chunks in spans])
    active, periods = 0, []
    for (when, step), (following, _) in pairwise([*marks, (observed.end, 0)]):
        active += step
        until = min(following, observed.end)
        if active >= observed.concurrency and until > when:
            periods.append((when, until))
    seconds = sum(until - when for when, until in periods)
    if seconds < LEAST_SHARE * (observed.end - observed.begin) or not periods:
        return None
    arrivals = sorted(_weighted(observed))
    tokens, place = 0.0, 0
    for when, until in periods:
        while place < len(arrivals) and arrivals[place][0] <= when:
            place += 1
        while place < len(arrivals) and arrivals[place][0] <= until:
            tokens += arrivals[place][1]
            place += 1
    return tokens / seconds


def _throughput(observed: Observed) -> float | None:
    seconds = observed.end - observed.begin
    tokens = sum(weight for when, weight in _weighted(observed) if observed.begin <= when <= observed.end)
    return tokens / seconds if seconds > 0 and tokens else None


def _prefill(observed: Observed) -> float | None:
    """Prompt token/s of one request alone: its first token waits for nobody else's."""
    if observed.concurrency > 1:
        return None
    read = [(stream.prompt, stream.chunks[0] - stream.started) for stream in observed.finished if stream.prompt]
    seconds = sum(time for _, time in read)
    return sum(tokens for tokens, _ in read) / seconds if seconds > 0 else None


def figures_of(observed: Observed) -> Figures:
    """The figures of a rung with at least one finished request."""
    finished = observed.finished
    steps = [1 / speed for stream in finished if (speed := _speed(stream, observed))]
    gaps = [later - earlier for stream in finished for earlier, later in pairwise(_counted(stream, observed))]
    step = sum(steps) / len(steps) if steps else None
    single = all(_weight(stream) <= SINGLE for stream in finished)
    return Figures(
        decode_per_sequence=1 / step if step else None,
        decode_total=_together(observed),
        prefill=_prefill(observed),
        throughput=_throughput(observed),
        ttft=percentiles([stream.chunks[0] - stream.started for stream in finished]),
        itl=percentiles(gaps) if single else Percentiles(mean=step),
        spread=_deviation([1 / each for each in steps]),
        samples=len(finished),
    )


def notes_of(observed: Observed) -> tuple[Message, ...]:
    """What to know about how tokens were counted."""
    found = []
    if any(stream.output is None for stream in observed.finished):
        found.append(message("bench.note.by_chunks"))
    elif any(_weight(stream) > SINGLE for stream in observed.finished):
        found.append(message("bench.note.several_in_a_chunk"))
    return tuple(found)


def average(counts: Sequence[int | None]) -> float | None:
    """The mean of the counts that are known."""
    known = [count for count in counts if count is not None]
    return sum(known) / len(known) if known else None
