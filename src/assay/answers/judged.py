"""The verdict for a model on one set of cards: what memory says, and everything else that stands against it."""

from typing import NamedTuple

from assay.answers.asked import CardCount, CheckRequest
from assay.answers.cards import Card
from assay.answers.execution import attention_of, loaded, of_model
from assay.answers.refusals import refusals, unloadable
from assay.knowledge.catalog.runtimes import term
from assay.reason.execution import WORTH
from assay.reason.memory.fit import CardMemory, Setting, fit
from assay.reason.memory.objections import objection
from assay.types.execution import AttentionPath
from assay.types.message import message
from assay.types.model import Model
from assay.types.plan import Fit, GroupExecution, Verdict, Workload
from assay.types.runtime import KvFormat, Runtime


class Judged(NamedTuple):
    """The verdict for one set of cards, what was fitted there, and what the weakest card executes."""

    setting: Setting
    fit: Fit
    execution: tuple[GroupExecution, ...]
    attention: AttentionPath | None


SELDOM = frozenset({"nvfp4"})
"""KV types that few backends take on few cards: without a row that names them, whether one does is not known."""


def weakest_card(column: tuple[CardCount, ...]) -> Card:
    """The card that limits tensor parallelism: the one with the least memory, an unknown one first."""
    return min((entry.card for entry in column), key=lambda each: each.usable.lowest or 0.0)


def _executed(answer: Fit, executed: tuple[GroupExecution, ...], card: Card) -> Fit:
    """The verdict with what the runtime refuses: weights that raise do not run, however well they fit."""
    gpu, codes = card.gpu.name, {note.code for group in executed for note in group.notes}
    refused = {group.refusal: group.weight_format for group in executed if group.path == "refused"}
    reasons = tuple(
        message("check.raises", "warning", gpu=gpu, format=name, words=words)
        for words, name in refused.items()
        if words
    )
    if reasons:
        on_cpu = answer.verdict != "no" and "execution.runs_on_cpu" in codes
        return answer._replace(verdict="unknown" if on_cpu else "no", reasons=(*reasons, *answer.reasons))
    unread = {group.weight_format for group in executed if group.path == "unknown" and group.work_share >= WORTH}
    said = tuple(message("check.unread", "warning", gpu=gpu, format=name) for name in sorted(unread))
    return answer._replace(reasons=(*answer.reasons, *said))


def _attended(answer: Fit, attended: AttentionPath | None, kv: KvFormat, card: Card) -> Fit:
    """The verdict with what the attention backend refuses of the KV type."""
    words = None if attended is None else dict(attended.refused).get(kv.id)
    if words is None and kv.id in SELDOM and (attended is None or kv.id not in dict(attended.backends)):
        unread = message("check.kv_unread", "warning", gpu=card.gpu.name, kv=kv.id)
        verdict: Verdict = "unknown" if answer.verdict == "yes" else answer.verdict
        return answer._replace(verdict=verdict, reasons=(unread, *answer.reasons))
    if words is None:
        return answer
    reason = message("check.kv_raises", "warning", gpu=card.gpu.name, kv=kv.id, words=words)
    return answer._replace(verdict="no", reasons=(reason, *answer.reasons))


def card_memory(card: Card, count: int) -> CardMemory:
    """A card as the plan sees it, one of `count` that share a model."""
    reserve = "driver_reserve" if card.gpu.vendor == "NVIDIA" else "driver_reserve_other"
    return CardMemory(card.gpu.id, card.usable, term("memory_term", reserve), count)


def memory_of(column: tuple[CardCount, ...]) -> CardMemory:
    """The memory of one set of cards: the weakest of them decides."""
    return card_memory(weakest_card(column), sum(entry.number for entry in column))


def setting_of(model: Model, engine: Runtime, kv: KvFormat, column: tuple[CardCount, ...]) -> Setting:
    """What is fitted on one set of cards: the weakest of them decides."""
    return Setting(model, engine, memory_of(column), kv)


def _settled(
    request: CheckRequest, setting: Setting, workload: Workload, column: tuple[CardCount, ...], answer: Fit
) -> Fit:
    """The verdict of memory with what the files, the model's own limit and the cards' number formats say."""
    limit = setting.model.max_context
    if limit is not None and workload.context > limit:
        beyond = message("check.beyond_model", "warning", context=workload.context, limit=limit)
        answer = answer._replace(verdict="no", reasons=(beyond,))
    refused = refusals(setting, column)
    if refused and answer.verdict == "yes":
        answer = answer._replace(verdict="unknown", reasons=(*refused, *answer.reasons))
    unloaded = unloadable(request, setting)
    if unloaded:
        verdict: Verdict = "unknown" if answer.verdict == "yes" else answer.verdict
        answer = answer._replace(verdict=verdict, reasons=(*unloaded, *answer.reasons))
    return answer


def _judged(  # noqa: PLR0913 -- one more than `judged`, which has them all
    request: CheckRequest,
    model: Model,
    engine: Runtime,
    kv: KvFormat,
    workload: Workload,
    column: tuple[CardCount, ...],
    *,
    memory_aside: bool,
) -> Judged:
    cards = [entry.card for entry in column]
    everywhere = [of_model(model, engine.id, card.gpu.isa) for card in cards]
    for executed in everywhere:  # what one of several cards unpacks while loading counts as unpacked
        model = loaded(model, executed)
    setting = setting_of(model, engine, kv, column)
    answer = fit(setting, workload)
    if memory_aside:
        against = objection(model, engine, setting.card.cards) or ("unknown" if model.doubts else "yes", None)
        said = model.doubts if against[1] is None else (against[1],)
        answer = answer._replace(verdict=against[0], reasons=said)
    answer = _settled(request, setting, workload, column, answer)
    weakest = cards.index(weakest_card(column))
    attention = [attention_of(model, engine.id, card.gpu.isa) for card in cards]
    for card, executed, attended in zip(cards, everywhere, attention, strict=True):  # one card that refuses is enough
        answer = _attended(_executed(answer, executed, card), attended, kv, card)
    return Judged(setting, answer, everywhere[weakest], attention[weakest])


def judged(
    request: CheckRequest,
    model: Model,
    engine: Runtime,
    kv: KvFormat,
    workload: Workload,
    column: tuple[CardCount, ...],
) -> Judged:
    """The verdict for one set of cards."""
    return _judged(request, model, engine, kv, workload, column, memory_aside=False)


def memory_aside(
    request: CheckRequest,
    model: Model,
    engine: Runtime,
    kv: KvFormat,
    workload: Workload,
    column: tuple[CardCount, ...],
) -> Judged:
    """The verdict if memory were no question: what else stands against a model there."""
    return _judged(request, model, engine, kv, workload, column, memory_aside=True)
