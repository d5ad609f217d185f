"""A model's weights as llama-quantize would store them: exact bytes of a GGUF that need not exist yet."""

from dataclasses import replace
from typing import NamedTuple

from assay.errors import MissingKnowledge
from assay.knowledge.catalog import recipes
from assay.observe.checkpoint.block_bytes import block_bytes
from assay.observe.checkpoint.config import split
from assay.observe.checkpoint.recipes import Converted, converted
from assay.reason.memory.recipes import choices, groups, has_fused, needs_matrix
from assay.types.message import Message, message
from assay.types.model import Model, TensorGroup
from assay.types.quantity import Quantity, unknown
from assay.types.recipe import PRESENT, Choice, How, Recipe

FORMULA = "sum over tensors of rows x blocks of a row x bytes of a block, the type by llama-quantize's recipe"
DYNAMIC = "gguf:UD-"
SETTLED = frozenset({"doubt.type_missing", "doubt.name_says_quantized"})
"""Doubts about the types of the released weights; a recipe converts all of them, whatever they are."""
UNQUANTIZED = frozenset({"F32", "F16", "BF16"})


def _recipe(name: str) -> Recipe:
    """The recipe with this name.

    Raises:
        MissingKnowledge: there is none; mixtures chosen tensor by tensor by their publisher are refused by name.
    """
    found = recipes.recipe(name)
    if found is not None:
        return found
    if (recipes.spelled(name) or "").startswith(DYNAMIC):
        raise MissingKnowledge(message("error.recipe_dynamic", name=name), message("hint.recipe_dynamic"))
    known = ", ".join(recipes.known())
    raise MissingKnowledge(message("error.unknown_weight_format", name=name), message("hint.recipes", known=known))


class Found(NamedTuple):
    """The types, the fewest and most bytes that the recipe can come to, and why they differ."""

    types: tuple[Choice, ...]
    low: int
    high: int
    needs_matrix: bool
    notes: tuple[Message, ...]


def _size(found: tuple[Choice, ...]) -> int:
    """Bytes of what a runtime loads without being asked: prediction layers not counted."""
    return sum(choice.size for choice in found if choice.weight.role != "mtp")


def _found(source: Converted, recipe: Recipe) -> Found:
    """What the recipe comes to, with and without an importance matrix, and as older releases understood it.

    The types are those of the present release; without need of a matrix, those of the larger file.
    """

    def run(how: How) -> tuple[Choice, ...]:
        return choices(source.weights, recipe, recipes.common(), source.facts, how)

    plain, weighed = run(PRESENT), run(How(matrix=True))
    needed = needs_matrix(plain, recipe)
    types = weighed if needed or _size(weighed) > _size(plain) else plain
    sizes = {_size(weighed)} if needed else {_size(plain), _size(weighed)}
    notes = []
    if len(sizes) > 1:
        notes.append(message("note.recipe_matrix_changes", smaller=min(sizes), larger=max(sizes)))
    if has_fused(source.weights):
        older = {_size(run(How(matrix=matrix, older=True))) for matrix in ({True} if needed else {False, True})}
        if older != sizes:
            notes.append(message("note.recipe_older", larger=max(older)))
        sizes |= older
    return Found(types, min(sizes), max(sizes), needed, tuple(notes))


def _notes(name: str, recipe: Recipe, found: Found) -> list[Message]:
    notes = [message("note.recipe", recipe=recipe.id)]
    if recipes.spelled(name) != recipe.id:
        notes.append(message("note.recipe_alias", name=name, recipe=recipe.id))
    fallen = [choice for choice in found.types if choice.wanted is not None]
    if fallen:
        pairs = ", ".join(sorted({f"{choice.wanted} > {choice.type}" for choice in fallen}))
        tensors = len(found.types)
        notes.append(message("note.recipe_fallback", "warning", count=len(fallen), tensors=tensors, types=pairs))
    if found.needs_matrix:
        notes.append(message("note.recipe_matrix", recipe=recipe.id))
    return notes


def _vision(model: Model) -> tuple[TensorGroup, ...]:
    return tuple(group for group in model.groups if group.role == "vision")


def _from_quantized(source: Converted, model: Model) -> bool:
    """Whether llama-quantize would start from quantized tensors: a quantized GGUF, or experts kept in MXFP4."""
    kept = {weight.kept for weight in source.weights}
    return bool(kept - UNQUANTIZED) or model.architecture == "gpt_oss"


def _weights(model: Model, found: Found, recipe: Recipe) -> Quantity:
    vision = _vision(model)
    if any(group.format == "unknown" for group in vision):
        parts = sum(group.parameters for group in vision if group.format == "unknown")
        return unknown("B", message("unknown.weights_format", parameters=parts))
    beside = sum(group.size for group in vision)
    sources = tuple(dict.fromkeys((*model.sources, *recipe.sources, "llama-cpp-converter")))
    return Quantity(
        _size(found.types) + beside,
        "B",
        "derived",
        sources,
        low=found.low + beside if found.low < found.high else None,
        high=found.high + beside if found.low < found.high else None,
        weakest="assumed" if model.like else "documented",
        weakest_share=1.0,
        formula=FORMULA,
    )


def by_recipe(model: Model, source: str, name: str) -> Model:
    """The model with its weights quantized by a recipe of llama-quantize (`gguf:Q4_K_M`), tensor by tensor.

    Args:
        model: what was read from `source`.
        source: a configuration, a folder, a GGUF file or a name of the catalogue.
        name: the recipe's id, in any case.

    Raises:
        MissingKnowledge: no such recipe.
        UnsupportedArchitecture: how llama.cpp names the tensors of this architecture is not known.
    """
    recipe = _recipe(name)
    origin = converted(source)
    found = _found(origin, recipe)
    loaded, optional = split(groups(found.types))
    notes = [*_notes(name, recipe, found), *found.notes]
    if _vision(model):
        notes.append(message("note.recipe_vision"))
    if _from_quantized(origin, model):
        notes.append(message("note.recipe_from_quantized", "warning"))
    return replace(
        model,
        groups=(*loaded, *_vision(model)),
        weights=_weights(model, found, recipe),
        requantized_from=model.requantized_from or model.name,
        container="gguf",
        doubts=tuple(doubt for doubt in model.doubts if doubt.code not in SETTLED),
        notes=(*model.notes, *notes),
        optional=optional,
        blocks=block_bytes((each.weight.block, each.weight.role, each.size) for each in found.types),
    )
