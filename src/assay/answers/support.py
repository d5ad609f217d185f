"""What an instruction set does with each number format: what documents say beside what a compiler's output shows."""

from functools import cache
from typing import NamedTuple

from assay.knowledge.catalog import amd_probes, nvidia_probes, proofs
from assay.knowledge.catalog.instruction_sets import instruction_set
from assay.reason import proof
from assay.reason.proof import Evidence, FormatProof
from assay.types.gpu import FormatSupport
from assay.types.proof import Probe, Record


class Support(NamedTuple):
    """One number format on one instruction set.

    Attributes:
        format: its id.
        verdict: the compiler's, where it was asked; else the documents'; else `unknown`.
        documented: what a document says.
        proof: what was proven.
    """

    format: str
    verdict: str
    documented: FormatSupport | None
    proof: FormatProof | None

    @property
    def disputed(self) -> bool:
        """Whether the documents and the compiler disagree on one matrix instruction doing it."""
        if self.documented is None or self.proof is None or "unknown" in (self.documented.verdict, self.proof.verdict):
            return False
        return (self.documented.verdict == "native") != (self.proof.verdict == "native")


@cache
def probes() -> tuple[Probe, ...]:
    """All probes, of all vendors."""
    return (*(one.probe for one in nvidia_probes.spellings()), *(one.probe for one in amd_probes.calls()))


def records_of(isa: str) -> tuple[Record, ...]:
    """The recorded proofs of all targets that run on this instruction set."""
    return tuple(record for target in proofs.family(isa) if (record := proofs.record(target)) is not None)


def joined(isa: str, found: list[Evidence]) -> dict[str, Support]:
    """All number formats that documents or these findings speak of, by id."""
    known = instruction_set(isa)
    documented = {row.format: row for row in known.support} if known is not None else {}
    proven = proof.of_formats(found)
    return {
        name: Support(
            name,
            proven[name].verdict if name in proven else documented[name].verdict,
            documented.get(name),
            proven.get(name),
        )
        for name in dict.fromkeys((*documented, *proven))
    }


@cache
def of(isa: str) -> dict[str, Support]:
    """All number formats that documents or recorded proofs speak of, by id."""
    return joined(isa, proof.evidence(probes(), records_of(isa)))
