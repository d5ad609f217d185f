"""Does this model fit this card as released, how far, and how fast: the question most people come with."""

import shlex
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from assay.answers.cards import Card, card
from assay.answers.model import answer as read_model
from assay.errors import MissingKnowledge, UnknownGpu, UsageError
from assay.knowledge.catalog.runtimes import kv_format, runtime, term
from assay.knowledge.catalog.weight_formats import storage
from assay.knowledge.identity.identify import identify
from assay.reason.memory.fit import CardMemory, Setting, fit
from assay.reason.memory.requantize import ElementCost, requantized
from assay.reason.peaks import dense_peak
from assay.reason.speed.roofline import CardSpeed, Efficiency, cards_together, nothing, predict
from assay.types.gpu import Identification
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.plan import Fit, GroupExecution, Prediction, Verdict, Workload
from assay.types.quantity import Quantity, unknown
from assay.types.runtime import KvFormat, Runtime

DEFAULT_CONTEXT = 32_768
DEFAULT_PROMPT = 1024
MAX_CARDS = 16
MAX_COLUMNS = 12
"""Candidates of several ambiguous cards multiply; beyond this many columns the question is too vague to fork."""


class CheckRequest(NamedTuple):
    """What was asked, as the user wrote it; `gpus` are queries such as `2x RTX 4090` or `A + B`."""

    model: str
    gpus: tuple[str, ...]
    runtime: str | None = None
    weights: str | None = None
    kv: str | None = None
    context: int | None = None
    concurrency: int = 1
    adapters: int = 0
    offload: bool = False


class CardCount(NamedTuple):
    """One kind of card and how many of it."""

    card: Card
    number: int


class CheckResult(NamedTuple):
    """The answer for one set of cards."""

    cards: tuple[CardCount, ...]
    fit: Fit
    speed: Prediction
    execution: tuple[GroupExecution, ...]
    reasons: tuple[Message, ...]
    advice: tuple[Message, ...]
    launch: str | None

    @property
    def verdict(self) -> Verdict:
        """Whether it fits."""
        return self.fit.verdict


class CheckAnswer(NamedTuple):
    """The whole answer: one result for each set of cards, forked where a card was ambiguous."""

    request: CheckRequest
    model: Model
    runtime: Runtime
    kv: KvFormat
    workload: Workload
    identifications: tuple[Identification, ...]
    results: tuple[CheckResult, ...]
    messages: tuple[Message, ...]

    @property
    def exit_code(self) -> int:
        """0 if every result says yes, 1 if any says no, 3 if any is unknown and none says no."""
        verdicts = {result.verdict for result in self.results}
        return 1 if "no" in verdicts else 3 if "unknown" in verdicts else 0


def default_runtime(model: Model) -> str:
    """llama.cpp for GGUF, ExLlamaV3 for EXL3, else vLLM."""
    if model.container == "gguf":
        return "llama.cpp"
    if any(group.format == "exl3" for group in model.groups):
        return "exllamav3"
    return "vllm"


def kv_of(chosen: str | None, engine: Runtime, model: Model) -> KvFormat:
    """The KV format that was asked for, or the runtime's default: the model's own 16-bit type, or a fixed one.

    Raises:
        UsageError: the runtime has no such KV type.
    """
    if chosen is not None:
        name = {"f16": "fp16", "f32": "fp32"}.get(chosen, chosen)
        if name not in engine.kv_types:
            raise UsageError(
                message("error.kv_not_in_runtime", kv=chosen, runtime=engine.name),
                message("hint.kv_types", known=", ".join(engine.kv_types)),
            )
        return kv_format(name)
    if engine.kv_default != "model":
        return kv_format(engine.kv_default)
    return kv_format("fp16" if any(group.format == "fp16" for group in model.groups) else "bf16")


def workload_of(request: CheckRequest, model: Model, kv: KvFormat) -> Workload:
    """What is asked of the model; without a wish its own context, at most 32,768 tokens.

    Raises:
        UsageError: a context or a number of sequences below 1.
    """
    for name, value in (("context", request.context), ("concurrency", request.concurrency)):
        if value is not None and value < 1:
            raise UsageError(message("error.not_positive", option=name, value=value), message("hint.not_positive"))
    longest = model.max_context or DEFAULT_CONTEXT
    context = request.context or min(longest, DEFAULT_CONTEXT)
    return Workload(context, request.concurrency, min(DEFAULT_PROMPT, context), kv.id)


def _identify(query: str) -> Identification:
    found = identify(query)
    if found.match == "unknown":
        hint = (
            message("hint.suggestions", suggestions=", ".join(found.suggestions))
            if found.suggestions
            else message("hint.unknown_gpu")
        )
        raise UnknownGpu(
            found.notes[0] if found.notes else message("error.unknown_gpu", query=query),
            hint,
            candidates=found.suggestions,
        )
    return found


def columns_of(queries: tuple[str, ...]) -> tuple[list[tuple[CardCount, ...]], list[Identification]]:
    """Every set of cards that the queries may mean, and how each part was identified."""
    columns: list[tuple[CardCount, ...]] = []
    identifications: list[Identification] = []
    for query in queries:
        parts = [_identify(part.strip()) for part in query.split(" + ")]
        identifications += parts
        for names in product(*(part.candidates for part in parts)):
            chosen = tuple(CardCount(card(name), part.count) for name, part in zip(names, parts, strict=True))
            if chosen not in columns:
                columns.append(chosen)
    for column in columns:
        if sum(entry.number for entry in column) > MAX_CARDS:
            raise UsageError(message("error.too_many_cards", limit=MAX_CARDS), message("hint.too_many_cards"))
    if len(columns) > MAX_COLUMNS:
        raise UsageError(
            message("error.too_vague", count=len(columns), limit=MAX_COLUMNS),
            message("hint.name_the_card"),
            candidates=[entry.card.gpu.id for column in columns for entry in column],
        )
    return columns, identifications


def _weakest_card(column: tuple[CardCount, ...]) -> Card:
    """The card that limits tensor parallelism: the one with the least memory, an unknown one first."""
    return min((entry.card for entry in column), key=lambda each: each.usable.lowest or 0.0)


def _slowest(figures: list[Quantity]) -> Quantity:
    """The lowest figure, counted at its lower end: of a card that shows itself as two devices, one."""
    slowest = min(figures, key=lambda figure: figure.lowest or 0.0)
    return replace(slowest, value=slowest.lowest) if slowest.value is not None else slowest


def _card_speed(column: tuple[CardCount, ...], count: int) -> CardSpeed:
    peaks = [dense_peak(entry.card.peaks, "bf16") or dense_peak(entry.card.peaks, "fp16") for entry in column]
    known = [peak for peak in peaks if peak is not None]
    return CardSpeed(
        bandwidth=_slowest([entry.card.gpu.bandwidth for entry in column]),
        peak=_slowest(known) if len(known) == len(peaks) else unknown("FLOP/s", message("unknown.peak")),
        cards=cards_together(count, term("speed_term", "parallel_gain")),
    )


def _execution(model: Model) -> tuple[GroupExecution, ...]:
    size = sum(group.size for group in model.groups) or 1
    work = sum(group.active for group in model.groups) or 1
    return tuple(
        GroupExecution(group.role, group.format, "unknown", group.size / size, group.active / work)
        for group in model.groups
    )


def _launch(request: CheckRequest, setting: Setting, workload: Workload) -> str | None:
    engine = setting.runtime
    if engine.launch is None:
        return None
    line = engine.launch.format(
        model=shlex.quote(setting.model.name if setting.model.container == "catalogue" else request.model),
        context=workload.context,
        total_context=workload.context * workload.concurrency,
        concurrency=workload.concurrency,
    )
    if setting.card.cards > 1:
        line += engine.launch_tensor_parallel.format(cards=setting.card.cards)
    if request.kv is not None:
        line += engine.launch_kv.format(kv=request.kv)
    return line


def _shorter(setting: Setting, workload: Workload, answer: Fit) -> list[Message]:
    """What to give up when it does not surely fit, cheapest first: context, sequences, KV precision, cards."""
    advice: list[Message] = []
    if answer.max_context.value:
        advice.append(message("advice.context", tokens=int(answer.max_context.value)))
    if answer.max_concurrency.value:
        advice.append(message("advice.concurrency", sequences=int(answer.max_concurrency.value)))
    if setting.kv.id in {"bf16", "fp16"} and "fp8" in setting.runtime.kv_types:
        smaller = setting._replace(kv=kv_format("fp8"))
        if fit(smaller, workload).verdict == "yes":
            advice.append(message("advice.kv", kv="fp8"))
    for count in (2, 4, 8):
        if count > setting.card.cards and _fits_on(setting, workload, count):
            advice.append(message("advice.cards", count=count))
            break
    return advice


def _fits_on(setting: Setting, workload: Workload, count: int) -> bool:
    return fit(setting._replace(card=setting.card._replace(cards=count)), workload).verdict == "yes"


def _advice(setting: Setting, workload: Workload, answer: Fit) -> tuple[Message, ...]:
    model = setting.model
    if answer.verdict == "yes":
        if model.requantized_from is None and model.released_format is not None:
            return (message("advice.as_released", format=model.released_format),)
        if model.requantized_from is not None:
            return (message("advice.is_requantized", base=model.requantized_from),)
        return ()
    return tuple(_shorter(setting, workload, answer))


def _speed(model: Model, engine: Runtime, workload: Workload, answer: Fit, column: tuple[CardCount, ...]) -> Prediction:
    """The prediction; a model that does not fit has no speed on these cards."""
    if answer.verdict == "no":
        return nothing(message("unknown.does_not_fit"))
    count = sum(entry.number for entry in column)
    efficiency = Efficiency(term("speed_term", "decode_efficiency"), term("speed_term", "prefill_efficiency"))
    cached = (answer.memory.kv.value or 0.0) * count
    # Whole layers on each card work one card after the other.
    together = count if engine.split == "tensor" else 1
    card_speed = _card_speed(column, together)
    return predict(model, card_speed, efficiency, cached, workload.concurrency, workload.prompt)


def result_of(
    request: CheckRequest,
    model: Model,
    engine: Runtime,
    kv: KvFormat,
    workload: Workload,
    column: tuple[CardCount, ...],
) -> CheckResult:
    """The answer for one set of cards."""
    count = sum(entry.number for entry in column)
    weakest = _weakest_card(column)
    memory = CardMemory(weakest.gpu.id, weakest.usable, term("memory_term", "driver_reserve"), count)
    setting = Setting(model, engine, memory, kv)
    answer = fit(setting, workload)
    if model.max_context is not None and workload.context > model.max_context:
        beyond = message("check.beyond_model", "warning", context=workload.context, limit=model.max_context)
        answer = answer._replace(verdict="no", reasons=(beyond, *answer.reasons))
    speed = _speed(model, engine, workload, answer, column)
    return CheckResult(
        cards=column,
        fit=answer,
        speed=speed,
        execution=_execution(model),
        reasons=answer.reasons,
        advice=_advice(setting, workload, answer),
        launch=_launch(request, setting, workload) if answer.verdict == "yes" else None,
    )


def _cost(name: str) -> ElementCost:
    """The storage of a weight format whose scales lie in blocks of a known number of elements."""
    found = storage(name)
    if found is None:
        raise MissingKnowledge(message("error.unknown_weight_format", name=name), message("hint.unknown_weight_format"))
    block = (found.block_outputs or 0) * (found.block_inputs or 0)
    return ElementCost(name, found.bits, found.scale_bits if block else 0, block)


def _model(request: CheckRequest) -> Model:
    model = read_model(request.model)
    if request.weights is None or request.weights == model.released_format:
        return model
    if request.weights.lower().startswith("gguf:"):
        from assay.answers.weights import by_recipe  # noqa: PLC0415 - few ask, and the rules of recipes are long

        return by_recipe(model, request.model, request.weights)
    return requantized(model, _cost(request.weights))


def answer(request: CheckRequest) -> CheckAnswer:
    """The verdict for each set of cards that was named.

    Raises:
        BadInput: an unknown card, model, runtime or KV type, or a workload that is not positive.
        CannotAnswer: an architecture or a question that is not known yet.
    """
    if request.offload or request.adapters:
        asked = "offload" if request.offload else "adapters"
        raise MissingKnowledge(message("error.not_planned_yet", what=asked), message("hint.not_planned_yet"))
    model = _model(request)
    engine = runtime(request.runtime or default_runtime(model))
    kv = kv_of(request.kv, engine, model)
    workload = workload_of(request, model, kv)
    columns, identifications = columns_of(request.gpus)
    results = tuple(result_of(request, model, engine, kv, workload, column) for column in columns)
    notes = [note for found in identifications for note in found.notes]
    if engine.containers and model.container not in engine.containers:
        notes.append(message("check.container", "warning", runtime=engine.name, container=model.container))
    if any(entry.number > 1 or len(result.cards) > 1 for result in results for entry in result.cards):
        notes.append(message("check.layer_split" if engine.split == "layer" else "check.tensor_parallel"))
    return CheckAnswer(
        request=request,
        model=model,
        runtime=engine,
        kv=kv,
        workload=workload,
        identifications=tuple(identifications),
        results=results,
        messages=(*model.notes, *notes),
    )
