"""NVIDIA's devices through NVML, the library beneath nvidia-smi; every call goes through one wrapper."""

import importlib
from typing import Any, NamedTuple

from assay.observe.device.device import Device
from assay.types.gpu import PciId


class NvmlDevices(NamedTuple):
    """What NVML shows; `reason` says why it shows nothing."""

    devices: tuple[Device, ...]
    reason: str | None = None


class _Calls:
    """Calls into NVML: an error becomes None, and its text is kept as the reason."""

    def __init__(self, library: Any) -> None:
        self._library = library
        self.reasons: list[tuple[str, str]] = []

    def __call__(self, function: str, *arguments: Any) -> Any:
        try:
            return getattr(self._library, function)(*arguments)
        except AttributeError:
            reason = "this NVML has no such function"
        except Exception as error:
            # nvidia-ml-py makes its exception classes at run time.
            if not isinstance(error, getattr(self._library, "NVMLError", Exception)):
                raise
            reason = str(error)
        self.reasons.append((function, reason))
        return None


def load() -> Any | None:
    """The module pynvml of nvidia-ml-py, or None where it is not installed."""
    try:
        return importlib.import_module("pynvml")
    except ImportError:
        return None


def _text(value: Any) -> str | None:
    """Older releases return bytes."""
    if value is None:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _packed(value: int) -> str:
    """`0x2bb110de` as `10de:2bb1`: NVML packs the device above its vendor."""
    return f"{value & 0xFFFF:04x}:{value >> 16 & 0xFFFF:04x}"


def _device(index: int, calls: _Calls, driver: str | None) -> Device:
    calls.reasons.clear()
    handle = calls("nvmlDeviceGetHandleByIndex", index)
    if handle is None:
        return Device(index, None, None, None, None, None, driver, "nvml", tuple(calls.reasons))
    pci = calls("nvmlDeviceGetPciInfo", handle)
    memory = calls("nvmlDeviceGetMemoryInfo", handle)
    subsystem = int(pci.pciSubSystemId) if pci is not None else 0
    return Device(
        index=index,
        name=_text(calls("nvmlDeviceGetName", handle)),
        pci=None if pci is None else PciId(_packed(int(pci.pciDeviceId)), _packed(subsystem) if subsystem else None),
        bus_address=_text(pci.busId).lower() if pci is not None else None,  # type: ignore[union-attr]
        uuid=_text(calls("nvmlDeviceGetUUID", handle)),
        memory_total_bytes=int(memory.total) if memory is not None else None,
        driver_version=driver,
        seen_by="nvml",
        missing=tuple(calls.reasons),
    )


def nvml_devices(library: Any | None) -> NvmlDevices:
    """The devices that NVML shows, as `nvidia-smi -L` lists them.

    `library` is pynvml or a stand-in with its functions; None where it is not installed.
    """
    if library is None:
        return NvmlDevices((), "nvidia-ml-py is not installed")
    calls = _Calls(library)
    calls("nvmlInit")
    if calls.reasons:
        return NvmlDevices((), calls.reasons[-1][1])
    try:
        driver = _text(calls("nvmlSystemGetDriverVersion"))
        count = calls("nvmlDeviceGetCount")
        if count is None:
            return NvmlDevices((), calls.reasons[-1][1])
        return NvmlDevices(tuple(_device(index, calls, driver) for index in range(count)))
    finally:
        calls("nvmlShutdown")
