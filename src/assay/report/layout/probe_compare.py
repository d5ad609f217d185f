"""Two probes as a page: every workload's rates side by side."""

from assay.answers.probe_compare import CompareAnswer, notes
from assay.reason.probe.compare import Compared
from assay.report.probed import plain_rate
from assay.types.message import message
from assay.types.report import Block, Cell, Notes, Report, Row, Table


def _row(answer: CompareAnswer, row: Compared) -> Row:
    unit = row.workload.unit
    cells: tuple[Cell, ...] = (
        plain_rate(answer.first, unit, row.first),
        plain_rate(answer.second, unit, row.second),
        None if row.ratio is None else message("probe.percent", share=row.ratio),
        message(f"probe.change.{row.change}"),
    )
    return Row(row.workload.name, cells)


def layout(answer: CompareAnswer) -> Report:
    """The page: how many differ, then each workload."""
    heads = (
        message("text", text=answer.names[0]),
        message("text", text=answer.names[1]),
        message("probe.compare.ratio"),
        message("probe.compare.change"),
    )
    headline = message("probe.compare.headline", faster=answer.faster, slower=answer.slower, rows=len(answer.rows))
    blocks: list[Block] = [Table(None, heads, tuple(_row(answer, row) for row in answer.rows))]
    told = notes(answer)
    if told:
        blocks.append(Notes(None, told))
    return Report((headline,), "unsure" if answer.exit_code else "plain", tuple(blocks))
