"""Does training this model fit this card, part by part, and what would make it fit?"""

from typing import NamedTuple

from assay.answers.asked import MAX_CARDS, CardCount, columns_of
from assay.answers.judged import memory_of
from assay.answers.model import answer as read_model
from assay.answers.trainable import TRAINABLE, doubted
from assay.errors import MissingKnowledge, UsageError
from assay.knowledge.catalog.training import training_terms
from assay.reason.peaks import dense_peak
from assay.reason.training import plan as planning
from assay.reason.training.bounds import Terms
from assay.reason.training.plan import Subject
from assay.reason.training.states import trained_parameters
from assay.reason.training.time import training_time
from assay.reason.training.ways import ways
from assay.reason.training.widths import PLAIN, parameters
from assay.types.gpu import Identification
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.plan import Verdict
from assay.types.quantity import ASKED, Quantity, exact, unknown
from assay.types.training import Training, TrainingFit, TrainingTime

WIDE = frozenset({"bf16", "fp16", "fp32"})


class TrainRequest(NamedTuple):
    """What was asked, as the user wrote it; `cards` is how many of each card, where the query does not say.

    `tokens` to train on, and the share of the peak that the user's own runs reach (`mfu`), where they are said.
    """

    model: str
    gpus: tuple[str, ...]
    training: Training
    cards: int = 1
    tokens: int | None = None
    mfu: float | None = None


class TrainResult(NamedTuple):
    """The answer for one set of cards."""

    cards: tuple[CardCount, ...]
    training: Training
    fit: TrainingFit
    speed: TrainingTime

    @property
    def verdict(self) -> Verdict:
        """Whether it fits."""
        return self.fit.verdict


class TrainAnswer(NamedTuple):
    """The whole answer: one result for each set of cards, forked where a card was ambiguous."""

    request: TrainRequest
    model: Model
    identifications: tuple[Identification, ...]
    results: tuple[TrainResult, ...]
    messages: tuple[Message, ...]

    @property
    def exit_code(self) -> int:
        """0 if every result says yes, 1 if any says no, 3 if any is unknown and none says no."""
        verdicts = {result.verdict for result in self.results}
        return 1 if "no" in verdicts else 3 if "unknown" in verdicts else 0


def _model_of(request: TrainRequest) -> Model:
    """The model to train.

    Raises:
        BadInput, CannotAnswer: it cannot be read, is an adapter, or lies in a form that is not trained.
    """
    model = read_model(request.model)
    if model.container == "adapter":
        raise MissingKnowledge(message("error.adapter_alone", name=model.name), message("hint.adapter_alone"))
    if model.container not in TRAINABLE:
        raise MissingKnowledge(
            message("error.train_container", name=model.name, container=model.container),
            message("hint.train_container"),
        )
    if not model.hidden_size or not model.layers:
        raise MissingKnowledge(message("error.train_layers", name=model.name), message("hint.train_container"))
    return model


def _trained(model: Model, training: Training) -> Quantity:
    """How many parameters are trained.

    Raises:
        MissingKnowledge: the model has no such matrices.
    """
    low, typical, high = (float(round(end)) for end in trained_parameters(model, training))
    if not high:
        raise MissingKnowledge(
            message("error.train_targets", name=model.name, targets=training.targets), message("hint.train_targets")
        )
    formula = "all parameters" if training.method == "full" else "rank x (inputs + outputs) of each adapted matrix"
    return Quantity(
        typical,
        "parameter",
        "derived",
        model.sources,
        low=low if low < high else None,
        high=high if low < high else None,
        weakest="assumed" if model.like or low < high else "documented",
        weakest_share=1.0,
        formula=formula,
    )


def _time(model: Model, training: Training, request: TrainRequest, column: tuple[CardCount, ...]) -> TrainingTime:
    """How fast one set of cards trains: of unlike ones the slowest sets the pace."""
    peaks = [dense_peak(entry.card.peaks, "bf16") or dense_peak(entry.card.peaks, "fp16") for entry in column]
    known = [peak for peak in peaks if peak is not None]
    none = unknown("FLOP/s", message("unknown.peak"))
    peak = min(known, key=lambda one: one.value or 0.0) if len(known) == len(peaks) else none
    mfu = training_terms()["mfu"] if request.mfu is None else exact(request.mfu, "ratio", "documented", ASKED)
    cards = sum(entry.number for entry in column)
    return training_time(model, training, cards, peak, mfu, request.tokens)


def result_of(model: Model, request: TrainRequest, column: tuple[CardCount, ...], terms: Terms) -> TrainResult:
    """The answer for one set of cards."""
    training = request.training
    memory = memory_of(column)
    asked = training if memory.cards > 1 else training._replace(shard="none")
    subject = Subject(model, memory, terms)
    found = planning.plan(subject, asked)
    verdict, reasons = planning.verdict(found)
    longest, largest = planning.reach(subject, asked, found)
    verdict, doubts = doubted(model, column, verdict)
    fit = TrainingFit(
        verdict=verdict,
        memory=found,
        trained=_trained(model, asked),
        longest=longest,
        largest=largest,
        reasons=(*doubts, *reasons),
        ways=() if planning.verdict(found)[0] == "yes" else ways(subject, asked),
    )
    return TrainResult(column, asked, fit, _time(model, asked, request, column))


def _notes(model: Model, training: Training) -> tuple[Message, ...]:
    """What the figures take for granted."""
    said = [*model.notes]
    if any(group.format not in WIDE for group in model.groups):
        said.append(message("train.from_16bit"))
    if training.method == "qlora" and parameters(model, "experts"):
        said.append(message("train.experts_16bit", "warning"))
    if training.method != "full" and training.targets == "all-linear" and parameters(model, "experts"):
        said.append(message("train.experts_untouched"))
    if any(layer.kind not in PLAIN and layer.kind != "none" for layer in model.layers):
        said.append(message("train.other_layers", "warning"))
    if parameters(model, "vision"):
        said.append(message("train.vision", "warning"))
    if model.max_context is not None and training.sequence > model.max_context:
        said.append(message("train.beyond_model", "warning", sequence=training.sequence, limit=model.max_context))
    if training.method != "full":
        count = round(trained_parameters(model, training).high)
        said.append(message("train.adapter_size", parameters=count, half=count * 2, full=count * 4))
    said += [message(f"train.precision.{training.precision}"), message("train.attention")]
    return tuple(said)


def _columns(request: TrainRequest) -> tuple[list[tuple[CardCount, ...]], list[Identification]]:
    """The sets of cards; a number given beside a single card multiplies it.

    Raises:
        UsageError: the number of cards was said twice, or is too large.
    """
    columns, identifications = columns_of(request.gpus)
    if request.cards == 1:
        return columns, identifications
    if any(len(column) > 1 or column[0].number > 1 for column in columns):
        raise UsageError(message("error.cards_twice"), message("hint.cards_twice"))
    if request.cards > MAX_CARDS:
        raise UsageError(message("error.too_many_cards", limit=MAX_CARDS), message("hint.too_many_cards"))
    return [(column[0]._replace(number=request.cards),) for column in columns], identifications


def answer(request: TrainRequest) -> TrainAnswer:
    """Whether it fits, for each set of cards that was named.

    Raises:
        BadInput: an unknown card or model, or a number that is not positive.
        CannotAnswer: a model in a form that is not trained, or an architecture that is not known.
    """
    training = request.training
    for name in ("rank", "sequence", "micro_batch"):
        if getattr(training, name) < 1:
            raise UsageError(
                message("error.not_positive", option=name, value=getattr(training, name)), message("hint.not_positive")
            )
    if request.mfu is not None and not 0.0 < request.mfu <= 1.0:
        raise UsageError(message("error.bad_mfu", value=str(request.mfu)), message("hint.bad_mfu"))
    model = _model_of(request)
    columns, identifications = _columns(request)
    terms = training_terms()
    return TrainAnswer(
        request=request,
        model=model,
        identifications=tuple(identifications),
        results=tuple(result_of(model, request, column, terms) for column in columns),
        messages=_notes(model, training),
    )
