"""At which number of tokens narrow weights stop paying: they save memory traffic, and cost unpacking."""

from collections.abc import Mapping
from typing import NamedTuple

MARGIN = 0.03
"""Two times that differ by less are taken as the same: measured windows spread as much."""


class Crossover(NamedTuple):
    """Where weight-only quantization stops paying.

    Attributes:
        pays_to: the largest measured number of tokens up to which it was faster at every measured number; None where
            it was not faster at the smallest.
        stops_by: the first measured number at which it was not faster; None where it was faster at all of them. The
            true number lies above `pays_to`, and not above `stops_by`.
        gains: (tokens, time of the plain product / time with narrow weights), by tokens.
    """

    pays_to: int | None
    stops_by: int | None
    gains: tuple[tuple[int, float], ...]


def crossover(plain: Mapping[int, float], narrow: Mapping[int, float]) -> Crossover | None:
    """Compare the times of one layer at several numbers of tokens.

    Only numbers that were measured both ways count. A gain within `MARGIN` is none. That narrow weights pay again at a
    larger number does not move the answer: below it they would cost.

    Args:
        plain: seconds of a product with weights of 16 bits, by tokens.
        narrow: seconds of the same product with narrow weights, by tokens.

    Returns:
        None where no number was measured both ways.
    """
    gains = tuple((tokens, plain[tokens] / narrow[tokens]) for tokens in sorted(plain.keys() & narrow.keys()))
    if not gains:
        return None
    pays_to = None
    for tokens, gain in gains:
        if gain <= 1 + MARGIN:
            return Crossover(pays_to, tokens, gains)
        pays_to = tokens
    return Crossover(pays_to, None, gains)
