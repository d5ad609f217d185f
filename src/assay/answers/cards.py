"""An exact card with everything that follows from the catalogue: usable memory and peaks."""

from typing import NamedTuple

from assay.knowledge.catalog.gpus import gpu
from assay.knowledge.catalog.instruction_sets import instruction_set
from assay.knowledge.catalog.runtimes import term
from assay.reason.memory.usable import usable_memory
from assay.reason.peaks import peaks_of
from assay.types.gpu import Gpu, InstructionSet, Peak
from assay.types.quantity import Quantity


class Card(NamedTuple):
    """A product, its instruction set, the bytes a fit may count on, and its peak rates."""

    gpu: Gpu
    instruction_set: InstructionSet | None
    usable: Quantity
    peaks: tuple[Peak, ...]


def card(gpu_id: str) -> Card:
    """The card with this id.

    Raises:
        UnknownGpu: no such id.
    """
    product = gpu(gpu_id)
    isa = instruction_set(product.isa) if product.isa else None
    usable = usable_memory(product, term("memory_term", "driver_share_floor"))
    return Card(product, isa, usable, peaks_of(product, isa))
