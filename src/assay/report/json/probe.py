"""`assay probe --json` (`assay.probe/1`)."""

from typing import Any, Literal, TypedDict

from assay.answers.probe import ProbeAnswer, notes
from assay.reason.probe.claims import Claim
from assay.reason.probe.verdict import Cell
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.json.gpu import PciBody, pci_body
from assay.report.numbers import Language
from assay.report.probed import rate, sampled, smi_line
from assay.types.probe import Identity, Measurement, RateUnit, Regime
from assay.types.quantity import ASKED, exact

SCHEMA = "assay.probe/1"
CellVerdict = Literal["native", "emulated", "absent", "refused", "not_tried"]
Holds = Literal["holds", "short", "fails", "unknown"]


class ProcessBody(TypedDict):
    """A process that holds memory of the card."""

    pid: int
    name: str | None
    memory: Q | None


class DeviceBody(TypedDict):
    """What the device says of itself; null where nothing says it. `smi` shows the same by hand."""

    kind: Literal["gpu", "cpu"]
    name: str | None
    pci: PciBody | None
    bus_address: str | None
    uuid: str | None
    driver: str | None
    cuda: str | None
    vbios: str | None
    capability: str | None
    torch_capability: str | None
    multiprocessors: int | None
    l2_cache: Q | None
    memory: Q | None
    memory_used: Q | None
    memory_free: Q | None
    ecc: bool | None
    mig: bool | None
    power_limit: Q | None
    power_default: Q | None
    power_min: Q | None
    power_max: Q | None
    clock: Q | None
    clock_max: Q | None
    memory_clock: Q | None
    memory_clock_max: Q | None
    temperature_c: float | None
    throttle: list[str]
    pcie_generation: int | None
    pcie_generation_max: int | None
    pcie_width: int | None
    pcie_width_max: int | None
    nvlinks: int | None
    utilization_percent: int | None
    processes: list[ProcessBody]
    libraries: dict[str, str]
    missing: dict[str, str]
    smi: str | None


class RegimeBody(TypedDict):
    """A rate in one way of working; its ends are the slowest and the fastest window."""

    rate: Q
    windows: int
    spread: float
    clock: Q | None
    power: Q | None
    steady: bool | None
    throttle: list[str]


class RefusedBody(TypedDict):
    """Why a workload did not run, in the words of whoever refused."""

    why: Literal["no_instruction", "library", "memory", "missing", "tool", "time", "lost"]
    words: str


class MeasurementBody(TypedDict):
    """One workload: what was asked, and its rates or why there are none."""

    name: str
    kind: Literal["micro", "gemm", "memory", "copy"]
    door: str
    format: str | None
    accumulate: str | None
    scaling: str
    shape: list[int] | None
    fast: bool | None
    weights: str | None
    boost: RegimeBody | None
    sustained: RegimeBody | None
    refused: RefusedBody | None
    wrong: str | None


class CellBody(TypedDict):
    """One number format through one door; `gain` is its rate over that of the next wider native format."""

    format: str
    verdict: CellVerdict
    door: str
    accumulate: str | None
    scaling: str
    workload: str
    rate: Q | None
    wider: str | None
    gain: float | None
    no_faster: bool
    why: str | None
    words: str | None
    compiled: Literal["native", "emulated", "absent", "unknown"] | None


class ClaimBody(TypedDict):
    """A figure of the catalogue beside the best measurement of it; `what` is a number-format id, or `memory`."""

    what: str
    accumulate: str | None
    documented: Q
    at_clock: Q | None
    measured: Q
    workload: str
    share: float | None
    share_at_clock: float | None
    holds: Holds


class DisagreementBody(TypedDict):
    """A number format of which measurement and catalogue say different things."""

    format: str
    measured: CellVerdict
    documented: str


class PeakBody(TypedDict):
    """The rate that speed predictions may count on for a number format."""

    format: str
    rate: Q


class CrossingBody(TypedDict):
    """Rows at which weight-only products were faster, and the least at which they were not."""

    weights: str
    format: str
    pays: list[int]
    stops: int | None


class Document(Envelope):
    """What a card, or a processor, was seen to do; `synthetic` figures were made up for a test."""

    gpu: str | None
    candidates: list[str]
    made: str
    synthetic: bool
    fill: Literal["random", "zeros"]
    budget: Q
    device: DeviceBody
    measurements: list[MeasurementBody]
    cells: list[CellBody]
    formats: dict[str, CellVerdict]
    claims: list[ClaimBody]
    disagreements: list[DisagreementBody]
    bandwidth: Q | None
    peaks: list[PeakBody]
    instruction_peaks: list[PeakBody]
    crossings: list[CrossingBody]
    trouble: str | None
    stored: int | None


class _Writer:
    """A probe's parts on the wire."""

    def __init__(self, answer: ProbeAnswer, letter: Letter) -> None:
        self.answer = answer
        self.letter = letter

    def optional(self, value: float | None, unit: str) -> Q | None:
        """A figure that the device told, or null."""
        figure = sampled(self.answer, value, unit)
        return None if figure is None else self.letter.q(figure)

    def device(self, identity: Identity) -> dict[str, Any]:
        """The identity with figures as figures."""
        body: dict[str, Any] = {
            key: value for key, value in identity._asdict().items() if key in DeviceBody.__annotations__
        }
        units = {"l2_bytes": "B", "memory_total_bytes": "B", "memory_used_bytes": "B"}
        names = {"l2_bytes": "l2_cache", "memory_total_bytes": "memory", "memory_used_bytes": "memory_used"}
        for key in identity._fields:
            unit = units.get(key) or {"_hz": "Hz", "_w": "W"}.get(key[key.rfind("_") :])
            if unit is not None:
                name = names.get(key) or key.rpartition("_")[0]
                body[name] = self.optional(getattr(identity, key), unit)
        return body | {
            "pci": None if identity.pci is None else pci_body(identity.pci),
            "capability": _dotted(identity.capability),
            "torch_capability": _dotted(identity.torch_capability),
            "memory_free": self.optional(self.answer.run.free_bytes or None, "B"),
            "throttle": list(identity.throttle),
            "processes": [
                {"pid": one.pid, "name": one.name, "memory": self.optional(one.memory_bytes, "B")}
                for one in identity.processes
            ],
            "libraries": dict(identity.libraries),
            "missing": dict(identity.missing),
            "smi": smi_line(identity),
        }

    def regime(self, unit: RateUnit, regime: Regime | None) -> dict[str, Any] | None:
        """One way of working."""
        if regime is None:
            return None
        return {
            "rate": self.letter.q(rate(self.answer, unit, regime)),
            "windows": regime.windows,
            "spread": round(regime.spread, 4),
            "clock": self.optional(regime.clock_hz, "Hz"),
            "power": self.optional(regime.power_w, "W"),
            "steady": regime.steady,
            "throttle": list(regime.throttle),
        }

    def measurement(self, one: Measurement) -> dict[str, Any]:
        """One workload."""
        workload = one.workload
        return {
            "name": workload.name,
            "kind": workload.kind,
            "door": workload.door,
            "format": workload.format,
            "accumulate": workload.accumulate,
            "scaling": workload.scaling,
            "shape": None if workload.shape is None else list(workload.shape),
            "fast": workload.fast,
            "weights": workload.weights,
            "boost": self.regime(workload.unit, one.boost),
            "sustained": self.regime(workload.unit, one.sustained),
            "refused": None if one.refused is None else one.refused._asdict(),
            "wrong": one.wrong,
        }

    def cell(self, cell: Cell) -> dict[str, Any]:
        """One number format through one door."""
        unit = cell.workload.unit
        return {
            "format": cell.workload.format,
            "verdict": cell.verdict,
            "door": cell.workload.door,
            "accumulate": cell.workload.accumulate,
            "scaling": cell.workload.scaling,
            "workload": cell.workload.name,
            "rate": None if cell.rate is None else self.letter.q(rate(self.answer, unit, cell.rate)),
            "wider": cell.wider,
            "gain": _rounded(cell.gain),
            "no_faster": cell.no_faster,
            "why": cell.why,
            "words": cell.words,
            "compiled": cell.proof,
        }

    def claim(self, one: Claim) -> dict[str, Any]:
        """One claim; those without a measurement are not made."""
        best = None if one.measured is None else one.measured.best
        unit = "B/s" if one.measured is None else one.measured.workload.unit
        return {
            "what": one.what,
            "accumulate": one.accumulate,
            "documented": self.letter.q(one.documented),
            "at_clock": None if one.at_clock is None else self.letter.q(one.at_clock),
            "measured": self.letter.q(rate(self.answer, unit, best)),
            "workload": "" if one.measured is None else one.measured.workload.name,
            "share": _rounded(one.share),
            "share_at_clock": _rounded(one.share_at_clock),
            "holds": one.holds,
        }

    def peaks(self, found: dict[str, float]) -> list[dict[str, Any]]:
        """Rates by number format."""
        return [
            {"format": name, "rate": self.optional(value, "OP/s" if name.startswith("int") else "FLOP/s")}
            for name, value in found.items()
        ]


def _dotted(version: tuple[int, int] | None) -> str | None:
    return None if version is None else f"{version[0]}.{version[1]}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def document(answer: ProbeAnswer, language: Language) -> dict[str, Any]:
    """The document of a probe."""
    letter = Letter(language)
    write, run = _Writer(answer, letter), answer.run
    body: dict[str, Any] = {
        "gpu": None if answer.card is None else answer.card.gpu.id,
        "candidates": [] if answer.identification is None else list(answer.identification.candidates),
        "made": run.made,
        "synthetic": run.synthetic,
        "fill": run.fill,
        "budget": letter.q(exact(run.budget_s, "s", "documented", ASKED)),
        "device": write.device(run.identity),
        "measurements": [write.measurement(one) for one in run.measurements],
        "cells": [write.cell(cell) for cell in answer.cells],
        "formats": {name: cell.verdict for name, cell in answer.formats.items()},
        "claims": [write.claim(one) for one in answer.claims],
        "disagreements": [
            {"format": one.cell.workload.format, "measured": one.cell.verdict, "documented": one.documented}
            for one in answer.disagreements
        ],
        "bandwidth": write.optional(answer.attained.bandwidth, "B/s"),
        "peaks": write.peaks(answer.attained.peaks),
        "instruction_peaks": write.peaks(answer.attained.instruction),
        "crossings": [{**one._asdict(), "pays": list(one.pays)} for one in answer.crossings],
        "trouble": None if run.trouble is None else run.trouble[0],
        "stored": answer.stored,
    }
    identified = () if answer.identification is None else answer.identification.notes
    return letter.close(SCHEMA, body, (*notes(answer), *identified))
