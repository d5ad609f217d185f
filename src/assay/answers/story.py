"""One token's way through a model: what is read and what is multiplied at each kind of layer, under one runtime."""

from typing import NamedTuple

from assay.answers import check
from assay.answers.asked import CheckRequest
from assay.answers.check import CheckAnswer, CheckResult
from assay.errors import UsageError
from assay.reason.execution import BATCH_MANY, BATCH_ONE
from assay.reason.speed.shape import group_bytes
from assay.types.message import message
from assay.types.model import Role, TensorGroup
from assay.types.plan import GroupExecution
from assay.types.quantity import Quantity, derive, total

ORDER: tuple[Role, ...] = (
    "embedding", "norm", "attention", "state", "router", "experts", "shared_experts", "mlp", "other", "head",
)  # fmt: skip
"""A token's way; what stays outside it (vision, adapters, multi-token prediction) is not told."""


class Station(NamedTuple):
    """Tensors of one role and format on a token's way.

    Attributes:
        group: the tensors.
        executed: what the runtime does with them.
        one, many: weight bytes that a step over 1 and over 64 sequences reads of them.
    """

    group: TensorGroup
    executed: GroupExecution
    one: Quantity
    many: Quantity


class StoryAnswer(NamedTuple):
    """The story: its stations in a token's order.

    Attributes:
        found: the verdict that the story belongs to, with model, runtime, KV type and cards.
        stations: in a token's order.
        one, many: weight bytes that a step over 1 and over 64 sequences reads in all.
    """

    found: CheckAnswer
    stations: tuple[Station, ...]
    one: Quantity
    many: Quantity

    @property
    def result(self) -> CheckResult:
        """The verdict on the one set of cards."""
        return self.found.results[0]


def _read(found: CheckAnswer, group: TensorGroup, tokens: int) -> Quantity:
    """Bytes of a group that a step reads, on the basis of the model's weights."""
    share = group_bytes(found.model, group, tokens) / (found.model.weights.value or 1)
    formula = "share of the weights that one step reads"
    return derive("B", formula, [("weights", found.model.weights)], lambda weights: weights * share)


def answer(model: str, gpus: tuple[str, ...], runtime: str | None, context: int | None) -> StoryAnswer:
    """The story of one token of a model on one set of cards.

    Raises:
        UsageError: more than one set of cards.
        AssayError: as `assay check` does.
    """
    found = check.answer(CheckRequest(model, gpus, runtime=runtime, context=context))
    if len(found.results) != 1:
        cards = ", ".join(entry.card.gpu.name for result in found.results for entry in result.cards)
        raise UsageError(message("error.one_card_story", cards=cards), message("hint.one_card_story"))
    pairs = [
        (group, executed)
        for group, executed in zip(found.model.groups, found.results[0].execution, strict=True)
        if group.role in ORDER
    ]
    pairs.sort(key=lambda pair: ORDER.index(pair[0].role))
    stations = tuple(
        Station(group, executed, _read(found, group, BATCH_ONE), _read(found, group, BATCH_MANY))
        for group, executed in pairs
    )
    summed = [
        total("B", [(f"{one.group.role}, {one.group.format}", getattr(one, size)) for one in stations])
        for size in ("one", "many")
    ]
    return StoryAnswer(found, stations, *summed)
