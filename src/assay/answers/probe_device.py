"""Which device of this machine a probe drives, and its recording."""

from datetime import UTC, datetime

from assay.answers.probed import failure
from assay.errors import MissingKnowledge, NoGpu
from assay.observe.device import machine, sysfs
from assay.observe.device.nvml import load, nvml_devices
from assay.observe.device.probe.cpu import CpuDevice
from assay.observe.device.probe.device import Device, DeviceTrouble
from assay.observe.device.probe.recording import Recording
from assay.observe.device.probe.replay import RecordingDevice
from assay.observe.device.probe.runner import Options, run
from assay.types.message import message
from assay.version import __version__


def _nvidia_on_bus() -> bool:
    return any(found.id.device.startswith(machine.NVIDIA) for found in sysfs.pci_devices())


def open_device(name: str) -> Device:
    """The device that a name means.

    Args:
        name: `auto`, `cpu`, or the index of a GPU as `nvidia-smi` counts them.

    Raises:
        NoGpu: there is no such GPU.
        DeviceFailed, PermissionRefused: it is there, and its driver does not let it be used.
        MissingKnowledge: it is a GPU, which cannot be driven yet.
    """
    if name == "cpu":
        return CpuDevice()
    seen = nvml_devices(load())
    if not seen.devices:
        if _nvidia_on_bus():
            raise failure(DeviceTrouble("nvml", seen.reason or ""))
        if name == "auto":
            return CpuDevice()
    index = 0 if name == "auto" else int(name)
    if index >= len(seen.devices):
        raise NoGpu(
            message("probe.no_such_gpu", index=index, count=len(seen.devices), nvml=seen.reason or ""),
            message("hint.probe_device"),
        )
    # The kernels are assembled and read in tests (observe/device/probe/kernels); what launches them is not written.
    raise MissingKnowledge(message("probe.no_driver"), message("hint.probe_no_driver"))


def recorded(name: str, options: Options) -> Recording:
    """Everything that a device answered during a probe, up to what ended it.

    Raises:
        as `open_device`; DeviceFailed, PermissionRefused: it ended before anything was measured.
    """
    made = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        device = open_device(name)
    except DeviceTrouble as trouble:
        raise failure(trouble) from trouble
    kept = RecordingDevice(device, options, made, __version__)
    try:
        run(kept, options, made)
    except DeviceTrouble as trouble:
        raise failure(trouble) from trouble
    finally:
        device.close()
    return kept.recording()
