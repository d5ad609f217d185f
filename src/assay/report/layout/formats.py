"""Number formats as a page: one row a format, one column a card."""

from assay.answers.formats import CardFormats, FormatAnswer, FormatsAnswer
from assay.types.message import Message, message
from assay.types.report import Block, Cell, Figure, Notes, Report, Row, Table


def _peak(answer: FormatAnswer) -> Cell:
    if answer.verdict == "absent":
        return None  # what does not exist has no rate
    known = [peak for peak in answer.peaks if peak.rate.value is not None]
    if known:
        preferred = [peak for peak in known if peak.accumulate == "fp32"] or known
        return min((peak.rate for peak in preferred), key=lambda rate: rate.value or 0.0)
    return answer.peaks[0].rate if answer.peaks else message("figure.unknown")


def _rows(results: tuple[CardFormats, ...]) -> tuple[Row, ...]:
    rows = []
    for index, first in enumerate(results[0].formats):
        entries = [result.formats[index] for result in results]
        cells: list[Cell] = []
        for entry in entries:
            cells += [message(f"support.{entry.verdict}"), _peak(entry)]
        rows.append(Row(first.format.name, tuple(cells), differs=len({entry.verdict for entry in entries}) > 1))
    return tuple(rows)


def _headline(answer: FormatsAnswer) -> Message:
    if len(answer.results) > 1:
        return message("formats.headline.several", count=len(answer.results))
    first = answer.results[0]
    native = ", ".join(entry.format.name for entry in first.formats if entry.verdict == "native")
    absent = ", ".join(entry.format.name for entry in first.formats if entry.verdict == "absent")
    if not native:
        return message("formats.headline.nothing", gpu=first.card.gpu.name)
    code = "formats.headline" if absent else "formats.headline.native_only"
    return message(code, gpu=first.card.gpu.name, native=native, absent=absent)


def layout(answer: FormatsAnswer) -> Report:
    """The page: what is native first, then every format with its verdict and its dense peak."""
    columns = tuple(column for result in answer.results for column in (result.card.gpu.name, message("formats.peak")))
    lines = (message("formats.meaning"), message("formats.not_proven"), *answer.messages)
    blocks: list[Block] = [Table(None, columns, _rows(answer.results)), Notes(None, lines)]
    figures = tuple(
        Figure(f"{result.card.gpu.name}: {entry.format.name} ({peak.accumulate})", peak.rate)
        for result in answer.results
        for entry in result.formats
        for peak in entry.peaks
    )
    cited = tuple(
        dict.fromkeys(
            source
            for result in answer.results
            for entry in result.formats
            if entry.support
            for source in entry.support.sources
        )
    )
    return Report((_headline(answer),), "plain", tuple(blocks), figures, cited)
