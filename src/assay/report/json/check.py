"""`assay check --json` (`assay.check/1`)."""

from typing import Any, Literal, NotRequired, TypedDict

from assay.answers.check import CheckAnswer, CheckResult
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.json.execution import AttentionBody, EvidenceBody, RegimeBody, attention, evidence, regimes
from assay.report.json.model import ModelBody, model_body
from assay.report.numbers import Language

SCHEMA = "assay.check/1"


class WorkloadBody(TypedDict):
    """What was asked: tokens per sequence, sequences at once, the prompt that TTFT is told for, the KV format."""

    context: int
    concurrency: int
    prompt: int
    kv: str


class CardBody(TypedDict):
    """A kind of card and how many of it."""

    id: str
    count: int


class MemoryBody(TypedDict):
    """Bytes on each card; `available` is what the runtime allows itself; `host` is host memory."""

    weights: Q
    kv: Q
    kv_per_sequence: Q
    state: Q
    activation: Q
    overhead: Q
    total: Q
    available: Q
    free: Q
    host: Q


class ExecutionBody(TypedDict):
    """How one tensor group is executed, and its share of the bytes and of the work."""

    role: str
    weight_format: str
    path: Literal["native", "converted", "weight-only", "refused", "unknown"]
    regimes: list[RegimeBody]
    bytes_share: float
    work_share: float
    evidence: list[EvidenceBody]
    notes: list[str]
    refusal: str | None


PLAIN = frozenset({"seen", "bound"})
"""Of the speed: what is no figure."""


class SpeedBody(TypedDict):
    """Speed as intervals of 80 %, and what bounds decode (null when nothing is predicted).

    `throughput` is of all sequences while finished ones are replaced at once, prompts read between their tokens.
    `seen`:
    published measurements of this card under this runtime, of this card, of this runtime only, or of neither.
    """

    prefill: Q
    decode_per_sequence: Q
    decode_total: Q
    ttft_unloaded: Q
    itl: Q
    throughput: Q
    seen: Literal["calibrated", "seen", "unseen", "runtime"] | None
    bound: Literal["bandwidth", "compute", "overhead", "communication", "host"] | None


class LaunchBody(TypedDict):
    """A command that runs it."""

    runtime: str
    command: str


class ReasonBody(TypedDict):
    """Why, or what to do: a stable code and its words."""

    code: str
    text: str


class CapacityBody(TypedDict):
    """What the runtime will say of its cache when it starts: bytes on each card, tokens, sequences of the context."""

    room: Q
    tokens: Q
    requests: Q


class StepBody(TypedDict):
    """The most sequences at once of `context` tokens each."""

    context: int
    concurrency: Q


class ResultBody(TypedDict):
    """The answer for one set of cards; `frontier`, by rising context, where a drawing was asked for."""

    gpus: list[CardBody]
    runtime: str
    version: str | None
    verdict: Literal["yes", "no", "unknown"]
    memory: MemoryBody
    max_context: Q
    max_concurrency: Q
    copies: Q
    capacity: NotRequired[CapacityBody]
    execution: list[ExecutionBody]
    attention: list[AttentionBody]
    speed: SpeedBody
    reasons: list[ReasonBody]
    launch: NotRequired[LaunchBody]
    frontier: NotRequired[list[StepBody]]


class Document(Envelope):
    """The verdict for each set of cards; several where a card was ambiguous or several were named."""

    model: ModelBody
    workload: WorkloadBody
    results: list[ResultBody]


def _result(result: CheckResult, answer: CheckAnswer, letter: Letter) -> dict[str, Any]:
    memory, speed = result.fit.memory, result.speed
    body: dict[str, Any] = {
        "gpus": [{"id": entry.card.gpu.id, "count": entry.number} for entry in result.cards],
        "runtime": answer.runtime.id,
        "version": answer.runtime.version,
        "verdict": result.verdict,
        "memory": {name: letter.q(getattr(memory, name)) for name in MemoryBody.__annotations__},
        "max_context": letter.q(result.fit.max_context),
        "max_concurrency": letter.q(result.fit.max_concurrency),
        "copies": letter.q(result.fit.copies),
        "execution": [
            {
                "role": group.role,
                "weight_format": group.weight_format,
                "path": group.path,
                "regimes": regimes(group.regimes),
                "bytes_share": round(group.bytes_share, 6),
                "work_share": round(group.work_share, 6),
                "evidence": evidence(group.evidence, letter),
                "notes": [letter.text(note) for note in group.notes],
                "refusal": group.refusal,
            }
            for group in result.execution
        ],
        "attention": attention(result.attention, letter),
        "speed": {name: letter.q(getattr(speed, name)) for name in SpeedBody.__annotations__ if name not in PLAIN}
        | {"seen": speed.seen, "bound": speed.bound},
        "reasons": [{"code": what.code, "text": letter.text(what)} for what in (*result.reasons, *result.advice)],
    }
    if result.fit.capacity is not None:
        body["capacity"] = {name: letter.q(getattr(result.fit.capacity, name)) for name in CapacityBody.__annotations__}
    if result.launch:
        body["launch"] = {"runtime": answer.runtime.id, "command": result.launch}
    if result.picture is not None:
        steps = result.picture.frontier
        body["frontier"] = [{"context": step.context, "concurrency": letter.q(step.sequences)} for step in steps]
    return body


def document(answer: CheckAnswer, language: Language) -> dict[str, Any]:
    """The document of a verdict."""
    letter = Letter(language)
    workload = answer.workload
    body = {
        "model": model_body(answer.model, letter),
        "workload": {
            "context": workload.context,
            "concurrency": workload.concurrency,
            "prompt": workload.prompt,
            "kv": answer.kv.id,
        },
        "results": [_result(result, answer, letter) for result in answer.results],
    }
    letter.cite((*answer.model.sources, *answer.runtime.sources))
    return letter.close(SCHEMA, body, answer.messages)
