"""A report as Markdown: headings, pipe tables, and the legend of the basis letters."""

from assay.report.lines import clean
from assay.report.numbers import Language
from assay.report.speech import Speech
from assay.report.table import cell_text
from assay.report.words import say
from assay.types.report import Block, Command, Notes, Report, Table


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def _table(table: Table, speech: Speech) -> list[str]:
    lines = [] if table.title is None else [f"## {say(table.title, speech.language)}", ""]
    heads = ["", *(_escaped(clean(say(head, speech.language))) for head in table.columns)]
    lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for row in table.rows:
        cells = [clean(say(row.label, speech.language)), *(cell_text(cell, speech) for cell in row.cells)]
        lines.append(f"| {' | '.join(map(_escaped, cells))} |")
    return lines


def _block(block: Block, speech: Speech) -> list[str]:
    if isinstance(block, Table):
        return _table(block, speech)
    title = [] if block.title is None else [f"## {say(block.title, speech.language)}", ""]
    if isinstance(block, Notes):
        return [*title, *(f"- {say(line, speech.language)}" for line in block.lines)]
    if isinstance(block, Command):
        return [*title, "```", block.line, "```"]
    raise TypeError(type(block).__name__)


def markdown(report: Report, language: Language) -> str:
    """The whole report as one Markdown text."""
    speech = Speech(language)
    lines = [f"# {say(report.headline[0], language)}", *(say(line, language) for line in report.headline[1:])]
    for block in report.blocks:
        lines += ["", *_block(block, speech)]
    foot = [*speech.foot(), *([speech.legend()] if speech.legend() else [])]
    for line in foot:
        lines += ["", line]
    return "\n".join(lines) + "\n"
