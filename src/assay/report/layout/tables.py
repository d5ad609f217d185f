"""Every model of the catalogue on a card, one row a model."""

from dataclasses import replace

from assay.answers.tables import ModelRow, TablesAnswer
from assay.report.layout.check import cards_name
from assay.types.message import Message, message
from assay.types.plan import Verdict
from assay.types.quantity import Quantity
from assay.types.report import Block, Figure, Notes, Report, Row, Table


def _short(name: str) -> str:
    """The repository's name without its owner; also where the owner stands in it again, if a name remains."""
    owner, _, short = name.rpartition("/")
    rest = short[len(owner) + 1 :]
    return rest if owner and short.lower().startswith(f"{owner.lower()}-") and rest[:1].isalpha() else short


def _sure(figure: Quantity) -> Quantity:
    """A count that can be counted on, without what may be possible beyond it."""
    return replace(figure, low=None, high=None)


def _verdict(verdict: Verdict) -> Message:
    """The verdict in a word that leaves a line of 100 columns to the figures."""
    return message("tables.unsure" if verdict == "unknown" else f"verdict.{verdict}")


def _row(row: ModelRow) -> Row:
    fit = row.result.fit
    return Row(
        _short(row.model.name),
        (
            _verdict(row.result.verdict),
            row.model.weights,
            _sure(fit.copies),
            _sure(fit.max_context),
            None if row.result.verdict == "no" else row.result.speed.decode_per_sequence,
            _verdict(row.mergeable),
        ),
    )


HEADS: tuple[Message, ...] = tuple(
    message(code)
    for code in (
        "tables.fits",
        "tables.weights",
        "tables.copies",
        "tables.context",
        "tables.decode",
        "tables.merge",
    )
)


def _headline(answer: TablesAnswer) -> Message:
    rows = [row for table in answer.tables for row in table]
    fitting = sum(row.result.verdict == "yes" for row in rows)
    cards = [cards_name(table[0].result.cards) for table in answer.tables if table]
    if not rows:
        return message("tables.headline.none")
    if len(cards) > 1:
        cases = answer.models * len(answer.tables)
        return message("tables.headline.several", yes=fitting, count=cases, cards=len(cards))
    narrowed = answer.request.family is not None or answer.request.min_context is not None
    code = "tables.headline.filtered" if narrowed else "tables.headline"
    return message(code, yes=fitting, count=answer.models, gpu=cards[0])


def _trained(answer: TablesAnswer) -> Message:
    """How many of the models shown surely train, by the most that does."""
    found = [row.training for table in answer.tables for row in table]
    return message(
        "tables.train",
        full=found.count("full"),
        lora=found.count("lora"),
        qlora=found.count("qlora"),
        count=len(found),
    )


def layout(answer: TablesAnswer) -> Report:
    """One table for each set of cards; the headline counts what fits as stored, of all models of the catalogue."""
    several = len(answer.tables) > 1
    blocks: list[Block] = [
        Table(
            message("text", text=cards_name(table[0].result.cards)) if several else None,
            HEADS,
            tuple(map(_row, table)),
            listing=True,
        )
        for table in answer.tables
        if table
    ]
    lines = [message("tables.context_asked", concurrency=answer.request.concurrency), _trained(answer)]
    if answer.left_out:
        lines.append(message("tables.left_out", count=answer.left_out))
    lines += answer.messages
    figures = tuple(
        Figure(f"{row.model.name}: {cards_name(row.result.cards)}", figure)
        for table in answer.tables
        for row in table
        for figure in (row.result.fit.memory.total, row.result.speed.decode_per_sequence)
    )
    return Report((_headline(answer),), "plain", (*blocks, Notes(None, tuple(lines))), figures)
