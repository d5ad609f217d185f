"""Execution paths on the wire, shared by several documents."""

from collections.abc import Iterable
from typing import Any, Literal, TypedDict

from assay.report.json.envelope import Letter
from assay.types.execution import AttentionPath, ExecutionPath, PathEvidence, Regime


class EvidenceBody(TypedDict):
    """What states a verdict or a path: its basis, a sentence or a place in a source, and the id of the source."""

    basis: str
    statement: str
    source: str


class RegimeBody(TypedDict):
    """What is multiplied at some batch sizes (`1`, `1..8`, `9..`, `small`, `large`, `any`)."""

    batch: str
    path: Literal["native", "converted", "weight-only", "refused", "unknown"]
    multiplies: str
    activations: str
    unit: Literal["tensor", "dp4a", "fma", "unknown"]
    kernel: str


class PathBody(TypedDict):
    """One weight format under one runtime; `role` is linear, or experts for routed experts."""

    runtime: str
    version: str
    weight_format: str
    role: str
    path: Literal["native", "converted", "weight-only", "refused", "unknown"]
    regimes: list[RegimeBody]
    evidence: list[EvidenceBody]
    notes: list[str]
    refusal: str | None


class AttentionBody(TypedDict):
    """One KV type in attention: the backend that takes it (null: refused, in these words).

    `needs` is what the choice depends on besides the card, `otherwise` the backend that is picked without that.
    """

    kv: str
    backend: str | None
    refused: str | None
    needs: list[str]
    otherwise: str | None


class AttentionOfBody(AttentionBody):
    """The same of a kind of attention under a runtime; `architecture` where it holds for that alone."""

    runtime: str
    kind: Literal["standard", "latent", "sparse", "latent-sparse", "any"]
    architecture: str | None


def attention(found: AttentionPath | None, letter: Letter) -> list[dict[str, Any]]:
    """Attention backends by KV type on the wire; empty where the runtime's source was not read."""
    if found is None:
        return []
    letter.cite(one.source for one in found.evidence)
    return [{**one._asdict(), "needs": [letter.text(need) for need in one.needs]} for one in found.choices]


def regimes(found: Iterable[Regime]) -> list[dict[str, Any]]:
    """Regimes on the wire."""
    return [one._asdict() for one in found]


def evidence(found: Iterable[PathEvidence], letter: Letter) -> list[dict[str, Any]]:
    """Evidence on the wire; its sources will stand in the envelope."""
    return [
        {"basis": one.basis, "statement": one.statement, "source": source}
        for one in found
        for source in letter.cite((one.source,))
    ]


def path_body(one: ExecutionPath, role: str, letter: Letter) -> dict[str, Any]:
    """One path on the wire."""
    return {
        "runtime": one.runtime,
        "version": one.version,
        "weight_format": one.weight_format,
        "role": role,
        "path": one.path,
        "regimes": regimes(one.regimes),
        "evidence": evidence(one.evidence, letter),
        "notes": [letter.text(note) for note in one.notes],
        "refusal": one.refusal,
    }
