"""Quantize or not: every option for a model on a card, what is left, what to run, and what would change that."""

from math import ceil
from typing import NamedTuple

from assay.answers.asked import CardCount, CheckRequest, columns_of, default_runtime
from assay.answers.check import model_of
from assay.answers.grounds import Grounds, Plan, engines_of
from assay.answers.pace import prediction
from assay.errors import UsageError
from assay.knowledge.catalog.runtimes import runtime
from assay.reason.decide.flips import Search, flips
from assay.reason.decide.needs import need_of
from assay.reason.decide.pareto import front
from assay.reason.decide.recommend import choose, protocol_of, settled
from assay.reason.decide.weigh import weigh
from assay.reason.memory.fit import fit
from assay.types.decide import Choice, Count, Figures, Flip, Limit, Need, Option, Purpose, Weighed
from assay.types.gpu import Identification
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.plan import GroupExecution, Verdict, Workload
from assay.types.runtime import Runtime

USUAL = ("vllm", "sglang", "tensorrt-llm", "llama.cpp", "transformers")
"""Runtimes that are compared where none is named: those whose memory is planned."""
SHOWN = 14
"""Options of the front that a page shows."""


class AdviseRequest(NamedTuple):
    """What was asked, as the user wrote it."""

    model: str
    gpus: tuple[str, ...]
    purpose: Purpose = "chat"
    users: int | None = None
    context: int | None = None
    min_rate: float | None = None
    most_lost: Limit | None = None
    runtimes: tuple[str, ...] = ()


class Told(NamedTuple):
    """An option that is shown: on plain numbers, as figures, and what executes on the weakest card."""

    weighed: Weighed
    figures: Figures
    execution: tuple[GroupExecution, ...]
    requantized: bool


class AdviseResult(NamedTuple):
    """The answer for one set of cards.

    Attributes:
        cards: the set.
        choice: what is recommended; best: it, told; released: the best as released, told, where it runs.
        left: the options that are not dropped, weighed.
        front: those of them that nothing dominates; shown: those worth a line, the recommended first.
        considered, dropped: how many options there were, and why so many are none.
        flips: what would change the answer.
        protocol: of the losses that are shown.
        reasons: why.
    """

    cards: tuple[CardCount, ...]
    choice: Choice
    best: Told | None
    released: Told | None
    left: tuple[Weighed, ...]
    front: tuple[Weighed, ...]
    shown: tuple[Told, ...]
    considered: int
    dropped: tuple[Count, ...]
    flips: tuple[Flip, ...]
    protocol: str | None
    reasons: tuple[Message, ...]

    @property
    def verdict(self) -> Verdict:
        """Whether an option meets the need."""
        return self.choice.verdict


class AdviseAnswer(NamedTuple):
    """The whole answer: one result for each set of cards, forked where a card was ambiguous."""

    request: AdviseRequest
    model: Model
    need: Need
    runtimes: tuple[Runtime, ...]
    identifications: tuple[Identification, ...]
    results: tuple[AdviseResult, ...]
    messages: tuple[Message, ...]

    @property
    def exit_code(self) -> int:
        """0 if an option meets the need on every set of cards, 1 if none does on any, 3 if that cannot be told."""
        verdicts = {result.verdict for result in self.results}
        return 1 if "no" in verdicts else 3 if "unknown" in verdicts else 0


def written(name: str) -> str:
    """A weight format as people write it."""
    return name if name.startswith("gguf:") else name.upper().replace("_", " ")


def option_words(option: Option) -> Message:
    """An option in words: weights, KV cache, runtime, and how it is dealt over several cards."""
    weights, name = written(option.weights), runtime(option.runtime).name
    if option.offload:
        return message("advise.option.offload", weights=weights, kv=option.kv, runtime=name)
    if option.copies == 1 and option.cards == 1:
        return message("advise.option.one", weights=weights, kv=option.kv, runtime=name)
    return message(
        "advise.option.several",
        weights=weights, kv=option.kv, runtime=name, cards=option.cards, copies=option.copies,
    )  # fmt: skip


def reasons_of(choice: Choice) -> tuple[Message, ...]:
    """Why, in words."""
    return tuple(
        message(one.code) if one.option is None else message(one.code, option=(option_words(one.option),))
        for one in choice.reasons
    )


def _workload(need: Need, one: Weighed) -> Workload:
    return Workload(need.context, ceil(need.users / one.option.copies), need.prompt, one.option.kv)


def _told(plan: Plan, one: Weighed, need: Need) -> Told:
    """An option with its figures, by the code that answers about a single one."""
    workload = _workload(need, one)
    setting = plan.judged.setting
    found = fit(setting, workload)
    speed = prediction(setting, workload, plan.column)
    figures = Figures(
        decode=speed.decode_per_sequence,
        total_rate=speed.decode_total,
        first=speed.ttft_unloaded,
        context=found.max_context,
        memory=found.memory.total,
        available=found.memory.available,
    )
    return Told(one, figures, plan.judged.execution, plan.requantized)


def _representatives(found: tuple[Weighed, ...], first: list[Weighed]) -> list[Weighed]:
    """What deserves a line: the first, then as released under each runtime, and each other format and cache once."""
    kinds: dict[tuple[str, bool], list[Weighed]] = {}
    for one in found:
        if one.same_weights or one.same_cache:  # a narrower cache is told beside the weights as released
            key = one.option.runtime if one.lossless else one.option.weights, one.same_cache
            kinds.setdefault(key, []).append(one)
    best = [settled([one for one in same if one.meets == "yes"] or same) for same in kinds.values()]
    rest = sorted(best, key=lambda one: (-one.stored, -one.wide, one.option.id))
    return list({one.option: one for one in (*first, *rest)}.values())


def _weighed(grounds: Grounds, need: Need) -> list[Weighed]:
    """The options that are not certainly too large, weighed; the others are counted."""
    left = []
    for option, plan in grounds.plans.items():
        one = weigh(plan.ground, need)
        if one.verdict == "no":
            grounds.drop("too_large", option)
        else:
            left.append(one)
    return left


def _result(
    request: AdviseRequest, model: Model, need: Need, engines: tuple[Runtime, ...], column: tuple[CardCount, ...]
) -> AdviseResult:
    grounds = Grounds(model, request.model, engines, column)
    left = _weighed(grounds, need)
    choice = choose(left, need)
    edge = front(left, need.output)
    released = [one for one in left if one.lossless]
    nearest = settled(released) if released else None
    shown = _representatives(edge, [one for one in (choice.best, nearest) if one is not None])[:SHOWN]
    search = Search([plan.ground for plan in grounds.plans.values()], need)
    told = {one.option: _told(grounds.plans[one.option], one, need) for one in shown}
    rivals = [one.option for one in shown if choice.best is None or one.option != choice.best.option]
    return AdviseResult(
        cards=column,
        choice=choice,
        best=None if choice.best is None else told[choice.best.option],
        released=None if nearest is None else told[nearest.option],
        left=tuple(left),
        front=edge,
        shown=tuple(told[one.option] for one in shown),
        considered=len(left) + sum(one.count for one in grounds.dropped),
        dropped=grounds.dropped,
        flips=flips(search, choice.best, rivals),
        protocol=protocol_of(left),
        reasons=reasons_of(choice),
    )


def answer(request: AdviseRequest) -> AdviseAnswer:
    """What to run, for each set of cards that was named.

    Raises:
        BadInput: an unknown card, model or runtime, or a need that is not positive.
        CannotAnswer: an architecture or a question that is not known yet.
    """
    for name, value in (("users", request.users), ("context", request.context)):
        if value is not None and value < 1:
            raise UsageError(message("error.not_positive", option=name, value=value), message("hint.not_positive"))
    model = model_of(CheckRequest(request.model, request.gpus))
    columns, identifications = columns_of(request.gpus)
    own = default_runtime(model, columns)
    engines = engines_of(request.runtimes or (own, *USUAL))
    need = need_of(request.purpose, request.users, request.context, model.max_context)
    need = need._replace(min_rate=request.min_rate, most_lost=request.most_lost)
    results = tuple(_result(request, model, need, engines, column) for column in columns)
    notes = [note for found in identifications for note in found.notes]
    return AdviseAnswer(request, model, need, engines, tuple(identifications), results, (*model.notes, *notes))
