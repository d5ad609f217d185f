"""What a drawing of a card's memory shows beyond the plan: weights by role, each card's own room, the frontier."""

from typing import NamedTuple

from assay.types.model import Role
from assay.types.quantity import Quantity


class WeightShare(NamedTuple):
    """Bytes on one card of all weights that have one role and one format."""

    role: Role
    format: str
    size: Quantity


class CardRoom(NamedTuple):
    """Bytes that a card shows to its driver, and that the runtime allows itself of them; `number` such cards."""

    shown: Quantity
    available: Quantity
    number: int


class Step(NamedTuple):
    """The most sequences of `context` tokens that fit: surely (`value`), possibly (`high`); or unknown."""

    context: int
    sequences: Quantity


class MemoryPicture(NamedTuple):
    """What the memory of one set of cards is drawn from.

    Attributes:
        cards: in the order of the set.
        weights: their sum is the plan's weights to the byte, at both ends; empty where no rule shares them out so.
        frontier: by rising context, none beyond the model's own limit.
    """

    cards: tuple[CardRoom, ...]
    weights: tuple[WeightShare, ...]
    frontier: tuple[Step, ...]
