"""Findings of compiled proofs in words: the instruction that decides, how many there are, what the tool refused."""

from collections.abc import Sequence
from typing import NamedTuple

from assay.reason.proof import Evidence, FormatProof
from assay.report.numbers import Language
from assay.report.words import say
from assay.types.message import Message, message
from assay.types.proof import Finding

PROOFS = {"sm_": "assay-proofs-nvidia", "gfx": "assay-proofs-amd"}
"""Sources of the recorded proofs by the beginning of a target's name."""
MAX_NAMED = 3


def _chief(finding: Finding) -> tuple[str, int] | None:
    """The first instruction that the finding counts, if it multiplies matrices or was asked for."""
    return finding.opcodes[0] if finding.opcodes else None


def instruction(finding: Finding) -> str | None:
    """`OMMA.SF.16864.F32.E2M1.E2M1.E8`, or with a number in front where there are several; None without any."""
    chief = _chief(finding)
    if chief is None or "proof.note.software" in finding.notes:
        return None
    name, number = chief
    return name if number == 1 else f"{number} x {name}"


def came_out(finding: Finding) -> Message:
    """What came out of a probe, in one line: of several complaints about one instruction the first."""
    if finding.refusal is not None:
        return message("proof.refused", words=finding.refusal.partition("; ")[0])
    name = instruction(finding)
    if finding.verdict == "unknown" or (name is None and not finding.instructions):
        return message(finding.notes[0]) if finding.notes else message("support.unknown")
    if name is None:
        beside = ", ".join(f"{number} x {family}" for family, number in finding.opcodes[:MAX_NAMED])
        return message("proof.software", names=beside or "–", instructions=finding.instructions)
    if finding.verdict == "native" and finding.opcodes[0][1] == 1:
        return message("proof.one", name=name)
    return message("proof.several", name=name, instructions=finding.instructions)


def statement(evidence: Evidence, language: Language) -> str:
    """What a proof states of a format on a target: `mma.sync.m16n8k32.s8.s32 -> sm_120a: IMMA.16832.S8.S8, …`."""
    told = f"{evidence.probe.id} -> {evidence.finding.target}: {say(came_out(evidence.finding), language)}"
    return f"{told} ({say(message('proof.note.kind'), language)})" if evidence.probe.door == "tcgen05" else told


class Proven(NamedTuple):
    """The proofs of one card or instruction set, under its name."""

    name: str
    proofs: tuple[FormatProof, ...]


def _deciding_notes(one: Proven) -> set[str]:
    return {note for proof in one.proofs if proof.deciding is not None for note in proof.deciding.finding.notes}


def limits(found: Sequence[Proven]) -> list[Message]:
    """What the findings do not say, for those to which it applies, and for whom where that differs."""
    lines = [message("proof.limit.rate")]
    if any(proof.verdict in ("absent", "emulated") for one in found for proof in one.proofs):
        lines.append(message("proof.limit.exposed"))
    kinds = [one.name for one in found if "proof.note.kind" in _deciding_notes(one)]
    if kinds:
        lines.append(message("proof.limit.kind", names=", ".join(kinds)))
    fnuz = [one.name for one in found if "proof.note.fp8_fnuz" in _deciding_notes(one)]
    if fnuz:
        lines.append(message("proof.limit.fnuz", names=", ".join(fnuz)))
    return lines
