"""What the catalogue knows of start-up logs: tolerances, likely causes, what a kernel's name says."""

import re
from typing import NamedTuple

from assay.knowledge import store
from assay.knowledge.catalog.figures import quantity
from assay.types.execution import Path
from assay.types.quantity import Quantity


class Cause(NamedTuple):
    """A likely cause of a difference.

    Attributes:
        id: `diagnose.cause.<id>` are its words.
        rows: rows that it explains; outcomes: `above` or `below` the prediction.
        needs: what the log must show, or "".
        runtimes: whose logs it explains.
        flag: what changes it, or "".
        sources: who says so.
    """

    id: str
    rows: tuple[str, ...]
    outcomes: tuple[str, ...]
    needs: str
    runtimes: tuple[str, ...]
    flag: str
    sources: tuple[str, ...]


class KernelName(NamedTuple):
    """The path that a kernel's name tells, and who says so."""

    path: Path
    sources: tuple[str, ...]


def tolerance(row: str) -> Quantity | None:
    """How far a log may lie from a prediction that is one number, as a share of it; None where it has none."""
    body = store.entry("log_row", row)
    return None if body is None else quantity(body["tolerance"], "ratio", "unknown.term")


def causes() -> tuple[Cause, ...]:
    """All causes, those that need something of the log first."""
    found = [
        Cause(
            name,
            tuple(body["rows"]),
            tuple(body["outcome"]),
            body["needs"],
            tuple(body["runtimes"]),
            body["flag"],
            tuple(body["sources"]),
        )
        for name, body in store.entries("log_cause").items()
    ]
    return tuple(sorted(found, key=lambda cause: not cause.needs))


def kernel_path(name: str) -> KernelName | None:
    """What a kernel's name says about the path, or None."""
    for body in store.entries("log_kernel").values():
        if re.search(body["pattern"], name, re.IGNORECASE):
            return KernelName(body["path"], tuple(body["sources"]))
    return None
