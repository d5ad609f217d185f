"""What findings say of a number format on a card: the best over all instructions and all targets that run on it."""

from collections.abc import Iterable
from typing import NamedTuple

from assay.types.proof import Finding, Probe, Record, Sparsity, Verdict

RANK: dict[Verdict, int] = {"native": 0, "unknown": 1, "emulated": 2, "absent": 3}
"""Unknown stands above emulated: what was not asked, because the tool is too old, could be native."""


class Evidence(NamedTuple):
    """A probe with what came out of it."""

    probe: Probe
    finding: Finding


class FormatProof(NamedTuple):
    """What is proven of one number format.

    Attributes:
        format: its id.
        verdict: on its dense products, whatever they accumulate in.
        deciding: the product that decides; None where nothing was asked.
        targets: those whose findings give this verdict.
        sparse: the product that decides on 2:4 sparsity, or None.
        accumulate: verdict of the dense products by accumulator.
    """

    format: str
    verdict: Verdict
    deciding: Evidence | None
    targets: tuple[str, ...]
    sparse: Evidence | None
    accumulate: tuple[tuple[str, Verdict], ...]


def _volume(probe: Probe) -> int:
    rows, columns, depth = probe.shape or (0, 0, 0)
    return rows * columns * depth


def _best(found: list[Evidence], doors: frozenset[str] = frozenset()) -> Evidence | None:
    """The best verdict; of equals the plainest, with the widest accumulator, the largest, of the target named first.

    Of refusals one through a door that the card has, for the target named first, in the fewest words: the others
    repeat it for every part of a longer name.

    Args:
        found: findings to choose from, those of the card's own target first.
        doors: those through which the card has some native instruction.
    """
    targets = list(dict.fromkeys(one.finding.target for one in found))
    return min(
        found,
        key=lambda one: (
            RANK[one.finding.verdict],
            one.finding.verdict == "native" and bool(one.finding.notes),
            one.finding.refusal is not None and one.probe.door not in doors,
            targets.index(one.finding.target) if one.finding.refusal is not None else 0,
            len(one.finding.refusal or ""),
            one.probe.accumulate == "fp16",
            -_volume(one.probe),
        ),
        default=None,
    )


def _of(found: list[Evidence], sparsity: Sparsity) -> list[Evidence]:
    return [one for one in found if one.probe.sparsity == sparsity and one.probe.kind == "matrix"]


def evidence(probes: Iterable[Probe], records: Iterable[Record]) -> list[Evidence]:
    """All findings of these targets with their probes, in the order of the targets."""
    known = {probe.id: probe for probe in probes}
    return [
        Evidence(known[finding.probe], finding)
        for record in records
        for finding in record.findings
        if finding.probe in known
    ]


def _proof(name: str, found: list[Evidence], doors: frozenset[str]) -> FormatProof:
    dense = _of(found, "dense")
    deciding = _best(dense, doors)
    verdict: Verdict = "unknown" if deciding is None else deciding.finding.verdict
    by_accumulator: dict[str, list[Evidence]] = {}
    for one in dense:
        by_accumulator.setdefault(one.probe.accumulate, []).append(one)
    accumulate = [
        (wide, best.finding.verdict) for wide, one in by_accumulator.items() if (best := _best(one)) is not None
    ]
    targets = dict.fromkeys(one.finding.target for one in dense if one.finding.verdict == verdict)
    return FormatProof(name, verdict, deciding, tuple(targets), _best(_of(found, "2:4"), doors), tuple(accumulate))


def of_formats(found: list[Evidence]) -> dict[str, FormatProof]:
    """What is proven of each number format that a matrix product was asked for."""
    doors = frozenset(one.probe.door for one in found if one.probe.kind == "matrix" and one.finding.verdict == "native")
    by_format: dict[str, list[Evidence]] = {}
    for one in found:
        if one.probe.kind == "matrix":
            by_format.setdefault(one.probe.format, []).append(one)
    return {name: _proof(name, one, doors) for name, one in by_format.items()}


def unpacking(found: list[Evidence]) -> list[Evidence]:
    """For each conversion and each product of the vector units the best finding."""
    by_probe: dict[str, list[Evidence]] = {}
    for one in found:
        if one.probe.kind == "unpack":
            by_probe.setdefault(one.probe.id, []).append(one)
    return [best for one in by_probe.values() if (best := _best(one)) is not None]
