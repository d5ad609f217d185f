"""What may be run instead of the weights as released, what is asked of it, and what is known of each option."""

from typing import Literal, NamedTuple

from assay.types.plan import Verdict
from assay.types.quantity import Quantity

Purpose = Literal["chat", "long-context", "batch", "agents", "rag", "training"]
Goal = Literal["decode", "total", "first", "turn"]
"""What is to be good: tokens a second of each user, or of all; seconds to the first token, or to the whole answer."""
Interval = tuple[float, float, float]
"""(low, typical, high)"""
Dropped = Literal["refused", "container", "no_checkpoint", "no_gain", "heads", "too_large", "no_offload"]
"""Why an option is none: the runtime raises, or reads no such files; no such checkpoint can be; it saves nothing; the
model does not divide over the cards; it does not fit; nothing would have to leave the card."""


class Option(NamedTuple):
    """One way to run a model, named by ids.

    Attributes:
        weights: weight format, or recipe of llama-quantize; kv: element format of the KV cache; runtime: its id.
        cards: that share each copy; copies: independent instances.
        offload: whether the experts, or blocks, that do not fit lie in host memory.
    """

    weights: str
    kv: str
    runtime: str
    cards: int
    copies: int = 1
    offload: bool = False

    @property
    def id(self) -> str:
        """`vllm/bf16/kv-fp8/2x1`: runtime, weights, KV cache, copies x cards of each."""
        placed = f"{self.copies}x{self.cards}"
        return f"{self.runtime}/{self.weights}/kv-{self.kv}/{placed}{'/offload' if self.offload else ''}"


class Loss(NamedTuple):
    """What a weight format loses by one protocol: (low, high) of the loss, a share of the released weights' score.

    Attributes:
        protocol: its id; figures of different protocols are never compared.
        low, high: 0.01 is one per cent worse; below zero better.
        figures: how many published figures it spans; sources: who published them.
        near: how near their models are: the same, its family, or others of its size.
    """

    protocol: str
    low: float
    high: float
    figures: int
    sources: tuple[str, ...]
    near: str


class Limit(NamedTuple):
    """The most that may be lost, as a share; by one protocol, or by each that has figures."""

    share: float
    protocol: str | None = None


class Need(NamedTuple):
    """What is asked of an option.

    Attributes:
        purpose, goal: what for, and what is to be good.
        users: sequences at once; context: tokens of each; prompt, output: tokens read and written in one turn.
        min_rate: tokens a second that each user is to see; most_lost: of quality.
    """

    purpose: Purpose
    goal: Goal
    users: int
    context: int
    prompt: int
    output: int
    min_rate: float | None = None
    most_lost: Limit | None = None


class Pace(NamedTuple):
    """Speeds of one copy: tokens a second of one sequence and of all, seconds to the first token; None is not known."""

    decode: Interval | None
    total: Interval | None
    first: Interval | None


class Weighed(NamedTuple):
    """What is known of an option for a need, on plain numbers.

    Attributes:
        option: which.
        verdict: whether it runs: memory, and all that stands against it.
        meets: whether it runs and everything that was asked of it holds.
        same_weights, same_cache: whether weights, and cache, are as released.
        losses: by protocol, empty where nothing is known.
        pace: of all copies together.
        goal: what is to be good, larger is better (rates; for times, one over them); None where it is not known.
        context: tokens of a sequence that surely fit.
        total, available: (low, high) bytes on each card.
        stored: bytes of the weights; wide: bits of an element of the KV cache.
    """

    option: Option
    verdict: Verdict
    meets: Verdict
    same_weights: bool
    same_cache: bool
    losses: tuple[Loss, ...]
    pace: Pace
    goal: Interval | None
    context: int
    total: tuple[float, float]
    available: tuple[float, float] | None
    stored: float
    wide: float

    @property
    def lossless(self) -> bool:
        """Whether nothing is lost."""
        return self.same_weights and self.same_cache


Moved = Literal["users", "context"]


class Flip(NamedTuple):
    """Where the answer changes: what moves, from which value on, and what then.

    Attributes:
        moved: what was changed; at: the value from which on it holds, by the typical speeds; low, high: the values
            between which the intervals overlap, None where they do as far as was searched.
        kind: `overtakes` by the goal; `instead`: another is recommended, or none.
        option: which one overtakes, or is recommended then; None for none.
        certain: whether the intervals lie apart at `at`.
    """

    moved: Moved
    at: int
    kind: Literal["overtakes", "instead"]
    option: Option | None
    before: Option | None
    low: int | None = None
    high: int | None = None
    certain: bool = False


class Reason(NamedTuple):
    """Why something is recommended: a code of words, and the option that they speak of."""

    code: str
    option: Option | None = None


class Choice(NamedTuple):
    """What is recommended, and why.

    Attributes:
        verdict: whether an option meets the need.
        best: the option, or what comes nearest where none is known to meet it; None where none runs.
        reasons: why.
    """

    verdict: Verdict
    best: Weighed | None
    reasons: tuple[Reason, ...]


class Count(NamedTuple):
    """Options that were dropped for one reason, with one of them and the words of its refusal."""

    reason: Dropped
    count: int  # type: ignore[assignment]  # a tuple has a method of that name, which nobody needs here
    example: str
    words: str | None = None


class Figures(NamedTuple):
    """An option's figures with what they rest on, as a page shows them."""

    decode: Quantity
    total_rate: Quantity
    first: Quantity
    context: Quantity
    memory: Quantity
    available: Quantity
