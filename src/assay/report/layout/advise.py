"""Quantize or not as a page: what to run, the options side by side, why, and what would change it."""

from assay.answers.advise import AdviseAnswer, AdviseResult, Told, option_words, written
from assay.knowledge.catalog.runtimes import runtime
from assay.reason.decide.recommend import loss_by
from assay.report.layout.check import TONES, cards_name
from assay.report.layout.execution import leading
from assay.types.decide import Flip, Loss, Option, Weighed
from assay.types.message import Message, message
from assay.types.quantity import Quantity
from assay.types.report import Block, Cell, Figure, Notes, Report, Row, Table


def _named(option: Option | None) -> tuple[Message, ...]:
    return () if option is None else (option_words(option),)


def _headline(answer: AdviseAnswer, result: AdviseResult) -> Message:
    gpu, model, best = cards_name(result.cards), answer.model.name.rsplit("/", 1)[-1], result.choice.best
    if result.verdict == "no":
        return message("advise.headline.no", model=model, gpu=gpu)
    if best is None or result.verdict == "unknown":
        return message("advise.headline.unknown", model=model, gpu=gpu)
    code = "advise.headline.as_released" if best.lossless else "advise.headline.changed"
    return message(code, model=model, gpu=gpu, option=_named(best.option))


def _asked(answer: AdviseAnswer) -> Message:
    need = answer.need
    return message(
        f"advise.asked.{need.purpose}",
        users=need.users, context=need.context, prompt=need.prompt, output=need.output,
    )  # fmt: skip


def _lost(loss: Loss | None, one: Weighed) -> Cell:
    if one.lossless:
        return message("advise.loss.none")
    if loss is None:
        return message("figure.unknown")
    return message("advise.loss.range", low=loss.low, high=loss.high)


def _rows(answer: AdviseAnswer, result: AdviseResult) -> tuple[Row, ...]:
    rows = []
    for told in result.shown:
        figures, one = told.figures, told.weighed
        rates: tuple[Cell, ...] = (figures.decode,)
        if answer.need.users > 1:
            rates = (figures.decode, figures.total_rate)
        loss = _lost(loss_by(one, result.protocol), one)
        meets = message(f"verdict.{one.meets}")
        cells: tuple[Cell, ...] = (*rates, figures.first, figures.memory, figures.context, loss, meets)
        best = result.choice.best is not None and one.option == result.choice.best.option
        rows.append(Row(option_words(one.option), cells, strong=best))
    return tuple(rows)


def _table(answer: AdviseAnswer, result: AdviseResult) -> list[Block]:
    rates: tuple[Message, ...] = (message("row.decode_per_sequence"),)
    if answer.need.users > 1:
        rates = (*rates, message("row.decode_total"))
    by = message("advise.loss_by", protocol=result.protocol) if result.protocol else message("advise.loss")
    heads = (
        *rates,
        message("row.ttft"),
        message("advise.memory"),
        message("row.max_context"),
        by,
        message("advise.meets"),
    )
    rows = _rows(answer, result)
    title = message("advise.options", shown=len(rows), front=len(result.front), count=result.considered)
    return [Table(title, heads, rows, listing=True)] if rows else []


def flip_words(flip: Flip) -> Message:
    """What would change the answer, in words, with the interval in which it cannot be told."""
    option, before = _named(flip.option), _named(flip.before)
    if flip.kind == "instead":
        kind = "none" if flip.option is None else "instead" if flip.before is not None else "meets"
        return message(f"advise.flip.{kind}.{flip.moved}", at=flip.at, option=option, before=before)
    how = "certain" if flip.certain else "close" if flip.high is not None else "open"
    return message(
        f"advise.flip.{how}.{flip.moved}", at=flip.at, option=option, before=before, low=flip.low, high=flip.high
    )


def _changes(result: AdviseResult) -> list[Block]:
    lines = [flip_words(flip) for flip in result.flips]
    best = result.choice.best
    if best is not None and result.verdict == "yes":
        lines.append(message("advise.flip.room", size=best.total[1], option=_named(best.option)))
    return [Notes(message("advise.flips"), tuple(lines))] if lines else []


def _why(result: AdviseResult) -> list[Block]:
    return [Notes(message("check.reasons"), result.reasons)] if result.reasons else []


def _paths(result: AdviseResult) -> list[Block]:
    """What executes of each weight format that is shown, once, and what to know of its path."""
    told: dict[tuple[str, str], Told] = {}
    for one in result.shown:
        told.setdefault((one.weighed.option.runtime, one.weighed.option.weights), one)
    lines: list[Message] = []
    for (engine, _), one in told.items():
        first, *notes = leading(one.execution)
        lines.append(message("advise.path", runtime=runtime(engine).name, path=(first,)))
        lines += notes
        if one.requantized:
            lines.append(message("advise.requantized", "warning", format=written(one.weighed.option.weights)))
    return [Notes(message("execution.title"), tuple(dict.fromkeys(lines)))] if lines else []


def _dropped(result: AdviseResult) -> list[Block]:
    lines = []
    for one in result.dropped:
        if one.words:
            lines.append(message("advise.dropped.words", count=one.count, example=one.example, words=one.words))
        else:
            lines.append(message(f"advise.dropped.{one.reason}", count=one.count, example=one.example))
    return [Notes(message("advise.dropped"), tuple(lines))] if lines else []


def _figures(result: AdviseResult) -> list[Figure]:
    found: list[tuple[str, Quantity]] = []
    for told in result.shown:
        figures = told.figures
        found += [
            ("row.decode_per_sequence", figures.decode),
            ("row.decode_total", figures.total_rate),
            ("row.ttft", figures.first),
            ("advise.memory", figures.memory),
            ("row.max_context", figures.context),
        ]
    return [Figure(message(code), figure) for code, figure in found]


def layout(answer: AdviseAnswer) -> Report:
    """The page: what to run first, then the options, why, what would change it, and what is left out."""
    blocks: list[Block] = []
    for result in answer.results:
        if len(answer.results) > 1:
            blocks.append(Notes(None, (_headline(answer, result),)))
        blocks += [*_why(result), *_table(answer, result), *_changes(result), *_paths(result), *_dropped(result)]
    if answer.messages:
        blocks.append(Notes(None, answer.messages))
    verdicts = {result.verdict for result in answer.results}
    tone = TONES["no" if "no" in verdicts else "unknown" if "unknown" in verdicts else "yes"]
    if len(answer.results) == 1:
        headline = _headline(answer, answer.results[0])
    else:
        met = sum(result.verdict == "yes" for result in answer.results)
        headline = message("advise.headline.several", model=answer.model.name, yes=met, count=len(answer.results))
    sources = tuple(dict.fromkeys((*answer.model.sources, *(name for one in answer.runtimes for name in one.sources))))
    figures = tuple(figure for result in answer.results for figure in _figures(result))
    return Report((headline, _asked(answer)), tone, tuple(blocks), figures, sources)
