"""Which number formats a card multiplies: what a compiler's output shows, what documents say, and the peak rates.

What neither a proof nor a document states is `unknown`. Beside it: what each runtime executes for each weight format.
"""

from typing import NamedTuple

from assay.answers import support
from assay.answers.asked import columns_of
from assay.answers.cards import Card
from assay.answers.execution import path_of
from assay.answers.support import Support
from assay.knowledge.catalog import execution
from assay.knowledge.catalog.instruction_sets import NumberFormat, number_formats
from assay.knowledge.catalog.runtimes import runtime
from assay.types.execution import AttentionPath, ExecutionPath
from assay.types.gpu import Peak
from assay.types.message import Message, message
from assay.types.proof import Tool

ROLES = ("linear", "experts")


class FormatAnswer(NamedTuple):
    """One number format on one card: what its matrix units do with it, and their dense peaks.

    A format that the matrix units lack has no peaks there; `vector` holds the vector units' dense peaks.
    """

    format: NumberFormat
    support: Support
    peaks: tuple[Peak, ...]
    vector: tuple[Peak, ...] = ()

    @property
    def verdict(self) -> str:
        """The verdict on the matrix units."""
        return self.support.verdict

    @property
    def on_vector_units(self) -> bool:
        """Whether the vector units alone are known to multiply it; at which rate may be unknown."""
        return self.verdict in ("absent", "emulated") and bool(self.vector)


class AttentionOf(NamedTuple):
    """What attends on a card under a runtime.

    Attributes:
        kind: `standard`, `latent`, `sparse` or `latent-sparse`.
        architecture: where a row is of one architecture alone, the first that it names, else None.
        path: by KV type, for heads of 128 elements where that matters.
    """

    kind: str
    architecture: str | None
    path: AttentionPath


class CardFormats(NamedTuple):
    """All number formats of one card.

    Attributes:
        card: it.
        formats: in the catalogue's order.
        tools: what made the recorded proofs of its instruction set.
        paths: (path, role) of every weight format under the runtime that was asked for, or under each.
        attention: what attends under the same runtimes.
    """

    card: Card
    formats: tuple[FormatAnswer, ...]
    tools: tuple[Tool, ...] = ()
    paths: tuple[tuple[ExecutionPath, str], ...] = ()
    attention: tuple[AttentionOf, ...] = ()


class FormatsAnswer(NamedTuple):
    """The answer for each card named, forked where one was ambiguous."""

    runtime: str | None
    results: tuple[CardFormats, ...]
    messages: tuple[Message, ...]


def _formats(card: Card) -> tuple[FormatAnswer, ...]:
    found = support.of(card.gpu.isa) if card.gpu.isa else {}
    answers = []
    for number_format in number_formats():
        row = found.get(number_format.id) or Support(number_format.id, "unknown", None, None)
        dense = [peak for peak in card.peaks if peak.format == number_format.id and peak.sparsity == "dense"]
        matrix = tuple(peak for peak in dense if peak.unit == "matrix" and row.verdict != "absent")
        vector = tuple(peak for peak in dense if peak.unit == "vector")
        answers.append(FormatAnswer(number_format, row, matrix, vector))
    return tuple(answers)


def _tools(card: Card) -> tuple[Tool, ...]:
    records = support.records_of(card.gpu.isa) if card.gpu.isa else ()
    return tuple(dict.fromkeys(tool for record in records for tool in record.tools))


def _paths(card: Card, engine: str | None) -> tuple[tuple[ExecutionPath, str], ...]:
    """What a runtime, or each, does with every weight format that its rows speak of."""
    found = []
    for name in execution.runtimes() if engine is None else (engine,):
        for weight_format in execution.formats(name):
            paths = [(path_of(name, weight_format, card.gpu.isa, role), role) for role in ROLES]
            same = len({path._replace(evidence=()) for path, _ in paths}) == 1
            found += [(path, "any" if same else role) for path, role in (paths[:1] if same else paths)]
    return tuple(found)


def _attention(card: Card, engine: str | None) -> tuple[AttentionOf, ...]:
    """What attends under a runtime, or each."""
    if card.gpu.isa is None:
        return ()
    found = []
    for name in execution.runtimes() if engine is None else (engine,):
        for kind, architecture in execution.attention_kinds(name):
            path = execution.attention(name, card.gpu.isa, kind, architecture)
            if path is not None and path.choices:
                found.append(AttentionOf(kind, architecture, path))
    return tuple(found)


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
    results = tuple(
        CardFormats(card, _formats(card), _tools(card), _paths(card, engine), _attention(card, engine))
        for card in (by_id[name] for name in cards)
    )
    notes = [note for found in identifications for note in found.notes]
    if engine is not None and not execution.formats(engine):
        notes.append(message("formats.runtime_unknown", "warning", runtime=engine))
    return FormatsAnswer(engine, results, tuple(notes))
