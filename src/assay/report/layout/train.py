"""The memory of training as a page: the answer, the parts of the peak, how far, what would make it fit."""

from collections.abc import Callable

from assay.answers.train import TrainAnswer, TrainResult
from assay.report.layout.check import TONES, cards_name
from assay.types.message import Message, message
from assay.types.quantity import Quantity, unknown
from assay.types.report import Block, Figure, Notes, Report, Row, Table

Part = tuple[str, Callable[[TrainResult], Quantity]]
MEMORY: tuple[Part, ...] = (
    ("row.weights", lambda r: r.fit.memory.weights),
    ("train.row.adapters", lambda r: r.fit.memory.adapters),
    ("train.row.gradients", lambda r: r.fit.memory.gradients),
    ("train.row.optimizer", lambda r: r.fit.memory.optimizer),
    ("train.row.peak", lambda r: r.fit.memory.peak),
    ("train.row.gathered", lambda r: r.fit.memory.gathered),
    ("train.row.overhead", lambda r: r.fit.memory.overhead),
    ("row.total", lambda r: r.fit.memory.total),
    ("train.row.available", lambda r: r.fit.memory.available),
    ("row.free", lambda r: r.fit.memory.free),
)
PEAK: tuple[Part, ...] = (
    ("train.row.activations", lambda r: r.fit.memory.activations),
    ("train.row.logits", lambda r: r.fit.memory.logits),
    ("train.row.layer", lambda r: r.fit.memory.layer),
    ("train.row.step", lambda r: r.fit.memory.step),
)
REACH: tuple[Part, ...] = (
    ("train.row.trained", lambda r: r.fit.trained),
    ("train.row.longest", lambda r: r.fit.longest),
    ("train.row.largest", lambda r: r.fit.largest),
)
TIME: tuple[Part, ...] = (
    ("train.row.rate", lambda r: r.speed.rate),
    ("train.row.time", lambda r: r.speed.time or unknown("s", message("unknown.no_tokens"))),
)
MOST_SOURCES = 6


def _time(answer: TrainAnswer) -> tuple[Part, ...]:
    return TIME if answer.request.tokens else TIME[:1]


def _headline(answer: TrainAnswer) -> Message:
    name = answer.model.name.rsplit("/", 1)[-1]
    method = f"train.method.{answer.request.training.method}"
    if len(answer.results) > 1:
        fitting = sum(result.verdict == "yes" for result in answer.results)
        return message("train.headline.several", model=name, method=method, yes=fitting, count=len(answer.results))
    result = answer.results[0]
    return message(f"train.headline.{result.verdict}", model=name, method=method, gpu=cards_name(result.cards))


def _asked(answer: TrainAnswer) -> Message:
    training = answer.request.training
    return message(
        "train.asked",
        optimizer=f"train.optimizer.{training.optimizer.replace('-', '_')}",
        sequence=training.sequence,
        batch=training.micro_batch,
        checkpointing=f"train.checkpointing.{'yes' if training.checkpointing else 'no'}",
        precision=f"train.short.{training.precision}",
    )


def _row(answer: TrainAnswer, code: str, read: Callable[[TrainResult], Quantity]) -> Row:
    return Row(message(code), tuple(read(result) for result in answer.results), strong=code == "row.total")


def _is_idle(row: Row) -> bool:
    return all(isinstance(cell, Quantity) and cell.value == 0 and not cell.highest for cell in row.cells)


def _rows(answer: TrainAnswer, parts: tuple[Part, ...]) -> tuple[Row, ...]:
    rows = (_row(answer, code, read) for code, read in parts)
    return tuple(row for row in rows if not _is_idle(row))


def _tables(answer: TrainAnswer) -> list[Block]:
    several = len(answer.results) > 1
    heads = tuple(cards_name(result.cards) for result in answer.results) if several else ("",)
    verdicts = Row(message("row.verdict"), tuple(message(f"verdict.{r.verdict}") for r in answer.results), strong=True)
    memory = _rows(answer, MEMORY)
    return [
        Table(message("train.memory"), heads, ((verdicts,) if several else ()) + memory),
        Table(message("train.peak"), heads, _rows(answer, PEAK)),
        Table(message("train.reach"), heads, _rows(answer, REACH)),
        Table(message("train.time"), heads, _rows(answer, _time(answer))),
    ]


def _reasons(answer: TrainAnswer) -> list[Block]:
    blocks: list[Block] = []
    for result in answer.results:
        gpu = cards_name(result.cards)
        several = len(answer.results) > 1
        if result.fit.reasons:
            title = message("check.reasons_for", gpu=gpu) if several else message("check.reasons")
            blocks.append(Notes(title, result.fit.reasons))
        if result.fit.ways:
            title = message("train.ways_for", gpu=gpu) if several else message("train.ways")
            blocks.append(Notes(title, tuple(way.said for way in result.fit.ways)))
        elif result.verdict == "no":
            blocks.append(Notes(None, (message("train.no_way", gpu=gpu),)))
    return blocks


def _identity(answer: TrainAnswer) -> list[Block]:
    found = [each for each in answer.identifications if each.match == "ambiguous"]
    lines = tuple(
        line
        for each in found
        for line in (message("check.ambiguous", query=each.query, count=len(each.candidates)), *each.distinguish)
    )
    return [Notes(None, lines)] if lines else []


def layout(answer: TrainAnswer) -> Report:
    """The page of `assay train`."""
    figures = tuple(
        Figure(message(code), read(result))
        for result in answer.results
        for code, read in (*MEMORY, *PEAK, *REACH, *_time(answer))
    )
    cited = tuple(dict.fromkeys(source for entry in figures for source in entry.figure.sources))
    shown = message("check.sources", ids=", ".join(cited[:MOST_SOURCES]), more=max(0, len(cited) - MOST_SOURCES))
    verdicts = {result.verdict for result in answer.results}
    tone = TONES["no" if "no" in verdicts else "unknown" if "unknown" in verdicts else "yes"]
    return Report(
        headline=(_headline(answer), _asked(answer)),
        tone=tone,
        blocks=(
            *_identity(answer),
            *_tables(answer),
            *_reasons(answer),
            Notes(None, answer.messages),
            Notes(None, (shown,)),
        ),
        figures=figures,
        sources=cited,
    )
