"""Does this model fit this card as released, how far, and how fast: the question most people come with."""

from dataclasses import replace
from typing import NamedTuple

from assay.answers.advice import advice, warnings
from assay.answers.asked import CardCount, CheckRequest, columns_of, default_runtime, kv_of, workload_of
from assay.answers.cards import Card
from assay.answers.judged import judged, memory_of
from assay.answers.model import answer as read_model
from assay.answers.narrower import in_format
from assay.answers.refusals import absent
from assay.answers.starting import line
from assay.errors import MissingKnowledge
from assay.knowledge.catalog.runtimes import runtime, term
from assay.reason.deploy.adapters import slot
from assay.reason.memory.fit import Setting
from assay.reason.peaks import dense_peak
from assay.reason.speed.roofline import CardSpeed, Efficiency, cards_together, nothing, predict
from assay.types.execution import AttentionPath
from assay.types.gpu import Identification
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.picture import MemoryPicture
from assay.types.plan import Fit, GroupExecution, Prediction, Verdict, Workload
from assay.types.quantity import Quantity, derive, unknown
from assay.types.runtime import KvFormat, Runtime

SLOTTED, DEFAULT_RANK = "vllm", 16
"""The runtime whose slots for adapters are known, and the rank that it keeps room for unless it is told another."""


class CheckResult(NamedTuple):
    """The answer for one set of cards."""

    cards: tuple[CardCount, ...]
    fit: Fit
    speed: Prediction
    execution: tuple[GroupExecution, ...]
    attention: AttentionPath | None
    reasons: tuple[Message, ...]
    advice: tuple[Message, ...]
    launch: str | None
    picture: MemoryPicture | None = None

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

    def undrawn(self) -> "CheckAnswer":
        """The same answer without what a drawing needs."""
        return self._replace(results=tuple(result._replace(picture=None) for result in self.results))


def _slowest(figures: list[Quantity]) -> Quantity:
    """The lowest figure, counted at its lower end: of a card that shows itself as two devices, one."""
    slowest = min(figures, key=lambda figure: figure.lowest or 0.0)
    return replace(slowest, value=slowest.lowest, low=None, high=None) if slowest.value is not None else slowest


def _device_peak(card: Card) -> Quantity | None:
    """The 16-bit peak of one device: of a product that shows itself as two, its share by memory."""
    peak = dense_peak(card.peaks, "bf16") or dense_peak(card.peaks, "fp16")
    sold, shown = card.gpu.memory_sold.value, card.gpu.memory_driver.value
    if peak is None or not sold or not shown or shown > sold * 0.6:
        return peak
    devices = round(sold / shown)
    formula = "published peak / devices that the product shows itself as"
    return derive(peak.unit, formula, [("published peak", peak)], lambda whole: whole / devices)


def _card_speed(column: tuple[CardCount, ...], count: int) -> CardSpeed:
    peaks = [_device_peak(entry.card) for entry in column]
    known = [peak for peak in peaks if peak is not None]
    return CardSpeed(
        bandwidth=_slowest([entry.card.gpu.bandwidth for entry in column]),
        peak=_slowest(known) if len(known) == len(peaks) else unknown("FLOP/s", message("unknown.peak")),
        cards=cards_together(count, term("speed_term", "parallel_gain")),
    )


def _speed(model: Model, engine: Runtime, workload: Workload, answer: Fit, column: tuple[CardCount, ...]) -> Prediction:
    """The prediction; a model that does not fit has no speed on these cards."""
    if answer.verdict == "no":
        refused = any(reason.code in ("check.raises", "check.kv_raises") for reason in answer.reasons)
        return nothing(message("unknown.does_not_run" if refused else "unknown.does_not_fit"))
    return speed_of(model, engine, workload, answer.memory.kv.value or 0.0, column)


def speed_of(
    model: Model, engine: Runtime, workload: Workload, cached: float, column: tuple[CardCount, ...]
) -> Prediction:
    """The prediction for a model that fits; `cached` is the bytes of all sequences' caches on one card."""
    count = sum(entry.number for entry in column)
    efficiency = Efficiency(
        term("speed_term", "decode_efficiency"),
        term("speed_term", "prefill_efficiency"),
        term("speed_term", "layer_cost"),
    )
    # Whole layers on each card work one card after the other.
    together = count if engine.split == "tensor" else 1
    card_speed = _card_speed(column, together)
    return predict(model, card_speed, efficiency, cached * count, workload.concurrency, workload.prompt)


def _picture(setting: Setting, workload: Workload, answer: Fit, column: tuple[CardCount, ...]) -> MemoryPicture:
    """What a drawing of the memory shows, each card of a mixed set with its own room."""
    from assay.reason.memory.picture import picture  # noqa: PLC0415 - few ask for a drawing

    alone = [memory_of((entry,)) for entry in column]
    return picture(setting, workload, answer.memory, alone)


def result_of(  # noqa: PLR0913 -- a request with all that was made of it
    request: CheckRequest,
    model: Model,
    engine: Runtime,
    kv: KvFormat,
    workload: Workload,
    column: tuple[CardCount, ...],
    *,
    advised: bool = True,
) -> CheckResult:
    """The answer for one set of cards; what to give up takes many more plans and is left out where nobody reads it."""
    found = judged(request, model, engine, kv, workload, column)
    answer, setting = found.fit, found.setting
    speed = _speed(setting.model, engine, workload, answer, column)
    slots = int(answer.max_concurrency.value or workload.concurrency)
    # A command without the adapters' folders would not be the one that was planned for.
    runs = answer.verdict == "yes" and not request.adapters and not any(absent(setting, each) for each in column)
    return CheckResult(
        cards=column,
        fit=answer,
        speed=speed,
        execution=found.execution,
        attention=found.attention,
        reasons=(*answer.reasons, *warnings(request, setting, column)),
        advice=advice(request, model, setting, workload, answer, column) if advised else (),
        launch=line(request, setting, workload, slots) if runs else None,
        picture=_picture(setting, workload, answer, column) if request.picture else None,
    )


def model_of(request: CheckRequest) -> Model:
    """The model that was named, its weights converted where others were asked for.

    Raises:
        BadInput, CannotAnswer: it cannot be read, is an adapter, or how the weights would be stored is not known.
    """
    model = _converted(request)
    if model.container == "adapter":
        raise MissingKnowledge(message("error.adapter_alone", name=model.name), message("hint.adapter_alone"))
    return model


def _converted(request: CheckRequest) -> Model:
    model = read_model(request.model)
    if request.weights is None or request.weights == model.released_format:
        return model
    return in_format(model, request.model, request.weights)


def _with_adapters(engine: Runtime, model: Model, number: int) -> Runtime:
    """The runtime with slots for adapters of its default rank beside what it takes for itself.

    Raises:
        MissingKnowledge: the runtime's slots are not known.
    """
    if engine.memory is None or engine.id != SLOTTED:
        raise MissingKnowledge(message("error.adapters_runtime", runtime=engine.name), message("hint.adapters_runtime"))
    each = slot(model, DEFAULT_RANK)
    slots = derive("B", "slots x bytes of a slot", [("bytes of a slot", each)], lambda size: size * number)
    return engine._replace(memory=engine.memory._replace(terms=engine.memory.terms | {"adapters": slots}))


def answer(request: CheckRequest) -> CheckAnswer:
    """The verdict for each set of cards that was named.

    Raises:
        BadInput: an unknown card, model, runtime or KV type, or a workload that is not positive.
        CannotAnswer: an architecture or a question that is not known yet.
    """
    if request.offload:
        raise MissingKnowledge(message("error.not_planned_yet", what="offload"), message("hint.not_planned_yet"))
    model = model_of(request)
    columns, identifications = columns_of(request.gpus)
    engine = runtime(request.runtime or default_runtime(model, columns))
    if request.adapters:
        engine = _with_adapters(engine, model, request.adapters)
    kv = kv_of(request.kv, engine, model)
    workload = workload_of(request, model, kv)
    results = tuple(result_of(request, model, engine, kv, workload, column) for column in columns)
    notes = [note for found in identifications for note in found.notes]
    if any(entry.number > 1 or len(result.cards) > 1 for result in results for entry in result.cards):
        notes.append(message("check.layer_split" if engine.split == "layer" else "check.tensor_parallel"))
    if request.adapters:
        notes.append(message("check.adapters", number=request.adapters, rank=DEFAULT_RANK, model=request.model))
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
