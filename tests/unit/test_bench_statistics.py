"""Figures from times of chunks, worked out by hand."""

import pytest

from assay.observe.measurements.server import Stream
from assay.observe.measurements.statistics import Observed, average, figures_of, notes_of, percentile, percentiles
from assay.types.measurement import Percentiles


def stream(started: float, first: float, step: float, count: int, output: int | None = None) -> Stream:
    return Stream(started, tuple(first + step * place for place in range(count)), 100, output or count)


def test_one_request_after_the_other() -> None:
    finished = (stream(0.0, 0.5, 0.1, 11), stream(1.5, 2.0, 0.1, 11))
    figures = figures_of(Observed(1, 0.0, 3.0, finished))
    assert figures.decode_per_sequence == pytest.approx(10)
    assert figures.decode_total == pytest.approx(10)
    assert figures.prefill == pytest.approx(200)
    assert figures.throughput == pytest.approx(22 / 3)
    assert figures.ttft.p50 == pytest.approx(0.5)
    assert figures.itl.p99 == pytest.approx(0.1)
    assert (figures.spread, figures.samples) == (pytest.approx(0, abs=1e-9), 2)


def test_only_the_time_in_which_all_decode_counts_for_the_total() -> None:
    """The first decodes from 1 to 3, the second from 2 to 4: together from 2 to 3, 20 tokens."""
    finished = (stream(0.0, 1.0, 0.1, 21), stream(0.0, 2.0, 0.1, 21))
    figures = figures_of(Observed(2, 0.0, 4.0, finished))
    assert figures.decode_total == pytest.approx(20, rel=0.06)
    assert figures.prefill is None


def test_too_short_a_time_together_tells_nothing() -> None:
    finished = (stream(0.0, 1.0, 0.1, 11), stream(0.0, 1.95, 0.1, 11))
    assert figures_of(Observed(2, 0.0, 4.0, finished)).decode_total is None


def test_what_comes_after_a_rungs_end_is_not_counted() -> None:
    """From 2 s on the last request has the card alone and is twice as fast."""
    alone = Stream(0.0, (1.0, 1.5, 2.0, 2.1, 2.2, 2.3), 100, 6)
    figures = figures_of(Observed(1, 0.0, 2.0, (alone,)))
    assert figures.decode_per_sequence == pytest.approx(2)
    assert figures.throughput == pytest.approx(1.5)
    assert figures.itl.p99 == pytest.approx(0.5)


def test_unfinished_requests_count_for_what_all_did() -> None:
    figures = figures_of(Observed(2, 0.0, 2.0, (stream(0.0, 1.0, 0.1, 11),), ((1.0, 1.5, 2.0),)))
    assert figures.throughput == pytest.approx(14 / 2)
    assert figures.samples == 1


def test_several_tokens_in_a_chunk() -> None:
    observed = Observed(1, 0.0, 3.0, (stream(0.0, 1.0, 0.5, 5, 20),))
    figures = figures_of(observed)
    assert figures.decode_per_sequence == pytest.approx(8)
    assert figures.itl == Percentiles(mean=pytest.approx(0.125))
    assert [note.code for note in notes_of(observed)] == ["bench.note.several_in_a_chunk"]


def test_a_single_token_has_no_decode() -> None:
    figures = figures_of(Observed(1, 0.0, 1.0, (stream(0.0, 0.5, 0.1, 1),)))
    assert (figures.decode_per_sequence, figures.decode_total, figures.itl) == (None, None, Percentiles())
    assert figures.ttft.mean == 0.5


def test_quantiles() -> None:
    values = [float(value) for value in range(101)]
    assert percentiles(values[::-1]) == Percentiles(50.0, 50.0, 90.0, 99.0)
    assert percentile([1.0, 2.0], 0.5) == 1.5
    assert percentiles([]) == Percentiles()
    assert (average([1, None, 2]), average([None])) == (1.5, None)
