"""A report on standard output, with the explanation of every figure where it was asked for."""

import sys

from assay.cli.door import Door
from assay.report.screen import encodes, show, width_for
from assay.report.text import report_lines
from assay.types.report import Report


def print_report(report: Report, door: Door) -> None:
    """The page in the caller's language; an encoding without Cyrillic would show question marks and gets English."""
    if sys.stdout is None:
        return
    language = door.language if door.language == "en" or encodes(sys.stdout, "Ы") else "en"
    width = width_for(sys.stdout)
    lines = report_lines(report, language, width)
    if door.explain and (report.figures or report.sources):
        from assay.knowledge.catalog.sources import sources
        from assay.report.explain import cited_ids, explain_lines

        cited = sources(cited_ids(report.figures, report.sources))
        lines += explain_lines(report.figures, cited, language, width)
    show(lines, sys.stdout)
