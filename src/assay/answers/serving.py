"""One server for a model on a set of cards: what it is told, what must be made first, and whether it fits."""

from pathlib import Path
from typing import Literal, NamedTuple

from assay.answers import adapters as lora
from assay.answers.asked import CardCount, CheckRequest, kv_of
from assay.answers.cardcheck import CardCheck
from assay.answers.check import CheckResult, result_of
from assay.answers.judged import setting_of
from assay.answers.pinned import Pinned
from assay.answers.refusals import absent
from assay.answers.starting import arguments, is_missing, named, parameters
from assay.errors import MissingKnowledge
from assay.knowledge.catalog.launch import spellings, visibility
from assay.reason.deploy.command import is_loopback, one_line, spelled
from assay.reason.deploy.offload import Offloaded, host_verdict, offloaded
from assay.reason.memory.fit import Setting, fit
from assay.reason.memory.placement import block_count
from assay.reason.memory.vector_index import IndexKind
from assay.types.launch import Argument, Server, ServerFacts, Value
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.plan import Verdict, Workload
from assay.types.quantity import Quantity, unknown
from assay.types.runtime import KvFormat, Runtime

BEYOND = "check.beyond_model"
LOOPBACK = "127.0.0.1"
LOG_DETAIL = 4
"""llama.cpp's level that shows buffers; the default shows none of them."""
QUANTIZED_BY_MODELOPT = frozenset({"fp8", "nvfp4"})
StackKind = Literal["single", "split", "copies", "pipeline"]


class PipelineRequest(NamedTuple):
    """The other parts of a retrieval pipeline; None: not said.

    `embedder` and `reranker` are models; `vectors` how many the index holds; `index_kind` whether it is flat and on the
    card, or a graph in host memory; `dimension` elements of a vector, where they are fewer than the embedder's.
    """

    embedder: str | None = None
    reranker: str | None = None
    vectors: int | None = None
    index_kind: IndexKind = "flat"
    dimension: int | None = None


class LaunchRequest(NamedTuple):
    """What was asked, as the user wrote it.

    `check` holds model, cards, runtime, weights, KV type, context and sequences; `adapters` paths of LoRA adapters;
    `offload` allows part of the model in host memory; `pipeline` names the other parts of a retrieval pipeline, None
    for one server alone; `ram` is the host's memory, where the owner said it.
    """

    check: CheckRequest
    adapters: tuple[str, ...] = ()
    offload: bool = False
    host: str = LOOPBACK
    port: int | None = None
    served_name: str | None = None
    chat_template: str | None = None
    compose: bool = False
    pipeline: PipelineRequest | None = None
    ram: Quantity = unknown("B", message("unknown.profile_ram"))


class Step(NamedTuple):
    """Something to run once before the servers: what it is for, the command, the reason beside it."""

    code: str
    line: str
    why: str


class Stack(NamedTuple):
    """One way to start: its servers, and how far each goes."""

    kind: StackKind
    servers: tuple[Server, ...]
    max_context: Quantity
    max_concurrency: Quantity


class Share(NamedTuple):
    """One of several on a card: its part, its model if it has one, what it needs, the fraction it is told.

    `host` is what it needs of host memory, where that is known.
    """

    part: str
    model: str | None
    need: Quantity
    fraction: float | None
    host: Quantity | None = None


class LaunchResult(NamedTuple):
    """The answer for one set of cards; without a stack nothing is printed as a command."""

    cards: tuple[CardCount, ...]
    check: CheckResult
    verdict: Verdict
    stacks: tuple[Stack, ...]
    steps: tuple[Step, ...]
    room: lora.Room | None
    shares: tuple[Share, ...]
    reasons: tuple[Message, ...]
    notes: tuple[Message, ...]
    finder: str | None
    card_checks: tuple[CardCheck, ...]


class Question(NamedTuple):
    """What is the same for all sets of cards."""

    request: LaunchRequest
    model: Model
    engine: Runtime
    kv: KvFormat
    workload: Workload
    adapters: tuple[lora.Adapter, ...]
    facts: ServerFacts
    version: str | None


class Plan(NamedTuple):
    """One set of cards with its verdict, and what the servers are told beyond the plan's own parameters."""

    result: CheckResult
    setting: Setting
    verdict: Verdict
    told: dict[str, Value]
    room: lora.Room | None
    reasons: tuple[Message, ...]
    notes: tuple[Message, ...]


def _mounts(question: Question) -> tuple[tuple[str, str], ...]:
    """Local paths of the command, as typed and absolute."""
    request = question.request
    typed = [request.check.model, *(one.path for one in question.adapters), request.chat_template]
    found = [name for name in typed if name and Path(name).expanduser().exists()]
    found += _made(question)
    return tuple((name, str(Path(name).expanduser().absolute())) for name in dict.fromkeys(found))


def _made(question: Question) -> list[str]:
    """What the steps write, and the server then reads."""
    made = [output_folder(question)] if quantizes(question) else []
    if question.engine.id == "llama.cpp":
        made += [lora.told_path(one, question.engine.id) for one in question.adapters if not one.gguf]
    return made


def _model_word(question: Question, setting: Setting) -> str:
    """The model as the server is told it: the folder that the quantization writes, or what was named."""
    if quantizes(question):
        return output_folder(question)
    return named(question.request.check, setting)


def quantizes(question: Question) -> bool:
    """Whether ModelOpt makes the weights first."""
    wanted = question.request.check.weights
    return (
        wanted in QUANTIZED_BY_MODELOPT
        and question.model.requantized_from is not None
        and "config" in question.engine.containers
    )


def _original(question: Question) -> str:
    """The original weights as ModelOpt is told them."""
    return question.model.name if question.model.container == "catalogue" else question.request.check.model


def output_folder(question: Question) -> str:
    """The folder that the quantized checkpoint is written to."""
    base = (question.model.requantized_from or question.model.name).rsplit("/", 1)[-1]
    return f"./{base}-{(question.request.check.weights or '').upper()}"


def steps_of(question: Question) -> tuple[Step, ...]:
    """What must be made before a server can start: quantized weights, adapters in GGUF."""
    steps: list[Step] = []
    if quantizes(question):
        weights = question.request.check.weights or ""
        spelling = spellings("modelopt")["quantize"]
        kv = "fp8" if question.kv.id == "fp8" else "none"
        filled = {"{model}": _original(question), "{kv}": kv, "{output}": output_folder(question)}
        words = tuple(filled.get(word, word) for word in spelling.words)
        found = spelled({"quantize": spelling._replace(words=words)}, {"quantize": weights})
        steps.append(Step("launch.step.quantize", one_line(found.arguments), spelling.why))
    for one in question.adapters:
        if question.engine.id == "llama.cpp" and not one.gguf:
            spelling = spellings("llama.cpp-lora")["convert_adapter"]
            output = lora.told_path(one, question.engine.id)
            words = tuple(output if word == "{output}" else word for word in spelling.words)
            found = spelled({"convert": spelling._replace(words=words)}, {"convert": one.path})
            steps.append(Step("launch.step.adapter", one_line(found.arguments), spelling.why))
    return tuple(steps)


def _asked(question: Question, setting: Setting) -> dict[str, Value]:
    """What was asked for beside the plan: memory fraction, host, port, name, template."""
    request, memory = question.request, setting.runtime.memory
    told: dict[str, Value] = {}
    if memory is not None and memory.fraction is not None and memory.fraction.value is not None:
        told["memory_fraction"] = float(memory.fraction.value)
    if "log_detail" in spellings(question.engine.id):
        told["log_detail"] = LOG_DETAIL
    if request.served_name is not None:
        told["served_name"] = request.served_name
    if request.chat_template is not None:
        told["chat_template"] = request.chat_template
    return told


def _reasoned(argument: Argument, host: str) -> Argument:
    """A host that others can reach is not explained as the loopback is."""
    if argument.parameter != "host" or is_loopback(host):
        return argument
    return argument._replace(said="launch.host_reached")


def _wordless(question: Question, names: tuple[str, ...]) -> MissingKnowledge:
    """The refusal of what the runtime has no words for; of a KV type with those that it has, its default among them."""
    engine = question.engine
    values = dict(spellings(engine.id)["kv"].values) if names == ("kv",) and "kv" in spellings(engine.id) else {}
    if not values:
        return MissingKnowledge(
            message("error.unspelled", names=", ".join(names), runtime=engine.name), message("hint.unspelled")
        )
    known = dict.fromkeys((kv_of(None, engine, question.model).id, *values))
    return MissingKnowledge(
        message("error.kv_unspelled", kv=question.kv.id, runtime=engine.name, model=question.model.name),
        message("hint.kv_unspelled", known=", ".join(known)),
    )


def server(question: Question, setting: Setting, told: dict[str, Value], cards: Pinned, port: int) -> Server:
    """One server on some cards.

    Raises:
        MissingKnowledge: the runtime has no words for something that was asked for.
    """
    request = question.request
    wanted = told | {"host": request.host, "port": port}
    found = arguments(wanted, setting)
    if found.unspelled:
        raise _wordless(question, found.unspelled)
    shown = visibility(cards.vendor)
    return Server(
        role="server",
        runtime=question.engine.id,
        version=question.version,
        arguments=tuple(_reasoned(argument, request.host) for argument in found.arguments),
        config=found.config,
        environment=() if shown is None else ((shown.variable, ",".join(cards.uuids)),),
        devices=cards.uuids,
        host=request.host,
        port=port,
        health=question.facts.health,
        facts=question.facts,
        vendor=cards.vendor,
        mounts=_mounts(question),
    )


def _told(question: Question, setting: Setting, result: CheckResult) -> dict[str, Value]:
    slots = int(result.fit.max_concurrency.value or question.workload.concurrency)
    check = question.request.check
    told = parameters(_model_word(question, setting), check, setting, question.workload, slots)
    return told | _asked(question, setting)


def doubted(
    question: Question, verdict: Verdict, reasons: tuple[Message, ...]
) -> tuple[Verdict, tuple[Message, ...], tuple[Message, ...]]:
    """Verdict, reasons and notes with what makes the adapters another model's; a strange shape makes a yes unknown."""
    shapes = lora.other_shapes(question.adapters, question.model)
    bases = lora.other_bases(question.adapters, question.model, question.request.check.model)
    return "unknown" if shapes and verdict == "yes" else verdict, (*reasons, *shapes), bases


def _with_adapters(question: Question, plan: Plan) -> Plan:
    """The plan with slots for the adapters; a slot that does not surely fit makes a yes unknown."""
    if not question.adapters:
        return plan
    found = lora.room(question.adapters, plan.setting, plan.result.fit)
    told = plan.told | lora.parameters(question.adapters, found, question.engine.id)
    verdict, reasons = plan.verdict, plan.reasons
    if found.slots is None:
        reasons = (*reasons, found.each.note or message("launch.adapters_unknown", "warning"))
    elif not found.slots:
        reasons = (*reasons, message("launch.no_adapter_room", "warning", size=found.each.value))
    verdict, reasons, doubts = doubted(question, verdict, reasons)
    if not found.slots and verdict == "yes":
        verdict = "unknown"
    notes = (*plan.notes, *doubts, *found.notes)
    return plan._replace(told=told, room=found, verdict=verdict, reasons=reasons, notes=notes)


def _offload(question: Question, plan: Plan) -> Plan:
    """The plan with part of the model in host memory: the card's part fits, the host's is compared with what it has."""
    codes = {reason.code for reason in plan.reasons}
    if not question.request.offload or fit(plan.setting, question.workload).verdict == "yes" or BEYOND in codes:
        return plan
    if question.engine.id != "llama.cpp":
        raise MissingKnowledge(
            message("error.offload_runtime", runtime=question.engine.name), message("hint.offload_runtime")
        )
    found = offloaded(plan.setting, question.workload)
    if found is None:
        return plan
    told = plan.told | _placed(found)
    total = block_count(plan.setting.model)
    code = "launch.offload_experts" if found.gpu_layers is None else "launch.offload_layers"
    blocks = found.experts_of if found.gpu_layers is None else total + 1 - found.gpu_layers
    said = [message(code, "warning", layers=blocks, total=total, size=found.weights.value)]
    if not plan.setting.model.blocks:
        said.append(message("launch.offload_equal", "warning"))
    verdict, host = _hosted(found.fit.memory.host, question.request.ram)
    return plan._replace(
        told=told,
        verdict=verdict,
        result=plan.result._replace(fit=found.fit),
        reasons=(*said, host, message("launch.offload_slow", "warning")),
    )


def _hosted(needed: Quantity, ram: Quantity) -> tuple[Verdict, Message]:
    """Whether the host has its part, and the sentence that says so."""
    verdict = host_verdict(needed, ram)
    low, high = needed.lowest or 0, needed.highest or 0
    if ram.value is None:
        return verdict, message("launch.host_needs", "warning", low=low, high=high)
    code = {"yes": "launch.host_yes", "no": "launch.host_no", "unknown": "launch.host_close"}[verdict]
    return verdict, message(code, "info" if verdict == "yes" else "warning", low=low, high=high, ram=ram.value)


def _placed(found: Offloaded) -> dict[str, Value]:
    if found.gpu_layers is None:
        return {"host_experts": found.experts_of}
    return {"gpu_layers": found.gpu_layers}


def planned(question: Question, column: tuple[CardCount, ...]) -> Plan:
    """The verdict for one set of cards, and what a server is told that runs it there."""
    check = question.request.check
    result = result_of(check, question.model, question.engine, question.kv, question.workload, column)
    setting = setting_of(question.model, question.engine, question.kv, column)
    verdict, reasons = result.verdict, result.reasons
    missing = is_missing(check, setting) and not quantizes(question)
    if verdict == "yes" and (missing or any(absent(setting, each) for each in column)):
        verdict = "unknown"
    if quantizes(question):
        reasons = tuple(reason for reason in reasons if reason.code != "check.needs_file")
    plan = Plan(result, setting, verdict, _told(question, setting, result), None, reasons, ())
    return _with_adapters(question, _offload(question, plan))
