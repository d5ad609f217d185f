"""How far predictions are from measurements that were left out, by stratum, beside simpler peers on the same rows.

    python benchmarks/speed/speed_errors.py [--markdown] [--worst N]

MAPE of tokens a second for decode and prefill, of seconds between tokens for serving. `group` leaves out twins (same
card, model shape and source), `card` leaves out the card. Coverage: the share of rows inside the 80 % interval that the
other folds of their stratum give. Peers: all bytes at 0.55 of the bandwidth; the median efficiency of the other folds;
aiconfigurator where it is installed and answers. Exit 1 where a figure that the project promises is missed.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import exp, log
from statistics import median
from typing import NamedTuple

from cross_validation import FEWEST, Left, by_card, by_group, ends
from observations import Observation, load

from assay.reason.speed import step

NOTHING = dict.fromkeys(("layer", "expert_layer", "step", "each", "rows", "pad", "reduce", "ring"), -1e3)
"""Coefficients of a machine without overheads."""
CONSTANT = 0.55
PROMISED = {"decode, group": 0.10, "decode, card": 0.16, "serving, group": 0.12, "prefill, group": 0.20}
COVERAGE = (0.75, 0.90)


class Cell(NamedTuple):
    """Errors of some rows: how many, mean and median absolute percentage error, and the bias of the logarithm."""

    rows: int
    mean: float
    median: float
    bias: float


def error(one: Observation, residual: float) -> float:
    """Absolute percentage error: of the rate, or of the time between tokens where servers are measured by it."""
    return abs(exp(residual) - 1) if one.kind == "serving" else abs(exp(-residual) - 1)


def cell(pairs: Iterable[tuple[Observation, float]]) -> Cell:
    """The errors of rows with their residuals."""
    some = list(pairs)
    errors = sorted(error(*pair) for pair in some)
    mean = sum(errors) / len(errors)
    return Cell(len(errors), mean, median(errors), sum(residual for _, residual in some) / len(some))


def covered(rows: Sequence[Left], twin: Callable[[Left], str]) -> tuple[int, int]:
    """(inside, counted): rows inside the interval that the rows of other folds give, where those are enough."""
    inside = counted = 0
    for name in {twin(left) for left in rows}:
        others = [left.residual for left in rows if twin(left) != name]
        if len(others) < FEWEST:
            continue
        low, high = ends(others)
        for left in rows:
            if twin(left) == name:
                counted += 1
                # The shipped interval always holds the prediction itself.
                inside += min(low, 0.0) <= left.residual <= max(high, 0.0)
    return inside, counted


def ideal(one: Observation) -> tuple[float, float]:
    """Seconds at the peaks: (to read weights and caches, all with multiplying)."""
    prepared = one.prepared
    own, waited = one.parts(step.factors_of(prepared, {**NOTHING, "mix": -1e3}))
    blind = prepared._replace(
        terms=tuple(
            term._replace(regimes=tuple(each._replace(peak=1e30) for each in term.regimes)) for term in prepared.terms
        ),
        place=prepared.place._replace(peak=1e30),
    )
    bare = one_with(one, blind).parts(step.factors_of(blind, {**NOTHING, "mix": -1e3}))
    return sum(bare[0]), sum(own) + sum(waited)


def one_with(one: Observation, prepared: step.Prepared) -> Observation:
    """The same measurement of another place."""
    from dataclasses import replace  # noqa: PLC0415 -- once

    return replace(one, prepared=prepared)


def constant(rows: Sequence[Left]) -> list[tuple[Observation, float]]:
    """All bytes at a constant share of the bandwidth; nothing for prefill, which is not bound by it."""
    return [
        (left.one, log(ideal(left.one)[0] / CONSTANT / left.one.seconds)) for left in rows if left.one.kind != "prefill"
    ]


def typical(rows: Sequence[Left]) -> list[tuple[Observation, float]]:
    """The roofline at the median efficiency of the other folds' rows of the same kind."""
    reached = {id(left): ideal(left.one)[1] / left.one.seconds for left in rows}
    found = []
    for left in rows:
        others = [
            reached[id(other)] for other in rows if other.folded != left.folded and other.one.kind == left.one.kind
        ]
        if others:
            found.append((left.one, log(ideal(left.one)[1] / median(others) / left.one.seconds)))
    return found


def strata(rows: Iterable[Left]) -> dict[str, list[Left]]:
    """Rows by kind, runtime, what remained and trait."""
    found: dict[str, list[Left]] = defaultdict(list)
    for left in rows:
        trait = "experts" if left.one.experts else "dense"
        found[f"{left.one.kind}, {left.one.runtime}, {left.seen}, {trait}"].append(left)
    return dict(sorted(found.items()))


def table(title: str, rows: Sequence[Left], twin: Callable[[Left], str], *, markdown: bool) -> tuple[int, int]:
    """Print one way of leaving out; returns (inside, counted) of all strata."""
    head = ("stratum", "rows", "MAPE", "median", "bias", "in 80 %", f"{CONSTANT} of bandwidth", "median share")
    lines: list[tuple[str, ...]] = [head]
    inside = counted = 0
    for name, some in strata(rows).items():
        own = cell((left.one, left.residual) for left in some)
        within, of = covered(some, twin)
        inside, counted = inside + within, counted + of
        peers = [f"{cell(found).mean:.1%}" if found else "-" for found in (constant(some), typical(some))]
        share = f"{within / of:.0%}" if of else "-"
        lines.append((name, str(own.rows), f"{own.mean:.1%}", f"{own.median:.1%}", f"{own.bias:+.3f}", share, *peers))
    print(f"\n{title}\n")
    _print(lines, markdown=markdown)
    return inside, counted


def _print(lines: Sequence[Sequence[str]], *, markdown: bool) -> None:
    if markdown:
        first, *others = lines
        print("| " + " | ".join(first) + " |", "|" + "---|" * len(first), sep="\n")
        for line in others:
            print("| " + " | ".join(line) + " |")
        return
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def figures(groups: Sequence[Left], cards: Sequence[Left]) -> dict[str, Cell]:
    """The promised figures: builds of 2025 and later, rows that stay calibrated for servers and prompts."""
    chosen = {
        "decode, group": [left for left in groups if left.one.kind == "decode" and left.one.modern],
        "decode, card": [left for left in cards if left.one.kind == "decode" and left.one.modern],
        "serving, group": [left for left in groups if left.one.kind == "serving" and left.seen == "calibrated"],
        "prefill, group": [left for left in groups if left.one.kind == "prefill" and left.seen == "calibrated"],
    }
    return {name: cell((left.one, left.residual) for left in some) for name, some in chosen.items() if some}


def main() -> int:
    """Print the tables; exit 1 where a promised figure is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--worst", type=int, default=0)
    asked = parser.parse_args()
    observations, left_aside = load()
    groups, cards = by_group(observations), by_card(observations)
    inside, counted = table("Groups left out", groups, lambda left: left.one.group, markdown=asked.markdown)
    within, of = table("Cards left out", cards, lambda left: left.one.gpu, markdown=asked.markdown)
    print(f"\n{len(observations)} rows; {len(left_aside)} could not be used though nothing excludes them")
    share = (inside + within) / (counted + of)
    print(f"in the 80 % interval: {share:.1%} of {counted + of}")
    missed = not COVERAGE[0] <= share <= COVERAGE[1]
    for name, found in figures(groups, cards).items():
        missed |= found.mean > PROMISED[name]
        print(f"{name}: MAPE {found.mean:.1%} (promised {PROMISED[name]:.0%}), median {found.median:.1%}, {found.rows}")
    for left in sorted(groups, key=lambda left: -abs(left.residual))[: asked.worst]:
        one = left.one
        print(f"  x{exp(left.residual):.2f} {one.id} {one.kind} {one.gpu} {one.runtime} {one.model} {one.weights}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
