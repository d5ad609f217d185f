"""Records what the compilers' output shows of every target, for the package to ship.

    python tools/record_proofs.py [--check] [TARGET…]

Needs the extras `prove` and `prove-amd`. Run it after a change to the probes, the generators or the judges, and for
a newer tool. `--check` compares instead of writing, over the targets named or all, and exits with 1 when a finding
differs; with `--library` it asks another release of nvJitLink, and what that release is too old for is no difference.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from assay.answers import support  # noqa: E402 -- the checkout's own package
from assay.errors import ToolFailed  # noqa: E402
from assay.knowledge import store  # noqa: E402
from assay.knowledge.catalog import proofs  # noqa: E402
from assay.observe.proof import amd, nvidia, sass, toolchain  # noqa: E402
from assay.reason import proof  # noqa: E402
from assay.types.proof import Finding, Record  # noqa: E402

FOLDER = ROOT / "src" / "assay" / "knowledge" / "data" / "generated"
WORKERS = 2


def nvidia_records(chosen: list[str], library: Path | None = None) -> Iterator[Record]:
    """The records of NVIDIA's targets, of all or of these, by this machine's tools or another nvJitLink."""
    tools = toolchain.find() if library is None else toolchain.of_library(library, toolchain.find().disassembler)
    named = [target for target in toolchain.targets(tools) if not chosen or target in chosen]

    def made(target: str) -> Record | None:
        try:
            return nvidia.prove(tools, target).record
        except ToolFailed as error:
            if library is None:
                raise
            print(f"{target}: {dict(error.message.parameters)['detail']}")
            return None

    with ThreadPoolExecutor(WORKERS) as pool:
        yield from (record for record in pool.map(made, named) if record is not None)


def amd_records(chosen: list[str]) -> Iterator[Record]:
    """The records of AMD's targets, of all or of these."""
    with ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(amd.prove, [target for target in amd.targets() if not chosen or target in chosen])


def verdicts(record: Record) -> dict[str, str]:
    """The verdicts of a record on dense products, by number format."""
    found = proof.of_formats(proof.evidence(support.probes(), [record]))
    return {name: one.verdict for name, one in found.items()}


def document(entries: dict[str, Any], kind: str) -> str:
    """The file's text: a digest of the entries, then one line an entry."""
    rows = [f"  {json.dumps(name)}: {json.dumps(body, ensure_ascii=False)}" for name, body in entries.items()]
    digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    head = f'{{"generator": "tools/record_proofs.py", "digest": "{digest}", "kind": "{kind}", "entries": {{'
    return head + "\n" + ",\n".join(rows) + "\n}}\n"


def _told(finding: Finding | None, *, verdicts: bool) -> object:
    """What is compared: all of a finding, or what another release must say as well: verdict and matrix instructions."""
    if finding is None or not verdicts:
        return finding
    return finding.verdict, {name for name, _ in finding.opcodes if sass.is_matrix(name)}


def compared(records: list[Record], *, verdicts_only: bool) -> int:
    """The number of findings, tools and short verdicts that differ from the recorded ones, each printed."""
    wrong = []
    for record in records:
        kept = proofs.record(record.target)
        before = {} if kept is None else {finding.probe: finding for finding in kept.findings}
        for finding in record.findings:
            if "proof.note.tool_too_old" in finding.notes:
                continue
            if _told(before.get(finding.probe), verdicts=verdicts_only) != _told(finding, verdicts=verdicts_only):
                wrong.append(
                    f"{record.target} {finding.probe}: {finding.verdict}, recorded: {before.get(finding.probe)}"
                )
        if not verdicts_only and kept is not None and (kept.tools, kept.probes) != (record.tools, record.probes):
            wrong.append(f"{record.target}: made by {record.tools}, recorded: {kept.tools}, or other probes")
        if not verdicts_only and store.entry(proofs.VERDICTS, record.target) != verdicts(record):
            wrong.append(f"{record.target}: the short verdicts differ")
    print("\n".join(wrong) if wrong else "nothing differs")
    return len(wrong)


def unknown_targets(names: list[str]) -> list[str]:
    """Those of these names that no tool knows."""
    known = {*toolchain.targets(toolchain.find()), *amd.targets()}
    return [name for name in names if name not in known]


def main() -> int:
    """Write the files, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--library", type=Path)
    parser.add_argument("targets", nargs="*")
    asked = parser.parse_args()
    if strange := unknown_targets(asked.targets):
        parser.error(f"no such target: {', '.join(strange)}")
    records = list(nvidia_records(asked.targets, asked.library))
    others = [] if asked.library else list(amd_records(asked.targets))
    if asked.check:
        wrong = compared(records + others, verdicts_only=asked.library is not None)
        print(f"{sum(len(record.findings) for record in records + others)} findings, {wrong} differ")
        return int(wrong > 0)
    if asked.targets or asked.library:
        parser.error("targets and a library are for --check: the files hold all targets of the newest tools")
    FOLDER.mkdir(exist_ok=True)
    files = {
        "nvidia_proofs.json": document({one.target: proofs.body_of(one) for one in records}, proofs.KIND),
        "amd_proofs.json": document({one.target: proofs.body_of(one) for one in others}, proofs.KIND),
        "proof_verdicts.json": document({one.target: verdicts(one) for one in records + others}, proofs.VERDICTS),
    }
    for name, text in files.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"{name}: {len(text)} characters")
    return 0


if __name__ == "__main__":
    sys.exit(main())
