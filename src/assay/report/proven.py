"""Findings of compiled proofs in words: the instruction that decides, how many there are, what the tool refused."""

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
    return f"{evidence.probe.id} -> {evidence.finding.target}: {say(came_out(evidence.finding), language)}"


def limits(found: list[FormatProof]) -> list[Message]:
    """What the findings do not say, for those to which it applies."""
    lines = [message("proof.limit.rate")]
    if any(one.verdict in ("absent", "emulated") for one in found):
        lines.append(message("proof.limit.exposed"))
    if any(one.deciding is not None and one.deciding.probe.door == "tcgen05" for one in found):
        lines.append(message("proof.limit.kind"))
    if any(one.deciding is not None and "proof.note.fp8_fnuz" in one.deciding.finding.notes for one in found):
        lines.append(message("proof.note.fp8_fnuz"))
    return lines
