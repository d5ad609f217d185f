"""What runs this model on these cards: servers to start, what to make first, what to check, and where they answer."""

from pathlib import Path
from typing import NamedTuple

from assay.answers import adapters as lora
from assay.answers.asked import MAX_CARDS, CardCount, columns_of, default_runtime, kv_of, workload_of
from assay.answers.cardcheck import card_check
from assay.answers.check import model_of
from assay.answers.pinned import Pinned, pinned
from assay.answers.serving import (
    LaunchRequest,
    LaunchResult,
    Question,
    Stack,
    StackKind,
    planned,
    quantizes,
    server,
    steps_of,
)
from assay.answers.starting import is_missing
from assay.answers.typed import checked
from assay.errors import MissingKnowledge, UsageError
from assay.knowledge.catalog.launch import flag_record, server_facts
from assay.knowledge.catalog.runtimes import runtime
from assay.types.gpu import Identification
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.plan import Verdict, Workload
from assay.types.runtime import KvFormat, Runtime

LAST_PORT = 65_535


class LaunchAnswer(NamedTuple):
    """The whole answer: one result for each set of cards, forked where a card was ambiguous."""

    request: LaunchRequest
    model: Model
    runtime: Runtime
    version: str | None
    kv: KvFormat
    workload: Workload
    identifications: tuple[Identification, ...]
    results: tuple[LaunchResult, ...]
    messages: tuple[Message, ...]

    @property
    def exit_code(self) -> int:
        """0 if every result says yes, 1 if any says no, 3 if any is unknown and none says no."""
        verdicts = {result.verdict for result in self.results}
        return 1 if "no" in verdicts else 3 if "unknown" in verdicts else 0


def _copies(question: Question, column: tuple[CardCount, ...], found: Pinned) -> Stack | None:
    """An independent copy on each of several equal cards, where one card holds the whole workload."""
    if len(column) != 1 or column[0].number == 1:
        return None
    alone = planned(question, (CardCount(column[0].card, 1),))
    if alone.verdict != "yes":
        return None
    first = question.request.port or question.facts.port
    servers = tuple(
        server(question, alone.setting, alone.told, found._replace(uuids=(uuid,)), first + place)
        for place, uuid in enumerate(found.uuids)
    )
    return Stack("copies", servers, alone.result.fit.max_context, alone.result.fit.max_concurrency)


def _result(question: Question, column: tuple[CardCount, ...]) -> LaunchResult:
    plan = planned(question, column)
    found = pinned(column)
    stacks = []
    printable = not is_missing(question.request.check, plan.setting) or quantizes(question)
    if plan.verdict != "no" and printable:
        port = question.request.port or question.facts.port
        one = server(question, plan.setting, plan.told, found, port)
        kind: StackKind = "single" if len(found.uuids) == 1 else "split"
        stacks.append(Stack(kind, (one,), plan.result.fit.max_context, plan.result.fit.max_concurrency))
    copies = _copies(question, column, found) if printable else None
    if copies is not None:
        stacks.append(copies)
    verdict: Verdict = "yes" if copies is not None else plan.verdict
    notes = list(plan.notes)
    if stacks and question.model.container == "gguf" and not Path(question.request.check.model).expanduser().exists():
        notes.append(message("launch.download_first", "warning", runtime=question.engine.name))
    return LaunchResult(
        cards=column,
        check=plan.result,
        verdict=verdict,
        stacks=tuple(stacks),
        steps=steps_of(question) if stacks else (),
        room=plan.room,
        shares=(),
        reasons=plan.reasons,
        notes=(*notes, *(found.notes if stacks else ())),
        finder=found.finder if stacks else None,
        card_checks=tuple(card_check(entry.card) for entry in column),
    )


def _checked(question: Question, column: tuple[CardCount, ...]) -> None:
    """Refuse cards that the runtime, or a container of it, is not known for, and ports that do not exist.

    Raises:
        MissingKnowledge: cards of another maker, of several, or of one whose image is not known.
        UsageError: a port that leaves no room for the servers.
    """
    request, facts = question.request, question.facts
    vendors = {entry.card.gpu.vendor for entry in column}
    strange = sorted(vendors - set(facts.vendors))
    if strange or len(vendors) > 1:
        raise MissingKnowledge(
            message("error.launch_vendor", runtime=question.engine.name, vendors=", ".join(strange or sorted(vendors))),
            message("hint.launch_vendor", known=", ".join(facts.vendors)),
        )
    if request.compose and not (vendors == {"NVIDIA"} or (vendors == {"AMD"} and facts.image_amd)):
        raise MissingKnowledge(
            message("error.compose_image", runtime=question.engine.name, vendor=", ".join(vendors)),
            message("hint.compose_image"),
        )
    if (request.port or 1) > LAST_PORT - MAX_CARDS:
        raise UsageError(message("error.port", port=request.port), message("hint.port", last=LAST_PORT - MAX_CARDS))


def answer(request: LaunchRequest) -> LaunchAnswer:
    """The servers for each set of cards that was named.

    Raises:
        BadInput: an unknown card, model, adapter, runtime or KV type, a workload that is not positive, or something
            that no command can hold.
        CannotAnswer: an architecture, or how the runtime is started, is not known.
    """
    checked(request)
    check = request.check
    model = model_of(check)
    columns, identifications = columns_of(check.gpus)
    engine = runtime(check.runtime or default_runtime(model, columns))
    facts = server_facts(engine.id)
    kv = kv_of(check.kv, engine, model)
    workload = workload_of(check, model, kv)
    record = flag_record(engine.id)
    version = None if record is None else record.version
    question = Question(request, model, engine, kv, workload, lora.read(request.adapters), facts, version)
    for column in columns:
        _checked(question, column)
    if request.pipeline is None:
        results = tuple(_result(question, column) for column in columns)
    else:
        from assay.answers.pipeline import result as of_pipeline  # noqa: PLC0415 - few ask for several servers

        results = tuple(of_pipeline(question, request.pipeline, column) for column in columns)
    notes = [note for found in identifications for note in found.notes]
    return LaunchAnswer(
        request=request,
        model=model,
        runtime=engine,
        version=version,
        kv=kv,
        workload=workload,
        identifications=tuple(identifications),
        results=results,
        messages=(*model.notes, *notes),
    )
