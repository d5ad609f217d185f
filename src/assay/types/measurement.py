"""A measurement of the owner's own: what ran on which card, how fast, and who says so.

Speeds are token/s, times seconds, power W. What a tool did not write down is None: never 0, never a guess.
"""

from typing import Literal, NamedTuple

from assay.types.message import Message

Kind = Literal["decode", "prefill", "mixed", "serving"]
"""Tokens generated, a prompt read, both in one time, or requests served."""
Named = Literal["user", "file", "server", "machine", "nobody"]
"""Who named a card or a model."""
Host = Literal["no", "yes", "unsaid"]
"""Whether parts of the model ran from host memory."""


class MeasuredCard(NamedTuple):
    """Equal cards: as they were named, and what the catalogue makes of the name.

    Attributes:
        text: the name as given.
        candidates: ids of the catalogue; one is exact, several are ambiguous, none is unknown.
        number: how many.
        named_by: who named them.
    """

    text: str
    candidates: tuple[str, ...]
    number: int
    named_by: Named

    @property
    def id(self) -> str | None:
        """The card, where the name is exact."""
        return self.candidates[0] if len(self.candidates) == 1 else None


class MeasuredModel(NamedTuple):
    """A model as it was named, and its id in the catalogue where the name is one; `weights` is a weight format's id."""

    text: str
    id: str | None
    weights: str | None
    named_by: Named


class Percentiles(NamedTuple):
    """A distribution of times, in seconds."""

    mean: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None


class Workload(NamedTuple):
    """What was asked of the server; token counts are averages over the requests, as the server counted them.

    Attributes:
        concurrency: requests at once, None where they came at a rate.
        prompt, output: tokens of a request.
        depth: tokens in the context before the prompt.
        kv: element format of the KV cache.
    """

    concurrency: int | None
    prompt: float | None
    output: float | None
    depth: int = 0
    kv: str | None = None


class Figures(NamedTuple):
    """What was measured.

    Attributes:
        decode_per_sequence: token/s of one sequence after its first token.
        decode_total: token/s of all sequences together while all of them decode.
        prefill: prompt token/s of one request.
        throughput: generated token/s over the whole time, prompts included.
        ttft, itl: time to the first token; time between tokens.
        spread: standard deviation of the speed that the test is about, token/s.
        samples: repetitions, or requests that finished.
    """

    decode_per_sequence: float | None = None
    decode_total: float | None = None
    prefill: float | None = None
    throughput: float | None = None
    ttft: Percentiles = Percentiles()
    itl: Percentiles = Percentiles()
    spread: float | None = None
    samples: int = 0


class Origin(NamedTuple):
    """Where a measurement comes from.

    Attributes:
        tool: `llama-bench`, `vllm bench serve`, `sglang bench_serving`, or `assay bench run`.
        place: the file as it was named, or the server's address.
        digest: SHA-256 of the file, or the random id of a run; with `row` it names one measurement for ever.
        row: the test within the file, or the rung of the ladder, from 0.
    """

    tool: str
    place: str
    digest: str
    row: int


class Measurement(NamedTuple):
    """One measurement.

    Attributes:
        when: ISO date and time in UTC, or None where the file does not say it.
        kind: what was timed.
        cards: empty where nobody named one.
        runtime, version: id of the runtime, and the version or build as it names itself.
        host: whether parts of the model lay in host memory.
        power_limit: of each card, W.
        settings: what else was set, in the tool's own words.
        partial: why it is not complete; None where it is.
        notes: what to know about the figures.
        id: its number in the store, None before it is stored.
    """

    when: str | None
    kind: Kind
    cards: tuple[MeasuredCard, ...]
    model: MeasuredModel
    runtime: str | None
    version: str | None
    workload: Workload
    figures: Figures
    origin: Origin
    host: Host = "unsaid"
    power_limit: float | None = None
    settings: tuple[tuple[str, str], ...] = ()
    partial: Message | None = None
    notes: tuple[Message, ...] = ()
    id: int | None = None

    @property
    def gpu(self) -> str | None:
        """The card, where all of them are of one kind and its name is exact."""
        ids = {card.id for card in self.cards}
        return ids.pop() if len(ids) == 1 else None

    @property
    def gpus(self) -> int:
        """How many cards there were."""
        return sum(card.number for card in self.cards)
