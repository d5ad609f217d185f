"""A measurement beside its prediction, and what a shortfall may come from with the command that would confirm it."""

from assay.answers.bench import source_of
from assay.answers.shortfall import Comparison, ShortfallAnswer
from assay.report.layout.bench import model_name, test
from assay.report.layout.check import cards_name
from assay.types.message import message
from assay.types.report import Block, Command, Figure, Notes, Report, Row, Table, Tone


def _table(found: Comparison) -> Table:
    rows = tuple(
        Row(
            message(f"row.shortfall.{row.name}"),
            (row.measured, row.predicted, message(f"shortfall.outcome.{row.outcome}")),
            strong=row.outcome == "slower",
        )
        for row in found.rows
    )
    title = message(
        "shortfall.about",
        model=model_name(found.measurement),
        gpu=cards_name(found.result.cards),
        test=(test(found.measurement),),
    )
    return Table(title, (message("shortfall.measured"), message("shortfall.predicted"), ""), rows)


def _blocks(found: Comparison) -> list[Block]:
    blocks: list[Block] = [_table(found)]
    if found.suspects:
        blocks.append(Notes(message("shortfall.suspects"), (message("shortfall.while"),)))
    for each in found.suspects:
        code = "shortfall.shown" if each.shown else "shortfall.open"
        blocks.append(Command(message(code, cause=f"shortfall.cause.{each.id}"), each.command))
    return blocks


def _headline(answer: ShortfallAnswer) -> str:
    outcomes = {row.outcome for each in answer.comparisons for row in each.rows}
    for outcome in ("slower", "faster", "inside"):
        if outcome in outcomes:
            return f"shortfall.headline.{outcome}"
    return "shortfall.headline.unknown"


def layout(answer: ShortfallAnswer) -> Report:
    """The page: whether the measurement holds the prediction, each speed, the suspects, what was taken for granted."""
    blocks = [block for each in answer.comparisons for block in _blocks(each)]
    if answer.messages:
        blocks.append(Notes(None, answer.messages))
    figures = tuple(
        Figure(message(f"row.shortfall.{row.name}"), figure)
        for each in answer.comparisons
        for row in each.rows
        for figure in (row.measured, row.predicted)
    )
    first = answer.comparisons[0].measurement
    tone: Tone = "good" if answer.exit_code == 0 else "unsure" if answer.exit_code == 3 else "bad"
    headline = (
        message(_headline(answer)),
        message("shortfall.of", place=first.origin.place),
    )
    cited = dict.fromkeys(source_of(each.measurement) for each in answer.comparisons)
    return Report(headline, tone, tuple(blocks), figures, tuple(cited))
