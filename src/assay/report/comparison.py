"""What several cards are compared by: their figures, one row each, and their dense peaks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from assay.answers.cards import Card
from assay.knowledge.catalog.instruction_sets import number_formats
from assay.reason.peaks import AGREEMENT
from assay.types.gpu import Peak
from assay.types.message import Message, message
from assay.types.quantity import Quantity
from assay.types.report import Cell, Row

FIGURES: tuple[tuple[str, Callable[[Card], Quantity]], ...] = (
    ("gpu.row.memory_sold", lambda card: card.gpu.memory_sold),
    ("gpu.row.memory_driver", lambda card: card.gpu.memory_driver),
    ("gpu.row.usable", lambda card: card.usable),
    ("gpu.row.bandwidth", lambda card: card.gpu.bandwidth),
    ("gpu.row.power_limit", lambda card: card.gpu.power_limit),
    ("gpu.row.multiprocessors", lambda card: card.gpu.multiprocessors),
    ("gpu.row.boost_clock", lambda card: card.gpu.boost_clock),
    ("gpu.row.l2_cache", lambda card: card.gpu.l2_cache),
    ("gpu.row.link", lambda card: card.gpu.link_bandwidth),
)


class PeakKey(NamedTuple):
    """What tells one peak of a card from another."""

    format: str
    accumulate: str
    unit: str


def key_of(peak: Peak) -> PeakKey:
    """The key of a peak, dense and sparse alike."""
    return PeakKey(peak.format, peak.accumulate, peak.unit)


def format_names() -> dict[str, str]:
    """Number-format ids and how the field writes them, in the catalogue's order."""
    return {found.id: found.name for found in number_formats()}


def ordered_keys(peaks: tuple[Peak, ...], names: dict[str, str]) -> list[PeakKey]:
    """The keys that occur: matrix units before vector ones, formats in the catalogue's order."""
    order = {name: index for index, name in enumerate(names)}
    keys = dict.fromkeys(key_of(peak) for peak in peaks)
    return sorted(keys, key=lambda key: (key.unit != "matrix", order.get(key.format, len(order)), key.accumulate))


def accumulator(key: PeakKey, names: dict[str, str]) -> Message | str:
    """The accumulator's name, or that the source does not state it."""
    if key.unit == "vector":
        return message("gpu.peak.vector")
    return (
        message("gpu.peak.unstated")
        if key.accumulate == "unstated"
        else names.get(key.accumulate, key.accumulate.upper())
    )


def same(cells: tuple[Cell, ...]) -> bool:
    """Whether all cells say the same, whatever their sources."""
    said = {(cell.value, cell.low, cell.high) if isinstance(cell, Quantity) else cell for cell in cells}
    return len(said) <= 1


def _counts_on_less(cards: tuple[Card, ...]) -> bool:
    """Whether what a fit may count on is another figure than the driver's: only then it is worth a row."""
    return any(card.usable.value != card.gpu.memory_driver.value for card in cards)


def figure_rows(cards: tuple[Card, ...]) -> tuple[Row, ...]:
    """One row for each figure that at least one card has; rows that differ are marked."""
    rows = []
    for code, read in FIGURES:
        if code == "gpu.row.usable" and not _counts_on_less(cards):
            continue
        cells = tuple(read(card) for card in cards)
        if any(cell.value is not None for cell in cells) or code == "gpu.row.memory_driver":
            rows.append(Row(message(code), cells, differs=not same(cells)))
    return tuple(rows)


COMPARED = ("bf16", "fp8_e4m3", "nvfp4", "int8")
"""The formats whose peaks tell candidates apart; block-scaled FP4 of other vendors stands in for NVFP4."""


def contradiction(rates: Sequence[Quantity]) -> Message | None:
    """That published rates of one format and accumulator contradict each other; None where they agree."""
    known = [rate.value for rate in rates if rate.value]
    if len(known) < 2 or max(known) <= min(known) * (1 + AGREEMENT):
        return None
    low, high = min(known), max(known)
    if rates[0].unit == "OP/s":
        return message("note.peaks_contradict_op", low=low, high=high)
    return message("note.peaks_contradict", low=low, high=high)


def _dense(card: Card, key: PeakKey) -> Quantity | None:
    """A card's dense peak; of several that contradict each other the lowest, with the interval and a note."""
    rates = [peak.rate for peak in card.peaks if key_of(peak) == key and peak.sparsity == "dense"]
    note = contradiction(rates)
    if note is None:
        return rates[0] if rates else None
    lowest = min(rates, key=lambda rate: rate.value or 0)
    return replace(lowest, high=max(rate.highest or 0 for rate in rates), note=note)


def dense_rows(cards: tuple[Card, ...]) -> tuple[Row, ...]:
    """Dense matrix peaks by which cards are compared: a row for each format and accumulator that a card has."""
    names = format_names()
    every = tuple(peak for card in cards for peak in card.peaks if peak.sparsity == "dense" and peak.unit == "matrix")
    known = {peak.format for peak in every if peak.rate.value}
    wanted = {*COMPARED, *(() if "nvfp4" in known else ("mxfp4",))}
    every = tuple(peak for peak in every if peak.format in wanted and peak.accumulate != "fp16")
    rows = []
    for key in ordered_keys(every, names):
        cells: tuple[Cell, ...] = tuple(_dense(card, key) for card in cards)
        if not any(isinstance(cell, Quantity) and cell.value is not None for cell in cells):
            continue
        name = names.get(key.format, key.format)
        if key.accumulate == "unstated":
            label = message("gpu.peak.label_unstated", format=name)
        else:
            label = message("gpu.peak.label", format=name, accumulate=names.get(key.accumulate, key.accumulate.upper()))
        rows.append(Row(label, cells, differs=not same(cells)))
    return tuple(rows)
