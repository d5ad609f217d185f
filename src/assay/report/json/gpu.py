"""`assay gpu --json` (`assay.gpu/1`)."""

from typing import Any, NotRequired, TypedDict

from assay.answers.cards import Card, card
from assay.answers.gpu import GpuAnswer, GpuResult
from assay.observe.device.device import Device
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.numbers import Language
from assay.types.gpu import Match, PciId, Sparsity, Status

SCHEMA = "assay.gpu/1"


class PciBody(TypedDict):
    """A PCI id in lower-case hex; subsystem and revision only where they are needed to decide."""

    device: str
    subsystem: NotRequired[str]
    revision: NotRequired[str]


class PeakBody(TypedDict):
    """A peak rate of one number format; `unit` is `matrix` or `vector`."""

    format: str
    accumulate: str
    sparsity: Sparsity
    unit: str
    rate: Q


class GpuBody(TypedDict):
    """One product; `memory` is the size it is sold with, `usable_memory` what a fit may count on."""

    id: str
    name: str
    vendor: str
    architecture: str
    isa: str | None
    status: Status
    pci_ids: list[str]
    pci: list[PciBody]
    driver_names: list[str]
    memory: Q
    driver_memory: Q
    usable_memory: Q
    bandwidth: Q
    power_limit: Q
    boost_clock: Q
    l2_cache: Q
    link_bandwidth: Q
    pcie: str | None
    launched: str | None
    sm_count: int | None
    multiprocessors: Q
    peaks: list[PeakBody]
    note: str | None


class DeviceBody(TypedDict):
    """A device of this machine, as its driver and its bus describe it."""

    index: int
    name: str | None
    pci: PciBody | None
    bus_address: str | None
    uuid: str | None
    memory: Q | None
    driver_version: str | None
    seen_by: str
    match: Match
    candidates: list[str]


class Document(Envelope):
    """Which card a query names; without a query, this machine's: `devices` lists all, the rest tells of the first."""

    query: str | None
    match: Match
    count: int
    gpu: GpuBody | None
    candidates: list[str]
    distinguish: list[str]
    suggestions: list[str]
    devices: NotRequired[list[DeviceBody]]


def pci_body(entry: PciId) -> dict[str, str]:
    """A PCI id on the wire, without what is not needed to decide."""
    return {key: value for key, value in entry._asdict().items() if value is not None}


def gpu_body(found: Card, letter: Letter) -> dict[str, Any]:
    """One product on the wire."""
    gpu = found.gpu
    count = gpu.multiprocessors.value
    return {
        "id": gpu.id,
        "name": gpu.name,
        "vendor": gpu.vendor,
        "architecture": gpu.architecture,
        "isa": gpu.isa,
        "status": gpu.status,
        "pci_ids": list(dict.fromkeys(entry.device for entry in gpu.pci)),
        "pci": [pci_body(entry) for entry in gpu.pci],
        "driver_names": list(gpu.driver_names),
        "memory": letter.q(gpu.memory_sold),
        "driver_memory": letter.q(gpu.memory_driver),
        "usable_memory": letter.q(found.usable),
        "bandwidth": letter.q(gpu.bandwidth),
        "power_limit": letter.q(gpu.power_limit),
        "boost_clock": letter.q(gpu.boost_clock),
        "l2_cache": letter.q(gpu.l2_cache),
        "link_bandwidth": letter.q(gpu.link_bandwidth),
        "pcie": gpu.pcie,
        "launched": gpu.launched,
        "sm_count": None if count is None else int(count),
        "multiprocessors": letter.q(gpu.multiprocessors),
        "peaks": [{**peak._asdict(), "rate": letter.q(peak.rate)} for peak in found.peaks],
        "note": None if gpu.note is None else letter.text(gpu.note),
    }


def _device(result: GpuResult, device: Device) -> dict[str, Any]:
    memory = None
    if device.memory_total_bytes is not None:
        memory = {"value": device.memory_total_bytes, "unit": "B", "basis": "measured", "sources": []}
    return {
        "index": device.index,
        "name": device.name,
        "pci": None if device.pci is None else pci_body(device.pci),
        "bus_address": device.bus_address,
        "uuid": device.uuid,
        "memory": memory,
        "driver_version": device.driver_version,
        "seen_by": device.seen_by,
        "match": result.identification.match,
        "candidates": list(result.identification.candidates),
    }


def document(answer: GpuAnswer, language: Language) -> dict[str, Any]:
    """The document of a query or of this machine."""
    letter = Letter(language)
    first = answer.results[0]
    asked, gpu = first.identification, first.gpu
    same = sum(result.identification.candidates == asked.candidates for result in answer.results)
    body: dict[str, Any] = {
        "query": answer.query,
        "match": asked.match,
        "count": asked.count if answer.query is not None else same,
        "gpu": None if gpu is None else gpu_body(card(gpu.id), letter),
        "candidates": list(asked.candidates),
        "distinguish": [letter.text(what) for what in asked.distinguish],
        "suggestions": list(asked.suggestions),
    }
    devices = [_device(result, result.device) for result in answer.results if result.device is not None]
    if devices:
        body["devices"] = devices
    notes = dict.fromkeys(note for result in answer.results for note in result.identification.notes)
    return letter.close(SCHEMA, body, notes)
