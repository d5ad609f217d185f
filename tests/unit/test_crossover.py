"""Where weight-only quantization stops paying."""

from assay.reason.probe.crossover import Crossover, crossover

PLAIN = {1: 40e-6, 16: 40e-6, 64: 42e-6, 256: 60e-6}


def test_the_number_lies_between_two_measured_ones() -> None:
    found = crossover(PLAIN, {1: 12e-6, 16: 15e-6, 64: 50e-6, 256: 150e-6})
    assert found is not None
    assert (found.pays_to, found.stops_by) == (16, 64)
    assert found.gains[0] == (1, 40e-6 / 12e-6)


def test_it_may_always_or_never_pay() -> None:
    always = crossover(PLAIN, dict.fromkeys(PLAIN, 1e-05))
    assert always is not None
    assert (always.pays_to, always.stops_by) == (256, None)
    never = crossover(PLAIN, dict.fromkeys(PLAIN, 9e-05))
    assert never is not None
    assert (never.pays_to, never.stops_by) == (None, 1)


def test_a_gain_within_the_spread_is_none() -> None:
    found = crossover({1: 40e-6, 16: 40e-6}, {1: 20e-6, 16: 39e-6})
    assert found is not None
    assert (found.pays_to, found.stops_by) == (1, 16)


def test_paying_again_later_does_not_count() -> None:
    found = crossover(PLAIN, {1: 12e-6, 16: 60e-6, 64: 20e-6, 256: 20e-6})
    assert found is not None
    assert (found.pays_to, found.stops_by) == (1, 16)


def test_only_what_was_measured_both_ways_counts() -> None:
    assert crossover(PLAIN, {}) is None
    assert crossover(PLAIN, {8: 1e-6}) is None
    assert crossover({1: 2.0, 64: 2.0}, {64: 1.0, 256: 1.0}) == Crossover(64, None, ((64, 2.0),))
