"""`assay explain --json` (`assay.explain/1`)."""

from typing import Any, Literal, TypedDict

from assay.answers.explain import Difference, ExplainAnswer
from assay.report.explained import paragraphs
from assay.report.json.envelope import Envelope, Letter
from assay.report.numbers import Language

SCHEMA = "assay.explain/1"


class ParagraphBody(TypedDict):
    """One sentence or two of the explanation, and the ids of their sources."""

    code: str
    text: str
    sources: list[str]


class DifferenceBody(TypedDict):
    """A number format that the cards do not treat alike: the verdict of each instruction set."""

    format: str
    verdicts: dict[str, Literal["native", "emulated", "absent", "unknown"]]


class Document(Envelope):
    """Why the cards differ, or what one card has, in sentences."""

    topic: str
    gpus: list[str]
    differences: list[DifferenceBody]
    paragraphs: list[ParagraphBody]


def _verdicts(answer: ExplainAnswer, one: Difference) -> dict[str, str]:
    return {subject.isa or "unknown": row.verdict for subject, row in zip(answer.subjects, one.rows, strict=True)}


def document(answer: ExplainAnswer, language: Language) -> dict[str, Any]:
    """The document of an explanation."""
    letter = Letter(language)
    body = {
        "topic": answer.topic,
        "gpus": [gpu.id for subject in answer.subjects for gpu in subject.gpus],
        "differences": [
            {"format": name, "verdicts": _verdicts(answer, one)} for one in answer.differences for name in one.formats
        ],
        "paragraphs": [
            {"code": one.text.code, "text": letter.text(one.text), "sources": letter.cite(one.sources)}
            for one in paragraphs(answer)
        ],
    }
    return letter.close(SCHEMA, body, answer.messages)
