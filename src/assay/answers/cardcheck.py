"""What a card should say of itself: commands that ask it, and the values to expect."""

from typing import NamedTuple

from assay.answers.cards import Card
from assay.types.quantity import Quantity

QUERY = "nvidia-smi --query-gpu=name,compute_cap,memory.total,power.default_limit,uuid --format=csv"
TORCH = (
    'python -c "import torch; print([torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())])"'
)
SOURCES = ("nvidia-smi-queries", "torch-device-capability")
NVIDIA = "NVIDIA"


class CardCheck(NamedTuple):
    """The commands, and what they should print for this very card; no commands for a vendor without them.

    Attributes:
        gpu: id of the card.
        lines: commands to run.
        names: what the driver may call it.
        capability: compute capability, or None.
        memory: what the driver reports as total.
        power: default power limit.
    """

    gpu: str
    lines: tuple[str, ...]
    names: tuple[str, ...]
    capability: str | None
    memory: Quantity
    power: Quantity
    sources: tuple[str, ...]


def card_check(card: Card) -> CardCheck:
    """The check of one product."""
    gpu, isa = card.gpu, card.instruction_set
    asks = gpu.vendor == NVIDIA
    return CardCheck(
        gpu=gpu.id,
        lines=(QUERY, TORCH) if asks else (),
        names=gpu.driver_names,
        capability=None if isa is None else isa.compute_capability,
        memory=gpu.memory_driver,
        power=gpu.power_limit,
        sources=SOURCES if asks else (),
    )
