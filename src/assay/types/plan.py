"""What is asked of a card, and what follows: workload, memory plan, speed, verdict."""

from typing import Literal, NamedTuple

from assay.types.execution import Path, PathEvidence, Regime
from assay.types.message import Message
from assay.types.quantity import Quantity
from assay.types.speed import Seen

Verdict = Literal["yes", "no", "unknown"]
Bound = Literal["bandwidth", "compute", "overhead", "communication", "host"]


class Workload(NamedTuple):
    """What is asked of the model.

    `context` is tokens per sequence, prompt and output together; `prompt` is the prompt that TTFT is told for;
    `concurrency` is sequences at once; `kv` an element format of the KV cache, or None for the runtime's default.
    """

    context: int
    concurrency: int
    prompt: int
    kv: str | None = None


class MemoryPlan(NamedTuple):
    """Bytes on each card, part by part; `total` against `available` decides the verdict.

    `available` is what the runtime allows itself of the memory a process sees. `free` may be negative.
    """

    weights: Quantity
    kv: Quantity
    kv_per_sequence: Quantity
    state: Quantity
    activation: Quantity
    overhead: Quantity
    total: Quantity
    available: Quantity
    free: Quantity
    host: Quantity


class Capacity(NamedTuple):
    """What a runtime that fills its memory with cache has room for, as its start-up log will say.

    Attributes:
        room: bytes of cache on each card.
        tokens: tokens that the log prints; requests: sequences of the stated context at once.
    """

    room: Quantity
    tokens: Quantity
    requests: Quantity


class Fit(NamedTuple):
    """The verdict of a memory plan and how far it could be stretched."""

    verdict: Verdict
    memory: MemoryPlan
    max_context: Quantity
    max_concurrency: Quantity
    copies: Quantity
    reasons: tuple[Message, ...]
    capacity: Capacity | None = None


class Prediction(NamedTuple):
    """A speed estimate; every figure is an interval.

    `throughput` is of all sequences while finished ones are replaced at once, prompts read between their tokens; `seen`
    tells how near the measurements are that the model was fitted to.
    """

    prefill: Quantity
    decode_per_sequence: Quantity
    decode_total: Quantity
    ttft_unloaded: Quantity
    itl: Quantity
    bound: Bound | None
    throughput: Quantity
    seen: Seen | None = None


class GroupExecution(NamedTuple):
    """How one tensor group is executed.

    Attributes:
        role, weight_format: of the group.
        path, regimes, evidence, notes, refusal: see `ExecutionPath`.
        bytes_share: of all weights; work_share: of the parameters that one token touches.
    """

    role: str
    weight_format: str
    path: Path
    bytes_share: float
    work_share: float
    regimes: tuple[Regime, ...] = ()
    evidence: tuple[PathEvidence, ...] = ()
    notes: tuple[Message, ...] = ()
    refusal: str | None = None
