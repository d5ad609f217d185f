"""`assay prove --json` (`assay.prove/1`)."""

from typing import Any, Literal, NotRequired, TypedDict

from assay.answers.prove import ProveAnswer, Proven
from assay.answers.support import Support
from assay.reason.proof import Evidence
from assay.report.json.envelope import Envelope, Letter
from assay.report.layout.prove import told
from assay.report.numbers import Language
from assay.report.proven import instruction

SCHEMA = "assay.prove/1"
Verdict = Literal["native", "emulated", "absent", "unknown"]


class ToolBody(TypedDict):
    """A tool and its version as it says it."""

    name: str
    version: str


class OpcodeBody(TypedDict):
    """A machine instruction and how many of it came out."""

    name: str
    count: int


class ProbeBody(TypedDict):
    """One instruction that was asked for, and what came out of it."""

    probe: str
    target: str
    format: str
    accumulate: str
    sparsity: Literal["dense", "2:4"]
    door: str
    verdict: Verdict
    opcodes: list[OpcodeBody]
    instructions: int
    volume_ratio: float | None
    notes: list[str]
    refusal: str | None
    source: NotRequired[str]
    disassembly: NotRequired[list[str]]


class DocumentedBody(TypedDict):
    """What a document says of the same format."""

    verdict: Verdict
    statement: str
    sources: list[str]


class ProvenFormatBody(TypedDict):
    """One number format: the verdict on its dense matrix products, and the finding that decides."""

    format: str
    verdict: Verdict
    instruction: str | None
    targets: list[str]
    sparse: Verdict | None
    accumulate: dict[str, Verdict]
    deciding: ProbeBody | None
    documented: DocumentedBody | None
    contradicted: bool


class ProvenBody(TypedDict):
    """One card or instruction set."""

    name: str
    gpu: str | None
    isa: str
    tools: list[ToolBody]
    targets: list[str]
    formats: list[ProvenFormatBody]
    probes: NotRequired[list[ProbeBody]]


class Document(Envelope):
    """What this machine's tools make of one instruction a format, for each card named."""

    results: list[ProvenBody]


def _probe(result: Proven, one: Evidence, *, show: bool) -> dict[str, Any]:
    finding = one.finding
    body: dict[str, Any] = {
        "probe": one.probe.id,
        "target": finding.target,
        "format": one.probe.format,
        "accumulate": one.probe.accumulate,
        "sparsity": one.probe.sparsity,
        "door": one.probe.door,
        "verdict": finding.verdict,
        "opcodes": [{"name": name, "count": number} for name, number in finding.opcodes],
        "instructions": finding.instructions,
        "volume_ratio": finding.volume_ratio,
        "notes": list(finding.notes),
        "refusal": finding.refusal,
    }
    if show:
        shown = result.shown[finding.target, one.probe.id]
        body |= {"source": shown.source, "disassembly": [line.text for line in shown.instructions]}
    return body


def _format(result: Proven, row: Support, letter: Letter, *, show: bool) -> dict[str, Any]:
    proof, documented = row.proof, row.documented
    deciding = None if proof is None else proof.deciding
    sparse = None if proof is None or proof.sparse is None else proof.sparse.finding.verdict
    return {
        "format": row.format,
        "verdict": row.verdict,
        "instruction": None if deciding is None else instruction(deciding.finding),
        "targets": [] if proof is None else list(proof.targets),
        "sparse": sparse,
        "accumulate": {} if proof is None else dict(proof.accumulate),
        "deciding": None if deciding is None else _probe(result, deciding, show=show),
        "documented": None
        if documented is None
        else {
            "verdict": documented.verdict,
            "statement": documented.statement,
            "sources": letter.cite(documented.sources),
        },
        "contradicted": row.disputed,
    }


def _result(result: Proven, answer: ProveAnswer, letter: Letter) -> dict[str, Any]:
    show = answer.request.show
    body: dict[str, Any] = {
        "name": result.name,
        "gpu": result.gpu,
        "isa": result.isa,
        "tools": [tool._asdict() for tool in result.tools],
        "targets": list(result.targets),
        "formats": [_format(result, row, letter, show=show) for row in result.formats],
    }
    if answer.request.every:
        body["probes"] = [_probe(result, one, show=show) for one in result.evidence]
    return body


def document(answer: ProveAnswer, language: Language) -> dict[str, Any]:
    """The document of a proof."""
    letter = Letter(language)
    body = {"results": [_result(result, answer, letter) for result in answer.results]}
    return letter.close(SCHEMA, body, (*answer.messages, *told(answer)))
