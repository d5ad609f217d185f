"""`assay formats --json` (`assay.formats/1`)."""

from typing import Any, Literal, TypedDict

from assay.answers.formats import FormatAnswer, FormatsAnswer
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.json.execution import AttentionOfBody, EvidenceBody, PathBody, attention, path_body
from assay.report.layout.formats import told
from assay.report.numbers import Language
from assay.report.proven import PROOFS, instruction, statement

SCHEMA = "assay.formats/1"


class FormatBody(TypedDict):
    """One number format: whether one matrix instruction multiplies it, and at what dense peak."""

    format: str
    verdict: Literal["native", "emulated", "absent", "unknown"]
    instruction: str | None
    rates: list[Q]
    evidence: list[EvidenceBody]
    contradicted: bool
    vector_units: bool


class ResultBody(TypedDict):
    """One card: its number formats, and what the runtime that was asked for does with each weight format."""

    gpu: str
    isa: str | None
    formats: list[FormatBody]
    paths: list[PathBody]
    attention: list[AttentionOfBody]


class Document(Envelope):
    """The number formats of each card named."""

    results: list[ResultBody]


def _evidence(entry: FormatAnswer, letter: Letter) -> list[dict[str, Any]]:
    """What was proven first, then what documents say."""
    proof, documented = entry.support.proof, entry.support.documented
    found = []
    if proof is not None and proof.deciding is not None:
        said = statement(proof.deciding, letter.language)
        (source,) = letter.cite((PROOFS[proof.deciding.finding.target[:3]],))
        found.append({"basis": "compiled", "statement": said, "source": source})
    if documented is not None:
        found += [
            {"basis": documented.basis, "statement": documented.statement, "source": source}
            for source in letter.cite(documented.sources)
        ]
    return found


def _instruction(entry: FormatAnswer) -> str | None:
    proof, documented = entry.support.proof, entry.support.documented
    if proof is not None and proof.deciding is not None:
        return instruction(proof.deciding.finding)
    return None if documented is None else documented.instruction


def _format(entry: FormatAnswer, letter: Letter) -> dict[str, Any]:
    return {
        "format": entry.format.id,
        "verdict": entry.verdict,
        "instruction": _instruction(entry),
        "rates": [{**letter.q(peak.rate), "accumulate": peak.accumulate} for peak in entry.peaks],
        "evidence": _evidence(entry, letter),
        "contradicted": entry.support.disputed,
        "vector_units": bool(entry.vector),
    }


def document(answer: FormatsAnswer, language: Language) -> dict[str, Any]:
    """The document of the number formats."""
    letter = Letter(language)
    body = {
        "results": [
            {
                "gpu": result.card.gpu.id,
                "isa": result.card.gpu.isa,
                "formats": [_format(entry, letter) for entry in result.formats],
                "paths": [path_body(path, role, letter) for path, role in result.paths],
                "attention": [
                    {"runtime": one.path.runtime, "kind": one.kind, "architecture": one.architecture, **choice}
                    for one in result.attention
                    for choice in attention(one.path, letter)
                ],
            }
            for result in answer.results
        ]
    }
    return letter.close(SCHEMA, body, (*answer.messages, *told(answer)))
