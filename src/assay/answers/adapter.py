"""What an adapter is to its base model: bytes, how many fit beside it, and what merging it would lose."""

from typing import NamedTuple

from assay.answers import adapters as lora
from assay.answers.asked import CardCount, CheckRequest, columns_of, kv_of, workload_of
from assay.answers.check import result_of
from assay.answers.judged import setting_of
from assay.answers.model import answer as read_model
from assay.errors import MissingKnowledge, UsageError
from assay.knowledge.catalog.runtimes import runtime
from assay.reason.deploy.adapters import slots
from assay.reason.deploy.merging import MergeInto, merges
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.plan import Verdict
from assay.types.quantity import Quantity

RUNTIME = "vllm"
MANY = 1 << 16
"""A search for slots ends here."""
FOUR_BITS = ("4bit", "4-bit", "nf4", "qlora")
"""Words in a base model's name that say that it was stored in four bits."""


class Beside(NamedTuple):
    """How many adapters lie beside the base model on one set of cards: bytes of a slot, and slots (None: not known)."""

    cards: tuple[CardCount, ...]
    verdict: Verdict
    rank: int
    each: Quantity
    slots: int | None


class AdapterAnswer(NamedTuple):
    """The adapter, its base model, what merging means for each group of matrices, and room on cards."""

    adapter: Model
    base: Model
    rows: tuple[MergeInto, ...]
    beside: tuple[Beside, ...]
    messages: tuple[Message, ...]


def _said(adapter: Model, base: Model, rows: tuple[MergeInto, ...]) -> tuple[Message, ...]:
    """What merging means in words: rounding, quantizing again, and the weights that a QLoRA adapter was fitted to."""
    found: list[Message] = []
    kinds = {row.merge for row in rows}
    found += [
        message("merge.rounds", format=name, share=roundoff)
        for name, roundoff in dict.fromkeys((row.format, row.roundoff) for row in rows if row.merge == "rounds")
    ]
    if any(row.format == "fp16" for row in rows):
        found.append(message("merge.fp16_small"))
    if "requantizes" in kinds:
        formats = ", ".join(dict.fromkeys(row.format for row in rows if row.merge == "requantizes"))
        found.append(message("merge.requantizes", "warning", formats=formats))
    if "unknown" in kinds:
        found.append(message("merge.unknown", "warning"))
    named = next(
        (dict(note.parameters).get("base") for note in adapter.notes if note.code == "note.adapter_base"), None
    )
    quantized = named is not None and any(word in str(named).lower() for word in FOUR_BITS)
    if kinds & {"rounds", "unknown"}:
        found.append(message("merge.trained_on_4bit" if quantized else "merge.if_qlora", "warning", base=named))
    found.append(message("merge.beside"))
    return (*adapter.notes, *found, *base.doubts)


def _beside(path: str, base: Model, named: str, queries: tuple[str, ...]) -> tuple[Beside, ...]:
    if not queries:
        return ()
    found = lora.read((path,))
    engine = runtime(RUNTIME)
    columns, _ = columns_of(queries)
    request = CheckRequest(named, queries)
    kv = kv_of(None, engine, base)
    workload = workload_of(request, base, kv)
    rows = []
    for column in columns:
        plan = result_of(request, base, engine, kv, workload, column, advised=False).fit
        room = lora.room(found, setting_of(base, engine, kv, column), plan)
        rows.append(Beside(column, plan.verdict, room.rank, room.each, slots(plan.memory.free, room.each, MANY)))
    return tuple(rows)


def answer(source: str, base: str, gpus: tuple[str, ...] = ()) -> AdapterAnswer:
    """An adapter beside its base model.

    Raises:
        UsageError: `source` is no adapter, or `base` is one.
        BadInput, CannotAnswer: either cannot be read, or a card is not known.
    """
    adapter, model = read_model(source), read_model(base)
    if adapter.container != "adapter":
        raise UsageError(message("error.base_of_model", name=adapter.name), message("hint.base_of_model"))
    if model.container == "adapter":
        raise MissingKnowledge(message("error.adapter_alone", name=model.name), message("hint.adapter_alone"))
    rows = merges(model)
    return AdapterAnswer(adapter, model, rows, _beside(source, model, base, gpus), _said(adapter, model, rows))
