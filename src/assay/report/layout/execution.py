"""What executes, as tables: tensor groups of a model, or weight formats of a runtime, on one card or several."""

from collections.abc import Sequence
from itertools import groupby

from assay.knowledge.catalog.runtimes import runtime
from assay.reason.execution import BATCH_MANY, BATCH_ONE, WORTH, at
from assay.types.execution import ExecutionPath, Regime
from assay.types.message import Message, message
from assay.types.plan import GroupExecution
from assay.types.report import Cell, Notes, Row, Table


def path_word(path: str) -> Message:
    """A path as people read it."""
    return message(f"path.{path}")


def _path_cell(one: ExecutionPath) -> Message:
    """The path, and that of one sequence first where it is another."""
    first = at(one.regimes, BATCH_ONE)
    if first is None or first.path == one.path:
        return path_word(one.path)
    return message("execution.path_changes", first=f"path.{first.path}", many=f"path.{one.path}", batch=BATCH_MANY)


def regime_words(regimes: Sequence[Regime], batch: int) -> Cell:
    """What is multiplied on which unit for this many tokens in one step; None where nothing is known."""
    found = at(tuple(regimes), batch)
    if found is None:
        return None
    return message(f"execution.unit.{found.unit}", multiplies=found.multiplies, activations=found.activations)


def kernels(regimes: Sequence[Regime]) -> Cell:
    """The kernels of all regimes, each once."""
    named = dict.fromkeys(one.kernel for one in regimes if one.kernel)
    return message("text", text="; ".join(named)) if named else None


def _merged(found: Sequence[GroupExecution]) -> list[tuple[GroupExecution, tuple[str, ...]]]:
    """(a group with the shares of all that are executed alike, their roles), the largest share of the work first."""
    alike: dict[tuple[object, ...], list[GroupExecution]] = {}
    for one in found:
        alike.setdefault((one.weight_format, one.path, one.regimes, one.notes), []).append(one)
    merged = [
        (
            groups[0]._replace(
                bytes_share=sum(one.bytes_share for one in groups), work_share=sum(one.work_share for one in groups)
            ),
            tuple(dict.fromkeys(one.role for one in groups)),
        )
        for groups in alike.values()
    ]
    return sorted(merged, key=lambda item: -item[0].work_share)


def _line(one: GroupExecution, roles: tuple[str, ...]) -> Message:
    """A group in one sentence: path, what is multiplied on which unit, by batch where that differs, kernels, shares."""
    first, many = at(one.regimes, BATCH_ONE), at(one.regimes, BATCH_MANY)
    named = dict.fromkeys(regime.kernel for regime in one.regimes if regime.kernel)
    told = ", ".join(roles)
    path, kernels_named = f"path.{one.path}", "; ".join(named) or "–"
    if first is None or many is None:
        return message(
            "execution.line.nothing",
            format=one.weight_format, roles=told, path=path, bytes=one.bytes_share, work=one.work_share,
        )  # fmt: skip
    if (first.multiplies, first.unit) == (many.multiplies, many.unit):
        return message(
            "execution.line.same",
            format=one.weight_format, roles=told, path=path, bytes=one.bytes_share, work=one.work_share,
            kernels=kernels_named, multiplies=first.multiplies, unit=f"unit.{first.unit}",
        )  # fmt: skip
    return message(
        "execution.line.differ",
        format=one.weight_format, roles=told, path=path, bytes=one.bytes_share, work=one.work_share,
        kernels=kernels_named, multiplies=first.multiplies, unit=f"unit.{first.unit}", many=many.multiplies,
        many_unit=f"unit.{many.unit}",
    )  # fmt: skip


def alone(found: Sequence[GroupExecution], attended: Sequence[Message]) -> Notes:
    """The groups on one set of cards that do the work, the attention, and what to know of their paths."""
    shown = [(one, roles) for one, roles in _merged(found) if one.work_share >= WORTH]
    lines = [*(_line(one, roles) for one, roles in shown), *attended]
    lines += [note for one, _ in shown for note in one.notes]
    if any(one.path == "weight-only" and one.regimes for one, _ in shown):
        lines.append(message("execution.weight_only_means"))
    return Notes(message("execution.title"), tuple(dict.fromkeys(lines)))


def leading(found: Sequence[GroupExecution]) -> tuple[Message, ...]:
    """The groups that do most of the work in one sentence, and what to know of their path."""
    one, roles = max(_merged(found), key=lambda item: item[0].work_share)
    means = (message("execution.weight_only_means"),) if one.path == "weight-only" and one.regimes else ()
    return (_line(one, roles), *one.notes, *means)


def side_by_side(columns: Sequence[tuple[str, Sequence[GroupExecution]]]) -> Table:
    """The groups on several sets of cards: the path in each column."""
    keys = dict.fromkeys((one.role, one.weight_format) for _, found in columns for one in found)
    rows = []
    for role, weight_format in keys:
        paths = [
            next((one.path for one in found if (one.role, one.weight_format) == (role, weight_format)), None)
            for _, found in columns
        ]
        cells: tuple[Cell, ...] = tuple(None if path is None else path_word(path) for path in paths)
        label = message("execution.label", format=weight_format, roles=role)
        rows.append(Row(label, cells, differs=len(set(paths)) > 1))
    return Table(message("execution.title"), tuple(name for name, _ in columns), tuple(rows))


def of_runtime(paths: Sequence[tuple[ExecutionPath, str]], title: Message) -> Table:
    """Every weight format of a runtime on one card; formats with the same answer share a row."""
    rows = []
    for _, grouped in groupby(paths, key=lambda item: (item[0].path, item[0].regimes, item[0].refusal, item[1])):
        same = list(grouped)
        one, role = same[0]
        names = ", ".join(path.weight_format for path, _ in same)
        last = message("text", text=one.refusal) if one.refusal else kernels(one.regimes)
        cells: tuple[Cell, ...] = (
            _path_cell(one),
            regime_words(one.regimes, BATCH_ONE),
            regime_words(one.regimes, BATCH_MANY),
            last,
        )
        label = message("text", text=names) if role == "any" else message("execution.label", format=names, roles=role)
        rows.append(Row(label, cells))
    heads = (
        message("execution.path"),
        message("execution.at", batch=BATCH_ONE),
        message("execution.at", batch=BATCH_MANY),
        message("execution.kernels"),
    )
    return Table(title, heads, tuple(rows), listing=True)


def of_all(paths: Sequence[tuple[ExecutionPath, str]]) -> list[Message]:
    """Each runtime's weight formats by path, a line each; what was not read is left out."""
    told: dict[tuple[str, str, str], dict[str, None]] = {}
    for one, role in paths:
        if one.path != "unknown":
            name = one.weight_format if role == "any" else f"{one.weight_format} ({role})"
            told.setdefault((one.runtime, one.version, one.path), {})[name] = None
    return [
        message(
            "formats.path_line",
            runtime=f"{runtime(name).name} {version}".strip(),
            path=f"path.{path}",
            formats=", ".join(formats),
        )
        for (name, version, path), formats in told.items()
    ]
