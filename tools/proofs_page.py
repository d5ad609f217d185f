"""Writes docs/proofs.md: what documents say of number formats, what the recorded proofs say, and where they differ.

    python tools/proofs_page.py [--check]

Run it after tools/record_proofs.py or a change to data/instruction_sets.toml; `--check` exits with 1 when the page
would change (the tests do the same).
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from assay.answers import support  # noqa: E402 -- the checkout's own package
from assay.answers.support import Support  # noqa: E402
from assay.knowledge import store  # noqa: E402
from assay.knowledge.catalog import proofs  # noqa: E402
from assay.knowledge.catalog.instruction_sets import instruction_set, number_formats  # noqa: E402
from assay.knowledge.catalog.sources import source  # noqa: E402
from assay.reason import proof  # noqa: E402
from assay.report.proven import came_out, instruction  # noqa: E402
from assay.report.words import say  # noqa: E402

TARGET = ROOT / "docs" / "proofs.md"
OWNER = "sm_120a"
NAMES = {one.id: one.name for one in number_formats()}
HEAD = """# What compilers show of instruction sets

<!-- generated: tools/proofs_page.py -->

For every number format one matrix instruction is written, assembled for each target and disassembled. What came out
decides: *native* (one matrix instruction of the operands' type does the product), *emulated* (the compiler expands it
into instructions of another type, or into software) or *absent* (the assembler refuses). No GPU takes part.

Three limits hold everywhere. *Absent* and *emulated* mean that the toolchain named here does not expose an instruction,
which is no statement about the silicon. *Native* is not full rate: how fast a product runs an instruction is another
figure with another source. A tcgen05 instruction's name proves its *family*; types of operands and accumulators, block
scales and 2:4 sparsity stand in descriptors and operands: the assembler takes them, and they are documented.

Repeat it: `assay prove sm_120a` (needs `pip install 'gpu-assay[prove]'`); all of it:
`python tools/record_proofs.py --check`.
"""


def sets() -> list[str]:
    """The catalogue's instruction sets with a recorded proof, the owner's first."""
    found = [name for name in store.names("instruction_set") if proofs.family(name)]
    return sorted(found, key=lambda name: name != OWNER)


def tools_line() -> str:
    """The tools that made the records, with their versions."""
    found = {tool: None for target in proofs.targets() if (one := proofs.record(target)) for tool in one.tools}
    return ", ".join(f"{tool.name} {tool.version}" for tool in found)


def cell(text: str) -> str:
    """A text that a table's cell can hold."""
    return text.replace("|", "\\|")


def outcome(row: Support) -> str:
    """What came out for a format, as code where it is an instruction."""
    if row.proof is None or row.proof.deciding is None:
        return "–"
    finding = row.proof.deciding.finding
    name = instruction(finding)
    if name is None:
        return cell(say(came_out(finding), "en"))
    more = "" if finding.verdict == "native" else f", among {finding.instructions} instructions"
    return f"`{name}`{more}"


def _detail(name: str) -> Iterator[str]:
    known = instruction_set(name)
    title = name if known is None else f"{name}: {known.name}"
    yield f"\n## {title}\n"
    yield f"Targets: {', '.join(proofs.family(name))}.\n"
    yield "| format | documents | compiled | what came out | on | 2:4 |"
    yield "|---|---|---|---|---|---|"
    rows = support.of(name)
    for one in number_formats():
        row = rows.get(one.id)
        if row is None or row.proof is None:
            continue
        document = "not stated" if row.documented is None else row.documented.verdict
        sparse = "" if row.proof.sparse is None else row.proof.sparse.finding.verdict
        mark = "**" if row.disputed else ""
        on = "" if row.proof.verdict == "absent" else ", ".join(row.proof.targets)
        yield f"| {one.name} | {mark}{document}{mark} | {mark}{row.verdict}{mark} | {outcome(row)} | {on} | {sparse} |"


def _differences() -> Iterator[str]:
    yield "\n## Where documents and compilers differ\n"
    yield "| instruction set | format | documents | compiled | what came out | the document |"
    yield "|---|---|---|---|---|---|"
    for name in sets():
        for row in support.of(name).values():
            if not row.disputed or row.documented is None or row.proof is None:
                continue
            cited = source(row.documented.sources[0])
            said = f"[{cell(cited.title)}]({cited.url})" if cited.url else cell(cited.title)
            yield (
                f"| {name} | {NAMES[row.format]} | {row.documented.verdict} | {row.proof.verdict} | {outcome(row)} "
                f"| {said} |"
            )
    yield "\nA document that calls a format absent where the compiler emulates it does not differ:"
    yield "neither has an instruction."


def _unpacking() -> Iterator[str]:
    yield "\n## What unpacking costs\n"
    yield "One conversion, or one product of the vector units: the machine instructions that it takes.\n"
    names = sets()
    found = {name: {one.probe.id: one.finding for one in _costs(name)} for name in names}
    probes = [
        probe
        for probe in dict.fromkeys(probe for costs in found.values() for probe in costs)
        if any(costs[probe].verdict != "absent" for costs in found.values() if probe in costs)
    ]
    yield "| probe | " + " | ".join(names) + " |"
    yield "|---|" + "---|" * len(names)
    for probe in probes:
        cells = []
        for name in names:
            finding = found[name].get(probe)
            if finding is None:
                cells.append("")
            elif finding.verdict == "native":
                cells.append("1")
            else:
                made = " + ".join(f"{number} {family}" for family, number in finding.opcodes)
                cells.append(made or finding.verdict)
        yield f"| `{probe}` | " + " | ".join(cells) + " |"


def _documents_only() -> Iterator[str]:
    alone = [name for name in store.names("instruction_set") if name not in sets()]
    yield "\n## Documents only\n"
    yield f"No compiler at hand speaks for {', '.join(alone)}: what Assay says of them is documented, and labelled so."


def _costs(name: str) -> list[proof.Evidence]:
    return proof.unpacking(proof.evidence(support.probes(), support.records_of(name)))


def page() -> str:
    """The page's text."""
    lines = [HEAD, f"Recorded with {tools_line()}; {len(proofs.targets())} targets, {len(support.probes())} probes."]
    lines.append("This page shows the instruction sets of the catalogue; `assay prove TARGET --all` shows any other.")
    lines += _detail(OWNER)
    lines += _differences()
    for name in sets()[1:]:
        lines += _detail(name)
    lines += _unpacking()
    lines += _documents_only()
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    text = page()
    if parser.parse_args().check:
        fresh = TARGET.exists() and TARGET.read_text(encoding="utf-8") == text
        print("up to date" if fresh else f"{TARGET.name} is stale: run python tools/proofs_page.py")
        return int(not fresh)
    TARGET.write_text(text, encoding="utf-8")
    print(f"{TARGET.name}: {len(text)} characters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
