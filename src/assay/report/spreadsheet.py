"""The tables as CSV for a spreadsheet: base units, each figure with its interval and basis in columns of its own."""

import csv
import io
from collections.abc import Iterator

from assay.answers.tables import ModelRow, TablesAnswer
from assay.types.quantity import Quantity

FIGURES = ("weights", "copies", "max_context", "decode_per_sequence")
HEAD = (
    "gpu",
    "model",
    "family",
    "released_format",
    "requantized_from",
    "fits",
    *(f"{name}{part}" for name in FIGURES for part in ("", "_low", "_high", "_unit", "_basis", "_weakest")),
    "lora_mergeable",
    "trainable",
    "training",
)


def _figure(figure: Quantity) -> tuple[str | float | None, ...]:
    return figure.value, figure.low, figure.high, figure.unit, figure.basis, figure.weakest


def _rows(table: tuple[ModelRow, ...]) -> Iterator[tuple[str | float | None, ...]]:
    for row in table:
        fit = row.result.fit
        gpus = " + ".join(f"{entry.number}x {entry.card.gpu.id}" for entry in row.result.cards)
        figures = (row.model.weights, fit.copies, fit.max_context, row.result.speed.decode_per_sequence)
        yield (
            gpus,
            row.model.name,
            row.family,
            row.model.released_format,
            row.model.requantized_from,
            row.result.verdict,
            *(part for figure in figures for part in _figure(figure)),
            row.mergeable,
            row.trainable,
            row.training,
        )


def text(answer: TablesAnswer) -> str:
    """The rows of all tables as CSV with a head line; an unknown figure is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEAD)
    for table in answer.tables:
        writer.writerows(_rows(table))
    return out.getvalue()
