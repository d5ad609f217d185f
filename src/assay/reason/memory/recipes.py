"""What llama-quantize makes of a model: the type of each tensor under a recipe such as Q4_K_M, and its exact bytes.

A recipe is a mixture: its name gives the type of most matrices, rules by kind and place raise some of them, rows that
are not whole blocks fall back to a type of smaller blocks, and vectors and routers stay as they are. The rules are
data of the catalogue (`gguf_recipes.toml`); this module applies them in llama-quantize's order, which counts.
"""

from typing import NamedTuple

from assay.types.model import Role, TensorGroup
from assay.types.recipe import PRESENT, Choice, Common, Facts, How, Recipe, Weight

BILLIONS_70 = 80
"""Blocks of the models that llama.cpp calls 70B."""
_FUSED = ("attn_qkv.weight", "attn_kv_b.weight")
_KINDS = (
    ("attn_qkv.weight", "value"),
    ("attn_kv_b.weight", "value"),
    ("attn_v.weight", "value"),
    ("attn_k.weight", "key"),
    ("attn_q.weight", "query"),
    ("attn_output.weight", "output"),
    ("ffn_up", "up"),
    ("ffn_gate", "gate"),
    ("ffn_down", "down"),
)
_EMBEDDINGS = ("token_embd.weight", "per_layer_token_embd.weight")
_HEAD = "output.weight"
_COUNTED = ("value", "down", "gate", "up")


def kind_of(name: str) -> str:
    """The kind of tensor that rules speak of, by llama.cpp's name."""
    if name == _HEAD:
        return "head"
    if name in _EMBEDDINGS:
        return "embedding"
    return next((kind for part, kind in _KINDS if part in name), "other")


def _is_kept(weight: Weight, common: Common) -> bool:
    """Whether llama-quantize leaves the tensor as it is: vectors, norms, routers, small and positional tensors."""
    dimensions = len(weight.shape)
    while dimensions > 1 and weight.shape[dimensions - 1] == 1:  # ggml does not count trailing ones
        dimensions -= 1
    return dimensions < 2 or not weight.name.endswith("weight") or any(part in weight.name for part in common.kept)


class _Place(NamedTuple):
    """Where a tensor stands: its number among `blocks`, and its number among its kind."""

    number: int
    blocks: int
    counted: int


class _Quantizer:
    """One run over the tensors of a model, with the counters that the rules by place need."""

    def __init__(self, recipe: Recipe, common: Common, facts: Facts, names: list[str], how: How) -> None:
        self.recipe = recipe
        self.older = how.older
        self.common = common
        self.facts = facts
        self.tied = _HEAD not in names
        self.seen = dict.fromkeys(_COUNTED, 0)
        values = sum(kind_of(name) == "value" for name in names)
        self.values = values + (facts.unseen_blocks if values else 0)
        falcon, eight = facts.architecture == "falcon", facts.experts == 8
        self.holds = {
            "gqa4": facts.grouping >= 4,
            "experts4": facts.experts >= 4,
            "eight_experts": eight,
            "not_eight_experts": not eight,
            "falcon": falcon,
            "not_falcon": not falcon,
            "matrix": how.matrix,
            "no_matrix": not how.matrix,
        }
        self.is_70b = facts.architecture in common.types_of_70b and facts.blocks == BILLIONS_70
        if facts.architecture == "llama" and facts.query_heads == facts.kv_heads:
            self.is_70b = False  # 80 blocks without grouping are the first Llama's 65B

    def _place(self, weight: Weight, kind: str) -> _Place:
        counted = self.seen.get(kind, 0)
        if kind in self.seen:
            self.seen[kind] += 1
        if kind == "value":
            return _Place(counted, self.values, counted)
        return _Place(weight.block if self.facts.experts > 1 else counted, self.facts.blocks, counted)

    def _true(self, condition: str, place: _Place) -> bool:
        if condition in self.holds:
            return self.holds[condition]
        number, blocks, counted = place
        eighth = blocks // 8
        return {
            "first_two": number < 2,
            "first_four": number < 4,
            "first_eighth": number < eighth,
            "first_sixteenth": number < blocks // 16,
            "counted_first_eighth": counted < eighth,
            "middle": eighth <= number < 7 * blocks // 8,
            "more_bits": number < eighth or number >= 7 * blocks // 8 or (number - eighth) % 3 == 2,
        }[condition]

    def _ruled(self, kind: str, place: _Place) -> str:
        for rule in self.recipe.rules.get(kind, ()):
            if all(self._true(condition, place) for condition in rule.when):
                return rule.type
        return self.recipe.default

    def _head(self, weight: Weight) -> str:
        whole = weight.shape[0] % self.common.blocks[self.recipe.default].elements == 0
        if self.recipe.stacked is None and (self.holds["falcon"] or not whole):
            return self.common.head_fallback
        return self.recipe.head

    def _wanted(self, weight: Weight) -> str:
        """The type that the rules name, before rows are measured."""
        kind = kind_of(weight.name)
        if self.older and weight.name.endswith(_FUSED):
            kind = "fused" if "attn_qkv" in weight.name else "other"
        if kind == "head" or (kind == "embedding" and self.tied):
            return self._head(weight)
        if self.recipe.stacked is not None and self.recipe.flat is not None:
            return self.recipe.stacked if len(weight.shape) > 2 and weight.shape[2] > 1 else self.recipe.flat
        place = self._place(weight, kind)
        found = self._ruled(kind, place)
        if not self.recipe.raises or kind not in {"value", "key"}:
            return found
        if self.holds["eight_experts"]:
            return self.common.raised_of_eight_experts
        return self.common.raised_of_70b.get(found, found) if kind == "value" and self.is_70b else found

    def choice(self, weight: Weight) -> Choice:
        """The type of one tensor; tensors must come in the order of the file."""
        if _is_kept(weight, self.common):
            return self._sized(weight, weight.kept)
        if self.recipe.plain:
            return self._sized(weight, self.recipe.default)
        wanted = self._wanted(weight)
        found = wanted
        if not self._fits(weight, wanted):
            found = self.common.fallback.get(wanted, self.common.last_fallback)
            if not self._fits(weight, found):
                found = self.common.last_fallback
        return self._sized(weight, found, wanted if found != wanted else None)

    def _fits(self, weight: Weight, name: str) -> bool:
        return weight.shape[0] % self.common.blocks[name].elements == 0

    def _sized(self, weight: Weight, name: str, wanted: str | None = None) -> Choice:
        block = self.common.blocks[name]
        return Choice(weight, name, weight.elements // block.elements * block.size, wanted)


def choices(
    weights: tuple[Weight, ...], recipe: Recipe, common: Common, facts: Facts, how: How = PRESENT
) -> tuple[Choice, ...]:
    """The type and the bytes of every tensor under a recipe, exact.

    Args:
        weights: all tensors of the file, in any order.
        recipe: the recipe.
        common: what all recipes share.
        facts: what the rules ask of the model.
        how: what else decides.
    """
    ordered = sorted(weights, key=lambda weight: (weight.block, weight.name))
    run = _Quantizer(recipe, common, facts, [weight.name for weight in ordered], how)
    return tuple(run.choice(weight) for weight in ordered)


def has_fused(weights: tuple[Weight, ...]) -> bool:
    """Whether there are fused matrices, for which older releases had other rules."""
    return any(weight.name.endswith(_FUSED) for weight in weights)


def needs_matrix(found: tuple[Choice, ...], recipe: Recipe) -> bool:
    """Whether llama-quantize refuses to make this file without an importance matrix."""
    ends = (_HEAD, *_EMBEDDINGS)
    return any(choice.type in recipe.needs_matrix and choice.weight.name not in ends for choice in found)


def groups(found: tuple[Choice, ...]) -> tuple[TensorGroup, ...]:
    """Tensor groups by role and type, in order of first appearance."""
    totals: dict[tuple[Role, str], list[int]] = {}
    for choice in found:
        row = totals.setdefault((choice.weight.role, f"gguf:{choice.type}"), [0, 0, 0, 0])
        for index, value in enumerate((choice.weight.elements, choice.weight.active, 1, choice.size)):
            row[index] += value
    return tuple(TensorGroup(role, name, *row) for (role, name), row in totals.items())
