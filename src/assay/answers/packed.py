"""What was asked of a set of cards, and the answer: servers with their places, or what is missing."""

from typing import Literal, NamedTuple

from assay.answers.asked import CardCount
from assay.answers.candidate import Candidate
from assay.reason.pack.giving_up import Kind
from assay.types.gpu import Identification
from assay.types.message import Message
from assay.types.plan import MemoryPlan, Verdict
from assay.types.quantity import Quantity


class PackItem(NamedTuple):
    """A model to place, as the user wrote it; `copies` None: as many as fit if it is the only one, else one."""

    model: str
    context: int | None = None
    users: int = 1
    kv: str | None = None
    runtime: str | None = None
    weights: str | None = None
    copies: int | Literal["max"] | None = None


class PackRequest(NamedTuple):
    """What was asked: models, and the cards, which all count together."""

    items: tuple[PackItem, ...]
    gpus: tuple[str, ...]


class Server(NamedTuple):
    """One copy of one model on its cards.

    Attributes:
        item: number of the model in the request; copy: number of this copy, from 1.
        cards: numbers of the cards, from 0; plans: the memory of each.
        fraction: share of each card to tell the runtime; None for one that is told none.
    """

    item: int
    copy: int
    cards: tuple[int, ...]
    plans: tuple[MemoryPlan, ...]
    fraction: float | None


class Change(NamedTuple):
    """One thing given up of one model: what is left, and what was asked."""

    item: int
    kind: Kind
    left: str | int
    asked: str | int | None
    said: Message


class Reach(NamedTuple):
    """How long a context every one of so many instances surely has; 0 where not even a short one fits."""

    instances: int
    context: Quantity


class PackResult(NamedTuple):
    """The answer for one set of cards.

    Attributes:
        cards: the set; slots, ids: names and ids of each card of it.
        verdict: whether all surely fit; proven: whether the search came to its end.
        refused: whether one of them runs nowhere there, whatever the memory.
        servers: a certain arrangement, or nothing; free: what is left of each card there.
        instances: for one model alone, how many surely fit; reach: the context of each number.
        short: bytes that every card lacks for certainty.
        proposals: what to give up, cheapest first; each alone suffices, or it is one of several things together.
    """

    cards: tuple[CardCount, ...]
    slots: tuple[str, ...]
    ids: tuple[str, ...]
    verdict: Verdict
    refused: bool
    proven: bool
    servers: tuple[Server, ...]
    free: tuple[Quantity, ...]
    instances: Quantity | None
    reach: tuple[Reach, ...]
    short: Quantity | None
    proposals: tuple[tuple[Change, ...], ...]
    reasons: tuple[Message, ...]


class PackAnswer(NamedTuple):
    """The whole answer: one result for each set of cards that may be meant."""

    request: PackRequest
    candidates: tuple[Candidate, ...]
    names: tuple[str, ...]
    identifications: tuple[Identification, ...]
    results: tuple[PackResult, ...]
    messages: tuple[Message, ...]

    @property
    def exit_code(self) -> int:
        """0 if every result says yes, 1 if any says no, 3 if any is unknown and none says no."""
        verdicts = {result.verdict for result in self.results}
        return 1 if "no" in verdicts else 3 if "unknown" in verdicts else 0
