"""Writes the catalogue's fit of the speed model, intervals from cross-validation, and the rows it was fitted to.

    python benchmarks/speed/calibrate_speed.py [--check]

With --check nothing is written: exit 1 where a shipped coefficient or spread differs by more than 1e-6 from what the
rows give, or the rows themselves differ.
"""

import argparse
import hashlib
import json
import sys
import tomllib
from collections import defaultdict
from typing import Any

from cross_validation import FEWEST, Left, by_card, by_group, by_pair, by_runtime, ends
from fitting import fitted
from observations import FOLDER, Observation, load

TARGET = FOLDER.parents[1] / "src" / "assay" / "knowledge" / "data" / "generated"
FIT, ROWS = TARGET / "speed_fit.json", TARGET / "speed_rows.json"
SOURCES = TARGET.parent / "sources" / "speed.toml"
GENERATOR = "benchmarks/speed/calibrate_speed.py"
KINDS, SEEN, TRAITS = (
    ("decode", "serving", "prefill"),
    ("calibrated", "seen", "unseen", "runtime"),
    ("dense", "experts"),
)
TOLERANCE = 1e-6
DIGITS = 9


def trait(one: Observation) -> str:
    """Dense or with experts."""
    return "experts" if one.experts else "dense"


def residuals_by_stratum(observations: list[Observation]) -> dict[tuple[str, str, str], list[Left]]:
    """Left-out rows by kind, what remained, and trait."""
    found: dict[tuple[str, str, str], list[Left]] = defaultdict(list)
    for way in (by_group, by_card, by_pair, by_runtime):
        wanted = {by_group: "calibrated", by_card: "unseen", by_pair: "seen", by_runtime: "runtime"}[way]
        for left in way(observations):
            if wanted in (left.seen, "runtime"):
                found[left.one.kind, wanted, trait(left.one)].append(left)
    return found


def _candidates(kind: str, seen: str, which: str) -> list[tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]:
    """Strata to take the residuals from, the stratum itself first, then wider ones: never a nearer one."""
    farther = SEEN[SEEN.index(seen) :]
    return [
        ((kind,), (seen,), (which,)),
        ((kind,), (seen,), TRAITS),
        *(((kind,), (seen, further), TRAITS) for further in farther[1:]),
        (KINDS, farther, TRAITS),
        (KINDS, SEEN, TRAITS),
    ]


def pooled(found: dict[tuple[str, str, str], list[Left]], kind: str, seen: str, which: str) -> tuple[list[Left], str]:
    """The residuals that a stratum's interval is taken from, and what they are called."""
    for kinds, seens, traits in _candidates(kind, seen, which):
        rows = [
            left
            for key, some in found.items()
            if key[0] in kinds and key[1] in seens and key[2] in traits
            for left in some
        ]
        if len(rows) >= FEWEST:
            break
    name = "/".join("+".join(part) if len(part) < 3 else "all" for part in (kinds, seens, traits))
    return rows, name


def document(observations: list[Observation]) -> dict[str, Any]:
    """The entry of the fit."""
    coefficients = fitted(observations)
    found = residuals_by_stratum(observations)
    spreads = {}
    for kind in KINDS:
        for seen in SEEN:
            for which in TRAITS:
                rows, name = pooled(found, kind, seen, which)
                low, high = ends([left.residual for left in rows])
                spreads[f"{kind}/{seen}/{which}"] = [round(low, DIGITS), round(high, DIGITS), len(rows), name]
    counted: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for one in observations:
        counted[f"{one.gpu}/{one.runtime}"][one.kind] += 1
    return {
        "coefficients": {name: round(value, DIGITS) for name, value in sorted(coefficients.items())},
        "spreads": spreads,
        "fitted": {name: dict(sorted(kinds.items())) for name, kinds in sorted(counted.items())},
    }


def _sources() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(FOLDER.glob("sources_*.toml")):
        found |= tomllib.loads(path.read_text(encoding="utf-8"))
    return found


def source_entries(observations: list[Observation]) -> str:
    """The rows' sources as the catalogue lists sources."""
    sources, lines = _sources(), [f"# Written by {GENERATOR} from benchmarks/speed/sources_*.toml; do not edit."]
    for name in sorted({one.row["source"] for one in observations}):
        entry = sources[name]
        lines += ["", f"[speed-{name}]", f"title = {json.dumps(entry['title'], ensure_ascii=False)}"]
        lines += [f"url = {json.dumps(entry['url'])}", 'kind = "measurement"']
    return "\n".join(lines) + "\n"


def touched(one: Observation) -> float:
    """Bytes of weights that a step of one token reads."""
    shape = one.prepared.shape
    share = shape.chosen / shape.experts if shape.experts else 1.0
    return sum(each.size * (share if each.kind == "experts" else 1.0) for each in shape.matrices)


def row_entries(observations: list[Observation]) -> dict[str, Any]:
    """The rows by card, each with the place of its source in the card's list."""
    cards = defaultdict(list)
    for one in observations:
        cards[one.gpu].append(one)
    entries = {}
    for gpu, some in sorted(cards.items()):
        cited = sorted({one.row["source"] for one in some})
        entries[gpu] = {
            "cited": [f"speed-{name}" for name in cited],
            "rows": [
                [
                    *(one.id, one.gpu, one.runtime, one.row["version"], one.model, one.weights, one.kind),
                    *(one.sequences, one.prompt, one.output, float(f"{one.seconds:.6g}"), round(touched(one))),
                    cited.index(one.row["source"]),
                ]
                for one in some
            ],
        }
    return entries


def _text(kind: str, entries: dict[str, Any]) -> str:
    body = json.dumps(entries, ensure_ascii=False, separators=(",", ": "), sort_keys=False)
    digest = hashlib.sha256(body.encode()).hexdigest()
    lines = [f"  {json.dumps(name)}: {json.dumps(entry, ensure_ascii=False)}" for name, entry in entries.items()]
    head = f'{{"generator": "{GENERATOR}", "digest": "{digest}", "kind": "{kind}", "entries": {{\n'
    return head + ",\n".join(lines) + "\n}}\n"


def _numbers(value: Any, where: str = "") -> dict[str, float | str]:
    if isinstance(value, dict):
        return {key: found for name, item in value.items() for key, found in _numbers(item, f"{where}/{name}").items()}
    if isinstance(value, list):
        return {
            key: found for index, item in enumerate(value) for key, found in _numbers(item, f"{where}/{index}").items()
        }
    return {where: value}


def differences(shipped: dict[str, Any], made: dict[str, Any]) -> list[str]:
    """Where two entries differ by more than the tolerance."""
    one, other = _numbers(shipped), _numbers(made)
    found = list(one.keys() ^ other.keys())
    for name in one.keys() & other.keys():
        a, b = one[name], other[name]
        same = abs(a - b) <= TOLERANCE if isinstance(a, float) and isinstance(b, float) else a == b
        if not same:
            found.append(name)
    return sorted(found)


def main() -> int:
    """Write the tables, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    observations, _ = load()
    made, entries = document(observations), row_entries(observations)
    cited = source_entries(observations)
    if check:
        shipped = json.loads(FIT.read_text(encoding="utf-8"))["entries"]["fit"]
        found = differences(shipped, made)
        if ROWS.read_text(encoding="utf-8") != _text("speed_row", entries):
            found.append(ROWS.name)
        if SOURCES.read_text(encoding="utf-8") != cited:
            found.append(SOURCES.name)
        print(f"{len(made['coefficients'])} coefficients compared, {len(found)} differences", *found[:10], sep="\n")
        return 1 if found else 0
    FIT.write_text(_text("speed_fit", {"fit": made}), encoding="utf-8")
    ROWS.write_text(_text("speed_row", entries), encoding="utf-8")
    SOURCES.write_text(cited, encoding="utf-8")
    print(f"{len(observations)} observations, {len(made['coefficients'])} coefficients")
    return 0


if __name__ == "__main__":
    sys.exit(main())
