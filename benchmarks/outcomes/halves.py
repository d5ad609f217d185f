"""Which half of the cases is open and which stays sealed: decided by the hash of a group, so that no twin crosses.

python benchmarks/outcomes/halves.py

It prints sizes only. The sealed half is not looked at before the decisions are written (README.md).
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from cases import Case, load, usable


class Split(NamedTuple):
    """The two halves; a group is wholly in one of them."""

    open: tuple[Case, ...]
    sealed: tuple[Case, ...]


def is_open(group: str) -> bool:
    """The last bit of SHA-256 of the group's name is zero: cases added later move no group that is here."""
    return int(hashlib.sha256(group.encode()).hexdigest(), 16) % 2 == 0


def split(cases: Iterable[Case]) -> Split:
    """Cases of the open groups, and all others, each in the order given."""
    cases = tuple(cases)
    return Split(
        tuple(case for case in cases if is_open(case.group)), tuple(case for case in cases if not is_open(case.group))
    )


def main() -> None:
    """Print the size of the halves and of each kind in them."""
    for name, half in split(usable(load()))._asdict().items():
        print(f"{name}: {len(half)} cases of {len({case.group for case in half})} groups")
        for kind, count in sorted(Counter(case.kind for case in half).items()):
            print(f"  {kind}: {count}")


if __name__ == "__main__":
    main()
