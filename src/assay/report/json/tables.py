"""`assay tables --json` (`assay.tables/1`)."""

from typing import Any, Literal, TypedDict

from assay.answers.tables import ModelRow, TablesAnswer
from assay.report.json.check import CardBody
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.numbers import Language

SCHEMA = "assay.tables/1"


class RowBody(TypedDict):
    """One model on one set of cards."""

    model: str
    family: str
    architecture: str
    released_format: str | None
    requantized_from: str | None
    fits: Literal["yes", "no", "unknown"]
    weights: Q
    copies: Q
    max_context: Q
    decode_per_sequence: Q
    lora_mergeable: Literal["yes", "no", "unknown"]
    trainable: Literal["yes", "no", "unknown"]
    training: Literal["full", "lora", "qlora", "none", "unknown"]


class TableBody(TypedDict):
    """The models on one set of cards."""

    gpus: list[CardBody]
    rows: list[RowBody]


class Document(Envelope):
    """Every model of the catalogue that passed the filters, on each set of cards."""

    runtime: str
    concurrency: int
    left_out: int
    tables: list[TableBody]


def row_body(row: ModelRow, letter: Letter) -> dict[str, Any]:
    """One row on the wire."""
    fit = row.result.fit
    return {
        "model": row.model.name,
        "family": row.family,
        "architecture": row.model.architecture,
        "released_format": row.model.released_format,
        "requantized_from": row.model.requantized_from,
        "fits": row.result.verdict,
        "weights": letter.q(row.model.weights),
        "copies": letter.q(fit.copies),
        "max_context": letter.q(fit.max_context),
        "decode_per_sequence": letter.q(row.result.speed.decode_per_sequence),
        "lora_mergeable": row.mergeable,
        "trainable": row.trainable,
        "training": row.training,
    }


def document(answer: TablesAnswer, language: Language) -> dict[str, Any]:
    """The document of the tables."""
    letter = Letter(language)
    body = {
        "runtime": answer.request.runtime,
        "concurrency": answer.request.concurrency,
        "left_out": answer.left_out,
        "tables": [
            {
                "gpus": [
                    {"id": entry.card.gpu.id, "count": entry.number}
                    for entry in (table[0].result.cards if table else ())
                ],
                "rows": [row_body(row, letter) for row in table],
            }
            for table in answer.tables
        ],
    }
    return letter.close(SCHEMA, body, answer.messages)
