"""The probes of AMD's instruction sets: families of the catalogue, expanded to single calls."""

import json
from functools import cache
from itertools import product
from typing import Any, NamedTuple

from assay.knowledge import store
from assay.types.proof import Probe


class Call(NamedTuple):
    """A probe and the LLVM call that asks for it.

    Attributes:
        probe: what is asked.
        text: the call in LLVM's language: result type, name, arguments; what starts with `%` is an operand.
    """

    probe: Probe
    text: str


@cache
def calls() -> tuple[Call, ...]:
    """All probes, in the order of the catalogue."""
    return tuple(
        _call(family, {"sparsity": "dense", **entry, **shape, **types})
        for family, entry in store.entries("amd_probe").items()
        for shape, types in product(entry["shapes"], entry["types"])
    )


def _call(family: str, row: dict[str, Any]) -> Call:
    shape = row.get("shape")
    parts = (family, shape, row["operand"], row["accumulate"])
    rows, columns, depth = (int(size) for size in shape.split("x")) if shape else (0, 0, 0)
    probe = Probe(
        id=".".join(part for part in parts if part),
        kind=row["kind"],
        format=row["format"],
        operand=row["operand"],
        accumulate=row["accumulate"],
        sparsity=row["sparsity"],
        door=row["door"],
        shape=(rows, columns, depth) if shape else None,
    )
    return Call(probe, row["call"].format_map(row))


@cache
def digest() -> str:
    """SHA-256 of everything that is asked, in hexadecimal digits."""
    import hashlib  # noqa: PLC0415 - 4 ms, and only proofs and tests ask

    asked = [[*call.probe, call.text] for call in calls()]
    return hashlib.sha256(json.dumps(asked, separators=(",", ":")).encode()).hexdigest()
