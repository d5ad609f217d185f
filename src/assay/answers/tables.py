"""Every model of the catalogue on one card: fits as stored, copies, context, speed, what can be done with it."""

from typing import Literal, NamedTuple

from assay.answers.asked import CheckRequest, columns_of, kv_of, workload_of
from assay.answers.check import CheckResult as Result
from assay.answers.check import result_of
from assay.answers.trainable import Most, most_of
from assay.errors import UsageError
from assay.knowledge.catalog import models
from assay.knowledge.catalog.described import all_described
from assay.knowledge.catalog.runtimes import runtime
from assay.knowledge.catalog.training import training_terms
from assay.types.gpu import Identification
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.plan import Verdict

Sort = Literal["name", "family", "weights", "fits", "copies", "context", "speed"]
SORTS: tuple[Sort, ...] = ("name", "family", "weights", "fits", "copies", "context", "speed")
PLAIN_FORMATS = frozenset({"bf16", "fp16", "fp32"})
ORDER: dict[Verdict, int] = {"yes": 0, "unknown": 1, "no": 2}


class TablesRequest(NamedTuple):
    """What was asked: cards, and how the models are filtered and sorted."""

    gpus: tuple[str, ...]
    runtime: str = "vllm"
    context: int | None = None
    concurrency: int = 1
    fits: bool = False
    family: str | None = None
    min_context: int | None = None
    sort: Sort = "family"


class ModelRow(NamedTuple):
    """One model on one set of cards.

    `mergeable`: whether a LoRA adapter can be merged into the weights as stored, without another quantization;
    `training`: the most that surely trains with the settings of `assay train` that hold unless others are asked for.
    """

    model: Model
    family: str
    result: Result
    mergeable: Verdict
    training: Most

    @property
    def trainable(self) -> Verdict:
        """Whether anything surely trains."""
        if self.training == "unknown":
            return "unknown"
        return "no" if self.training == "none" else "yes"


class TablesAnswer(NamedTuple):
    """One table for each set of cards, forked where a card was ambiguous.

    `models` counts those of the catalogue, `left_out` the rows that the filters took out of all tables.
    """

    request: TablesRequest
    tables: tuple[tuple[ModelRow, ...], ...]
    identifications: tuple[Identification, ...]
    left_out: int
    messages: tuple[Message, ...]
    models: int


def mergeable(model: Model) -> Verdict:
    """Yes for 16- and 32-bit weights; no where merging would mean quantizing anew; unknown for an unknown format."""
    formats = {group.format for group in model.groups}
    if "unknown" in formats:
        return "unknown"
    return "yes" if formats <= PLAIN_FORMATS else "no"


def _key(row: ModelRow, sort: Sort) -> tuple[float | str, ...]:
    fit, name = row.result.fit, row.model.name.lower()
    keys: dict[Sort, tuple[float | str, ...]] = {
        "name": (name,),
        "family": (row.family.lower(), row.model.weights.value or 0.0, name),
        "weights": (row.model.weights.value or float("inf"), name),
        "fits": (ORDER[row.result.verdict], row.model.weights.value or 0.0, name),
        "copies": (-(fit.copies.value or 0.0), name),
        "context": (-(fit.max_context.value or 0.0), name),
        "speed": (-(row.result.speed.decode_per_sequence.value or 0.0), name),
    }
    return keys[sort]


def _wanted(row: ModelRow, request: TablesRequest) -> bool:
    if request.fits and row.result.verdict != "yes":
        return False
    return request.min_context is None or (row.result.fit.max_context.value or 0) >= request.min_context


def _family(wanted: str | None, families: dict[str, str]) -> set[str]:
    """Ids of the models of a family, its name compared without case; all without a wish.

    Raises:
        UsageError: no model is of this family.
    """
    if wanted is None:
        return set(families)
    found = {name for name, family in families.items() if family.lower().startswith(wanted.strip().lower())}
    if not found or not wanted.strip():
        known = ", ".join(sorted(set(families.values())))
        raise UsageError(message("error.unknown_family", name=wanted), message("hint.unknown_family", known=known))
    return found


def answer(request: TablesRequest) -> TablesAnswer:
    """Every model of the catalogue on each set of cards.

    Raises:
        UnknownGpu: a query names no card.
        UsageError: no such runtime, family or order.
    """
    engine = runtime(request.runtime)
    families = models.families()
    chosen = _family(request.family, families)
    columns, identifications = columns_of(request.gpus)
    everything = all_described()
    described = [model for name, model in everything.items() if name in chosen]
    tables, left_out = [], 0
    terms = training_terms()
    for column in columns:
        rows = []
        for model in described:
            asked = CheckRequest(model.name, request.gpus, context=request.context, concurrency=request.concurrency)
            limit = model.max_context
            if limit is not None and request.context is not None:
                asked = asked._replace(context=min(limit, request.context))
            kv = kv_of(None, engine, model)
            result = result_of(asked, model, engine, kv, workload_of(asked, model, kv), column, advised=False)
            rows.append(
                ModelRow(model, families.get(model.name, ""), result, mergeable(model), most_of(model, column, terms))
            )
        kept = sorted((row for row in rows if _wanted(row, request)), key=lambda row: _key(row, request.sort))
        left_out += len(everything) - len(kept)
        tables.append(tuple(kept))
    notes = tuple(note for found in identifications for note in found.notes)
    return TablesAnswer(request, tuple(tables), tuple(identifications), left_out, notes, len(everything))
