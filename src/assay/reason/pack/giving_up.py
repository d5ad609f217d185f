"""What to give up where something does not fit, cheapest first: one thing alone, else several together.

Each thing that may be given up is a ladder: step 0 is what was asked, every further step asks less. Whether a choice of
steps fits is asked of the caller, who runs the whole fit again; it must not get harder further down a ladder.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

Kind = Literal["context", "kv", "users", "copies", "weights"]


class Price(NamedTuple):
    """A thing to give up, and why it stands where it stands in the order."""

    kind: Kind
    why: str


PRICES: tuple[Price, ...] = (
    Price("context", "costs nothing until a text is that long; every answer to a shorter one stays the same"),
    Price("kv", "every answer changes a little; no user waits and no text is cut"),
    Price("users", "the answers stay the same; those above the number wait their turn"),
    Price("copies", "a whole server with all its users is missing"),
    Price("weights", "another checkpoint than the one released: every answer comes from another model"),
)
"""Cheapest first."""
ORDER: dict[Kind, int] = {price.kind: place for place, price in enumerate(PRICES)}

Levels = tuple[int, ...]
"""A step for each ladder, in their order."""
Fits = Callable[[Levels], bool]


class Ladder(NamedTuple):
    """Steps down from what was asked.

    Attributes:
        kind: what is given up; server: whose, by number.
        last: the lowest step that is offered alone.
        joint: the lowest step that is offered together with others.
    """

    kind: Kind
    server: int
    last: int
    joint: int


def _at(levels: Levels, place: int, step: int) -> Levels:
    return (*levels[:place], step, *levels[place + 1 :])


def _least(levels: Levels, place: int, low: int, fits: Fits) -> Levels:
    """The levels with the first step from `low` on in one place that fits, where the step that stands there does."""
    high = levels[place]
    while low < high:
        middle = (low + high) // 2
        if fits(_at(levels, place, middle)):
            high = middle
        else:
            low = middle + 1
    return _at(levels, place, high)


def alone(ladders: tuple[Ladder, ...], fits: Fits) -> tuple[Levels, ...]:
    """For each ladder that suffices alone, the least step down it; in the order of the ladders."""
    asked = (0,) * len(ladders)
    found = []
    for place, ladder in enumerate(ladders):
        lowest = _at(asked, place, ladder.last)
        if ladder.last and fits(lowest):
            found.append(_least(lowest, place, 1, fits))
    return tuple(found)


def joint(ladders: tuple[Ladder, ...], fits: Fits) -> Levels | None:
    """Several steps together: down the cheapest ladders until it fits, then back up from the dearest as far as it goes.

    No ladder of the result can be climbed one step without falling out of the card. None where nothing helps.
    """
    levels = (0,) * len(ladders)
    taken: list[int] = []
    for place in sorted(range(len(ladders)), key=lambda at: ORDER[ladders[at].kind]):
        if not ladders[place].joint:
            continue
        levels = _at(levels, place, ladders[place].joint)
        taken.append(place)
        if fits(levels):
            break
    else:
        return None
    for place in reversed(taken):
        levels = _least(levels, place, 0, fits)
    return levels
