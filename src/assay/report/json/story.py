"""`assay explain model --json` (`assay.story/1`)."""

from typing import Any, Literal, TypedDict

from assay.answers.story import StoryAnswer
from assay.report.json.check import CardBody
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.json.execution import EvidenceBody, RegimeBody, evidence, regimes
from assay.report.numbers import Language
from assay.report.story import sentences

SCHEMA = "assay.story/1"


class StationBody(TypedDict):
    """Tensors of one role and format on a token's way, and the weight bytes that one step reads of them."""

    role: str
    weight_format: str
    path: Literal["native", "converted", "weight-only", "refused", "unknown"]
    regimes: list[RegimeBody]
    evidence: list[EvidenceBody]
    read_at_1: Q
    read_at_64: Q


class SentenceBody(TypedDict):
    """One sentence of the story, and the ids of its sources."""

    code: str
    text: str
    sources: list[str]


class Document(Envelope):
    """One token's way through a model on one set of cards under one runtime."""

    model: str
    gpus: list[CardBody]
    runtime: str
    version: str | None
    verdict: Literal["yes", "no", "unknown"]
    stations: list[StationBody]
    read_at_1: Q
    read_at_64: Q
    sentences: list[SentenceBody]


def document(answer: StoryAnswer, language: Language) -> dict[str, Any]:
    """The document of a story."""
    letter = Letter(language)
    found, result = answer.found, answer.result
    body = {
        "model": found.model.name,
        "gpus": [{"id": entry.card.gpu.id, "count": entry.number} for entry in result.cards],
        "runtime": found.runtime.id,
        "version": found.runtime.version,
        "verdict": result.verdict,
        "stations": [
            {
                "role": one.group.role,
                "weight_format": one.group.format,
                "path": one.executed.path,
                "regimes": regimes(one.executed.regimes),
                "evidence": evidence(one.executed.evidence, letter),
                "read_at_1": letter.q(one.one),
                "read_at_64": letter.q(one.many),
            }
            for one in answer.stations
        ],
        "read_at_1": letter.q(answer.one),
        "read_at_64": letter.q(answer.many),
        "sentences": [
            {"code": one.text.code, "text": letter.text(one.text), "sources": letter.cite(one.sources)}
            for one in sentences(answer)
        ],
    }
    return letter.close(SCHEMA, body, found.messages)
