"""Which number formats a card multiplies: what documents say, with the peak rates that are known.

Compiled proof and the truth per runtime are not recorded yet; what no document states is `unknown`.
"""

from typing import NamedTuple

from assay.answers.asked import columns_of
from assay.answers.cards import Card
from assay.knowledge.catalog.instruction_sets import NumberFormat, number_formats
from assay.knowledge.catalog.runtimes import runtime
from assay.types.gpu import FormatSupport, Peak
from assay.types.message import Message, message


class FormatAnswer(NamedTuple):
    """One number format on one card: the verdict on its matrix units, what states it, and their dense peaks.

    A format that the matrix units lack has no peaks there; `vector` holds the vector units' dense peaks.
    """

    format: NumberFormat
    verdict: str
    support: FormatSupport | None
    peaks: tuple[Peak, ...]
    vector: tuple[Peak, ...] = ()

    @property
    def on_vector_units(self) -> bool:
        """Whether the vector units alone are known to multiply it."""
        return self.verdict == "absent" and any(peak.rate.value for peak in self.vector)


class CardFormats(NamedTuple):
    """All number formats of one card."""

    card: Card
    formats: tuple[FormatAnswer, ...]


class FormatsAnswer(NamedTuple):
    """The answer for each card named, forked where one was ambiguous."""

    runtime: str | None
    results: tuple[CardFormats, ...]
    messages: tuple[Message, ...]


def _formats(card: Card) -> tuple[FormatAnswer, ...]:
    support = {row.format: row for row in card.instruction_set.support} if card.instruction_set else {}
    answers = []
    for number_format in number_formats():
        row = support.get(number_format.id)
        verdict = row.verdict if row else "unknown"
        dense = [peak for peak in card.peaks if peak.format == number_format.id and peak.sparsity == "dense"]
        matrix = tuple(peak for peak in dense if peak.unit == "matrix" and verdict != "absent")
        vector = tuple(peak for peak in dense if peak.unit == "vector")
        answers.append(FormatAnswer(number_format, verdict, row, matrix, vector))
    return tuple(answers)


def answer(queries: tuple[str, ...], engine: str | None = None) -> FormatsAnswer:
    """The number formats of each card that the queries name.

    Raises:
        UnknownGpu: a query names no card.
        UsageError: no such runtime.
    """
    if engine is not None:
        runtime(engine)
    columns, identifications = columns_of(queries)
    cards = tuple(dict.fromkeys(entry.card.gpu.id for column in columns for entry in column))
    by_id = {entry.card.gpu.id: entry.card for column in columns for entry in column}
    results = tuple(CardFormats(by_id[name], _formats(by_id[name])) for name in cards)
    notes = [note for found in identifications for note in found.notes]
    if engine is not None:
        notes.append(message("formats.runtime_unknown", "warning", runtime=engine))
    return FormatsAnswer(engine, results, tuple(notes))
