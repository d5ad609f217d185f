"""What drawings show beyond the page: of memory the weights by role and the frontier, of speed its curves and roofs."""

from typing import NamedTuple

from assay.types.model import Role
from assay.types.quantity import Quantity
from assay.types.speed import SpeedKind


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


class Load(NamedTuple):
    """Tokens a second of all sequences, and seconds between the tokens of each, at so many sequences at once."""

    sequences: int
    throughput: Quantity
    between: Quantity


class Depth(NamedTuple):
    """Seconds between tokens with so many tokens behind each sequence, and of reading a prompt of as many."""

    context: int
    between: Quantity
    first: Quantity


class Roof(NamedTuple):
    """The rate that one number format's units reach at best, FLOP/s; below its ridge the bandwidth is the roof."""

    number: str
    rate: float


class RoofPoint(NamedTuple):
    """A step on the roofline: operations for a byte, and operations a second; `tokens` of the step."""

    kind: SpeedKind
    tokens: int
    intensity: float
    rate: Quantity


class SpeedPicture(NamedTuple):
    """What the speed of one set of cards is drawn from.

    Attributes:
        loads: by rising number of sequences; depths: by rising context; none that does not fit.
        bandwidth: B/s of all cards; roofs: of the formats that are multiplied; points: of this model.
    """

    loads: tuple[Load, ...]
    depths: tuple[Depth, ...]
    bandwidth: float
    roofs: tuple[Roof, ...]
    points: tuple[RoofPoint, ...]
