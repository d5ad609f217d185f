"""The devices of a machine, from a stand-in for NVML and a made-up sysfs tree, and the cards they are."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from assay.answers.gpu import answer
from assay.errors import NoGpu
from assay.observe.device.device import Device
from assay.observe.device.machine import devices
from assay.observe.device.nvml import nvml_devices
from assay.observe.device.resolve import resolve_device
from assay.observe.device.sysfs import pci_devices
from assay.types.gpu import Identification, PciId

MIB = 2**20
PRO_6000 = "rtx-pro-6000-blackwell-workstation-edition"


class NvmlError(Exception):
    pass


class FakeNvml:
    """nvidia-ml-py's functions over a list of cards; a value that is an exception is raised."""

    NVMLError = NvmlError

    def __init__(self, *cards: dict[str, Any], start: Exception | None = None) -> None:
        self.cards = cards
        self.start = start
        self.shut_down = 0

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's name
        if self.start is not None:
            raise self.start

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.shut_down += 1

    def nvmlSystemGetDriverVersion(self) -> bytes:  # noqa: N802
        return b"595.45.04"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.cards)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:  # noqa: N802
        return self.cards[index]

    def _value(self, handle: dict[str, Any], key: str) -> Any:
        value = handle.get(key, NvmlError("Not Supported"))
        if isinstance(value, Exception):
            raise value
        return value

    def nvmlDeviceGetName(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return self._value(handle, "name")

    def nvmlDeviceGetUUID(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return self._value(handle, "uuid")

    def nvmlDeviceGetMemoryInfo(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        return SimpleNamespace(total=self._value(handle, "mib") * MIB)

    def nvmlDeviceGetPciInfo(self, handle: dict[str, Any]) -> Any:  # noqa: N802
        device, subsystem = self._value(handle, "pci")
        return SimpleNamespace(
            pciDeviceId=device, pciSubSystemId=subsystem, busId=handle.get("bus", "00000000:01:00.0")
        )


PRO_6000_CARD = {
    "name": "NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
    "uuid": "GPU-1",
    "mib": 97_887,
    "pci": (0x2BB110DE, 0x204B10DE),
}


def put(root: Path, address: str, kind: str, ids: tuple[str, str, str, str, str], **files: str) -> None:
    vendor, device, subsystem_vendor, subsystem, revision = ids
    folder = root / "sys" / "bus" / "pci" / "devices" / address
    folder.mkdir(parents=True)
    names = {
        "class": kind, "vendor": vendor, "device": device, "subsystem_vendor": subsystem_vendor,
        "subsystem_device": subsystem, "revision": revision, **files,
    }  # fmt: skip
    for name, value in names.items():
        (folder / name).write_text(f"{value}\n", encoding="ascii")


def qemu(root: Path) -> None:
    put(root, "0000:00:02.0", "0x030000", ("0x1234", "0x1111", "0x1af4", "0x1100", "0x02"))
    put(root, "0000:00:03.0", "0x020000", ("0x1af4", "0x1000", "0x1af4", "0x0001", "0x00"))


def radeon(root: Path, revision: str = "0xc8") -> None:
    put(
        root, "0000:03:00.0", "0x030000", ("0x1002", "0x744c", "0x1002", "0x0e3b", revision),
        mem_info_vram_total=str(24_560 * MIB),
    )  # fmt: skip


def device(name: str | None, pci: PciId | None, mib: int | None) -> Device:
    return Device(0, name, pci, None, None, None if mib is None else mib * MIB, None, "nvml")


def verdict(found: Identification) -> tuple[str, set[str]]:
    return found.match, set(found.candidates)


def warnings(found: Identification) -> list[str]:
    return [note.code for note in found.notes if note.level == "warning"]


def test_nvml_says_what_the_card_is() -> None:
    library = FakeNvml(PRO_6000_CARD)
    (found,) = nvml_devices(library).devices
    assert found.pci == PciId("10de:2bb1", "10de:204b")
    assert (found.name, found.uuid, found.driver_version) == (PRO_6000_CARD["name"], "GPU-1", "595.45.04")
    assert found.memory_total_bytes == 97_887 * MIB
    assert library.shut_down == 1


def test_what_nvml_refuses_is_none_with_its_reason() -> None:
    (found,) = nvml_devices(FakeNvml({**PRO_6000_CARD, "uuid": NvmlError("No permission")})).devices
    assert found.uuid is None
    assert found.missing == (("nvmlDeviceGetUUID", "No permission"),)


def test_an_error_that_is_not_nvmls_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        nvml_devices(FakeNvml({**PRO_6000_CARD, "name": ZeroDivisionError()}))


def test_no_driver_is_a_reason_not_an_error() -> None:
    assert nvml_devices(FakeNvml(start=NvmlError("Driver Not Loaded"))).reason == "Driver Not Loaded"
    assert nvml_devices(None).reason == "nvidia-ml-py is not installed"


def test_the_bus_lists_display_controllers_and_accelerators_only(tmp_path: Path) -> None:
    qemu(tmp_path)
    put(tmp_path, "0000:c1:00.0", "0x120000", ("0x1002", "0x74a1", "0x1002", "0x74a1", "0x00"))
    assert [found.id.device for found in pci_devices(tmp_path)] == ["1234:1111", "1002:74a1"]


def test_a_file_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "0000:03:00.0", "0x030000", ("nonsense", "0x744c", "0x1002", "0x0e3b", "0xc8"))
    assert list(pci_devices(tmp_path)) == []


def test_nvml_and_the_bus_show_one_card_once_with_the_revision(tmp_path: Path) -> None:
    put(tmp_path, "0000:01:00.0", "0x030000", ("0x10de", "0x2bb1", "0x10de", "0x204b", "0xa1"))
    radeon(tmp_path)
    found = devices(tmp_path, FakeNvml(PRO_6000_CARD))
    assert [(item.index, item.seen_by) for item in found] == [(0, "nvml"), (1, "pci")]
    assert found[0].pci == PciId("10de:2bb1", "10de:204b", "a1")
    assert [resolve_device(item).candidates for item in found] == [(PRO_6000,), ("radeon-rx-7900-xtx",)]


def test_a_card_without_its_driver_is_found_on_the_bus(tmp_path: Path) -> None:
    put(tmp_path, "0000:01:00.0", "0x030000", ("0x10de", "0x2bb1", "0x10de", "0x204b", "0xa1"))
    (found,) = devices(tmp_path, FakeNvml(start=NvmlError("Driver Not Loaded")))
    assert found.missing == (("nvml", "Driver Not Loaded"),)
    assert verdict(resolve_device(found)) == ("exact", {PRO_6000})


def test_no_gpu_is_an_error_that_says_what_was_seen(tmp_path: Path) -> None:
    with pytest.raises(NoGpu) as empty:
        devices(tmp_path, None)
    assert empty.value.message.code == "error.no_gpu"
    qemu(tmp_path)
    put(tmp_path, "0000:00:04.0", "0x030000", ("0x8086", "0x46a6", "0x8086", "0x0000", "0x0c"))
    with pytest.raises(NoGpu) as seen:
        devices(tmp_path, None)
    assert dict(seen.value.message.parameters)["seen"] == "1234:1111 QEMU, 8086:46a6"
    assert seen.value.exit_code == 3


def test_a_discrete_intel_card_of_the_catalogue_is_a_gpu(tmp_path: Path) -> None:
    put(tmp_path, "0000:03:00.0", "0x030000", ("0x8086", "0xe211", "0x8086", "0x1114", "0x00"))
    (found,) = devices(tmp_path, None)
    assert verdict(resolve_device(found)) == ("exact", {"arc-pro-b60"})


@pytest.mark.parametrize(("mib", "card"), [(8_151, "geforce-rtx-5060-ti-8gb"), (16_311, "geforce-rtx-5060-ti-16gb")])
def test_memory_decides_where_name_and_pci_id_are_shared(mib: int, card: str) -> None:
    found = resolve_device(device("NVIDIA GeForce RTX 5060 Ti", PciId("10de:2d04"), mib))
    assert verdict(found) == ("exact", {card})


def test_without_memory_a_shared_name_and_id_stay_ambiguous() -> None:
    found = resolve_device(device("NVIDIA GeForce RTX 5060 Ti", PciId("10de:2d04"), None))
    assert verdict(found) == ("ambiguous", {"geforce-rtx-5060-ti-8gb", "geforce-rtx-5060-ti-16gb"})
    assert found.distinguish


def test_the_revision_decides_for_amd(tmp_path: Path) -> None:
    radeon(tmp_path, "0xce")
    (found,) = devices(tmp_path, None)
    assert found.memory_total_bytes == 24_560 * MIB
    # A GRE has 16 GB: id and memory contradict each other.
    assert verdict(resolve_device(found)) == ("unknown", set())
    assert warnings(resolve_device(found)) == ["gpu.device.memory_contradicts"]


def test_a_name_that_contradicts_the_pci_id_is_a_warning_and_never_exact() -> None:
    found = resolve_device(device("NVIDIA GeForce RTX 4090", PciId("10de:2bb1", "10de:204b"), None))
    assert verdict(found) == ("ambiguous", {PRO_6000, "geforce-rtx-4090"})
    assert warnings(found) == ["gpu.device.name_contradicts_pci"]


def test_an_aftermarket_memory_is_not_that_card() -> None:
    found = resolve_device(device("NVIDIA GeForce RTX 4090", PciId("10de:2684"), 49_140))
    assert verdict(found) == ("unknown", set())
    assert found.suggestions == ("geforce-rtx-4090",)
    assert warnings(found) == ["gpu.device.memory_contradicts"]


def test_the_drivers_name_decides_where_the_subsystem_is_not_readable() -> None:
    found = resolve_device(device("NVIDIA RTX PRO 5000 Blackwell", PciId("10de:2bb3"), None))
    assert verdict(found) == ("exact", {"rtx-pro-5000-blackwell-48gb"})


def test_a_name_that_drivers_share_is_decided_by_the_pci_id() -> None:
    assert verdict(resolve_device(device("NVIDIA H100", PciId("10de:2339"), 95_830)))[1] <= {"h100-sxm5-94gb"}


def test_a_device_nobody_knows_is_unknown_with_a_note() -> None:
    found = resolve_device(device(None, PciId("10de:ffff"), 8_192))
    assert (found.match, [note.code for note in found.notes]) == ("unknown", ["gpu.pci.not_in_catalogue"])


def test_the_answer_holds_every_candidate_in_full() -> None:
    (result,) = answer("2x rtx pro 6000").results
    assert result.identification.count == 2
    assert [card.id for card in result.candidates] == list(result.identification.candidates)
    assert result.gpu is None
    (exact,) = answer("5090").results
    assert exact.gpu is not None
    assert exact.gpu.id == "geforce-rtx-5090"


def test_the_answer_for_this_machine_holds_its_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assay.observe.device.machine.load", lambda: None)
    radeon(tmp_path)
    (result,) = answer(None, tmp_path).results
    assert result.device is not None
    assert result.device.bus_address == "0000:03:00.0"
    assert result.gpu is not None
    assert result.gpu.id == "radeon-rx-7900-xtx"
