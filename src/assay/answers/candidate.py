"""A model as it was asked for, and what may be given up of it: each variant is judged once."""

from collections.abc import Sequence
from typing import NamedTuple

from assay.answers.asked import CardCount, CheckRequest
from assay.answers.judged import Judged, card_memory, memory_aside
from assay.answers.narrower import PLAIN_FORMATS, SMALLER_FORMATS, SMALLER_RECIPES, in_format
from assay.answers.refusals import absent
from assay.errors import AssayError
from assay.knowledge.catalog.runtimes import kv_format
from assay.reason.memory.fit import memory_plan, verdict
from assay.reason.pack.giving_up import Kind, Ladder, Levels
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.plan import MemoryPlan, Workload
from assay.types.runtime import Runtime

Column = tuple[CardCount, ...]
STEP = 1024
"""Contexts that are proposed are multiples of this."""
JOINT_SHARE = 8
"""Together with other things a context is proposed down to this part of what was asked: less is another use."""
NARROWER_KV = ("fp8", "q8_0")
"""What a 16-bit cache may be narrowed to: the first that the runtime has."""
WIDE_KV = frozenset({"bf16", "fp16", "fp32"})


class Terms(NamedTuple):
    """What was asked of a server, or what is left of it; `weights` is None for the weights as they are."""

    context: int
    users: int
    kv: str
    weights: str | None = None
    copies: int = 1


class Step(NamedTuple):
    """A ladder, and the value that the field of its name in `Terms` has at each step below what was asked."""

    ladder: Ladder
    values: Sequence[str | int]


class Candidate:
    """A model under a runtime; figures are kept for each variant and set of cards that was asked about."""

    def __init__(self, request: CheckRequest, model: Model, engine: Runtime, terms: Terms, prompt: int) -> None:
        self.request, self.model, self.engine, self.terms = request, model, engine, terms
        self._prompt = prompt
        self._models: dict[str | None, Model | None] = {None: model}
        self._standing: dict[tuple[str, str | None, bool, Column], Judged] = {}
        self._plans: dict[tuple[Terms, Column], tuple[MemoryPlan, ...]] = {}

    def workload(self, terms: Terms) -> Workload:
        """The workload of these terms."""
        return Workload(terms.context, terms.users, min(self._prompt, terms.context), terms.kv)

    def _model(self, weights: str | None) -> Model | None:
        """The model with other weights; None where they cannot be made of it."""
        if weights not in self._models:
            try:
                self._models[weights] = in_format(self.model, self.request.model, weights or "")
            except AssayError:
                self._models[weights] = None
        return self._models[weights]

    def standing(self, terms: Terms, column: Column) -> Judged | None:
        """What else than memory decides; None where the weights cannot be had in that format."""
        model = self._model(terms.weights)
        if model is None:
            return None
        beyond = model.max_context is not None and terms.context > model.max_context
        key = terms.kv, terms.weights, beyond, column
        if key not in self._standing:
            request = self.request if terms.weights is None else self.request._replace(weights=terms.weights)
            kv, workload = kv_format(terms.kv), self.workload(terms)
            self._standing[key] = memory_aside(request, model, self.engine, kv, workload, column)
        return self._standing[key]

    def plans(self, terms: Terms, column: Column) -> tuple[MemoryPlan, ...]:
        """The memory of each card of a group, one plan for each kind of card; empty where there is no such model."""
        terms = terms._replace(copies=1)
        key = terms, column
        if key not in self._plans:
            found = self.standing(terms, column)
            count = sum(entry.number for entry in column)
            settings = [] if found is None else [
                found.setting._replace(card=card_memory(entry.card, count)) for entry in column
            ]  # fmt: skip
            self._plans[key] = tuple(memory_plan(setting, self.workload(terms)) for setting in settings)
        return self._plans[key]

    def fits(self, terms: Terms, column: Column) -> bool:
        """Whether the server alone surely fits, and nothing else stands against it."""
        found = self.standing(terms, column)
        if found is None or found.fit.verdict != "yes":
            return False
        weakest = memory_plan(found.setting, self.workload(terms))
        return verdict(weakest)[0] == "yes"

    def _stands(self, terms: Terms, columns: tuple[Column, ...]) -> bool:
        """Whether a variant is refused nowhere where the one that was asked for is not."""
        pairs = [(self.standing(self.terms, column), self.standing(terms, column)) for column in columns]
        return any(after is not None and after.fit.verdict == "yes" for _, after in pairs) and all(
            before is None or before.fit.verdict != "yes" or (after is not None and after.fit.verdict == "yes")
            for before, after in pairs
        )

    def _narrower(self, columns: tuple[Column, ...]) -> str | None:
        """The KV type that a wide one may give way to, on all these sets of cards."""
        if self.terms.kv not in WIDE_KV:
            return None
        found = next((name for name in NARROWER_KV if name in self.engine.kv_types), None)
        return found if found and self._stands(self.terms._replace(kv=found), columns) else None

    def _formats(self, columns: tuple[Column, ...]) -> list[str]:
        """The weight formats that 16-bit weights may give way to, mildest first."""
        if any(group.format.removeprefix("gguf:").lower() not in PLAIN_FORMATS for group in self.model.groups):
            return []
        known = SMALLER_RECIPES if "gguf" in self.engine.containers else SMALLER_FORMATS
        return [name for name in known if self._executes(self.terms._replace(weights=name), columns)]

    def _executes(self, terms: Terms, columns: tuple[Column, ...]) -> bool:
        """Whether other weights are refused nowhere new, and it is known what multiplies them on every card."""
        if not self._stands(terms, columns):
            return False
        pairs = [(found.setting, entry) for one in columns if (found := self.standing(terms, one)) for entry in one]
        return not any(absent(setting, entry) for setting, entry in pairs)

    def steps(self, server: int, columns: tuple[Column, ...]) -> tuple[Step, ...]:
        """Everything that may be given up of this server on these sets of cards."""
        asked, kv = self.terms, self._narrower(columns)
        contexts = range((asked.context - 1) // STEP * STEP, 0, -STEP)
        useful = len(range(contexts.start, -(-asked.context // JOINT_SHARE) - 1, -STEP)) if contexts else 0
        rungs: tuple[tuple[Kind, Sequence[str | int]], ...] = (
            ("context", contexts),
            ("kv", () if kv is None else (kv,)),
            ("users", range(asked.users - 1, 0, -1)),
            ("copies", range(asked.copies - 1, 0, -1)),
            ("weights", self._formats(columns)),
        )
        return tuple(
            Step(Ladder(kind, server, len(values), useful if kind == "context" else len(values)), values)
            for kind, values in rungs
        )


def given_up(kind: Kind, asked: Terms, left: Terms) -> Message:
    """One thing that is given up, in words."""
    if kind == "context":
        return message("give.context", tokens=left.context)
    if kind == "kv":
        return message("give.kv", kv=left.kv)
    if kind == "users":
        return message("give.users", users=left.users, asked=asked.users)
    if kind == "copies":
        return message("give.copies", copies=left.copies, asked=asked.copies)
    return message("give.weights", format=left.weights)


def reduced(asked: Terms, steps: tuple[Step, ...], levels: Levels) -> Terms:
    """What is left of a server's terms so far down its ladders."""
    for step, level in zip(steps, levels, strict=True):
        if level:
            asked = asked._replace(**{step.ladder.kind: step.values[level - 1]})  # type: ignore[arg-type]
    return asked


def changes_of(asked: Terms, steps: tuple[Step, ...], levels: Levels) -> tuple[Message, ...]:
    """What is given up so far down a server's ladders, each in words."""
    left = reduced(asked, steps, levels)
    return tuple(given_up(step.ladder.kind, asked, left) for step, level in zip(steps, levels, strict=True) if level)
