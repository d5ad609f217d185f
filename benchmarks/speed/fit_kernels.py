"""Fits what runtimes' kernels reach on cards, from the measured tables of package aiconfigurator-core 0.12.0.

    python benchmarks/speed/fit_kernels.py [--tables FOLDER] [--check]

Reads the tables of the installed package (or of FOLDER, its `systems/data`; needs numpy and pyarrow), writes
`src/assay/knowledge/data/generated/kernel_speed.json`, `benchmarks/speed/kernel_sample.csv` and
`benchmarks/speed/kernel_errors.md`. With --check nothing is written: exit 1 where a parameter differs from the shipped
one by more than 1e-6 of it. The formulas are those of `assay.reason.speed.kernels`; half of the shapes are kept out of
every fit, and their errors stand beside the parameters.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kernel_kinds import all_fits
from kernel_report import errors_table, sample_rows
from kernel_solve import Fit
from kernel_tables import VERSION, Tables, folder_of

from assay.knowledge.catalog.kernels import MILLE, units_of
from assay.types.kernels import Collective, DecodeKernel, ExpertsKernel, MatrixKernel, PrefillKernel

ROOT = Path(__file__).parents[2]
TARGET = ROOT / "src" / "assay" / "knowledge" / "data" / "generated" / "kernel_speed.json"
SAMPLE = Path(__file__).parent / "kernel_sample.csv"
ERRORS = Path(__file__).parent / "kernel_errors.md"
SOURCE = "aiconfigurator-core-0-12-0"
TOLERANCE = 1e-6
DIGITS = 7
TYPES: dict[str, Any] = {
    "matrix": MatrixKernel,
    "experts": ExpertsKernel,
    "decode": DecodeKernel,
    "prefill": PrefillKernel,
    "latent_decode": DecodeKernel,
    "latent_prefill": PrefillKernel,
    "all_reduce": Collective,
}


def _rounded(value: float) -> float | int:
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() else short


def entries_of(fits: list[Fit]) -> dict[str, Any]:
    """The catalogue's entries: one for each card and runtime, its fits by kind and format."""
    entries: dict[str, Any] = {}
    for fit in fits:
        entry = entries.setdefault(
            f"{fit.card}:{fit.runtime}", {"source": SOURCE, "bandwidth": fit.bandwidth, "peaks": {}, "fits": {}}
        )
        if fit.peak_format:
            entry["peaks"][fit.peak_format] = fit.peak
        kind, _, name = fit.key.partition(":")
        of = entry["fits"].setdefault(kind, {"version": fit.version, "of": {}})["of"]
        of[name] = [
            [value / unit for value, unit in zip(fit.parameters, units_of(TYPES[kind]), strict=True)],
            [round(fit.held.mean / MILLE), round(fit.held.median / MILLE), fit.held.rows],
            *([fit.borrowed] if fit.borrowed else []),
        ]
    return dict(sorted(entries.items()))


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_short(item) for item in value]
    return _rounded(value) if isinstance(value, float) else value


def document_of(entries: dict[str, Any]) -> str:
    """The file: who made it from what, and an entry a line."""
    body = {name: json.dumps(_short(entry), separators=(",", ":")) for name, entry in entries.items()}
    head = {
        "kind": "kernel_speed",
        "generator": "benchmarks/speed/fit_kernels.py",
        "package": f"aiconfigurator-core {VERSION}",
        "attribution": "fitted from measurements published in aiconfigurator-core, Copyright (c) 2025-2026 NVIDIA"
        " CORPORATION & AFFILIATES, Apache-2.0",
        "digest": hashlib.sha256("\n".join(body.values()).encode()).hexdigest(),
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in head.items()]
    rows = ",\n".join(f"  {json.dumps(name)}: {text}" for name, text in body.items())
    return "{\n" + "\n".join(lines) + '\n "entries": {\n' + rows + "\n }\n}\n"


def _parameters(entries: dict[str, Any]) -> dict[str, list[float]]:
    return {
        f"{name} {kind}:{key}": row[0]
        for name, entry in entries.items()
        for kind, fits in entry["fits"].items()
        for key, row in fits["of"].items()
    }


def differences(found: dict[str, Any], shipped: dict[str, Any]) -> Iterator[str]:
    """Where the parameters of two sets of entries differ by more than the tolerance."""
    ours, theirs = _parameters(found), _parameters(shipped)
    for key in sorted({*ours, *theirs}):
        if key not in ours or key not in theirs:
            yield f"{key}: only one of the two has it"
            continue
        for one, other in zip(ours[key], theirs[key], strict=True):
            if abs(one - other) > TOLERANCE * max(abs(one), abs(other)):
                yield f"{key}: {one} and {other}"


def main() -> int:
    """Fit, then write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", help="the package's folder systems/data")
    parser.add_argument("--check", action="store_true", help="compare with what is shipped; write nothing")
    asked = parser.parse_args()
    found = list(all_fits(Tables(folder_of(asked.tables))))
    fits = [fit for fit in found if isinstance(fit, Fit)]
    entries = entries_of(fits)
    if asked.check:
        wrong = list(differences(entries, json.loads(TARGET.read_text(encoding="utf-8"))["entries"]))
        print("\n".join(wrong) or f"{len(fits)} fits agree with {TARGET.name}")
        return 1 if wrong else 0
    TARGET.write_text(document_of(entries), encoding="utf-8")
    SAMPLE.write_text(sample_rows(fits), encoding="utf-8")
    ERRORS.write_text(errors_table(found), encoding="utf-8")
    print(f"{len(fits)} fits of {len(entries)} cards and runtimes, {TARGET.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
