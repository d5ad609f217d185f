"""An adapter beside its base model as a page: whether it merges without loss, into what, and how many fit."""

from assay.answers.adapter import AdapterAnswer, Beside
from assay.reason.deploy.merging import MergeInto
from assay.report.layout.check import cards_name
from assay.types.message import Message, message
from assay.types.report import Block, Cell, Figure, Notes, Report, Row, Table


def _headline(answer: AdapterAnswer) -> Message:
    kinds = {row.merge for row in answer.rows}
    code = "requantizes" if "requantizes" in kinds else "rounds" if kinds == {"rounds"} else "unknown"
    return message(f"merge.headline.{code}", adapter=answer.adapter.name, base=answer.base.name.rsplit("/", 1)[-1])


def _merge_row(row: MergeInto) -> Row:
    error: Cell = None if row.roundoff is None else message("merge.roundoff", share=row.roundoff)
    return Row(message(f"role.{row.role}"), (row.format, message(f"merge.short.{row.merge}"), error))


def _beside_row(row: Beside) -> Row:
    count: Cell = message("figure.unknown") if row.slots is None else row.slots
    return Row(cards_name(row.cards), (message(f"verdict.{row.verdict}"), row.rank, row.each, count))


def layout(answer: AdapterAnswer) -> Report:
    """The page of `assay model ADAPTER --base MODEL`."""
    heads = tuple(message(f"merge.column.{name}") for name in ("format", "merge", "error"))
    blocks: list[Block] = [Table(message("merge.table"), heads, tuple(_merge_row(row) for row in answer.rows))]
    if answer.beside:
        columns = tuple(message(f"merge.column.{name}") for name in ("base_fits", "rank", "each", "slots"))
        blocks.append(Table(message("merge.room"), columns, tuple(_beside_row(row) for row in answer.beside)))
    blocks.append(Notes(message("model.notes"), answer.messages))
    figures = (
        Figure(message("role.adapter"), answer.adapter.weights),
        *(Figure(message("merge.column.each"), row.each) for row in answer.beside),
    )
    size = answer.adapter.weights.value
    sizes = message("merge.sizes", adapter=size, base=answer.base.weights.value)
    return Report(
        headline=(_headline(answer), *((sizes,) if size is not None and answer.base.weights.value is not None else ())),
        tone="unsure",
        blocks=tuple(blocks),
        figures=figures,
        sources=("peft-merge", "qlora-paper", *answer.base.sources),
    )
