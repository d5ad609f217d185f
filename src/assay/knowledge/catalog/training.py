"""The terms of the memory of a training step."""

from functools import cache

from assay.knowledge import store
from assay.knowledge.catalog.figures import quantity
from assay.types.quantity import Quantity

KIND = "training_term"


@cache
def training_terms() -> dict[str, Quantity]:
    """The terms by name, in bytes of an element, bytes, or as a number."""
    return {
        name: quantity(body["value"], body["value"]["u"], "unknown.term") for name, body in store.entries(KIND).items()
    }
