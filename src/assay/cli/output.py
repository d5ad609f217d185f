"""Answers on standard output: a document for programs, a page for people. Only the one that is asked for is loaded."""

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from assay.cli.door import Door


def put(door: Door, room: str, answer: object) -> None:
    """Print an answer by the modules that `report.json` and `report.layout` have for its room (`gpu`, `check` …)."""
    if door.as_json:
        document = import_module(f"assay.report.json.{room}").document
        print_json(document(answer, door.language))
    else:
        from assay.cli.page import print_report

        layout = import_module(f"assay.report.layout.{room}").layout
        print_report(layout(answer), door)


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document; characters that the stream cannot take are escaped."""
    import json

    if sys.stdout is None:
        return
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        # A path may hold bytes that are no text, and half a character is no JSON either.
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = json.dumps(json.loads(whole), indent=2)
    sys.stdout.write(text + "\n")
