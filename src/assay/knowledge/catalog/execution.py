"""What runtimes execute, as their own source says: rows of the catalogue -> execution paths."""

from functools import cache
from typing import Any, NamedTuple

from assay.knowledge import store
from assay.types.execution import AttentionChoice, AttentionPath, Path, PathEvidence, Regime
from assay.types.message import Message, message

KIND = "execution"
ATTENTION = "attention"
USUAL_HEADS = frozenset((128,))
"""Elements of a head where no model is asked about."""


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
def _attending() -> tuple[dict[str, Any], ...]:
    return tuple(store.entries(ATTENTION).values())


def _row(runtime: str, kind: str, isa: str, architecture: str | None) -> dict[str, Any] | None:
    """The row of a kind of attention: that of the architecture, else the one for all that it is not apart of."""
    rows = [
        body
        for body in _attending()
        if body["runtime"] == runtime
        and body["kind"] in (kind, "any")
        and any(isa in cell["isa"] for cell in body["cells"])
    ]
    named = {name for body in _attending() for name in body.get("architectures", ())
             if body["runtime"] == runtime and body["kind"] == kind}  # fmt: skip
    if architecture in named:
        return next((body for body in rows if architecture in body.get("architectures", ())), None)
    general = [body for body in rows if "architectures" not in body and architecture not in body.get("apart", ())]
    return general[0] if general else None


def _choices(cells: list[dict[str, Any]], heads: frozenset[int]) -> tuple[AttentionChoice, ...]:
    """The first cell of each KV type that holds for every size of head."""
    found: dict[str, AttentionChoice] = {}
    for cell in cells:
        if "heads" in cell and not heads <= set(cell["heads"]):
            continue
        needs = tuple(message(f"attends.needs.{code}") for code in cell.get("needs", ()))
        for kv in cell["kv"]:
            said = AttentionChoice(kv, cell.get("backend"), cell.get("refused"), needs, cell.get("otherwise"))
            found.setdefault(kv, said)
    return tuple(found.values())


def attention(
    runtime: str, isa: str, kind: str, architecture: str | None = None, heads: frozenset[int] = USUAL_HEADS
) -> AttentionPath | None:
    """Which attention backend a runtime picks on an instruction set, by KV type; None where its source was not read.

    Args:
        runtime: its id.
        isa: id of the instruction set.
        kind: `standard`, `latent` (MLA), `sparse`, or `latent-sparse`.
        architecture: id of the model's architecture, where one is asked about.
        heads: elements of the attention heads.
    """
    body = _row(runtime, kind, isa, architecture)
    if body is None or any(head > body.get("most_head", head) for head in heads):
        return None
    choices = _choices([cell for cell in body["cells"] if isa in cell["isa"]], heads)
    evidence = tuple(PathEvidence(body["basis"], body["where"], source) for source in body["sources"])
    return AttentionPath(runtime, isa, choices, evidence)


def attention_kinds(runtime: str) -> tuple[tuple[str, str | None], ...]:
    """(kind, an architecture of a row of its own, or None) of a runtime's attention rows, in their order."""
    rows = [body for body in _attending() if body["runtime"] == runtime]
    keys = [(body["kind"], next(iter(body.get("architectures", ())), None)) for body in rows]
    return tuple(dict.fromkeys(keys))
