"""Which card is it, and what is known of it: of a name, or of the devices of this machine."""

from pathlib import Path
from typing import NamedTuple

from assay.knowledge.catalog.gpus import gpu
from assay.knowledge.identity.identify import identify
from assay.observe.device.device import Device
from assay.types.gpu import Gpu, Identification


class GpuResult(NamedTuple):
    """One identification with every candidate in full; `device` is None for a typed query."""

    identification: Identification
    candidates: tuple[Gpu, ...]
    device: Device | None = None

    @property
    def gpu(self) -> Gpu | None:
        """The card, where the identification is exact."""
        return self.candidates[0] if self.identification.match == "exact" else None


class GpuAnswer(NamedTuple):
    """`query` as asked (None: this machine), and one result, or one for each device of this machine."""

    query: str | None
    results: tuple[GpuResult, ...]


def _full(identification: Identification, device: Device | None = None) -> GpuResult:
    return GpuResult(identification, tuple(gpu(name) for name in identification.candidates), device)


def answer(query: str | None, root: Path = Path("/")) -> GpuAnswer:
    """The card that `query` names, or without a query the GPUs of the machine whose `sys` folder lies in `root`.

    Raises:
        NoGpu: no query, and this machine shows no GPU.
    """
    if query is not None:
        return GpuAnswer(query, (_full(identify(query)),))
    from assay.observe.device.machine import devices  # noqa: PLC0415 - a typed query must not pay for the bus
    from assay.observe.device.resolve import resolve_device  # noqa: PLC0415 - same

    return GpuAnswer(None, tuple(_full(resolve_device(device), device) for device in devices(root)))
