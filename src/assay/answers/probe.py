"""A probe of this machine: what its card, or its processor, was seen to do beside what the catalogue claims."""

from pathlib import Path
from typing import NamedTuple

from assay.answers import support
from assay.answers.cards import Card, card
from assay.answers.probed import identified, measure, needed_ptx
from assay.observe.device.probe import recording, replay
from assay.observe.device.probe.recording import Recording
from assay.observe.device.probe.runner import Options, run
from assay.reason.peaks import derived_peak
from assay.reason.probe.attained import MEMORY, Attained, Crossing, attained, crossings
from assay.reason.probe.claims import Claim, claim, contradicted, measured_of
from assay.reason.probe.findings import findings
from assay.reason.probe.plan import FULL_S, QUICK_S
from assay.reason.probe.verdict import Cell, Proof, cells, of_formats
from assay.types.gpu import Identification, Peak
from assay.types.message import Message, message
from assay.types.probe import Measurement, Run
from assay.types.quantity import Quantity, exact


class Request(NamedTuple):
    """What to probe.

    Attributes:
        device: `auto` (the first GPU, else the processor), `cpu`, or a GPU's index.
        quick: within 90 s instead of 6 min.
        seconds: another budget, or None.
        force: whether to measure a busy card.
        zeros: whether operands are zeros.
        record: where to write the recording, or None.
        replay: a recording to replay instead of a device, or None.
        keep: whether to store the result.
    """

    device: str = "auto"
    quick: bool = False
    seconds: float | None = None
    force: bool = False
    zeros: bool = False
    record: Path | None = None
    replay: Path | None = None
    keep: bool = True

    @property
    def options(self) -> Options:
        """The same for the measuring code."""
        budget = self.seconds or (QUICK_S if self.quick else FULL_S)
        return Options(budget, "zeros" if self.zeros else "random", self.force)


class Disagreement(NamedTuple):
    """A number format of which the measurement and the catalogue say different things."""

    cell: Cell
    documented: str


class ProbeAnswer(NamedTuple):
    """What a probe found.

    Attributes:
        run: everything measured.
        identification: which product it is; None for a processor.
        card: it, where the identification is exact.
        findings: what its own words give away.
        cells: every number format through every door.
        formats: the cell that speaks for each number format.
        claims: figures of the catalogue beside what was measured.
        disagreements: formats on which measurement and catalogue differ.
        attained: what speed predictions may use.
        crossings: where weight-only formats stop paying.
        stored: number under which it was stored, or None.
        recorded: file that its recording was written to, or None.
    """

    run: Run
    identification: Identification | None
    card: Card | None
    findings: tuple[Message, ...]
    cells: tuple[Cell, ...]
    formats: dict[str, Cell]
    claims: tuple[Claim, ...]
    disagreements: tuple[Disagreement, ...]
    attained: Attained
    crossings: tuple[Crossing, ...]
    stored: int | None = None
    recorded: Path | None = None

    @property
    def failed(self) -> tuple[Claim, ...]:
        """The claims that do not hold."""
        return tuple(one for one in self.claims if one.holds == "fails")

    @property
    def exit_code(self) -> int:
        """4 where the device was lost, 1 if a claim did not hold, 3 if none of a card's claims was tried, else 0."""
        if self.run.trouble is not None:
            return 4
        if self.failed or self.disagreements:
            return 1
        return 3 if self.run.identity.kind == "gpu" and not self.claims else 0


def _proofs(isa: str | None) -> dict[tuple[str, str], Proof]:
    """By (format, door) the best verdict that a compiler's output has for an instruction set."""
    order = ("native", "unknown", "emulated", "absent")
    found: dict[tuple[str, str], Proof] = {}
    for row in support.of(isa).values() if isa else ():
        if row.proof is not None and row.proof.deciding is not None:
            key = row.format, row.proof.deciding.probe.door
            verdict: Proof = row.proof.verdict
            if key not in found or order.index(verdict) < order.index(found[key]):
                found[key] = verdict
    return found


def _clock(found: list[Measurement]) -> float | None:
    """The clock, in Hz, at which the fastest of these ran."""
    rated = [one.best for one in found if one.best is not None]
    best = max(rated, key=lambda one: one.rate, default=None)
    return None if best is None else best.clock_hz


def _at_clock(found: Card, peak: Peak, clock_hz: float | None) -> Quantity | None:
    """Rate per multiprocessor x multiprocessors x the clock that was measured, in FLOP/s."""
    if clock_hz is None or found.instruction_set is None:
        return None
    running = found.gpu._replace(boost_clock=exact(clock_hz, "Hz", "measured"))
    for rate in found.instruction_set.rates:
        same = (rate.format, rate.unit) == (peak.format, peak.unit)
        if same and peak.accumulate in {rate.accumulate, "unstated"}:
            figure = derived_peak(running, rate)
            return figure if figure.value else None
    return None


def _claims(found: Card, measurements: tuple[Measurement, ...]) -> tuple[Claim, ...]:
    moved = [one for one in measurements if one.workload.name in MEMORY]
    claims = [claim(("memory", None), found.gpu.bandwidth, None, moved)]
    for peak in found.peaks:
        if peak.sparsity != "dense" or peak.unit != "matrix" or peak.rate.value is None:
            continue
        asked = measured_of(peak, measurements)
        at_clock = _at_clock(found, peak, _clock(asked))
        claims.append(claim((peak.format, peak.accumulate), peak.rate, at_clock, asked))
    return tuple(one for one in claims if one.measured is not None)


def _disagreements(formats: dict[str, Cell], isa: str | None) -> tuple[Disagreement, ...]:
    rows = support.of(isa) if isa else {}
    return tuple(
        Disagreement(cell, rows[name].verdict)
        for name, cell in formats.items()
        if name in rows and contradicted(cell, rows[name].verdict)
    )


def interpreted(found: Run) -> ProbeAnswer:
    """What follows from a run: pure but for the catalogue."""
    identification = identified(found.identity)
    exact_one = identification is not None and identification.match == "exact"
    known = card(identification.candidates[0]) if identification is not None and exact_one else None
    isa = known.gpu.isa if known is not None else None
    every = cells(found.measurements, _proofs(isa))
    formats = of_formats(every)
    gpu = None if known is None else known.gpu
    return ProbeAnswer(
        run=found,
        identification=identification,
        card=known,
        findings=findings(found.identity, gpu, needed_ptx(isa)),
        cells=every,
        formats=formats,
        claims=() if known is None or found.identity.mig else _claims(known, found.measurements),
        disagreements=_disagreements(formats, isa),
        attained=attained(found.measurements),
        crossings=crossings(found.measurements),
    )


def replayed(found: Recording) -> ProbeAnswer:
    """What follows from a recording.

    Raises:
        DeviceFailed, PermissionRefused: the recording is of a device that answered nothing.
    """
    options = Options(found.budget_s, found.fill, found.force)
    device = replay.ReplayDevice(found)
    return interpreted(measure(lambda: run(device, options, found.made, synthetic=found.synthetic)))


def answer(request: Request) -> ProbeAnswer:
    """Probe this machine, or replay a recording.

    Raises:
        DeviceFailed, PermissionRefused: the card is busy, refuses, or was lost before anything was measured.
        MissingExtra: the card is there, and what drives it is not installed.
        UnreadableFile, MalformedFile: the recording cannot be used.
        NoGpu: the GPU that was asked for is not there.
    """
    if request.replay is not None:
        return replayed(recording.read(request.replay))
    from assay.answers.probe_device import recorded  # noqa: PLC0415 -- a replay needs no driver

    taken = recorded(request.device, request.options)
    found = replayed(taken)
    if request.record is not None:
        recording.write(request.record, taken)
    number = None
    if request.keep and not found.run.synthetic:
        from assay.observe.device.probe import store  # noqa: PLC0415 -- only what is stored pays for SQLite

        number = store.put(store.store_path(), taken)
    return found._replace(stored=number, recorded=request.record)


def notes(found: ProbeAnswer) -> tuple[Message, ...]:
    """What to know about the whole run, in the order of its weight."""
    run_of = found.run
    said: list[Message] = []
    if run_of.synthetic:
        said.append(message("probe.note.synthetic", "warning"))
    if run_of.trouble is not None:
        said.append(message(f"probe.trouble.{run_of.trouble[0]}", "error", words=run_of.trouble[1]))
    if run_of.identity.kind == "cpu":
        said.append(message("probe.note.cpu"))
    elif found.card is None:
        said.append(message("probe.note.unknown_card", "warning"))
    if run_of.fill == "zeros":
        said.append(message("probe.note.zeros", "warning"))
    unsteady = sum(1 for one in run_of.measurements if one.sustained is not None and not one.sustained.steady)
    if unsteady:
        said.append(message("probe.note.unsteady", "warning", count=unsteady))
    late = sum(1 for one in run_of.measurements if one.refused is not None and one.refused.why == "time")
    if late:
        said.append(message("probe.note.time", count=late, seconds=round(run_of.budget_s)))
    return (*said, *found.findings)
