"""`assay launch --json` (`assay.launch/1`)."""

from typing import Any, Literal, NotRequired, TypedDict

from assay.answers.cardcheck import CardCheck
from assay.answers.launch import LaunchAnswer
from assay.answers.serving import LaunchResult, Stack
from assay.reason.deploy.command import health_line, shell
from assay.reason.deploy.compose import compose, image
from assay.reason.deploy.yaml import nested
from assay.report.json.check import CardBody, ReasonBody, WorkloadBody
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.json.model import ModelBody, model_body
from assay.report.numbers import Language
from assay.types.launch import Argument, Server
from assay.types.message import Message, message

SCHEMA = "assay.launch/1"


class ArgumentBody(TypedDict):
    """One parameter as the runtime is told it: words of the command line, or a key of its YAML file, and why."""

    parameter: str
    words: list[str]
    config: str | None
    why: str
    sources: list[str]


class ServerBody(TypedDict):
    """A server to start: its command for a POSIX shell, and the same in parts."""

    role: Literal["server", "generator", "embedder", "reranker"]
    runtime: str
    version: str | None
    command: str
    arguments: list[ArgumentBody]
    environment: dict[str, str]
    config: dict[str, Any]
    devices: list[str]
    host: str
    port: int
    health: str
    wait: str
    image: str | None


class StackBody(TypedDict):
    """One way to start; `compose` where it was asked for. How far each of its servers goes."""

    kind: Literal["single", "split", "copies", "pipeline"]
    servers: list[ServerBody]
    max_context: Q
    max_concurrency: Q
    compose: NotRequired[str]


class StepBody(TypedDict):
    """Something to run once before the servers."""

    purpose: str
    command: str


class ShareBody(TypedDict):
    """One of several on a card: what it needs, and the fraction of the card that it is told; `host`: of host memory."""

    part: Literal["generator", "embedder", "reranker", "index"]
    model: str | None
    need: Q
    fraction: float | None
    host: NotRequired[Q]


class AdapterRoomBody(TypedDict):
    """Adapters in device memory at once (null: not known), the rank asked of the runtime, bytes of each slot."""

    slots: int | None
    rank: int
    each: Q


class CardCheckBody(TypedDict):
    """What the card should say of itself, and the commands that ask it."""

    gpu: str
    commands: list[str]
    names: list[str]
    compute_capability: str | None
    memory: Q
    power_limit: Q


class ResultBody(TypedDict):
    """The answer for one set of cards; no stack where nothing may be started."""

    gpus: list[CardBody]
    verdict: Literal["yes", "no", "unknown"]
    total: Q
    available: Q
    stacks: list[StackBody]
    steps: list[StepBody]
    shares: list[ShareBody]
    adapters: AdapterRoomBody | None
    find_uuids: str | None
    card_checks: list[CardCheckBody]
    reasons: list[ReasonBody]


class Document(Envelope):
    """What runs a model on each set of cards; several where a card was ambiguous or several were named."""

    model: ModelBody
    runtime: str
    version: str | None
    workload: WorkloadBody
    results: list[ResultBody]


def _because(argument: Argument, letter: Letter) -> str:
    said = argument.said
    return letter.text(message("launch.because", why=argument.why) if said is None else message(said))


def _server(server: Server, letter: Letter) -> dict[str, Any]:
    letter.cite(server.facts.sources)
    return {
        "role": server.role,
        "runtime": server.runtime,
        "version": server.version,
        "command": shell(server),
        "arguments": [
            {
                "parameter": argument.parameter,
                "words": list(argument.words),
                "config": argument.config,
                "why": _because(argument, letter),
                "sources": letter.cite(argument.sources),
            }
            for argument in server.arguments
        ],
        "environment": dict(server.environment),
        "config": nested(server.config),
        "devices": list(server.devices),
        "host": server.host,
        "port": server.port,
        "health": server.health,
        "wait": health_line(server),
        "image": image(server),
    }


def _stack(stack: Stack, answer: LaunchAnswer, letter: Letter) -> dict[str, Any]:
    body: dict[str, Any] = {
        "kind": stack.kind,
        "servers": [_server(server, letter) for server in stack.servers],
        "max_context": letter.q(stack.max_context),
        "max_concurrency": letter.q(stack.max_concurrency),
    }
    return body | ({"compose": compose(stack.servers)} if answer.request.compose else {})


def _card_check(check: CardCheck, letter: Letter) -> dict[str, Any]:
    letter.cite(check.sources)
    return {
        "gpu": check.gpu,
        "commands": list(check.lines),
        "names": list(check.names),
        "compute_capability": check.capability,
        "memory": letter.q(check.memory),
        "power_limit": letter.q(check.power),
    }


def _reason(what: Message, letter: Letter) -> dict[str, Any]:
    return {"code": what.code, "text": letter.text(what)}


def _result(result: LaunchResult, answer: LaunchAnswer, letter: Letter) -> dict[str, Any]:
    memory, room = result.check.fit.memory, result.room
    return {
        "gpus": [{"id": entry.card.gpu.id, "count": entry.number} for entry in result.cards],
        "verdict": result.verdict,
        "total": letter.q(memory.total),
        "available": letter.q(memory.available),
        "stacks": [_stack(stack, answer, letter) for stack in result.stacks],
        "steps": [
            {"purpose": letter.text(message("launch.because", why=step.why)), "command": step.line}
            for step in result.steps
        ],
        "shares": [
            {"part": share.part, "model": share.model, "need": letter.q(share.need), "fraction": share.fraction}
            | ({} if share.host is None else {"host": letter.q(share.host)})
            for share in result.shares
        ],
        "adapters": None if room is None else {"slots": room.slots, "rank": room.rank, "each": letter.q(room.each)},
        "find_uuids": result.finder,
        "card_checks": [_card_check(check, letter) for check in result.card_checks],
        "reasons": [_reason(what, letter) for what in (*result.reasons, *result.notes)],
    }


def document(answer: LaunchAnswer, language: Language) -> dict[str, Any]:
    """The document of `assay launch`."""
    letter = Letter(language)
    workload = answer.workload
    body = {
        "model": model_body(answer.model, letter),
        "runtime": answer.runtime.id,
        "version": answer.version,
        "workload": {
            "context": workload.context,
            "concurrency": workload.concurrency,
            "prompt": workload.prompt,
            "kv": answer.kv.id,
        },
        "results": [_result(result, answer, letter) for result in answer.results],
    }
    letter.cite(answer.model.sources)
    return letter.close(SCHEMA, body, answer.messages)
