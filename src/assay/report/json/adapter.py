"""`assay model ADAPTER --base MODEL --json` (`assay.adapter/1`)."""

from typing import Any, Literal, TypedDict

from assay.answers.adapter import AdapterAnswer, Beside
from assay.report.json.check import CardBody
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.json.model import ModelBody, model_body
from assay.report.numbers import Language

SCHEMA = "assay.adapter/1"


class MergeBody(TypedDict):
    """What merging into matrices of one role and format means.

    `rounds`: the sum is rounded once, by at most `roundoff` of each weight; `requantizes`: it must be quantized again.
    """

    role: str
    format: str
    merge: Literal["rounds", "requantizes", "unknown"]
    roundoff: float | None


class BesideBody(TypedDict):
    """Adapters beside the base model under vLLM: the rank asked of it, bytes of a slot, slots (null: not known)."""

    gpus: list[CardBody]
    verdict: Literal["yes", "no", "unknown"]
    rank: int
    each: Q
    slots: int | None


class Document(Envelope):
    """An adapter and its base model: what merging would lose, and how many fit beside it on each set of cards."""

    adapter: ModelBody
    base: ModelBody
    lossless: Literal[False]
    merges: list[MergeBody]
    beside: list[BesideBody]


def _beside(row: Beside, letter: Letter) -> dict[str, Any]:
    return {
        "gpus": [{"id": entry.card.gpu.id, "count": entry.number} for entry in row.cards],
        "verdict": row.verdict,
        "rank": row.rank,
        "each": letter.q(row.each),
        "slots": row.slots,
    }


def document(answer: AdapterAnswer, language: Language) -> dict[str, Any]:
    """The document of an adapter."""
    letter = Letter(language)
    body = {
        "adapter": model_body(answer.adapter, letter),
        "base": model_body(answer.base, letter),
        "lossless": False,
        "merges": [
            {"role": row.role, "format": row.format, "merge": row.merge, "roundoff": row.roundoff}
            for row in answer.rows
        ],
        "beside": [_beside(row, letter) for row in answer.beside],
    }
    letter.cite(("peft-merge", "qlora-paper"))
    return letter.close(SCHEMA, body, answer.messages)
