"""`assay diagnose --json` (`assay.diagnose/1`)."""

from typing import Any, Literal, TypedDict

from assay.answers.diagnose import AttentionDiagnosis, DiagnoseAnswer, Diagnosis, RowDiagnosis
from assay.answers.log_kernels import SelectionRow
from assay.knowledge.catalog.logs import Cause
from assay.report.json.check import CardBody, WorkloadBody
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.numbers import Language
from assay.types.log import LogText
from assay.types.message import Message

SCHEMA = "assay.diagnose/1"
PathName = Literal["native", "converted", "weight-only", "refused", "unknown"]


class SaidBody(TypedDict):
    """A word of the log and the line it stands in."""

    text: str
    line: int


class LogBody(TypedDict):
    """The server that wrote the log, in its own words; null is what it does not say."""

    file: str
    runtime: str
    version: SaidBody | None
    fork: SaidBody | None
    model: SaidBody | None
    architecture: SaidBody | None
    dtype: SaidBody | None
    quantization: SaidBody | None
    kv_type: SaidBody | None
    devices: list[SaidBody]
    features: list[SaidBody]
    tensor_types: dict[str, int]
    offloaded: list[int] | None


class CauseBody(TypedDict):
    """A likely cause of a difference and the flag that changes it (null where none does)."""

    id: str
    text: str
    flag: str | None
    sources: list[str]


class RowBody(TypedDict):
    """A figure of the log against its prediction; `above` means that more was used than foreseen."""

    name: str
    observed: Q
    predicted: Q
    outcome: Literal["inside", "above", "below", "unknown"]
    line: int | None
    causes: list[CauseBody]


class AttentionRowBody(TypedDict):
    """What attends: the backends that the log names against the one predicted (null: refused, or not predicted).

    `needs` is what the prediction depends on, `otherwise` the backend without that; `…_elsewhere`: the log is of
    another version than the source that was read, or does not say of which.
    """

    observed: list[SaidBody]
    predicted: str | None
    refused: str | None
    needs: list[str]
    otherwise: str | None
    outcome: Literal["held", "differs", "held_elsewhere", "differs_elsewhere", "unknown"]
    causes: list[CauseBody]
    sources: list[str]


class SelectionBody(TypedDict):
    """A kernel or backend that the log names: the path its name tells, and the path predicted for its format."""

    role: Literal["linear", "moe", "attention", "vision", "other"]
    name: str
    target: str
    line: int
    told: PathName
    format: str | None
    predicted: PathName
    agrees: bool | None
    sources: list[str]


class DiagnosisBody(TypedDict):
    """One set of cards; `workload` and `verdict` are null where nothing was predicted."""

    gpus: list[CardBody]
    workload: WorkloadBody | None
    verdict: Literal["yes", "no", "unknown"] | None
    held: bool
    rows: list[RowBody]
    selections: list[SelectionBody]
    attention: AttentionRowBody | None


class TroubleBody(TypedDict):
    """A known error of the log, what it means, and what to do."""

    code: str
    line: int
    text: str
    hint: str


class Document(Envelope):
    """What a log shows against what was predicted; several results where a card was ambiguous."""

    log: LogBody
    model: str | None
    results: list[DiagnosisBody]
    troubles: list[TroubleBody]


def _said(text: LogText | None) -> dict[str, Any] | None:
    return None if text is None else {"text": text.text, "line": text.line}


def _log(answer: DiagnoseAnswer) -> dict[str, Any]:
    log = answer.log
    named = ("version", "fork", "model", "architecture", "dtype", "quantization", "kv_type")
    return {
        "file": answer.request.log,
        "runtime": log.runtime,
        **{name: _said(getattr(log, name)) for name in named},
        "devices": [_said(device) for device in log.devices],
        "features": [_said(feature) for feature in log.features],
        "tensor_types": dict(log.tensor_types),
        "offloaded": None if log.offloaded is None else list(log.offloaded),
    }


def _causes(found: tuple[Cause, ...], letter: Letter) -> list[dict[str, Any]]:
    return [
        {
            "id": cause.id,
            "text": letter.text(Message(f"diagnose.cause.{cause.id}")),
            "flag": cause.flag or None,
            "sources": letter.cite(cause.sources),
        }
        for cause in found
    ]


def _row(one: RowDiagnosis, letter: Letter) -> dict[str, Any]:
    row = one.row
    return {
        "name": row.name,
        "observed": letter.q(row.observed),
        "predicted": letter.q(row.predicted),
        "outcome": row.outcome,
        "line": row.line,
        "causes": _causes(one.causes, letter),
    }


def _attention(one: AttentionDiagnosis, letter: Letter) -> dict[str, Any]:
    row, predicted = one.row, one.row.predicted
    return {
        "observed": [{"text": seen.name, "line": seen.line} for seen in row.seen],
        "predicted": None if predicted is None else predicted.backend,
        "refused": None if predicted is None else predicted.refused,
        "needs": [] if predicted is None else [letter.text(need) for need in predicted.needs],
        "otherwise": None if predicted is None else predicted.otherwise,
        "outcome": row.outcome,
        "causes": _causes(one.causes, letter),
        "sources": letter.cite(row.sources),
    }


def _selection(row: SelectionRow, letter: Letter) -> dict[str, Any]:
    return {
        **row.selection._asdict(),
        "told": row.told,
        "format": row.format,
        "predicted": row.predicted,
        "agrees": row.agrees,
        "sources": letter.cite(row.sources),
    }


def _result(result: Diagnosis, answer: DiagnoseAnswer, letter: Letter) -> dict[str, Any]:
    workload = result.workload
    return {
        "gpus": [{"id": entry.card.gpu.id, "count": entry.number} for entry in result.cards],
        "workload": None if workload is None else {**workload._asdict(), "kv": workload.kv or ""},
        "verdict": result.verdict,
        "held": not (result.differs or answer.surprised(result)),
        "rows": [_row(one, letter) for one in result.rows],
        "selections": [_selection(row, letter) for row in result.selections],
        "attention": None if result.attention is None else _attention(result.attention, letter),
    }


def document(answer: DiagnoseAnswer, language: Language) -> dict[str, Any]:
    """The document of a diagnosis."""
    letter = Letter(language)
    body = {
        "log": _log(answer),
        "model": None if answer.model is None else answer.model.name,
        "results": [_result(result, answer, letter) for result in answer.results],
        "troubles": [
            {
                "code": trouble.code,
                "line": trouble.line,
                "text": letter.text(Message(f"diagnose.trouble.{trouble.code}", trouble.parameters)),
                "hint": letter.text(Message(f"diagnose.todo.{trouble.code}", trouble.parameters)),
            }
            for trouble in answer.log.troubles
        ],
    }
    return letter.close(SCHEMA, body, answer.messages)
