"""Every option for a model on one set of cards: judged once, and ready to be weighed for any need."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from assay.answers.asked import CardCount, CheckRequest, kv_of
from assay.answers.judged import Judged, memory_aside
from assay.answers.narrower import in_format
from assay.answers.pace import pacer
from assay.answers.quality import losses_of
from assay.errors import AssayError
from assay.knowledge.catalog.runtimes import kv_format, runtime
from assay.reason.decide.options import Engine, Stored, keeps_weights, options
from assay.reason.decide.weigh import Ground
from assay.reason.memory.outcome import fixed_of
from assay.types.decide import Count, Dropped, Option
from assay.types.message import Message
from assay.types.model import Model
from assay.types.plan import Workload
from assay.types.runtime import KvFormat, Runtime

REFUSALS: dict[str, Dropped] = {
    "check.raises": "refused",
    "check.kv_raises": "refused",
    "check.refused": "refused",
    "check.not_loaded": "container",
    "check.heads": "heads",
    "check.blocks": "heads",
}
"""Why something that stands against an option drops it."""
NO_GAIN = 0.97
"""Of the released bytes: a conversion of quantized weights that saves less would lose quality for nothing."""
Column = tuple[CardCount, ...]


class Plan(NamedTuple):
    """An option that is left: what was judged of it, and its ground; `requantized` where quantized weights were."""

    judged: Judged
    ground: Ground
    request: CheckRequest
    column: Column
    requantized: bool


class Dropping:
    """Options that are none, counted by reason, each with its first example and the words of a refusal."""

    def __init__(self) -> None:
        self._found: dict[Dropped, Count] = {}

    def drop(self, reason: Dropped, option: Option, words: str | None = None) -> None:
        """Count one."""
        before = self._found.get(reason)
        if before is None:
            self._found[reason] = Count(reason, 1, option.id, words)
        else:
            self._found[reason] = before._replace(count=before.count + 1, words=before.words or words)

    def counts(self) -> tuple[Count, ...]:
        """What was dropped, most first."""
        return tuple(sorted(self._found.values(), key=lambda one: (-one.count, one.reason)))


def bits_of(kv: KvFormat) -> float:
    """Bits that an element of a cache takes with its scales."""
    return 8 * kv.block_bytes / kv.block


def _kv_types(engine: Runtime, model: Model) -> tuple[str, ...]:
    """The KV format that loses nothing, then the narrower ones."""
    own = kv_of(None, engine, model)
    narrower = [kv_format(name) for name in engine.kv_types if name != own.id]
    return (own.id, *(each.id for each in narrower if bits_of(each) < bits_of(own)))


def stored_as(model: Model) -> Stored:
    """The weights as they were named: the format of most bytes, where the checkpoint does not say."""
    largest = max(model.groups, key=lambda group: group.size).format
    return Stored(model.released_format or largest, model.container == "gguf")


def _engine(engine: Runtime, model: Model) -> Engine:
    offloads = engine.memory is not None and engine.memory.compute is not None
    return Engine(engine.id, engine.containers == ("gguf",), _kv_types(engine, model), offloads)


def _divided(column: Column, each: int) -> Column:
    """The cards of one copy."""
    return column if len(column) > 1 else (column[0]._replace(number=each),)


def _dropping(reasons: Iterable[Message]) -> tuple[Dropped, str | None] | None:
    for reason in reasons:
        if reason.code in REFUSALS:
            words = dict(reason.parameters).get("words")
            return REFUSALS[reason.code], words if isinstance(words, str) else None
    return None


class Grounds:
    """The options of a model on one set of cards.

    Attributes:
        model: as it was named; stored: its weights.
        plans: what is left, by option.
        dropped: what is not.
    """

    def __init__(self, model: Model, source: str, engines: Sequence[Runtime], column: Column) -> None:
        self.model, self.source, self.column = model, source, column
        self.stored = stored_as(model)
        self.plans: dict[Option, Plan] = {}
        self._dropping = Dropping()
        self._models: dict[str, Model | None] = {self.stored.format: model}
        self._engines = {engine.id: engine for engine in engines}
        every = [_engine(engine, model) for engine in engines]
        cards = sum(entry.number for entry in column)
        for option, why in options(self.stored, every, cards, alike=len(column) == 1):
            if why is not None:
                self._dropping.drop(why, option)
            elif not option.offload:
                self._judge(option)

    @property
    def dropped(self) -> tuple[Count, ...]:
        """What is no option, by reason."""
        return self._dropping.counts()

    def drop(self, reason: Dropped, option: Option) -> None:
        """Count an option that is none."""
        self._dropping.drop(reason, option)

    def _in_format(self, name: str) -> Model | None:
        if name not in self._models:
            try:
                self._models[name] = in_format(self.model, self.source, name)
            except AssayError:
                self._models[name] = None
        return self._models[name]

    def _judge(self, option: Option) -> None:
        model = self._in_format(option.weights)
        if model is None:
            return self._dropping.drop("no_checkpoint", option)
        engine, kv = self._engines[option.runtime], kv_format(option.kv)
        same_weights = keeps_weights(option, self.stored)
        same_cache = option.kv == kv_of(None, engine, self.model).id
        size, before = model.weights.value, self.model.weights.value
        requantized = not self.stored.plain and not same_weights
        if requantized and size is not None and before is not None and size > NO_GAIN * before:
            return self._dropping.drop("no_gain", option)
        weights = None if option.weights == self.stored.format else option.weights
        request = CheckRequest(self.source, (), engine.id, weights, option.kv)
        column = _divided(self.column, option.cards)
        found = memory_aside(request, model, engine, kv, Workload(1, 1, 1, kv.id), column)
        against = _dropping(found.fit.reasons) if found.fit.verdict == "no" else None
        if against is not None:
            return self._dropping.drop(against[0], option, against[1])
        unread = any(reason.code == "check.unread" for reason in found.fit.reasons)
        fixed = fixed_of(found.setting)
        standing = "unknown" if unread and found.fit.verdict == "yes" else found.fit.verdict
        ground = Ground(
            option=option,
            setting=found.setting,
            fixed=fixed,
            standing=standing,
            pace=pacer(found.setting, column),
            same_weights=same_weights,
            same_cache=same_cache,
            losses=() if same_weights and same_cache else losses_of(self.model, option.weights, option.kv),
            stored=size or 0.0,
            wide=bits_of(kv),
        )
        self.plans[option] = Plan(found, ground, request, column, requantized)
        return None


def engines_of(names: Sequence[str]) -> tuple[Runtime, ...]:
    """The runtimes with these ids.

    Raises:
        UsageError: there is no such runtime.
    """
    return tuple(runtime(name) for name in dict.fromkeys(names))
