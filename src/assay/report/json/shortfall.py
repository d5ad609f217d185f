"""`assay diagnose --bench` for programs (`assay.shortfall/1`)."""

from typing import Any, Literal, TypedDict

from assay.answers.shortfall import Comparison, ShortfallAnswer
from assay.report.json.bench import MeasurementBody, measured
from assay.report.json.check import CardBody
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.numbers import Language
from assay.types.message import message

SCHEMA = "assay.shortfall/1"


class SpeedRowBody(TypedDict):
    """One speed: `inside` the prediction, or slower or faster than all of it."""

    name: Literal["decode_per_sequence", "decode_total", "prefill"]
    measured: Q
    predicted: Q
    outcome: Literal["inside", "slower", "faster", "unknown"]


class SuspectBody(TypedDict):
    """What a shortfall may come from, whether something shows it, and a command that would confirm it."""

    id: Literal["power", "pcie", "spill", "weight_only", "processor", "backend"]
    text: str
    shown: bool
    command: str


class ComparisonBody(TypedDict):
    """One measurement against the prediction for one set of cards."""

    measurement: MeasurementBody
    gpus: list[CardBody]
    rows: list[SpeedRowBody]
    suspects: list[SuspectBody]


class Document(Envelope):
    """Measurements against their predictions; several results where a card was ambiguous."""

    bench: str
    results: list[ComparisonBody]


def _comparison(found: Comparison, letter: Letter) -> dict[str, Any]:
    return {
        "measurement": measured(found.measurement, letter),
        "gpus": [{"id": entry.card.gpu.id, "count": entry.number} for entry in found.result.cards],
        "rows": [
            row._asdict() | {"measured": letter.q(row.measured), "predicted": letter.q(row.predicted)}
            for row in found.rows
        ],
        "suspects": [
            each._asdict() | {"text": letter.text(message(f"shortfall.cause.{each.id}"))} for each in found.suspects
        ],
    }


def document(answer: ShortfallAnswer, language: Language) -> dict[str, Any]:
    """The document of a comparison."""
    letter = Letter(language)
    results = [_comparison(each, letter) for each in answer.comparisons]
    return letter.close(SCHEMA, {"bench": answer.request.bench, "results": results}, answer.messages)
