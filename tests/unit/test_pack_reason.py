"""Claims on cards and what to give up, on numbers made by hand."""

import pytest

from assay.reason.pack.claims import Member, Need, possibly, steps_of, surely, together, widened
from assay.reason.pack.giving_up import Ladder, Levels, alone, joint
from assay.reason.pack.search import UNLIMITED
from assay.types.message import message
from assay.types.quantity import Quantity, unknown


def seen(low: float, high: float) -> Quantity:
    return Quantity(low, "B", "assumed", ("a-source",), low=low, high=high)


SMALL, LARGE = Member("small", seen(1000, 1100)), Member("large", seen(2000, 2200))
NOWHERE = Member("odd", unknown("B", message("unknown.total")))


def test_a_fraction_is_whole_thousandths_of_the_smallest_card_and_held_on_all() -> None:
    assert steps_of(333.1, (SMALL,)) == 334
    assert steps_of(333, (SMALL,)) == 333
    assert steps_of(333.1, (LARGE, SMALL)) == 334
    way = surely(Need(100, 333.1), (LARGE, SMALL), 0.9)
    assert way is not None
    assert way.claims == (334 * 2000, 334 * 1000)
    assert way.ceilings == (900 * 2000, 900 * 1000)


def test_a_server_that_is_told_no_fraction_claims_its_bytes() -> None:
    way = surely(Need(100, 333.1), (LARGE, SMALL), None)
    assert way is not None
    assert way.claims == (334_000, 334_000)
    assert way.ceilings == (2_000_000, 1_000_000)


def test_the_optimistic_end_claims_what_is_certain_and_nothing_unknown_is_a_limit() -> None:
    way = possibly(Need(100.9, None), (LARGE, SMALL, NOWHERE), 0.57)
    assert way.claims == (100_000,) * 3
    assert way.ceilings == (570 * 2200, 570 * 1100, UNLIMITED)


def test_what_is_unknown_is_never_placed_surely() -> None:
    assert surely(Need(100, None), (SMALL,), 0.9) is None
    assert surely(Need(100, 200), (SMALL, NOWHERE), 0.9) is None


def test_of_unequal_plans_the_widest_counts() -> None:
    assert together((Need(10, 30), Need(20, 90))) == Need(10, 90)
    assert together((Need(10, 30), Need(20, None))) == Need(10, None)


def test_further_memory_is_added_to_what_may_be_used() -> None:
    way = possibly(Need(10, None), (SMALL,), None)
    assert widened((way,), 5)[0].ceilings == (way.ceilings[0] + 5000,)


LADDERS = (Ladder("context", 0, 7, 6), Ladder("users", 0, 3, 3))
"""8,000 tokens for 4 users were asked for."""


def fits_in(tokens: int, levels: Levels) -> bool:
    context, users = levels
    return (8000 - 1000 * context) * (4 - users) <= tokens


def test_the_least_step_of_each_ladder_that_suffices_alone() -> None:
    assert alone(LADDERS, lambda levels: fits_in(24_000, levels)) == ((2, 0), (0, 1))
    assert alone(LADDERS, lambda levels: fits_in(8000, levels)) == ((6, 0), (0, 3))
    assert alone(LADDERS, lambda levels: fits_in(4000, levels)) == ((7, 0),)
    assert alone(LADDERS, lambda levels: fits_in(3999, levels)) == ()


@pytest.mark.parametrize(
    ("tokens", "left"), [(4000, (6, 2)), (7000, (6, 1)), (3000, (5, 3)), (2000, (6, 3)), (1999, None)]
)
def test_together_the_dearest_is_given_back_first_and_nothing_more_can_be(tokens: int, left: Levels | None) -> None:
    found = joint(LADDERS, lambda levels: fits_in(tokens, levels))
    assert found == left
    if found is not None:
        for place, step in enumerate(found):
            climbed = tuple(max(0, step - 1) if at == place else one for at, one in enumerate(found))
            assert not step or not fits_in(tokens, climbed)


def test_what_is_refused_is_no_ladder() -> None:
    ladders = (Ladder("context", 0, 7, 6), Ladder("kv", 0, 0, 0), Ladder("users", 0, 3, 3))
    assert joint(ladders, lambda levels: not levels[1] and fits_in(4000, (levels[0], levels[2]))) == (6, 0, 2)
