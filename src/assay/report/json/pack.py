"""`assay pack --json` (`assay.pack/1`)."""

from typing import Any, Literal, TypedDict

from assay.answers.candidate import Candidate
from assay.answers.packed import Change, PackAnswer, PackResult, Server
from assay.report.json.check import CardBody, ReasonBody
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.layout.pack import way
from assay.report.numbers import Language

SCHEMA = "assay.pack/1"
PARTS = ("weights", "kv", "state", "activation", "overhead", "total")


class PackedModelBody(TypedDict):
    """A model as it was asked for: context in tokens, sequences at once, KV format, copies (null: all that fit)."""

    name: str
    architecture: str
    runtime: str
    version: str | None
    context: int
    users: int
    kv: str
    weights: str | None
    copies: int | None


class PackedServerBody(TypedDict):
    """What one card holds of a server; `model` and `cards` are places in `models` and `cards`, from 0."""

    model: int
    copy: int
    cards: list[int]
    tensor_parallel: int
    weights: Q
    kv: Q
    state: Q
    activation: Q
    overhead: Q
    total: Q
    fraction: float | None


class PackedCardBody(TypedDict):
    """One card: the servers on it, and what is left of what they may use."""

    id: str
    servers: list[PackedServerBody]
    free: Q


class ReachBody(TypedDict):
    """The largest context that every one of so many instances surely has."""

    instances: int
    context: Q


class ChangeBody(TypedDict):
    """One thing to give up of one model: what is left, and what was asked (null: the weights as they are)."""

    model: int
    kind: Literal["context", "kv", "users", "copies", "weights"]
    left: str | int
    asked: str | int | None
    text: str


class ProposalBody(TypedDict):
    """Changes that together make everything fit."""

    changes: list[ChangeBody]


class PackResultBody(TypedDict):
    """The answer for one set of cards; `proven` is false where the search was cut short."""

    gpus: list[CardBody]
    verdict: Literal["yes", "no", "unknown"]
    proven: bool
    instances: Q | None
    reach: list[ReachBody]
    cards: list[PackedCardBody]
    short: Q | None
    proposals: list[ProposalBody]
    reasons: list[ReasonBody]


class Document(Envelope):
    """Which models fit together, and where each goes; several results where a card was ambiguous."""

    models: list[PackedModelBody]
    results: list[PackResultBody]


def _model(candidate: Candidate, copies: int | str | None, *, alone: bool) -> dict[str, Any]:
    terms = candidate.terms
    every = copies == "max" or (copies is None and alone)
    return {
        "name": candidate.model.name,
        "architecture": candidate.model.architecture,
        "runtime": candidate.engine.id,
        "version": candidate.engine.version,
        "context": terms.context,
        "users": terms.users,
        "kv": terms.kv,
        "weights": candidate.request.weights,
        "copies": None if every else terms.copies,
    }


def _server(server: Server, slot: int, letter: Letter) -> dict[str, Any]:
    plan = server.plans[server.cards.index(slot)]
    return {
        "model": server.item,
        "copy": server.copy,
        "cards": list(server.cards),
        "tensor_parallel": len(server.cards),
        **{part: letter.q(getattr(plan, part)) for part in PARTS},
        "fraction": server.fraction,
    }


def _change(answer: PackAnswer, change: Change, letter: Letter) -> dict[str, Any]:
    return {
        "model": change.item,
        "kind": change.kind,
        "left": change.left,
        "asked": change.asked,
        "text": letter.text(way(answer, (change,))),
    }


def _cards(result: PackResult, letter: Letter) -> list[dict[str, Any]]:
    return [
        {
            "id": result.ids[slot],
            "servers": [_server(server, slot, letter) for server in result.servers if slot in server.cards],
            "free": letter.q(free),
        }
        for slot, free in enumerate(result.free)
    ]


def _result(answer: PackAnswer, result: PackResult, letter: Letter) -> dict[str, Any]:
    return {
        "gpus": [{"id": entry.card.gpu.id, "count": entry.number} for entry in result.cards],
        "verdict": result.verdict,
        "proven": result.proven,
        "instances": None if result.instances is None else letter.q(result.instances),
        "reach": [{"instances": one.instances, "context": letter.q(one.context)} for one in result.reach],
        "cards": _cards(result, letter),
        "short": None if result.short is None else letter.q(result.short),
        "proposals": [
            {"changes": [_change(answer, change, letter) for change in changes]} for changes in result.proposals
        ],
        "reasons": [{"code": reason.code, "text": letter.text(reason)} for reason in result.reasons],
    }


def document(answer: PackAnswer, language: Language) -> dict[str, Any]:
    """The document of an arrangement."""
    letter = Letter(language)
    alone = len(answer.candidates) == 1
    body = {
        "models": [
            _model(candidate, item.copies, alone=alone)
            for candidate, item in zip(answer.candidates, answer.request.items, strict=True)
        ],
        "results": [_result(answer, result, letter) for result in answer.results],
    }
    for candidate in answer.candidates:
        letter.cite((*candidate.model.sources, *candidate.engine.sources))
    return letter.close(SCHEMA, body, answer.messages)
