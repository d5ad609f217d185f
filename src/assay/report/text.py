"""A report as lines of text: the headline first and alone, tables, notes, a legend of the letters."""

from assay.report.lines import MAX_WIDTH, Line, Style, clean, prose
from assay.report.numbers import NO_BREAK_SPACE, Language
from assay.report.speech import Speech
from assay.report.table import table_lines
from assay.report.words import say
from assay.types.chart import Chart
from assay.types.report import Block, Command, Notes, Report, Table, Tone

HEADLINE: dict[Tone, Style] = {"good": "good", "bad": "bad", "unsure": "unsure", "plain": "headline"}


def _notes(block: Notes, speech: Speech, width: int) -> list[Line]:
    lines = [] if block.title is None else prose(say(block.title, speech.language), width, "title")
    for line in block.lines:
        lines += prose(say(line, speech.language), width, indent="  ")
    return lines


def _command(block: Command, speech: Speech, width: int) -> list[Line]:
    lines = [] if block.title is None else prose(say(block.title, speech.language), width, "title")
    # A command is never broken: it is there to be copied.
    return [*lines, *(Line("  " + clean(text)) for text in block.line.splitlines())]


def _block(block: Block, speech: Speech, width: int) -> list[Line]:
    if isinstance(block, Table):
        speech.differs = speech.differs or any(row.differs for row in block.rows)
        return table_lines(block, speech, width)
    if isinstance(block, Notes):
        return _notes(block, speech, width)
    if isinstance(block, Chart):
        from assay.report.chart.terminal import chart_lines  # noqa: PLC0415 -- few pages have a drawing

        return chart_lines(block, speech, width)
    return _command(block, speech, width)


def report_lines(report: Report, language: Language, width: int = MAX_WIDTH) -> list[Line]:
    """The whole report as lines, at most `width` columns wide (addresses and commands excepted)."""
    speech = Speech(language)
    lines: list[Line] = []
    for index, headline in enumerate(report.headline):
        lines += prose(say(headline, language), width, "plain" if index else HEADLINE[report.tone])
    for block in report.blocks:
        laid = _block(block, speech, width)
        lines += [Line(""), *laid] if laid else []
    foot = [line for note in speech.foot() for line in prose(note, width, "faint", hanging="    ")]
    lines += [Line(""), *foot] if foot else []
    legend = speech.legend()
    if legend:
        laid = prose(legend, width, "faint")
        lines += [Line(""), *(line._replace(text=line.text.replace(NO_BREAK_SPACE, " ")) for line in laid)]
    return lines
