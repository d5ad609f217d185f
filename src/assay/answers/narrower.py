"""A model's weights in a smaller format: another checkpoint than the one that was released."""

from assay.errors import UsageError
from assay.knowledge.catalog.weight_formats import sized, storage
from assay.reason.memory.requantize import ElementCost, requantized
from assay.types.message import message
from assay.types.model import Model

PLAIN_FORMATS = frozenset({"bf16", "fp16", "fp32", "f16", "f32"})
"""16 bits and more, as weight formats and as types of GGUF are called."""
SMALLER_FORMATS = ("fp8_block128", "nvfp4")
"""What 16-bit weights might be converted to, mildest first; what is lost by it is another question."""
SMALLER_RECIPES = ("gguf:Q8_0", "gguf:Q6_K", "gguf:Q5_K_M", "gguf:Q4_K_M")
"""The same for a runtime that reads GGUF."""


def cost_of(name: str) -> ElementCost:
    """The storage of a weight format whose scales lie in blocks of a known number of elements."""
    found = storage(name)
    if found is None or found.flat:
        raise UsageError(
            message("error.unknown_weight_format", name=name), message("hint.known_formats", known=", ".join(sized()))
        )
    block = (found.block_outputs or 0) * (found.block_inputs or 0)
    return ElementCost(name, found.bits, found.scale_bits if block else 0, block)


def in_format(model: Model, source: str, name: str) -> Model:
    """The model with its weights in another format, by a recipe of llama-quantize where it is one (`gguf:Q4_K_M`).

    Args:
        model: what was read from `source`.
        source: what was named.
        name: the weight format.

    Raises:
        UsageError, MissingKnowledge, UnsupportedArchitecture: how the weights would be stored is not known.
    """
    if name.lower().startswith("gguf:"):
        from assay.answers.weights import by_recipe  # noqa: PLC0415 - few ask, and the rules of recipes are long

        return by_recipe(model, source, name)
    return requantized(model, cost_of(name))
