"""Which rows calibrate and which validate: decided by the hash of a group, so that no twin crosses.

python benchmarks/memory/split.py
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from rows import Row, load, usable


class Split(NamedTuple):
    """The two halves; a group is wholly in one of them."""

    calibration: tuple[Row, ...]
    validation: tuple[Row, ...]


def stratum(row: Row) -> str:
    """The kind of run that both halves should see: runtime, one card or several, and the kind of cache."""
    cards = "one card" if row.cards == 1 else "several cards"
    cache = "plain" if row.check_bytes != "not a plain cache" else "other cache"
    return f"{row.runtime}, {cards}, {cache}"


def digest(group: str) -> str:
    """A fixed order of groups that no one chose: SHA-256 of the group's name."""
    return hashlib.sha256(group.encode()).hexdigest()


def _calibrates(group: str) -> bool:
    """The last bit of the digest: rows added later move no group that is here."""
    return int(digest(group), 16) % 2 == 0


def calibration_groups(rows: Iterable[Row]) -> frozenset[str]:
    """The groups that calibrate: those of an even digest.

    Where a stratum's groups would all fall on one side, the first in the order of the digests changes sides. A group
    belongs to the stratum of its first row by id, so it is counted once.
    """
    first: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: row.id):
        first.setdefault(row.group, row)
    strata: dict[str, list[str]] = defaultdict(list)
    for group in sorted(first, key=digest):
        strata[stratum(first[group])].append(group)
    chosen = {group for group in first if _calibrates(group)}
    for groups in strata.values():
        inside = [group for group in groups if group in chosen]
        if len(groups) > 1 and len(inside) in (0, len(groups)):
            chosen ^= {groups[0]}
    return frozenset(chosen)


def split(rows: Iterable[Row]) -> Split:
    """Rows of the calibrating groups, and all others, each in the order given."""
    rows = tuple(rows)
    chosen = calibration_groups(rows)
    return Split(
        tuple(row for row in rows if row.group in chosen), tuple(row for row in rows if row.group not in chosen)
    )


def main() -> None:
    """Print the size of the halves and of each stratum."""
    halves = split(usable(load()))
    for name, half in halves._asdict().items():
        print(f"{name}: {len(half)} rows of {len({row.group for row in half})} groups")
        for kind in sorted({stratum(row) for row in half}):
            print(f"  {kind}: {sum(stratum(row) == kind for row in half)}")


if __name__ == "__main__":
    main()
