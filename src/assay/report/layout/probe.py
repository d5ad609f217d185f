"""A probe as a page: what the card says of itself, claims beside measurements, every format, and what was not tried."""

from assay.answers.probe import ProbeAnswer, notes
from assay.knowledge.catalog.instruction_sets import number_formats
from assay.reason.probe.claims import Claim
from assay.reason.probe.verdict import Cell
from assay.report.layout.gpu import pci_text
from assay.report.probed import plain_rate, rate, sampled, smi_line, why_not
from assay.types.message import Message, message
from assay.types.probe import Identity, Measurement
from assay.types.report import Block, Command, Figure, Notes, Report, Row, Table, Tone
from assay.types.report import Cell as Shown

LISTED = ("time", "lost")
"""Reasons that many workloads share: they are counted, not listed one by one."""


def _name(answer: ProbeAnswer) -> str:
    return answer.card.gpu.name if answer.card is not None else answer.run.identity.name or "?"


def _headline(answer: ProbeAnswer) -> tuple[Message, ...]:
    name = _name(answer)
    tried = sum(1 for one in answer.run.measurements if one.best is not None)
    lines = [message("probe.headline.measured", name=name, count=tried)]
    if answer.claims:
        kept = sum(1 for one in answer.claims if one.holds == "holds")
        lines.append(message("probe.headline.claims", kept=kept, count=len(answer.claims)))
    if answer.failed:
        lines.append(message("probe.headline.failed", claims=tuple(_what(one) for one in answer.failed)))
    if answer.disagreements:
        formats = tuple(message("text", text=_format(one.cell.workload.format)) for one in answer.disagreements)
        lines.append(message("probe.headline.disagreements", formats=formats))
    return tuple(lines)


def _format(name: str | None) -> str:
    known = {one.id: one.name for one in number_formats()}
    return known.get(name or "", (name or "").upper())


def _what(claim: Claim) -> Message:
    if claim.what == "memory":
        return message("probe.memory.claim")
    accumulate = _format(claim.accumulate) if claim.accumulate not in {None, "unstated"} else None
    text = _format(claim.what) if accumulate is None else f"{_format(claim.what)} / {accumulate}"
    return message("text", text=text)


def _pair(first: object, second: object) -> str | None:
    if first is None and second is None:
        return None
    return f"{'?' if first is None else first} / {'?' if second is None else second}"


def _device(answer: ProbeAnswer) -> Table:
    one = answer.run.identity
    figures: tuple[tuple[str, float | None, str], ...] = (
        ("probe.device.memory", one.memory_total_bytes, "B"),
        ("probe.device.free", answer.run.free_bytes or None, "B"),
        ("probe.device.power", one.power_limit_w, "W"),
        ("probe.device.clock", one.clock_hz, "Hz"),
        ("probe.device.clock_max", one.clock_max_hz, "Hz"),
    )
    words: tuple[tuple[str, Shown], ...] = (
        ("probe.device.name", one.name),
        ("probe.device.pci", None if one.pci is None else pci_text(one.pci)),
        ("probe.device.uuid", one.uuid),
        ("probe.device.driver", _pair(one.driver, one.cuda) if one.kind == "gpu" else None),
        ("probe.device.capability", None if one.capability is None else f"{one.capability[0]}.{one.capability[1]}"),
        ("probe.device.cores" if one.kind == "cpu" else "probe.device.multiprocessors", one.multiprocessors),
        *((code, sampled(answer, value, unit)) for code, value, unit in figures),
        ("probe.device.pcie", _link(one)),
        ("probe.device.ecc", _switch(one.ecc)),
        ("probe.device.mig", _switch(one.mig)),
        ("probe.device.libraries", ", ".join(f"{name} {version}" for name, version in one.libraries) or None),
    )
    rows = tuple(Row(message(code), (cell,)) for code, cell in words if cell is not None)
    return Table(message("probe.device.title"), ("",), rows)


def _link(one: Identity) -> str | None:
    if one.pcie_width is None:
        return None
    now = f"{one.pcie_generation or '?'}.0 x{one.pcie_width}"
    return f"{now} / {one.pcie_generation_max or '?'}.0 x{one.pcie_width_max or '?'}"


def _switch(value: bool | None) -> Message | None:  # noqa: FBT001 -- it is the value
    return None if value is None else message("probe.on" if value else "probe.off")


def _claims(answer: ProbeAnswer) -> list[Block]:
    heads = (
        message("probe.claim.sheet"),
        message("probe.column.boost"),
        message("probe.column.sustained"),
        message("probe.claim.share"),
        message("probe.claim.share_at_clock"),
        message("probe.claim.holds"),
    )
    rows = [Row(_what(one), _claim(answer, one)) for one in answer.claims if one.measured is not None]
    return [Table(message("probe.claims"), heads, tuple(rows))] if rows else []


def _claim(answer: ProbeAnswer, one: Claim) -> tuple[Shown, ...]:
    best = one.measured
    boost = sustained = None
    if best is not None:
        unit = best.workload.unit
        boost, sustained = plain_rate(answer, unit, best.boost), plain_rate(answer, unit, best.sustained)
    return (
        one.documented, boost, sustained, _percent(one.share), _percent(one.share_at_clock),
        message(f"probe.holds.{one.holds}"),
    )  # fmt: skip


def _percent(share: float | None) -> Message | None:
    return None if share is None else message("probe.percent", share=share)


def _label(cell: Cell) -> str:
    one = cell.workload
    parts = [_format(one.format)]
    parts += [f"/ {_format(one.accumulate)}"] if one.accumulate else []
    parts += [f"({one.weights})"] if one.weights else []
    return " ".join([*parts, f"· {one.door}"])


def _cells(answer: ProbeAnswer) -> list[Block]:
    rows = []
    for cell in answer.cells:
        shown: Shown = plain_rate(answer, cell.workload.unit, cell.rate)
        gain: Shown = None
        if cell.gain is not None:
            gain = message("probe.gain", gain=round(cell.gain, 2), wider=_format(cell.wider))
        rows.append(Row(_label(cell), (message(f"probe.cell.{cell.verdict}"), shown, gain)))
    heads = (message("probe.column.verdict"), message("probe.column.rate"), message("probe.column.gain"))
    return [Table(message("probe.cells"), heads, tuple(rows))] if rows else []


def _memory(answer: ProbeAnswer) -> list[Block]:
    moved = [one for one in answer.run.measurements if one.workload.format is None]
    rows = []
    for one in moved:
        if one.best is not None:
            unit = one.workload.unit
            cells = (plain_rate(answer, unit, one.boost), plain_rate(answer, unit, one.sustained))
            rows.append(Row(_moved(one), cells))
    heads = (message("probe.column.boost"), message("probe.column.sustained"))
    return [Table(message("probe.memory"), heads, tuple(rows))] if rows else []


def _moved(one: Measurement) -> Message | str:
    known = {"memory.read", "memory.copy", "memory.triad", "memory.l2.read", "copy.h2d", "copy.d2h", "copy.p2p"}
    name = one.workload.name
    return message(f"probe.{name}") if name in known else name


def _untried(answer: ProbeAnswer) -> list[Block]:
    lines = []
    for cell in answer.cells:
        if cell.rate is None and cell.why not in LISTED:
            why = {"absent": "no_instruction", "refused": "library"}.get(cell.verdict, cell.why)
            lines.append(message("probe.untried", what=_label(cell), why=(why_not(cell.words, why),)))
    for one in answer.run.measurements:
        refused = one.refused
        if one.workload.format is None and refused is not None and refused.why not in LISTED:
            lines.append(message("probe.untried", what=one.workload.name, why=(why_not(refused.words, refused.why),)))
        if one.workload.format is None and one.wrong is not None:
            lines.append(message("probe.untried", what=one.workload.name, why=(why_not(one.wrong, "wrong"),)))
    return [Notes(message("probe.untried.title"), tuple(dict.fromkeys(lines)))] if lines else []


def _crossings(answer: ProbeAnswer) -> list[Message]:
    return [
        message(
            "probe.crossing" if one.stops is not None else "probe.crossing.never",
            weights=one.weights,
            format=_format(one.format),
            stops=one.stops,
            most=max(one.pays, default=0),
        )
        for one in answer.crossings
    ]


def _lines(answer: ProbeAnswer) -> list[Message]:
    no_faster = [cell for cell in answer.cells if cell.no_faster]
    said = [
        message("probe.no_faster", format=_label(cell), wider=_format(cell.wider), gain=round(cell.gain or 0, 2))
        for cell in no_faster
    ]
    said += [
        message(
            "probe.disagreement", "warning", format=_format(one.cell.workload.format),
            measured=f"probe.cell.{one.cell.verdict}", documented=f"support.{one.documented}",
        )
        for one in answer.disagreements
    ]  # fmt: skip
    if answer.recorded is not None:
        said.append(message("probe.recorded", file=str(answer.recorded)))
    if answer.stored is not None:
        said.append(message("probe.stored", number=answer.stored))
    return said


def _figures(answer: ProbeAnswer) -> tuple[Figure, ...]:
    found = [Figure(_what(one), one.documented) for one in answer.claims]
    found += [Figure(_what(one), one.at_clock) for one in answer.claims if one.at_clock is not None]
    found += [
        Figure(one.workload.name, rate(answer, one.workload.unit, one.best))
        for one in answer.run.measurements
        if one.best is not None
    ]
    return tuple(found)


def layout(answer: ProbeAnswer) -> Report:
    """The page: claims first, then every format and the memory, what was not tried, and what to know."""
    told = [*notes(answer), *_crossings(answer), *_lines(answer)]
    blocks: list[Block] = [*_claims(answer), *_cells(answer), *_memory(answer), *_untried(answer), _device(answer)]
    line = smi_line(answer.run.identity)
    if line is not None:
        blocks.append(Command(message("probe.smi"), line))
    missing = answer.run.identity.missing
    if missing:
        blocks.append(Notes(None, tuple(message("gpu.device.missing", what=what, reason=why) for what, why in missing)))
    if told:
        blocks.append(Notes(None, tuple(dict.fromkeys(told))))
    tone: Tone = "plain"
    if answer.exit_code:
        tone = "bad" if answer.exit_code in {1, 4} else "unsure"
    return Report(_headline(answer), tone, tuple(blocks), _figures(answer))
