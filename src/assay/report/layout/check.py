"""The verdict as a page: the answer, memory part by part, how far, how fast, what to do, the command."""

from collections.abc import Callable

from assay.answers.asked import CardCount
from assay.answers.check import CheckAnswer, CheckResult
from assay.report.attention import attention_words
from assay.report.figures import matrix_formats
from assay.report.layout import execution
from assay.types.chart import Chart
from assay.types.message import Message, message
from assay.types.quantity import Quantity
from assay.types.report import Block, Cell, Command, Figure, Notes, Report, Row, Table, Tone

TONES: dict[str, Tone] = {"yes": "good", "no": "bad", "unknown": "unsure"}
Part = tuple[str, Callable[[CheckResult], Quantity]]
MEMORY: tuple[Part, ...] = (
    ("row.weights", lambda r: r.fit.memory.weights),
    ("row.kv", lambda r: r.fit.memory.kv),
    ("row.state", lambda r: r.fit.memory.state),
    ("row.activation", lambda r: r.fit.memory.activation),
    ("row.overhead", lambda r: r.fit.memory.overhead),
    ("row.total", lambda r: r.fit.memory.total),
    ("row.available", lambda r: r.fit.memory.available),
    ("row.free", lambda r: r.fit.memory.free),
)
REACH: tuple[Part, ...] = (
    ("row.max_context", lambda r: r.fit.max_context),
    ("row.max_concurrency", lambda r: r.fit.max_concurrency),
    ("row.copies", lambda r: r.fit.copies),
)
SPEED: tuple[Part, ...] = (
    ("row.decode_per_sequence", lambda r: r.speed.decode_per_sequence),
    ("row.decode_total", lambda r: r.speed.decode_total),
    ("row.throughput", lambda r: r.speed.throughput),
    ("row.prefill", lambda r: r.speed.prefill),
    ("row.ttft", lambda r: r.speed.ttft_unloaded),
)


def _speed(answer: CheckAnswer) -> tuple[Part, ...]:
    """The rows of speed; one sequence has one decode figure."""
    if answer.workload.concurrency > 1:
        return SPEED
    return (("row.decode", SPEED[0][1]), *SPEED[3:])


def cards_name(cards: tuple[CardCount, ...]) -> str:
    """`2x RTX PRO 6000 …`, `A + B`."""
    return " + ".join(
        f"{entry.number}x {entry.card.gpu.name}" if entry.number > 1 else entry.card.gpu.name for entry in cards
    )


def _model_name(answer: CheckAnswer) -> str:
    """The repository's own name, without its owner: the headline has one line."""
    name = answer.model.name
    return name if answer.request.model.startswith((".", "/", "~")) else name.rsplit("/", 1)[-1]


def _stored(answer: CheckAnswer) -> str:
    """The formats of the layers' matrices, as people write them (`BF16`, `gguf:Q5_0 + Q4_K`)."""
    if answer.request.weights:
        return _written(answer.request.weights)
    first, *others = matrix_formats(answer.model) or ("unknown",)
    return " + ".join((_written(first), *(_written(name).removeprefix("gguf:") for name in others)))


def _written(name: str) -> str:
    return name if name.startswith("gguf:") else name.upper().replace("_", " ")


DECISIVE = {
    "check.beyond_model": "check.headline.beyond",
    "check.refused": "check.headline.refused",
    "check.raises": "check.headline.raises",
    "check.kv_raises": "check.headline.raises",
    "check.heads": "check.headline.heads",
    "check.blocks": "check.headline.heads",
    "check.too_close": "check.headline.close",
}
"""Reasons that are not just a matter of memory, and the headline each has."""


def _code(answer: CheckAnswer, result: CheckResult) -> str:
    """The headline of one verdict: where another reason than memory decides, it says so."""
    codes = [reason.code for reason in result.reasons]
    if result.verdict != "yes":
        decisive = (DECISIVE[code] for code in codes if code in DECISIVE)
        return next(decisive, f"check.headline.{result.verdict}")
    if "check.format_absent" in codes:
        return "check.headline.yes_memory"
    if answer.request.weights not in (None, answer.model.released_format):
        return "check.headline.yes_converted"
    released = answer.model.requantized_from is None and answer.model.released_format is not None
    return "check.headline.yes_as_released" if released else "check.headline.yes_as_stored"


def _headline(answer: CheckAnswer) -> tuple[Message, ...]:
    name = _model_name(answer)
    if len(answer.results) == 1:
        result = answer.results[0]
        return (
            message(
                _code(answer, result),
                model=name,
                gpu=cards_name(result.cards),
                format=_stored(answer),
                context=answer.workload.context,
                limit=answer.model.max_context,
                runtime=answer.runtime.name,
            ),
        )
    verdicts = {result.verdict for result in answer.results}
    if len(verdicts) == 1:
        code = f"check.headline.all_{answer.results[0].verdict}"
        return (message(code, model=name, count=len(answer.results)),)
    fitting = sum(result.verdict == "yes" for result in answer.results)
    return (message("check.headline.differ", model=name, yes=fitting, count=len(answer.results)),)


def _row(answer: CheckAnswer, code: str, read: Callable[[CheckResult], Quantity]) -> Row:
    figures = [read(result) for result in answer.results]
    values = {(figure.value, figure.low, figure.high) for figure in figures}
    return Row(message(code), tuple(figures), strong=code == "row.total", differs=len(values) > 1)


def _rows(answer: CheckAnswer, parts: tuple[Part, ...]) -> tuple[Row, ...]:
    rows = (_row(answer, code, read) for code, read in parts)
    return tuple(row for row in rows if not _is_idle(row))


def _reach(answer: CheckAnswer) -> tuple[Part, ...]:
    """How far it goes; and, of a runtime that fills its memory with cache, the tokens that its log will name."""
    if any(result.fit.capacity is None for result in answer.results):
        return REACH
    return (*REACH, ("row.kv_tokens", lambda r: r.fit.capacity.tokens))


def _alone(answer: CheckAnswer) -> list[Block]:
    """The tables of one set of cards, which stands in the headline already."""
    return [
        Table(message("check.memory"), ("",), _rows(answer, MEMORY)),
        Table(message("check.reach"), ("",), _rows(answer, _reach(answer))),
        Table(_speed_title(answer), ("",), _rows(answer, _speed(answer))),
        execution.alone(answer.results[0].execution, attention_words(answer.results[0].attention, answer.kv.id)),
    ]


def _side_by_side(answer: CheckAnswer) -> list[Block]:
    """What is the same for all, once; then one column for each set of cards with what differs."""
    rows = (_verdicts(answer), *_rows(answer, (*MEMORY, *_reach(answer), *_speed(answer))))
    same = tuple(row._replace(cells=row.cells[:1]) for row in rows if not row.differs)
    # In a table where every row differs the mark would say nothing.
    apart = tuple(row._replace(differs=False) for row in rows if row.differs)
    columns = tuple(cards_name(result.cards) for result in answer.results)
    names = Notes(message("check.columns"), tuple(message("text", text=name) for name in columns))
    blocks: list[Block] = [] if apart else [names]
    if same:
        blocks.append(Table(message("check.same", count=len(columns)), ("",), same))
    if apart:
        blocks.append(Table(message("check.apart"), columns, apart))
    blocks.append(
        execution.side_by_side([(name, one.execution) for name, one in zip(columns, answer.results, strict=True)])
    )
    return [
        *blocks,
        Notes(None, (message("check.prompt", prompt=answer.workload.prompt, half=answer.workload.context // 2),)),
    ]


def _near(answer: CheckAnswer) -> list[Block]:
    """How near the measurements are that speed was fitted to."""
    lines = dict.fromkeys(
        message(f"speed.seen.{result.speed.seen}", gpu=cards_name(result.cards), runtime=answer.runtime.name)
        for result in answer.results
        if result.speed.seen not in (None, "calibrated")
    )
    return [Notes(None, tuple(lines))] if lines else []


def _neighbours(answer: CheckAnswer) -> list[Figure]:
    """The nearest published measurements, for the explanation."""
    found = []
    for result in answer.results:
        for one in result.nearest:
            rate = Quantity(
                (1.0 if one.kind != "prefill" else one.prompt) / one.seconds, "token/s", "reported", (one.source,)
            )
            label = message(
                f"speed.nearest.{one.kind}",
                gpu=one.gpu,
                model=one.model.rsplit("/", 1)[-1],
                weights=one.weights,
                runtime=f"{one.runtime} {one.version}".strip(),
                sequences=round(one.sequences),
                prompt=round(one.prompt),
            )
            found.append(Figure(label, rate))
    return found


def _speed_title(answer: CheckAnswer) -> Message:
    return message("check.speed", prompt=answer.workload.prompt, half=answer.workload.context // 2)


def _is_idle(row: Row) -> bool:
    """A state of zero bytes is not worth a line; everything else is."""
    label = row.label
    return (
        not isinstance(label, str)
        and label.code == "row.state"
        and all(isinstance(cell, Quantity) and cell.value == 0 for cell in row.cells)
    )


def _verdicts(answer: CheckAnswer) -> Row:
    words: tuple[Cell, ...] = tuple(message(f"verdict.{result.verdict}") for result in answer.results)
    return Row(message("row.verdict"), words, strong=True, differs=len({r.verdict for r in answer.results}) > 1)


def _identity(answer: CheckAnswer) -> Notes | None:
    lines = [
        line
        for found in answer.identifications
        if found.match == "ambiguous"
        for line in (
            message("check.ambiguous", query=found.query, count=len(found.candidates)),
            *found.distinguish,
        )
    ]
    return Notes(None, tuple(lines)) if lines else None


def _what_to_do(answer: CheckAnswer) -> list[Block]:
    blocks: list[Block] = []
    for result in answer.results:
        lines = (*result.reasons, *result.advice)
        title = message("check.reasons")
        if len(answer.results) > 1:
            title = message("check.reasons_for", gpu=cards_name(result.cards))
        if lines:
            blocks.append(Notes(title, lines))
    launches = tuple(dict.fromkeys(result.launch for result in answer.results if result.launch))
    if len(launches) == 1:
        blocks.append(Command(message("check.launch", runtime=answer.runtime.name), launches[0]))
    return blocks


def _same_notes(blocks: list[Block]) -> list[Block]:
    """One note for all columns where every column says the same."""
    notes = [block for block in blocks if isinstance(block, Notes)]
    others = [block for block in blocks if not isinstance(block, Notes)]
    if len(notes) > 1 and len({block.lines for block in notes}) == 1:
        notes = [Notes(message("check.reasons"), notes[0].lines)]
    return [*notes, *others]


MOST_SOURCES = 6


def _sources(answer: CheckAnswer) -> Notes:
    """The ids of what the verdict rests on first: the model, the card's memory and bandwidth, the runtime."""
    cards = [entry.card for result in answer.results for entry in result.cards]
    cited = dict.fromkeys(
        (
            *answer.model.sources,
            *(name for card in cards for name in card.usable.sources),
            *(name for card in cards for name in card.gpu.bandwidth.sources),
            *answer.runtime.sources,
        )
    )
    shown = ", ".join(list(cited)[:MOST_SOURCES])
    return Notes(None, (message("check.sources", ids=shown, more=max(0, len(cited) - MOST_SOURCES)),))


def _chart(answer: CheckAnswer) -> Chart | None:
    """The drawing, where one was asked for."""
    curves = [(cards_name(result.cards), result.curves) for result in answer.results if result.curves]
    if curves:
        from assay.report.chart.speed import speed_chart  # noqa: PLC0415 -- few ask for it

        return speed_chart(curves, answer.workload)
    if not any(result.picture for result in answer.results):
        return None
    from assay.report.chart.memory import memory_chart  # noqa: PLC0415 -- few ask for it

    return memory_chart(answer, tuple(cards_name(result.cards) for result in answer.results))


def layout(answer: CheckAnswer) -> Report:
    """The page: verdict first, then memory, reach and speed for each set of cards, then what to do."""
    workload = answer.workload
    asked = message(
        "check.asked",
        runtime=answer.runtime.name,
        version=answer.runtime.version or "",
        context=workload.context,
        concurrency=workload.concurrency,
        kv=answer.kv.id,
    )
    identity = _identity(answer)
    chart = _chart(answer)
    figures = tuple(
        Figure(message(code), read(result))
        for result in answer.results
        for code, read in (*MEMORY, *_reach(answer), *SPEED)
    ) + tuple(_neighbours(answer))
    sources = tuple(dict.fromkeys((*answer.model.sources, *answer.runtime.sources)))
    blocks: list[Block] = [
        *([identity] if identity else []),
        *([chart] if chart else []),
        *(_alone(answer) if len(answer.results) == 1 else _side_by_side(answer)),
        *_near(answer),
        *_same_notes(_what_to_do(answer)),
        *([Notes(None, answer.messages)] if answer.messages else []),
        _sources(answer),
    ]
    verdicts = [result.verdict for result in answer.results]
    tone = TONES["no" if "no" in verdicts else "unknown" if "unknown" in verdicts else "yes"]
    return Report(
        headline=(*_headline(answer), asked),
        tone=tone,
        blocks=tuple(blocks),
        figures=figures,
        sources=sources,
    )
