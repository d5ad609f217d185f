"""The envelope of every answer for programs, and a figure on the wire.

A module of this package describes one command: `SCHEMA` names its document, the TypedDict `Document` is its
shape (the JSON Schema and docs/json.md are generated from it), and `document(answer, language)` fills it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NotRequired, TypedDict

from assay.knowledge import store
from assay.knowledge.catalog.sources import sources
from assay.report.numbers import Language
from assay.report.words import say
from assay.types.message import Message
from assay.types.quantity import Basis, Quantity
from assay.version import __version__


class Q(TypedDict):
    """A figure in its base unit, with what it rests on; `value` null has a `note` that says why."""

    value: float | None
    low: NotRequired[float]
    high: NotRequired[float]
    unit: str
    basis: Basis
    weakest: NotRequired[Basis]
    weakest_share: NotRequired[float]
    sources: list[str]
    note: NotRequired[str]
    formula: NotRequired[str]


class SourceBody(TypedDict):
    """Who says it; `url` and `date` (ISO) are null where there is none."""

    title: str
    url: str | None
    date: str | None


class MessageBody(TypedDict):
    """Something to know: a stable code, how serious it is, and its words in the language asked for."""

    code: str
    level: Literal["info", "warning", "error"]
    text: str


class Envelope(TypedDict):
    """What every answer carries around its own keys."""

    schema: str
    assay_version: str
    knowledge_digest: str
    sources: dict[str, SourceBody]
    messages: list[MessageBody]


def plain_number(value: float) -> float:
    """An integer where the value is one: 1792000000000, not 1792000000000.0."""
    return int(value) if float(value).is_integer() else value


class Letter:
    """Collects the sources that a document cites while its figures are written, and closes it."""

    __slots__ = ("_cited", "language")

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self._cited: dict[str, None] = {}

    def cite(self, ids: Iterable[str]) -> list[str]:
        """The ids as a list; their sources will stand in the envelope."""
        found = list(ids)
        self._cited.update(dict.fromkeys(found))
        return found

    def q(self, figure: Quantity) -> Q:
        """A figure on the wire."""
        body: Q = {
            "value": None if figure.value is None else plain_number(figure.value),
            "unit": figure.unit,
            "basis": figure.basis,
            "sources": self.cite(figure.sources),
        }
        if figure.value is not None and figure.low is not None:
            body["low"] = plain_number(figure.low)
        if figure.value is not None and figure.high is not None:
            body["high"] = plain_number(figure.high)
        if figure.weakest is not None:
            body["weakest"] = figure.weakest
        if figure.weakest_share is not None:
            body["weakest_share"] = round(min(1.0, max(0.0, figure.weakest_share)), 4)
        if figure.note is not None:
            body["note"] = self.text(figure.note)
        if figure.formula is not None:
            body["formula"] = figure.formula
        return body

    def text(self, what: Message | str) -> str:
        """The words of a message in the document's language."""
        return say(what, self.language)

    def message(self, what: Message) -> MessageBody:
        """A message on the wire."""
        return {"code": what.code, "level": what.level, "text": self.text(what)}

    def close(self, schema: str, body: Mapping[str, Any], messages: Iterable[Message] = ()) -> dict[str, Any]:
        """The finished document: the envelope, then the answer's own keys."""
        return {
            "schema": schema,
            "assay_version": __version__,
            "knowledge_digest": store.digest(),
            **body,
            "sources": {
                found.id: {"title": found.title, "url": found.url, "date": found.date} for found in sources(self._cited)
            },
            "messages": [self.message(what) for what in messages],
        }
