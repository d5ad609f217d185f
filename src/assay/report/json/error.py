"""The document that stands in the place of an answer when there is none (`assay.error/1`)."""

from typing import Any, NotRequired, TypedDict

from assay.errors import AssayError, Kind
from assay.report.numbers import Language
from assay.report.words import say
from assay.types.message import Message

SCHEMA = "assay.error/1"


class ErrorBody(TypedDict):
    """What failed: the kind is one of a closed list, `exit` the process's exit code."""

    kind: Kind
    message: str
    hint: str
    exit: int
    file: NotRequired[str]
    field: NotRequired[str]
    offset: NotRequired[int]
    candidates: NotRequired[list[str]]


class Document(TypedDict):
    """An error; it has no envelope, because what failed may be the catalogue itself."""

    schema: str
    error: ErrorBody


def document(kind: Kind, message: Message, hint: Message, exit_code: int, language: Language) -> dict[str, Any]:
    """The error document of something that is no `AssayError` (Ctrl-C, a bug, the command line)."""
    error = {"kind": kind, "message": say(message, language), "hint": say(hint, language), "exit": exit_code}
    return {"schema": SCHEMA, "error": error}


def document_of(error: AssayError, language: Language) -> dict[str, Any]:
    """The error document of an `AssayError`, with what it knows of file, field, offset and candidates."""
    found = document(error.kind, error.message, error.hint, error.exit_code, language)
    more = {"file": error.file, "field": error.field, "offset": error.offset}
    found["error"].update({key: value for key, value in more.items() if value is not None})
    if error.candidates:
        found["error"]["candidates"] = list(error.candidates)
    return found
