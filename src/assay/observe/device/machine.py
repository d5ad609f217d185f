"""The GPUs of this machine: NVML first, then what else stands on the PCI bus."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.errors import NoGpu
from assay.knowledge.identity.pci import find_pci
from assay.observe.device.device import Device
from assay.observe.device.nvml import load, nvml_devices
from assay.observe.device.sysfs import PciDevice, pci_devices
from assay.types.message import message

NVIDIA, AMD, INTEL = "10de", "1002", "8086"
VIRTUAL_OR_SERVICE = {
    "1234": "QEMU",
    "1af4": "virtio",
    "1b36": "QEMU QXL",
    "1a03": "ASPEED",
    "102b": "Matrox",
    "15ad": "VMware",
    "1414": "Hyper-V",
    "80ee": "VirtualBox",
    "1013": "Cirrus",
    "1d0f": "Amazon",
}
"""PCI vendors of adapters that only show a console."""
_SELF = object()


def _address(text: str | None) -> str | None:
    """`00000000:01:00.0` (NVML) and `0000:01:00.0` (Linux) in one form."""
    if text is None:
        return None
    domain, _, rest = text.lower().partition(":")
    try:
        return f"{int(domain, 16):04x}:{rest}"
    except ValueError:
        return text.lower()


def _is_gpu(found: PciDevice) -> bool:
    """Whether Assay answers for it: NVIDIA's and AMD's always, another maker's only where the catalogue knows it."""
    vendor = found.id.device.partition(":")[0]
    return vendor in {NVIDIA, AMD} or bool(find_pci(found.id).products)


def _with_bus(device: Device, bus: dict[str | None, PciDevice]) -> Device:
    """NVML's device with the revision that only the bus tells."""
    on_bus = bus.get(_address(device.bus_address))
    if on_bus is None:
        return device
    if device.pci is None:
        return replace(device, pci=on_bus.id)
    return replace(device, pci=device.pci._replace(revision=on_bus.id.revision))


def _from_bus(index: int, found: PciDevice, reason: str | None) -> Device:
    missing = (("nvml", reason),) if reason and found.id.device.startswith(NVIDIA) else ()
    return Device(
        index=index,
        name=None,
        pci=found.id,
        bus_address=found.address,
        uuid=None,
        memory_total_bytes=found.memory_total_bytes,
        driver_version=None,
        seen_by="pci",
        missing=missing,
    )


def devices(root: Path = Path("/"), library: Any = _SELF) -> tuple[Device, ...]:
    """The GPUs of this machine, NVML's first.

    `root` is the folder that holds `sys`; `library` is pynvml or a stand-in, None for none.

    Raises:
        NoGpu: there is none; the message says what was seen instead.
    """
    nvml = nvml_devices(load() if library is _SELF else library)
    on_bus = list(pci_devices(root))
    bus: dict[str | None, PciDevice] = {_address(found.address): found for found in on_bus}
    found = [_with_bus(device, bus) for device in nvml.devices]
    known = {_address(device.bus_address) for device in nvml.devices}
    others = [item for item in on_bus if _address(item.address) not in known]
    found += [
        _from_bus(len(found) + place, item, nvml.reason)
        for place, item in enumerate(item for item in others if _is_gpu(item))
    ]
    if not found:
        raise _no_gpu(others, nvml.reason)
    return tuple(found)


def _no_gpu(seen: list[PciDevice], reason: str | None) -> NoGpu:
    nvml = reason or "no device"
    if not seen:
        return NoGpu(message("error.no_gpu", nvml=nvml), message("hint.no_gpu"))
    texts = [
        " ".join(filter(None, (item.id.device, VIRTUAL_OR_SERVICE.get(item.id.device.partition(":")[0]))))
        for item in seen
    ]
    return NoGpu(message("error.no_gpu_but_seen", seen=", ".join(texts), nvml=nvml), message("hint.no_gpu"))
