"""From a device's own words to the catalogue: which product it is, what its formats ask of a driver, its errors."""

from collections.abc import Callable
from typing import TypeVar

from assay.answers import support
from assay.errors import AssayError, DeviceFailed, PermissionRefused
from assay.knowledge.catalog import nvidia_probes
from assay.observe.device.device import Device
from assay.observe.device.probe.device import DeviceTrouble
from assay.observe.device.resolve import resolve_device
from assay.types.gpu import Identification
from assay.types.message import message
from assay.types.probe import Identity

Found = TypeVar("Found")


def identified(identity: Identity) -> Identification | None:
    """The product of the catalogue that a card says it is; None for a processor."""
    if identity.kind == "cpu":
        return None
    return resolve_device(
        Device(
            0,
            identity.name,
            identity.pci,
            identity.bus_address,
            identity.uuid,
            identity.memory_total_bytes,
            identity.driver,
            "nvml",
        )
    )


def needed_ptx(isa: str | None) -> dict[str, tuple[int, int]]:
    """By number format that is native on an instruction set, the PTX version that introduced its first instruction."""
    rows = support.of(isa) if isa else {}
    native = {name for name, row in rows.items() if row.verdict == "native"}
    needed: dict[str, tuple[int, int]] = {}
    for spelling in nvidia_probes.spellings():
        name = spelling.probe.format
        if name in native and spelling.probe.kind == "matrix":
            needed[name] = min(spelling.ptx, needed.get(name, spelling.ptx))
    return needed


def failure(trouble: DeviceTrouble) -> AssayError:
    """A trouble that left nothing measured, as the error that the caller sees."""
    kind = PermissionRefused if trouble.trouble == "permission" else DeviceFailed
    return kind(
        message(f"probe.trouble.{trouble.trouble}", words=trouble.words), message(f"probe.hint.{trouble.trouble}")
    )


def measure(action: Callable[[], Found]) -> Found:
    """What `action` gives, its trouble turned into an error.

    Raises:
        DeviceFailed, PermissionRefused: there was one.
    """
    try:
        return action()
    except DeviceTrouble as trouble:
        raise failure(trouble) from trouble
