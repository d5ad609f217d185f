"""What runtimes execute, as their own source says: rows of the catalogue -> execution paths."""

from functools import cache
from typing import Any, NamedTuple

from assay.knowledge import store
from assay.types.execution import AttentionPath, Path, PathEvidence, Regime
from assay.types.message import Message, message

KIND = "execution"
ATTENTION = "attention"


class Cell(NamedTuple):
    """One weight format of one role on one instruction set, as a runtime's source has it.

    Attributes:
        row: id of the catalogue's row.
        runtime: its id.
        path, regimes, notes, refusal: see `ExecutionPath`.
        evidence: the place that decides, once for each source.
        executed: whether the selection code was run.
    """

    row: str
    runtime: str
    path: Path
    regimes: tuple[Regime, ...]
    notes: tuple[Message, ...]
    refusal: str | None
    evidence: tuple[PathEvidence, ...]
    executed: bool


def _regime(row: dict[str, Any], path: Path) -> Regime:
    return Regime(
        row["batch"], row.get("path", path), row["multiplies"], row["activations"], row["unit"], row.get("kernel", "")
    )


def _cell(name: str, body: dict[str, Any], cell: dict[str, Any]) -> Cell:
    codes = (*body.get("notes", ()), *cell.get("notes", ()))
    return Cell(
        name,
        body["runtime"],
        cell["path"],
        tuple(_regime(row, cell["path"]) for row in cell.get("regimes", ())),
        tuple(message(code) for code in codes),
        cell.get("refusal"),
        tuple(PathEvidence(body["basis"], body["where"], source) for source in body["sources"]),
        bool(body.get("executed")),
    )


@cache
def _index() -> dict[tuple[str, str, str, str], tuple[str, dict[str, Any], dict[str, Any]]]:
    """(runtime, weight format, role, instruction set) -> (id of the row, the row, its cell)."""
    found = {}
    for name, body in store.entries(KIND).items():
        for cell in body["cells"]:
            for isa in cell["isa"]:
                for weight_format in body["formats"]:
                    found[body["runtime"], weight_format, body.get("role", "any"), isa] = name, body, cell
    return found


def cell(runtime: str, weight_format: str, role: str, isa: str) -> Cell | None:
    """What is known of a format under a runtime on an instruction set; None is unknown.

    Args:
        runtime: its id.
        weight_format: its id.
        role: `linear` or `experts`.
        isa: id of the instruction set.
    """
    index = _index()
    found = index.get((runtime, weight_format, role, isa)) or index.get((runtime, weight_format, "any", isa))
    return None if found is None else _cell(*found)


def formats(runtime: str) -> tuple[str, ...]:
    """The weight formats that a runtime's rows speak of, in their order."""
    return tuple(dict.fromkeys(name for engine, name, _, _ in _index() if engine == runtime))


def runtimes() -> tuple[str, ...]:
    """The runtimes with rows, in their order."""
    return tuple(dict.fromkeys(engine for engine, _, _, _ in _index()))


@cache
def attends_apart(runtime: str) -> frozenset[str]:
    """Architectures whose attention asks more of a backend (sinks) than a runtime's rows were read for."""
    bodies = store.entries(ATTENTION).values()
    return frozenset(name for body in bodies if body["runtime"] == runtime for name in body.get("apart", ()))


def attention(runtime: str, isa: str, kind: str) -> AttentionPath | None:
    """Which attention backend a runtime picks on an instruction set, by KV type; None where its source was not read.

    Args:
        runtime: its id.
        isa: id of the instruction set.
        kind: `standard`, or `latent` for latent attention (MLA).
    """
    for body in store.entries(ATTENTION).values():
        if body["runtime"] != runtime or body["kind"] not in (kind, "any"):
            continue
        cells = [cell for cell in body["cells"] if isa in cell["isa"]]
        if not cells:
            return None
        return AttentionPath(
            runtime,
            isa,
            tuple((kv, cell["backend"]) for cell in cells if "backend" in cell for kv in cell["kv"]),
            tuple((kv, cell["refused"]) for cell in cells if "refused" in cell for kv in cell["kv"]),
            tuple(PathEvidence(body["basis"], body["where"], source) for source in body["sources"]),
        )
    return None
