"""Display controllers and accelerators on the PCI bus, as Linux lists them under /sys/bus/pci/devices."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from assay.types.gpu import PciId

DISPLAY_CLASS = "03"
ACCELERATOR_CLASS = "1200"
"""PCI classes 03xxxx (display) and 1200xx (processing accelerator: Instinct, Gaudi)."""


class PciDevice(NamedTuple):
    """One function on the bus; `memory_total_bytes` only where the amdgpu driver says it."""

    address: str
    id: PciId
    memory_total_bytes: int | None
    driver: str | None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip().lower()
    except OSError:
        return None


def _hex(path: Path, digits: int) -> str | None:
    text = _read(path)
    try:
        return None if text is None else f"{int(text, 16):0{digits}x}"
    except ValueError:
        return None


def _subsystem(folder: Path) -> str | None:
    vendor, device = _hex(folder / "subsystem_vendor", 4), _hex(folder / "subsystem_device", 4)
    return f"{vendor}:{device}" if vendor and device and vendor != "0000" else None


def _memory(folder: Path) -> int | None:
    text = _read(folder / "mem_info_vram_total")
    return int(text) if text is not None and text.isdecimal() else None


def _driver(folder: Path) -> str | None:
    with suppress(OSError):
        return (folder / "driver").readlink().name
    return None


def pci_devices(root: Path = Path("/")) -> Iterator[PciDevice]:
    """Every display controller and accelerator, in the order of the bus; nothing where there is no such folder."""
    bus = root / "sys" / "bus" / "pci" / "devices"
    if not bus.is_dir():
        return
    for folder in sorted(bus.iterdir()):
        kind = _hex(folder / "class", 6)
        vendor, device = _hex(folder / "vendor", 4), _hex(folder / "device", 4)
        if kind is None or vendor is None or device is None or not kind.startswith((DISPLAY_CLASS, ACCELERATOR_CLASS)):
            continue
        identity = PciId(f"{vendor}:{device}", _subsystem(folder), _hex(folder / "revision", 2))
        yield PciDevice(folder.name.lower(), identity, _memory(folder), _driver(folder))
