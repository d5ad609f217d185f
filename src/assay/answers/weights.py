"""A model's weights as llama-quantize would store them: exact bytes of a GGUF that need not exist yet."""

from dataclasses import replace

from assay.errors import MissingKnowledge
from assay.knowledge.catalog import recipes
from assay.observe.checkpoint.config import split
from assay.observe.checkpoint.recipes import Converted, converted
from assay.reason.memory.recipes import choices, groups, needs_matrix
from assay.types.message import Message, message
from assay.types.model import Model, TensorGroup
from assay.types.quantity import Quantity, unknown
from assay.types.recipe import Choice, Recipe

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


def _notes(name: str, recipe: Recipe, found: tuple[Choice, ...], *, matrix: bool) -> list[Message]:
    notes = [message("note.recipe", recipe=recipe.id)]
    if recipes.spelled(name) != recipe.id:
        notes.append(message("note.recipe_alias", name=name, recipe=recipe.id))
    fallen = [choice for choice in found if choice.wanted is not None]
    if fallen:
        pairs = sorted({f"{choice.wanted} > {choice.type}" for choice in fallen})
        notes.append(
            message("note.recipe_fallback", "warning", count=len(fallen), tensors=len(found), types=", ".join(pairs))
        )
    if matrix:
        notes.append(message("note.recipe_matrix", recipe=recipe.id))
    return notes


def _both(source: Converted, recipe: Recipe) -> tuple[tuple[Choice, ...], int, int, bool]:
    """(types, fewest and most bytes, whether an importance matrix is needed): a matrix changes some choices.

    Where both ways are open, the types are those of the larger file.
    """
    common = recipes.common()
    plain = choices(source.weights, recipe, common, source.facts)
    weighed = choices(source.weights, recipe, common, source.facts, matrix=True)
    sizes = [sum(choice.size for choice in found) for found in (plain, weighed)]
    if needs_matrix(plain, recipe):
        return weighed, sizes[1], sizes[1], True
    return (plain if sizes[0] >= sizes[1] else weighed), min(sizes), max(sizes), False


def _vision(model: Model) -> tuple[TensorGroup, ...]:
    return tuple(group for group in model.groups if group.role == "vision")


def _from_quantized(source: Converted, model: Model) -> bool:
    """Whether llama-quantize would start from quantized tensors: a quantized GGUF, or experts kept in MXFP4."""
    kept = {weight.kept for weight in source.weights}
    return bool(kept - UNQUANTIZED) or model.architecture == "gpt_oss"


def _weights(model: Model, low: int, high: int, recipe: Recipe) -> Quantity:
    vision = _vision(model)
    if any(group.format == "unknown" for group in vision):
        parts = sum(group.parameters for group in vision if group.format == "unknown")
        return unknown("B", message("unknown.weights_format", parameters=parts))
    beside = sum(group.size for group in vision)
    sources = tuple(dict.fromkeys((*model.sources, *recipe.sources, "llama-cpp-converter")))
    return Quantity(
        high + beside,
        "B",
        "derived",
        sources,
        low=low + beside if low < high else None,
        high=high + beside if low < high else None,
        weakest="documented",
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
        MissingKnowledge: no such recipe, or llama-quantize makes no such file.
        UnsupportedArchitecture: how llama.cpp names the tensors of this architecture is not known.
    """
    recipe = _recipe(name)
    origin = converted(source)
    found, low, high, matrix = _both(origin, recipe)
    loaded, optional = split(groups(found))
    notes = _notes(name, recipe, found, matrix=matrix)
    if low < high:
        notes.append(message("note.recipe_matrix_changes", smaller=low, larger=high))
    if _vision(model):
        notes.append(message("note.recipe_vision"))
    if _from_quantized(origin, model):
        notes.append(message("note.recipe_from_quantized", "warning"))
    predicted = sum(group.size for group in optional)
    return replace(
        model,
        groups=(*loaded, *_vision(model)),
        weights=_weights(model, low - predicted, high - predicted, recipe),
        requantized_from=model.requantized_from or model.name,
        container="gguf",
        doubts=tuple(doubt for doubt in model.doubts if doubt.code not in SETTLED),
        notes=(*model.notes, *notes),
        optional=optional,
    )
