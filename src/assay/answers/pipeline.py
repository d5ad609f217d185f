"""A retrieval pipeline on one card: generator, embedder, reranker and vector index, each with its share of memory."""

import json
from collections.abc import Iterable
from typing import NamedTuple

from assay.answers import adapters as lora
from assay.answers.asked import CardCount, CheckRequest, kv_of, workload_of
from assay.answers.cardcheck import card_check
from assay.answers.check import model_of, result_of
from assay.answers.judged import setting_of
from assay.answers.pinned import Pinned, pinned
from assay.answers.refusals import absent
from assay.answers.serving import (
    LaunchResult,
    PipelineRequest,
    Plan,
    Question,
    Share,
    Stack,
    doubted,
    planned,
    server,
    steps_of,
)
from assay.answers.starting import parameters
from assay.errors import MissingKnowledge, UsageError
from assay.knowledge.catalog.runtimes import term
from assay.reason.deploy.adapters import slot
from assay.reason.deploy.shares import shared
from assay.reason.memory.fit import Setting
from assay.reason.memory.vector_index import flat, hnsw
from assay.types.launch import Role, Server, Value
from assay.types.message import Message, message
from assay.types.plan import Verdict
from assay.types.quantity import ASKED, Quantity, derive, exact, total, unknown

RUNTIME = "vllm"
CHUNK = 8192
"""Tokens of a text that is embedded or ranked, at the most, unless the model takes fewer."""
RERANKER_OVERRIDES = {
    "architectures": ["Qwen3ForSequenceClassification"],
    "classifier_from_token": ["no", "yes"],
    "is_original_qwen3_reranker": True,
}
RERANKER_ARCHITECTURE = "qwen3"


class Part(NamedTuple):
    """A server of the pipeline: its role, model, memory, and what it is told."""

    role: Role
    model: str | None
    need: Quantity
    setting: Setting | None
    told: dict[str, Value]
    verdict: Verdict
    reasons: tuple[Message, ...]


def _missing(role: Role) -> Part:
    said = message(f"launch.name_{role}", "warning")
    return Part(role, None, unknown("B", message(f"unknown.{role}")), None, {}, "unknown", (said,))


def _side(question: Question, role: Role, named: str | None, column: tuple[CardCount, ...]) -> Part:
    """An embedder or a reranker with the memory of its plan; one that is not named has an unknown size."""
    if named is None:
        return _missing(role)
    model = model_of(CheckRequest(named, question.request.check.gpus))
    kv = kv_of(None, question.engine, model)
    request = CheckRequest(named, question.request.check.gpus, context=min(model.max_context or CHUNK, CHUNK))
    workload = workload_of(request, model, kv)
    setting = setting_of(model, question.engine, kv, column)
    told: dict[str, Value] = parameters(
        model.name if model.container == "catalogue" else named, request, setting, workload, workload.concurrency
    )
    told["pooling"] = "pooling"
    if role == "reranker" and model.architecture == RERANKER_ARCHITECTURE:
        told["overrides"] = json.dumps(RERANKER_OVERRIDES, separators=(",", ":"))
    if model.container not in question.engine.containers:
        raise MissingKnowledge(
            message("error.rag_container", name=model.name, runtime=question.engine.name), message("hint.rag_container")
        )
    alone = result_of(request, model, question.engine, kv, workload, column)
    certain = alone.verdict != "yes" or not any(absent(setting, entry) for entry in column)
    verdict: Verdict = alone.verdict if certain else "unknown"
    return Part(role, model.name, alone.fit.memory.total, setting, told, verdict, alone.reasons)


def _generator(question: Question, plan: Plan) -> Part:
    """The generator with a slot for every adapter."""
    need = plan.result.fit.memory.total
    told = dict(plan.told)
    if question.adapters:
        found = lora.room(question.adapters, plan.setting, plan.result.fit)
        count = len(question.adapters)
        each = slot(question.model, found.rank)
        need = total("B", [("generator", need), *((one.name, each) for one in question.adapters)])
        told |= lora.parameters(question.adapters, found._replace(slots=count), question.engine.id)
    verdict, reasons, _ = doubted(question, plan.verdict, plan.reasons)
    return Part("generator", question.model.name, need, plan.setting, told, verdict, reasons)


class Index(NamedTuple):
    """The vector index: bytes on the card, and in host memory where it lies there."""

    card: Quantity
    host: Quantity | None = None


def _dimension(pipeline: PipelineRequest, embedder: Part) -> Quantity:
    """Elements of a vector: as asked, or the embedder's hidden size."""
    if pipeline.dimension is not None:
        return exact(pipeline.dimension, "", "documented", ASKED)
    if embedder.setting is None:
        return unknown("", message("unknown.dimensions"))
    return exact(embedder.setting.model.hidden_size, "", "documented", *embedder.setting.model.sources)


def _index(pipeline: PipelineRequest, embedder: Part) -> Index:
    """A flat index on the card with what it takes beside the vectors, or a graph in host memory."""
    if pipeline.vectors is None:
        return Index(unknown("B", message("unknown.vectors")))
    width = _dimension(pipeline, embedder)
    if pipeline.index_kind == "hnsw":
        return Index(exact(0, "B", "documented", ASKED), hnsw(pipeline.vectors, width))
    beside = term("memory_term", "vector_index")
    return Index(total("B", [("vectors", flat(pipeline.vectors, width)), ("beside them", beside)]))


def _seen(setting: Setting) -> Quantity:
    """What a process sees of the card: a runtime's fraction is a share of this."""
    inputs = [("memory shown by the driver", setting.card.usable), ("kept by CUDA", setting.card.reserve)]
    formula = "memory shown by the driver - kept by CUDA"
    return derive("B", formula, inputs, lambda shown, kept: shown - kept, rising=(True, False))


def _joined(verdicts: Iterable[Verdict]) -> Verdict:
    """No if any is no, else unknown if any is unknown."""
    found = set(verdicts)
    return "no" if "no" in found else "unknown" if "unknown" in found else "yes"


def _checked(question: Question, column: tuple[CardCount, ...]) -> None:
    """Refuse what this preset is not made for.

    Raises:
        MissingKnowledge: another runtime than the one that takes a fraction of the card for each server.
        UsageError: several cards.
    """
    if question.engine.id != RUNTIME:
        raise MissingKnowledge(message("error.rag_runtime", runtime=question.engine.name), message("hint.rag_runtime"))
    if sum(entry.number for entry in column) != 1:
        raise UsageError(message("error.rag_cards"), message("hint.rag_cards"))


def _servers(
    question: Question, parts: tuple[Part, ...], fractions: tuple[float, ...], cards: Pinned
) -> tuple[Server, ...]:
    first = question.request.port or question.facts.port
    found = []
    for place, (part, fraction) in enumerate(zip(parts, fractions, strict=True)):
        if part.setting is None:
            continue
        told = part.told | {"memory_fraction": fraction}
        one = server(question, part.setting, told, cards, first + place)
        found.append(one._replace(role=part.role))
    return tuple(found)


class Whole(NamedTuple):
    """The parts with the index beside them, their fractions (empty unless all surely fit), and the joint verdict."""

    parts: tuple[Part, ...]
    held: Index
    fractions: tuple[float, ...]
    verdict: Verdict
    reasons: tuple[Message, ...]

    @property
    def shares(self) -> tuple[Share, ...]:
        """What each part needs and is told."""
        told = self.fractions or (None,) * len(self.parts)
        named = [Share(part.role, part.model, part.need, share) for part, share in zip(self.parts, told, strict=True)]
        return (*named, Share("index", None, self.held.card, None, self.held.host))


def _whole(question: Question, plan: Plan, pipeline: PipelineRequest, column: tuple[CardCount, ...]) -> Whole:
    """All parts on one card."""
    parts = (
        _generator(question, plan),
        _side(question, "embedder", pipeline.embedder, column),
        _side(question, "reranker", pipeline.reranker, column),
    )
    index = _index(pipeline, parts[1])
    most = (question.engine.memory.fraction if question.engine.memory else None) or exact(1.0, "ratio", "assumed")
    found = shared(tuple(part.need for part in parts), index.card, _seen(plan.setting), most.lowest or 0.0)
    said = [reason for part in parts for reason in part.reasons]
    if pipeline.vectors is None:
        said.append(message("launch.name_vectors", "warning"))
    if index.host is not None and index.host.value is None:
        said.append(message("launch.name_dimension", "warning"))
    if not said and found.verdict != "yes":
        said.append(message(f"launch.shares_{found.verdict}", "warning"))
    verdict = _joined((*(part.verdict for part in parts), found.verdict))
    return Whole(parts, index, found.fractions, verdict, tuple(dict.fromkeys(said)))


def result(question: Question, pipeline: PipelineRequest, column: tuple[CardCount, ...]) -> LaunchResult:
    """The pipeline on one card.

    Raises:
        MissingKnowledge: another runtime than vLLM, or a model in a form that it does not load.
        UsageError: several cards.
        BadInput, CannotAnswer: a model that is named cannot be read.
    """
    _checked(question, column)
    plan = planned(question._replace(adapters=()), column)
    whole = _whole(question, plan, pipeline, column)
    cards = pinned(column)
    stacks: tuple[Stack, ...] = ()
    if whole.fractions and whole.verdict != "no":
        servers = _servers(question, whole.parts, whole.fractions, cards)
        stacks = (Stack("pipeline", servers, plan.result.fit.max_context, plan.result.fit.max_concurrency),)
    bases = lora.other_bases(question.adapters, question.model, question.request.check.model)
    order = message("launch.pipeline_order", gpu=column[0].card.gpu.name)
    return LaunchResult(
        cards=column,
        check=plan.result,
        verdict=whole.verdict,
        stacks=stacks,
        steps=steps_of(question) if stacks else (),
        room=None,
        shares=whole.shares,
        reasons=whole.reasons,
        notes=(order, *bases, *cards.notes) if stacks else bases,
        finder=cards.finder if stacks else None,
        card_checks=tuple(card_check(entry.card) for entry in column),
    )
