"""Number formats that no matrix instruction of a card multiplies: what a verdict about a model asks of the evidence.

It reads verdicts alone; `support` has the evidence behind them.
"""

from functools import cache

from assay.knowledge.catalog import proofs
from assay.knowledge.catalog.instruction_sets import instruction_set


@cache
def formats(isa: str) -> frozenset[str]:
    """Ids of the formats that are emulated or absent on all targets, by proof, else by documents."""
    known = instruction_set(isa)
    documented = {row.format: row.verdict for row in known.support} if known is not None else {}
    proven: dict[str, set[str]] = {}
    for verdicts in proofs.verdicts(isa):
        for name, verdict in verdicts.items():
            proven.setdefault(name, set()).add(verdict)
    found = {name: {verdict} for name, verdict in documented.items()} | proven
    return frozenset(name for name, said in found.items() if said <= {"absent", "emulated"})
