"""Expert parallelism: whole experts on each card, and what becomes of everything else.

vLLM divides the experts of a layer over tensor x data cards, the remainder going one by one to the first of them, and
leaves attention to tensor parallelism (`--enable-expert-parallel`); with data-parallel attention every group of
`tensor` cards keeps attention, dense layers, shared experts, embedding and head for itself, and the caches of its own
sequences. Source: https://docs.vllm.ai/en/latest/serving/expert_parallel_deployment/ and vLLM's expert map.
"""

from math import ceil
from typing import NamedTuple

from assay.reason.memory.cache import shard
from assay.reason.memory.weights import REPLICATED
from assay.types.model import LayerGroup, Model
from assay.types.quantity import Quantity, derive


class ExpertParallel(NamedTuple):
    """`tensor` cards share attention; `data` such groups stand side by side; experts are dealt over all of them."""

    tensor: int
    data: int = 1

    @property
    def cards(self) -> int:
        """Cards in all."""
        return self.tensor * self.data


def experts_on_fullest(experts: int, cards: int) -> int:
    """Experts of one layer on the card that has most of them."""
    return ceil(experts / cards)


def expert_weights_per_card(model: Model, weights: Quantity, parallel: ExpertParallel) -> Quantity:
    """Weight bytes on the fullest card.

    Args:
        model: with its experts as groups of their own; one without experts is divided over `tensor` cards alone.
        weights: bytes of all weights as loaded; what they grow by while loading is the experts'.
        parallel: how the cards are used.
    """
    kept = sum(group.size for group in model.groups if group.role in REPLICATED)
    shared = sum(group.size for group in model.groups if group.role not in REPLICATED and group.role != "experts")
    experts = max(1, model.experts)
    here = experts_on_fullest(experts, parallel.cards)

    def fullest(whole: float) -> float:
        routed = whole - kept - shared
        return float(ceil(routed * here / experts) + ceil(shared / parallel.tensor) + kept)

    formula = "expert weights x experts here / experts + other weights / tensor-parallel cards + replicated"
    return derive("B", formula, [("weights", weights)], fullest)


def layers_on_card(layers: tuple[LayerGroup, ...], parallel: ExpertParallel) -> tuple[LayerGroup, ...]:
    """The share of one card of what layers keep of a sequence: heads go with attention."""
    return shard(layers, parallel.tensor)


def sequences_on_card(sequences: int, parallel: ExpertParallel) -> int:
    """Sequences whose caches the fullest group of cards keeps: each group serves its own."""
    return ceil(sequences / parallel.data)
