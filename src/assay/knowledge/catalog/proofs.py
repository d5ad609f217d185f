"""Recorded proofs: what compilers' output showed of each instruction set, as `tools/record_proofs.py` wrote it."""

from typing import Any

from assay.knowledge import store
from assay.types.proof import Finding, Record, Tool

KIND = "proof"
VERDICTS = "proof_verdicts"
"""Entries that say of a target only the verdict on each number format: what a verdict about a model needs."""


def body_of(record: Record) -> dict[str, Any]:
    """The catalogue's entry of a record; a refusal's words stand once, findings point at them."""
    words = list(dict.fromkeys(finding.refusal for finding in record.findings if finding.refusal is not None))
    place = {text: index for index, text in enumerate(words)}
    return {
        "tools": [list(tool) for tool in record.tools],
        "probes": record.probes,
        "words": words,
        "findings": {
            finding.probe: [
                finding.verdict,
                [list(pair) for pair in finding.opcodes],
                finding.instructions,
                finding.volume_ratio,
                list(finding.notes),
                None if finding.refusal is None else place[finding.refusal],
            ]
            for finding in record.findings
        },
    }


def _finding(target: str, probe: str, row: list[Any], words: list[str]) -> Finding:
    verdict, opcodes, instructions, ratio, notes, refusal = row
    return Finding(
        probe,
        target,
        verdict,
        tuple((name, number) for name, number in opcodes),
        instructions,
        ratio,
        tuple(notes),
        None if refusal is None else words[refusal],
    )


def record(target: str) -> Record | None:
    """The recorded proof of one target, or None."""
    body = store.entry(KIND, target)
    if body is None:
        return None
    findings = tuple(_finding(target, probe, row, body["words"]) for probe, row in body["findings"].items())
    return Record(target, tuple(Tool(*pair) for pair in body["tools"]), body["probes"], findings)


def verdicts(isa: str) -> list[dict[str, str]]:
    """For each target that runs on an instruction set the verdicts on dense products, by number format."""
    return [body for target in family(isa) if (body := store.entry(VERDICTS, target)) is not None]


def targets() -> tuple[str, ...]:
    """All targets with a recorded proof."""
    return tuple(store.names(KIND))


def family(isa: str) -> tuple[str, ...]:
    """The targets of an instruction set: itself, then those that differ in the suffix (`sm_120a`, `sm_120`, `sm_120f`).

    A program for the plain target runs on the card as well, and so does one for the family: what one of them exposes
    the card has.
    """
    number = isa.rstrip("af")
    wanted = (isa, number, number + "f", number + "a") if isa.startswith("sm_") else (isa,)
    found = targets()
    return tuple(name for name in dict.fromkeys(wanted) if name in found)
