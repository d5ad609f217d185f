"""A card as a page; candidates side by side where the name is ambiguous; suggestions where it is unknown."""

from assay.answers.cards import Card, card
from assay.answers.gpu import GpuAnswer, GpuResult
from assay.report.comparison import (
    FIGURES,
    accumulator,
    contradiction,
    dense_rows,
    figure_rows,
    format_names,
    key_of,
    ordered_keys,
    same,
)
from assay.types.gpu import Gpu, Identification, PciId, Peak
from assay.types.message import Message, message
from assay.types.quantity import annotated, exact
from assay.types.report import Block, Cell, Figure, Notes, Report, Row, Table, Tone

SIDE_BY_SIDE = 3
"""More candidates than this are listed one in a row, without peaks: the answer should be one screen."""
LISTED = (
    ("gpu.row.memory_sold", "gpu.head.memory_sold"),
    ("gpu.row.memory_driver", "gpu.head.memory_driver"),
    ("gpu.row.bandwidth", "gpu.head.bandwidth"),
    ("gpu.row.multiprocessors", "gpu.head.multiprocessors"),
    ("gpu.row.power_limit", "gpu.head.power_limit"),
)
"""What most often tells cards apart, with the short names that a narrow column has for it."""


def pci_text(entry: PciId) -> str:
    """`10de:2bb1`, with subsystem and revision where they are needed: `10de:2bb1 (subsystem 10de:204b, rev c8)`."""
    more = [f"subsystem {entry.subsystem}"] if entry.subsystem else []
    more += [f"rev {entry.revision}"] if entry.revision else []
    return f"{entry.device} ({', '.join(more)})" if more else entry.device


def _facts(found: Card) -> Table:
    gpu, isa = found.gpu, found.instruction_set
    rows = list(figure_rows((found,)))
    chip = f"{gpu.isa} · {isa.name}" if isa and isa.name != gpu.isa else gpu.isa
    words: tuple[tuple[str, Cell], ...] = (
        ("gpu.row.pcie", gpu.pcie),
        ("gpu.row.isa", chip),
        ("gpu.row.pci_ids", ", ".join(pci_text(entry) for entry in gpu.pci) or None),
        ("gpu.row.driver_names", ", ".join(gpu.driver_names) or None),
        ("gpu.row.launched", None if gpu.launched is None else message("gpu.launched_on", day=gpu.launched)),
        ("gpu.row.id", gpu.id),
    )
    rows += [Row(message(code), (cell,)) for code, cell in words if cell is not None]
    return Table(None, ("",), tuple(rows))


def _peak_rows(peaks: tuple[Peak, ...]) -> tuple[Row, ...]:
    """A row for each format and accumulator; publications that contradict each other stand below each other."""
    names = format_names()
    rows = []
    for key in ordered_keys(peaks, names):
        dense = [peak.rate for peak in peaks if key_of(peak) == key and peak.sparsity == "dense"]
        if (note := contradiction(dense)) is not None:
            dense = [annotated(rate, note) for rate in dense]
        sparse = [peak.rate for peak in peaks if key_of(peak) == key and peak.sparsity == "2:4"]
        for index in range(max(len(dense), len(sparse))):
            cells: tuple[Cell, ...] = (
                accumulator(key, names),
                dense[index] if index < len(dense) else None,
                sparse[index] if index < len(sparse) else None,
            )
            rows.append(Row(names.get(key.format, key.format), cells))
    return tuple(rows)


def _peaks(found: Card) -> list[Block]:
    if not found.peaks:
        return [Notes(None, (message("gpu.no_peaks"),))]
    heads = (message("gpu.column.accumulate"), message("gpu.column.dense"), message("gpu.column.sparse"))
    return [Table(message("gpu.peaks"), heads, _peak_rows(found.peaks))]


def _figures(cards: tuple[Card, ...]) -> list[Figure]:
    names = format_names()
    figures = []
    for found in cards:
        prefix = f"{found.gpu.name}: " if len(cards) > 1 else ""
        for code, read in FIGURES:
            label: Message | str = message("gpu.figure_of", gpu=found.gpu.name, what=code) if prefix else message(code)
            figures.append(Figure(label, read(found)))
        for peak in found.peaks:
            name = names.get(peak.format, peak.format)
            unit = "" if peak.unit == "matrix" else f" ({peak.unit})"
            figures.append(Figure(f"{prefix}{name}{unit} / {peak.accumulate.upper()} / {peak.sparsity}", peak.rate))
    return figures


def _asked(result: GpuResult) -> list[Block]:
    """What was understood of the question: before the figures, which one reads in its light."""
    lines = result.identification.notes
    return [Notes(None, lines)] if lines else []


def _notes(gpu: Gpu) -> list[Block]:
    if gpu.note is None:
        return []
    sentence = dict(gpu.note.parameters).get("text")
    return [Notes(message("gpu.notes"), (message("gpu.note_of_data", text=sentence),))]


def _device(result: GpuResult) -> list[Block]:
    """What this machine's driver says of the device, beside what the catalogue says of the product."""
    device = result.device
    if device is None:
        return []
    rows: list[tuple[str, Cell]] = [
        ("gpu.device.name", device.name),
        ("gpu.device.pci", pci_text(device.pci) if device.pci else None),
        ("gpu.device.bus", device.bus_address),
        ("gpu.device.driver", device.driver_version),
    ]
    if device.memory_total_bytes is not None:
        rows.insert(1, ("gpu.device.memory", exact(device.memory_total_bytes, "B", "measured")))
    shown = tuple(Row(message(code), (cell,)) for code, cell in rows if cell is not None)
    missing = tuple(message("gpu.device.missing", what=what, reason=why) for what, why in device.missing)
    blocks: list[Block] = [Table(message("gpu.device.title", index=device.index), ("",), shown)]
    return [*blocks, Notes(None, missing)] if missing else blocks


def _exact(result: GpuResult, gpu: Gpu, devices: list[Block], count: int) -> Report:
    found = card(gpu.id)
    headline = message("gpu.headline", name=gpu.name, vendor=gpu.vendor, architecture=gpu.architecture)
    if count > 1:
        headline = message("gpu.headline_several", name=gpu.name, vendor=gpu.vendor, count=count)
    blocks = [*_asked(result), _facts(found), *_peaks(found), *devices, *_notes(gpu)]
    status = () if gpu.status == "released" else (message(f"gpu.status.{gpu.status}"),)
    return Report((headline, *status), "plain", tuple(blocks), tuple(_figures((found,))))


def _listed(cards: tuple[Card, ...]) -> list[Block]:
    """Many candidates: one in a row, the figures that differ among them in columns."""
    reads = dict(FIGURES)
    shown = [(reads[code], head) for code, head in LISTED if not same(tuple(reads[code](found) for found in cards))]
    if not shown:
        return []
    rows = tuple(Row(found.gpu.name, tuple(read(found) for read, _ in shown)) for found in cards)
    return [Table(message("gpu.candidates"), tuple(message(head) for _, head in shown), rows, listing=True)]


def _beside(cards: tuple[Card, ...]) -> list[Block]:
    """Few candidates side by side: the figures and the peaks that differ."""
    columns = tuple(found.gpu.name for found in cards)
    figures = tuple(row._replace(differs=False) for row in figure_rows(cards) if row.differs)
    blocks: list[Block] = [Table(message("gpu.differing"), columns, figures)] if figures else []
    peaks = dense_rows(cards)
    return [*blocks, Table(message("gpu.peaks_dense"), columns, peaks)] if peaks else blocks


def _ambiguous(result: GpuResult, devices: list[Block]) -> Report:
    asked = result.identification
    cards = tuple(card(gpu.id) for gpu in result.candidates)
    headline = message("gpu.headline_ambiguous", query=asked.query, count=len(cards))
    blocks: list[Block] = _asked(result)
    if asked.distinguish:
        blocks.append(Notes(message("gpu.distinguish.title"), asked.distinguish))
    if len(cards) == 1:
        blocks += [Notes(message("text", text=cards[0].gpu.name), ()), _facts(cards[0])]
    else:
        blocks += _listed(cards) if len(cards) > SIDE_BY_SIDE else _beside(cards)
    return Report((headline,), "unsure", (*blocks, *devices), tuple(_figures(cards)))


def _next_step(asked: Identification) -> Message:
    """What to do about a name that nothing answers to."""
    codes = {note.code for note in asked.notes}
    if "gpu.several_cards" in codes:
        return message("gpu.next.one_at_a_time")
    if "gpu.count.invalid" in codes:
        return message("gpu.next.count")
    if asked.suggestions:
        return message("gpu.next.choose")
    return message("gpu.next.name")


def _unknown(result: GpuResult, devices: list[Block]) -> Report:
    asked = result.identification
    blocks: list[Block] = _asked(result)
    if asked.suggestions:
        blocks.append(
            Notes(message("gpu.suggestions"), tuple(message("text", text=name) for name in asked.suggestions))
        )
    blocks += [*devices, Notes(None, (_next_step(asked),))]
    headline = message("gpu.headline_unknown", query=asked.query)
    if not asked.query.strip():
        headline = message("gpu.headline_empty")
    return Report((headline,), "bad", tuple(blocks))


def _one(results: tuple[GpuResult, ...]) -> Report:
    """The page of one query, or of the devices of this machine that are the same card."""
    first = results[0]
    devices = [block for result in results for block in _device(result)]
    if first.gpu is not None:
        count = first.identification.count if first.device is None else len(results)
        return _exact(first, first.gpu, devices, count)
    return _ambiguous(first, devices) if first.candidates else _unknown(first, devices)


def layout(answer: GpuAnswer) -> Report:
    """The page of a query, or of this machine's devices: equal ones together, different ones one after the other."""
    alike: dict[tuple[object, ...], tuple[GpuResult, ...]] = {}
    for result in answer.results:
        asked = result.identification
        key = (asked.match, asked.candidates) if asked.candidates else (asked.query,)
        alike[key] = (*alike.get(key, ()), result)
    pages = [_one(results) for results in alike.values()]
    if len(pages) == 1:
        return pages[0]
    blocks: list[Block] = []
    for page in pages:
        blocks += [Notes(page.headline[0], page.headline[1:]), *page.blocks]
    tone: Tone = "plain" if all(page.tone == "plain" for page in pages) else "unsure"
    figures = tuple(dict.fromkeys(figure for page in pages for figure in page.figures))
    headline = message("gpu.headline_machine", count=len(answer.results))
    return Report((headline,), tone, tuple(blocks), figures)
