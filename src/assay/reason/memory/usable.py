"""How much of a card a process may count on."""

from dataclasses import replace

from assay.types.gpu import Gpu
from assay.types.message import message
from assay.types.quantity import Quantity, derive


def usable_memory(gpu: Gpu, share_floor: Quantity) -> Quantity:
    """Bytes a fit may use: what the driver shows, else a stated lower bound; never the sold size.

    Args:
        gpu: the product.
        share_floor: the least share of the sold size that drivers have been seen to show.

    Returns:
        unknown for unified memory without a sourced figure: the system keeps a part that no name tells.
    """
    if gpu.memory_driver.value is not None:
        return gpu.memory_driver
    if gpu.unified_memory:
        return replace(gpu.memory_driver, note=message("unknown.unified_memory", gpu=gpu.name))
    return derive(
        "B",
        "sold size x lowest share that a driver shows",
        [("memory sold", gpu.memory_sold), ("share shown by the driver", share_floor)],
        lambda sold, share: float(int(sold * share)),
        note=message("note.lower_bound", gpu=gpu.name),
    )
