"""The story of one token in sentences that the page and the document share."""

from typing import NamedTuple

from assay.answers.story import Station, StoryAnswer
from assay.reason.execution import BATCH_MANY, BATCH_ONE, WORTH, at
from assay.report.attention import attention_words
from assay.types.execution import Regime
from assay.types.message import Message, message


class Sentence(NamedTuple):
    """One sentence of the story, and the sources it rests on."""

    text: Message
    sources: tuple[str, ...]


def _named(regime: Regime) -> str:
    return regime.kernel or "–"


def _multiplied(station: Station) -> list[Message]:
    """What is multiplied with what at batch 1 and 64, by which kernel."""
    done = station.executed
    first, many = at(done.regimes, BATCH_ONE), at(done.regimes, BATCH_MANY)
    if done.path == "refused":
        return [message("story.refused", words=done.refusal or "–")]
    if first is None or many is None:
        return [message("story.unknown")]
    told = []
    for batch, regime in ((BATCH_ONE, first), (BATCH_MANY, many)):
        code = "story.multiplied.same" if first == many else "story.multiplied"
        told.append(
            message(
                code,
                batch=batch,
                path=f"path.{regime.path}",
                multiplies=regime.multiplies,
                activations=regime.activations,
                unit=f"unit.{regime.unit}",
                kernel=_named(regime),
            )
        )
    return told[:1] if first == many else told


def _station(answer: StoryAnswer, station: Station) -> list[Sentence]:
    model, group = answer.found.model, station.group
    sources = tuple(dict.fromkeys(one.source for one in station.executed.evidence))
    role, stored, size = group.role, group.format, group.size
    work = station.executed.work_share
    if role == "embedding" and not station.one.value:
        return [Sentence(message("story.embedding", role=role, format=stored, size=size), sources)]
    text = message("story.station", role=role, format=stored, size=size, work=work)
    if role == "experts":
        text = message(
            "story.experts", role=role, format=stored, size=size, work=work, chosen=model.experts_per_token,
            experts=model.experts, one=station.one.value or 0.0, many=station.many.value or 0.0,
        )  # fmt: skip
    told = [text, *_multiplied(station), *station.executed.notes]
    return [Sentence(one, sources) for one in told]


def _layers(answer: StoryAnswer) -> list[Sentence]:
    told = []
    for layer in answer.found.model.layers:
        code = "story.layers" if layer.query_heads else "story.layers_plain"
        kind = f"layer.{layer.kind}"
        told.append(
            message(code, count=layer.count, kind=kind, query=layer.query_heads, keys=layer.kv_heads)
            if layer.query_heads
            else message(code, count=layer.count, kind=kind)
        )
    return [Sentence(one, answer.found.model.sources) for one in told]


def _attention(answer: StoryAnswer) -> list[Sentence]:
    """Which kernel attends, and what the cache of one sequence costs to read."""
    path, kv = answer.result.attention, answer.found.kv.id
    sources = () if path is None else tuple(one.source for one in path.evidence)
    told = [Sentence(one, sources) for one in attention_words(path, kv)]
    cache = answer.result.fit.memory.kv_per_sequence
    if cache.value and not told:
        told.append(Sentence(message("story.attention_unknown"), ()))
    if cache.value:
        context = answer.found.workload.context
        told.append(Sentence(message("story.cache", kv=kv, context=context, size=cache.value), cache.sources))
    return told


def sentences(answer: StoryAnswer) -> list[Sentence]:
    """The story: layers, then each station in a token's order, then what one step reads in all."""
    told = _layers(answer)
    small = [one for one in answer.stations if one.executed.work_share < WORTH and one.group.role != "embedding"]
    spoken = False
    for station in answer.stations:
        if station in small:
            continue
        if not spoken and station.group.role not in ("embedding", "attention"):
            told += _attention(answer)
            spoken = True
        told += _station(answer, station)
    if small:
        told_of = {one.group.role for one in answer.stations if one not in small}
        roles = ", ".join(dict.fromkeys(one.group.role for one in small if one.group.role not in told_of)) or "other"
        told.append(
            Sentence(message("story.small", roles=roles, work=sum(one.executed.work_share for one in small)), ())
        )
    totals = message("story.total", one=answer.one.value or 0.0, many=answer.many.value or 0.0)
    told.append(Sentence(totals, answer.one.sources))
    seen: set[Message] = set()
    once = []
    for sentence in told:
        repeated = sentence.text in seen and sentence.text.code.startswith("execution.")
        seen.add(sentence.text)
        if not repeated:
            once.append(sentence)
    return once
