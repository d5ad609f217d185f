"""Answers on standard output: a document for programs, a page for people."""

import sys
from collections.abc import Mapping
from typing import Any

from assay.cli.door import Door
from assay.types.report import Report


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document; characters that the stream cannot take are escaped."""
    import json

    if sys.stdout is None:
        return
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = json.dumps(document, indent=2, allow_nan=False)
    sys.stdout.write(text + "\n")


def print_report(report: Report, door: Door) -> None:
    """A page of text, with the explanation of every figure where it was asked for."""
    from assay.report.screen import encodes, show, width_for
    from assay.report.text import report_lines

    if sys.stdout is None:
        return
    # An encoding without Cyrillic would print a page of question marks.
    language = door.language if door.language == "en" or encodes(sys.stdout, "Ы") else "en"
    width = width_for(sys.stdout)
    lines = report_lines(report, language, width)
    if door.explain:
        from assay.knowledge.catalog.sources import sources
        from assay.report.explain import cited_ids, explain_lines

        cited = sources(cited_ids(report.figures, report.sources))
        lines += explain_lines(report.figures, cited, language, width)
    show(lines, sys.stdout)
