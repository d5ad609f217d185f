"""Every model of the catalogue on a card, one row a model."""

from dataclasses import replace

from assay.answers.tables import ModelRow, TablesAnswer
from assay.report.layout.check import cards_name
from assay.types.message import Message, message
from assay.types.quantity import Quantity
from assay.types.report import Block, Figure, Notes, Report, Row, Table


def _short(name: str) -> str:
    """The repository's name without its owner, also where the owner stands in it again."""
    owner, _, short = name.rpartition("/")
    return short[len(owner) + 1 :] if owner and short.lower().startswith(f"{owner.lower()}-") else short


def _sure(figure: Quantity) -> Quantity:
    """A count that can be counted on, without what may be possible beyond it."""
    return replace(figure, low=None, high=None)


def _row(row: ModelRow) -> Row:
    fit = row.result.fit
    return Row(
        _short(row.model.name),
        (
            message(f"verdict.{row.result.verdict}"),
            row.model.weights,
            _sure(fit.copies),
            _sure(fit.max_context),
            None if row.result.verdict == "no" else row.result.speed.decode_per_sequence,
            message(f"verdict.{row.mergeable}"),
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
        return message("tables.headline.several", yes=fitting, count=len(rows), cards=len(cards))
    return message("tables.headline", yes=fitting, count=len(rows), gpu=cards[0])


def layout(answer: TablesAnswer) -> Report:
    """One table for each set of cards; the headline counts what fits as released."""
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
    lines = [message("tables.context_asked", concurrency=answer.request.concurrency), message("tables.train")]
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
