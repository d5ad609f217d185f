"""`assay train --json` (`assay.train/1`)."""

from typing import Any, Literal, TypedDict

from assay.answers.train import TrainAnswer, TrainResult
from assay.report.json.check import CardBody, ReasonBody
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.json.model import ModelBody, model_body
from assay.report.numbers import Language
from assay.types.training import Training

SCHEMA = "assay.train/1"


class TrainingBody(TypedDict):
    """How the model is trained."""

    method: Literal["full", "lora", "qlora"]
    optimizer: Literal["adamw", "adamw-8bit", "adafactor"]
    precision: Literal["mixed", "bf16"]
    rank: int
    targets: Literal["query-value", "attention", "all-linear", "experts"]
    sequence: int
    micro_batch: int
    checkpointing: bool
    loss: Literal["full", "chunked"]
    shard: Literal["fsdp", "none"]


class TrainingMemoryBody(TypedDict):
    """Bytes on each card at the peak of a step.

    Weights, adapters, gradients, optimizer, peak, gathered and overhead add up to `total`; `peak` is `activations`
    beside the larger of `logits` and `layer`, or `step` where that is more.
    """

    weights: Q
    adapters: Q
    gradients: Q
    optimizer: Q
    activations: Q
    logits: Q
    layer: Q
    step: Q
    peak: Q
    gathered: Q
    overhead: Q
    total: Q
    available: Q
    free: Q


class WayBody(TypedDict):
    """Something to change so that it surely fits: the changes in words, the whole setting, cards, and the new total."""

    changes: list[str]
    text: str
    training: TrainingBody
    cards: int
    total: Q


class ResultBody(TypedDict):
    """The answer for one set of cards."""

    gpus: list[CardBody]
    training: TrainingBody
    verdict: Literal["yes", "no", "unknown"]
    memory: TrainingMemoryBody
    trained_parameters: Q
    max_sequence: Q
    max_micro_batch: Q
    tokens_per_second: Q
    time: Q | None
    ways: list[WayBody]
    reasons: list[ReasonBody]


class Document(Envelope):
    """Whether training fits on each set of cards; several where a card was ambiguous or several were named."""

    model: ModelBody
    results: list[ResultBody]


def _training(training: Training) -> dict[str, Any]:
    return dict(training._asdict())


def _result(result: TrainResult, letter: Letter) -> dict[str, Any]:
    fit = result.fit
    return {
        "gpus": [{"id": entry.card.gpu.id, "count": entry.number} for entry in result.cards],
        "training": _training(result.training),
        "verdict": result.verdict,
        "memory": {name: letter.q(getattr(fit.memory, name)) for name in TrainingMemoryBody.__annotations__},
        "trained_parameters": letter.q(fit.trained),
        "max_sequence": letter.q(fit.longest),
        "max_micro_batch": letter.q(fit.largest),
        "tokens_per_second": letter.q(result.speed.rate),
        "time": None if result.speed.time is None else letter.q(result.speed.time),
        "ways": [
            {
                "changes": list(way.changes),
                "text": letter.text(way.said),
                "training": _training(way.training),
                "cards": way.cards,
                "total": letter.q(way.total),
            }
            for way in fit.ways
        ],
        "reasons": [{"code": what.code, "text": letter.text(what)} for what in fit.reasons],
    }


def document(answer: TrainAnswer, language: Language) -> dict[str, Any]:
    """The document of a verdict."""
    letter = Letter(language)
    body = {
        "model": model_body(answer.model, letter),
        "results": [_result(result, letter) for result in answer.results],
    }
    letter.cite(answer.model.sources)
    return letter.close(SCHEMA, body, answer.messages)
