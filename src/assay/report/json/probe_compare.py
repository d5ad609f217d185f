"""`assay probe compare --json` (`assay.probe_compare/1`)."""

from typing import Any, Literal, TypedDict

from assay.answers.probe import ProbeAnswer
from assay.answers.probe_compare import CompareAnswer, notes
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.numbers import Language
from assay.report.probed import rate
from assay.types.probe import RateUnit, Regime

SCHEMA = "assay.probe_compare/1"
Change = Literal["same", "faster", "slower", "only_first", "only_second"]


class ProbedBody(TypedDict):
    """One of the two probes."""

    name: str
    device: str | None
    gpu: str | None
    made: str
    synthetic: bool


class ComparedBody(TypedDict):
    """One workload; `change` is of the second, beyond both spreads and 3 %."""

    workload: str
    first: Q | None
    second: Q | None
    ratio: float | None
    change: Change


class Document(Envelope):
    """Two probes, workload by workload."""

    first: ProbedBody
    second: ProbedBody
    rows: list[ComparedBody]


def _probed(name: str, answer: ProbeAnswer) -> dict[str, Any]:
    return {
        "name": name,
        "device": answer.run.identity.name,
        "gpu": None if answer.card is None else answer.card.gpu.id,
        "made": answer.run.made,
        "synthetic": answer.run.synthetic,
    }


def _rate(answer: ProbeAnswer, unit: RateUnit, regime: Regime | None, letter: Letter) -> Q | None:
    return None if regime is None else letter.q(rate(answer, unit, regime))


def document(answer: CompareAnswer, language: Language) -> dict[str, Any]:
    """The document of a comparison."""
    letter = Letter(language)
    rows = [
        {
            "workload": row.workload.name,
            "first": _rate(answer.first, row.workload.unit, row.first, letter),
            "second": _rate(answer.second, row.workload.unit, row.second, letter),
            "ratio": None if row.ratio is None else round(row.ratio, 4),
            "change": row.change,
        }
        for row in answer.rows
    ]
    body = {
        "first": _probed(answer.names[0], answer.first),
        "second": _probed(answer.names[1], answer.second),
        "rows": rows,
    }
    return letter.close(SCHEMA, body, notes(answer))
