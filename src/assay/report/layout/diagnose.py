"""A log as a page: what held and what did not, row by row, likely causes, what was selected, errors and what to do."""

from dataclasses import replace

from assay.answers.diagnose import DiagnoseAnswer, Diagnosis
from assay.answers.log_attention import AttentionRow
from assay.answers.log_kernels import SelectionRow
from assay.knowledge.catalog.logs import Cause
from assay.knowledge.catalog.runtimes import runtime
from assay.report.layout.check import cards_name
from assay.types.message import Message, message
from assay.types.report import Block, Cell, Figure, Notes, Report, Row, Table, Tone


def _held(result: Diagnosis) -> tuple[int, int]:
    """(rows that held, rows that were predicted)."""
    outcomes = [one.row.outcome for one in result.rows if one.row.outcome != "unknown"]
    attends = [] if result.attention is None else [result.attention.row.outcome]
    judged = [outcome for outcome in attends if outcome in {"held", "differs"}]
    return outcomes.count("inside") + judged.count("held"), len(outcomes) + len(judged)


def _headline(answer: DiagnoseAnswer) -> tuple[Message, ...]:
    log = answer.log
    name = runtime(log.runtime).name
    version = log.version.text if log.version else None
    held, asked = (min(column) for column in zip(*map(_held, answer.results), strict=True))
    if log.troubles:
        first = message("diagnose.headline.failed", runtime=name, line=log.troubles[0].line)
    elif any(map(answer.surprised, answer.results)):
        first = message("diagnose.headline.surprised", runtime=name)
    elif asked:
        code = "diagnose.headline.held" if answer.exit_code == 0 else "diagnose.headline.differs"
        first = message(code, runtime=name, held=held, asked=asked)
    else:
        first = message("diagnose.headline.read", runtime=name)
    model = answer.model.name if answer.model else log.model.text if log.model else None
    said = "diagnose.server" if version else "diagnose.server_unversioned"
    return first, message(said, runtime=name, version=version, model=model or "?", file=answer.request.log)


def _table(result: Diagnosis, title: Message) -> Table:
    # What the printed digits leave open is too little to show.
    rows = tuple(
        Row(
            message(f"row.diagnose.{one.row.name}"),
            (
                replace(one.row.observed, low=None, high=None),
                one.row.predicted,
                message(f"diagnose.outcome.{one.row.outcome}"),
            ),
            strong=one.row.outcome in {"above", "below"},
        )
        for one in result.rows
    )
    if result.attention is not None:
        rows = (*rows, _attends(result.attention.row))
    return Table(title, (message("diagnose.column.log"), message("diagnose.column.predicted"), ""), rows)


def _attends(row: AttentionRow) -> Row:
    """What the log says attends, what was predicted, whether they agree."""
    seen = message("text", text=", ".join(one.name for one in row.seen))
    backend = None if row.predicted is None else row.predicted.backend
    predicted: Cell = message("figure.unknown") if backend is None else message("text", text=backend)
    if row.predicted is not None and backend is None:
        predicted = message("path.refused")
    outcome = message(f"diagnose.attends.{row.outcome}")
    return Row(message("row.diagnose.attention"), (seen, predicted, outcome), strong=row.outcome == "differs")


def _causes(name: str, causes: tuple[Cause, ...]) -> list[Message]:
    row = message(f"row.diagnose.{name}")
    lines = []
    for cause in causes:
        words = Message(f"diagnose.cause.{cause.id}")
        code = "diagnose.cause_flag" if cause.flag else "diagnose.cause_alone"
        lines.append(_joined(code, row, words, cause.flag))
    return lines


def _joined(code: str, row: Message, words: Message, flag: str) -> Message:
    return Message(code, (("row", row.code), ("cause", words.code), ("flag", flag)))


def _selected(row: SelectionRow) -> Message:
    chosen = row.selection
    target = f" ({chosen.target})" if chosen.target else ""
    code = "diagnose.selected_named" if chosen.role == "attention" else "diagnose.selected_unknown"
    if row.agrees is not None:
        code = "diagnose.selected_agrees" if row.agrees else "diagnose.selected_differs"
    elif row.told != "unknown":
        code = "diagnose.selected_told"
    return message(
        code,
        role=f"diagnose.role.{chosen.role}",
        name=chosen.name + target,
        line=chosen.line,
        told=f"diagnose.path.{row.told}",
        predicted=f"diagnose.path.{row.predicted}",
    )


def _blocks(answer: DiagnoseAnswer, result: Diagnosis) -> list[Block]:
    blocks: list[Block] = []
    if result.rows or result.attention is not None:
        title = message("diagnose.rows")
        if result.cards:
            title = message("diagnose.rows_on", gpu=cards_name(result.cards))
        blocks.append(_table(result, title))
    if result.workload is not None:
        workload = result.workload
        blocks.append(
            Notes(
                None,
                (
                    message(
                        "diagnose.workload",
                        context=workload.context,
                        concurrency=workload.concurrency,
                        kv=workload.kv,
                    ),
                ),
            )
        )
    lines = [line for one in result.rows for line in _causes(one.row.name, one.causes)]
    if result.attention is not None:
        lines += _causes("attention", result.attention.causes)
    if answer.surprised(result):
        lines.insert(0, message("diagnose.surprised", verdict=f"verdict.{result.verdict}"))
    if lines:
        blocks.append(Notes(message("diagnose.causes"), tuple(lines)))
    return blocks


def _troubles(answer: DiagnoseAnswer) -> list[Block]:
    lines: list[Message] = []
    for trouble in answer.log.troubles:
        where = (*trouble.parameters, ("line", trouble.line))
        lines += [
            Message(f"diagnose.trouble.{trouble.code}", where),
            Message(f"diagnose.todo.{trouble.code}", where),
        ]
    return [Notes(message("diagnose.troubles"), tuple(lines))] if lines else []


def _tone(answer: DiagnoseAnswer) -> Tone:
    if answer.log.troubles or answer.exit_code:
        return "bad"
    return "good" if any(_held(result)[1] for result in answer.results) else "plain"


def layout(answer: DiagnoseAnswer) -> Report:
    """The page: what held, errors with what to do, row by row, causes, selections."""
    blocks = _troubles(answer)
    for result in answer.results:
        blocks += _blocks(answer, result)
    selections = tuple(dict.fromkeys(_selected(row) for result in answer.results for row in result.selections))
    if selections:
        blocks.append(Notes(message("diagnose.selections"), selections))
    lines = tuple(line for found in answer.identifications if found.match == "ambiguous" for line in found.distinguish)
    if lines or answer.messages:
        blocks.append(Notes(None, (*answer.messages, *lines)))
    figures = tuple(
        Figure(message(f"row.diagnose.{one.row.name}"), figure)
        for result in answer.results
        for one in result.rows
        for figure in (one.row.observed, one.row.predicted)
    )
    cited = dict.fromkeys(
        source
        for result in answer.results
        for one in result.rows
        for source in (*one.row.predicted.sources, *(name for cause in one.causes for name in cause.sources))
    ) | dict.fromkeys(
        source
        for result in answer.results
        if result.attention is not None and result.attention.row.outcome != "unknown"
        for source in result.attention.row.sources
    )
    return Report(_headline(answer), _tone(answer), tuple(blocks), figures, tuple(cited))
