"""`assay advise --json` (`assay.advise/1`)."""

from typing import Any, Literal, TypedDict

from assay.answers.advise import AdviseAnswer, AdviseResult, Told
from assay.report.json.check import CardBody, ReasonBody
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.json.model import ModelBody, model_body
from assay.report.layout.advise import flip_words
from assay.report.numbers import Language
from assay.types.decide import Loss, Option

SCHEMA = "assay.advise/1"
Verdict = Literal["yes", "no", "unknown"]


class NeedBody(TypedDict):
    """What was asked, or is usual for the purpose.

    `users` are sequences at once of `context` tokens; a turn reads `prompt` tokens and writes `output`; `goal` is what
    is to be good: tokens a second of each user (`decode`) or of all (`total`), the first token, or a whole turn.
    `min_tok_s` and `max_loss` (a share, by `protocol` or by each) are null where nothing was said.
    """

    purpose: Literal["chat", "long-context", "batch", "agents", "rag", "training"]
    goal: Literal["decode", "total", "first", "turn"]
    users: int
    context: int
    prompt: int
    output: int
    min_tok_s: float | None
    max_loss: float | None
    protocol: str | None


class OptionBody(TypedDict):
    """One way to run the model: ids, cards that share each copy, copies, experts or blocks in host memory."""

    id: str
    runtime: str
    weights: str
    kv: str
    cards: int
    copies: int
    offload: bool


class LossBody(TypedDict):
    """What a format loses by one protocol, as a share of the released weights' score; `figures` published ones."""

    protocol: str
    low: float
    high: float
    figures: int
    near: str
    sources: list[str]


class ToldBody(TypedDict):
    """An option with its figures; `lossless`: weights and cache as released; no `losses`: not known, never zero."""

    option: OptionBody
    runs: Verdict
    meets: Verdict
    lossless: bool
    requantized: bool
    losses: list[LossBody]
    decode_per_sequence: Q
    decode_total: Q
    ttft_unloaded: Q
    max_context: Q
    total: Q
    available: Q


class DroppedBody(TypedDict):
    """Options that are none: why, how many, one of them, and the words of a refusal."""

    reason: Literal["refused", "container", "no_checkpoint", "no_gain", "heads", "too_large", "no_offload"]
    count: int
    example: str
    words: str | None


class FlipBody(TypedDict):
    """Where the answer changes.

    At `at` users or tokens `option` (null: none) is recommended (`instead`), or comes ahead by typical speeds
    (`overtakes`); between `low` and `high` (null: as far as was searched) the intervals overlap, too close to call.
    """

    moved: Literal["users", "context"]
    at: int
    kind: Literal["overtakes", "instead"]
    option: OptionBody | None
    before: OptionBody | None
    low: int | None
    high: int | None
    certain: bool
    text: str


class AdviseResultBody(TypedDict):
    """The answer for one set of cards.

    `recommended` is what to run, or what comes nearest where the verdict is not yes; `as_released` the best that
    changes nothing, null where none runs; `options` those that are told; `front` the ids of all that nothing dominates.
    """

    gpus: list[CardBody]
    verdict: Verdict
    recommended: ToldBody | None
    as_released: ToldBody | None
    options: list[ToldBody]
    front: list[str]
    considered: int
    dropped: list[DroppedBody]
    flips: list[FlipBody]
    reasons: list[ReasonBody]


class Document(Envelope):
    """What to run, for each set of cards; several where a card was ambiguous or several were named."""

    model: ModelBody
    need: NeedBody
    results: list[AdviseResultBody]


def _option(option: Option | None) -> dict[str, Any] | None:
    if option is None:
        return None
    return {"id": option.id} | {name: getattr(option, name) for name in OptionBody.__annotations__ if name != "id"}


def _loss(loss: Loss, letter: Letter) -> dict[str, Any]:
    return {
        "protocol": loss.protocol,
        "low": loss.low,
        "high": loss.high,
        "figures": loss.figures,
        "near": loss.near,
        "sources": letter.cite(loss.sources),
    }


def _told(told: Told | None, letter: Letter) -> dict[str, Any] | None:
    if told is None:
        return None
    one, figures = told.weighed, told.figures
    return {
        "option": _option(one.option),
        "runs": one.verdict,
        "meets": one.meets,
        "lossless": one.lossless,
        "requantized": told.requantized,
        "losses": [_loss(loss, letter) for loss in one.losses],
        "decode_per_sequence": letter.q(figures.decode),
        "decode_total": letter.q(figures.total_rate),
        "ttft_unloaded": letter.q(figures.first),
        "max_context": letter.q(figures.context),
        "total": letter.q(figures.memory),
        "available": letter.q(figures.available),
    }


def _result(result: AdviseResult, letter: Letter) -> dict[str, Any]:
    return {
        "gpus": [{"id": entry.card.gpu.id, "count": entry.number} for entry in result.cards],
        "verdict": result.verdict,
        "recommended": _told(result.best, letter),
        "as_released": _told(result.released, letter),
        "options": [_told(told, letter) for told in result.shown],
        "front": [one.option.id for one in result.front],
        "considered": result.considered,
        "dropped": [one._asdict() for one in result.dropped],
        "flips": [
            {name: getattr(flip, name) for name in ("moved", "at", "kind", "low", "high", "certain")}
            | {"option": _option(flip.option), "before": _option(flip.before), "text": letter.text(flip_words(flip))}
            for flip in result.flips
        ],
        "reasons": [{"code": reason.code, "text": letter.text(reason)} for reason in result.reasons],
    }


def document(answer: AdviseAnswer, language: Language) -> dict[str, Any]:
    """The document of an advice."""
    letter = Letter(language)
    need = answer.need
    body = {
        "model": model_body(answer.model, letter),
        "need": {name: getattr(need, name) for name in ("purpose", "goal", "users", "context", "prompt", "output")}
        | {
            "min_tok_s": need.min_rate,
            "max_loss": None if need.most_lost is None else need.most_lost.share,
            "protocol": None if need.most_lost is None else need.most_lost.protocol,
        },
        "results": [_result(result, letter) for result in answer.results],
    }
    letter.cite((*answer.model.sources, *(name for one in answer.runtimes for name in one.sources)))
    return letter.close(SCHEMA, body, answer.messages)
