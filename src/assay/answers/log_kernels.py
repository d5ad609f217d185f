"""What a log says was selected, against the execution path that is predicted for the model's formats."""

from collections.abc import Callable
from typing import NamedTuple

from assay.answers.execution import path_of
from assay.knowledge.catalog.logs import kernel_path
from assay.types.execution import ExecutionPath, Path
from assay.types.log import Selection, ServerLog
from assay.types.model import Model, TensorGroup

PathOf = Callable[[str, str, str, str], ExecutionPath]
"""(runtime, weight format, instruction set, role) -> what executes."""
MATRICES = frozenset({"attention", "mlp", "experts", "shared_experts"})
LINEAR = MATRICES - {"experts"}
WARNED = frozenset({"FP4", "FP8"})
"""What vLLM's warning about a card without such units names: the number format, not the layer."""
BY_ROLE = {"linear": LINEAR, "moe": frozenset({"experts"})}


class SelectionRow(NamedTuple):
    """One selection of a log.

    Attributes:
        selection: as printed.
        told: the path that its name tells, `unknown` where it tells none.
        format: weight format of the tensors that it multiplies, or None.
        predicted: the path predicted for that format here.
        agrees: None where either is unknown.
        sources: who says what the name tells, and what was predicted.
    """

    selection: Selection
    told: Path
    format: str | None
    predicted: Path
    agrees: bool | None
    sources: tuple[str, ...]


def _weighty(groups: list[TensorGroup]) -> str | None:
    """The format of most bytes."""
    sizes: dict[str, int] = {}
    for group in groups:
        sizes[group.format] = sizes.get(group.format, 0) + group.size
    return max(sizes, key=lambda name: sizes[name]) if sizes else None


def _format(selection: Selection, model: Model | None) -> str | None:
    roles = BY_ROLE.get(selection.role)
    if model is None or roles is None:
        return None
    if selection.target in WARNED:
        named = [group for group in model.groups if group.role in MATRICES and selection.target.lower() in group.format]
        return _weighty(named)
    quantized = [
        group for group in model.groups if group.role in roles and group.format not in {"bf16", "fp16", "fp32"}
    ]
    return _weighty(quantized or [group for group in model.groups if group.role in roles])


def selections_of(
    log: ServerLog, model: Model | None, isa: str | None, path_of: PathOf = path_of
) -> tuple[SelectionRow, ...]:
    """Every selection of a log with what its name tells and what was predicted."""
    rows = []
    for selection in log.selections:
        told = kernel_path(f"{selection.name} {selection.target}") if selection.role in BY_ROLE else None
        name = _format(selection, model)
        role = "experts" if selection.role == "moe" else "linear"
        predicted = path_of(log.runtime, name, isa, role) if name and isa else None
        path: Path = "unknown" if predicted is None else predicted.path
        said: Path = "unknown" if told is None else told.path
        agrees = None if "unknown" in {path, said} else path == said
        sources = () if told is None else told.sources
        if predicted is not None:
            sources += tuple(evidence.source for evidence in predicted.evidence)
        rows.append(SelectionRow(selection, said, name, path, agrees, tuple(dict.fromkeys(sources))))
    return tuple(rows)
