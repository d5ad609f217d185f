"""A GPU as this machine shows it."""

from dataclasses import dataclass

from assay.types.gpu import PciId


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator of this machine, as its driver and its bus describe it.

    `memory_total_bytes` is what the driver reports as total (`nvidia-smi` prints it in MiB); `seen_by` is `nvml` or
    `pci`. A value that nothing reports is None, and `missing` says why: (what, reason).
    """

    index: int
    name: str | None
    pci: PciId | None
    bus_address: str | None
    uuid: str | None
    memory_total_bytes: int | None
    driver_version: str | None
    seen_by: str
    missing: tuple[tuple[str, str], ...] = ()
