"""The memory of cards as a picture: a bar for each card, and the frontier of contexts against sequences at once."""

from collections.abc import Hashable
from dataclasses import replace
from math import ceil, log2

from assay.answers.check import CheckAnswer, CheckResult
from assay.reason.memory.fit import verdict
from assay.report.chart.stack import Rest, Share, stacked
from assay.types.chart import Axis, Bar, Chart, Mark, Plot, Point, Series
from assay.types.message import Message, message
from assay.types.picture import CardRoom, MemoryPicture, Step
from assay.types.plan import MemoryPlan
from assay.types.quantity import Quantity, derive, total

SMALL = 0.01
"""Of the weights: smaller groups are drawn as one."""
MOST_TICKS = 9


def _weights(plan: MemoryPlan, picture: MemoryPicture) -> list[Share]:
    """Weights by role and format, the small ones together; in one where they are not shared out."""
    if not picture.weights:
        return [Share(message("row.weights"), plan.weights, "weights")]
    least = (plan.weights.value or 0.0) * SMALL
    by_size = sorted(picture.weights, key=lambda share: -(share.size.value or 0.0))
    large = [share for share in by_size if (share.size.value or 0.0) >= least]
    small = [share for share in by_size if (share.size.value or 0.0) < least]
    if len(small) == 1:
        large, small = by_size, []
    shares = [
        Share(message("chart.weights", role=f"role.{share.role}", format=share.format), share.size, "weights")
        for share in large
    ]
    if small:
        others = total("B", [(f"{share.role}, {share.format}", share.size) for share in small])
        shares.append(Share(message("chart.weights_other"), others, "weights"))
    return shares


def _shares(plan: MemoryPlan, picture: MemoryPicture) -> list[Share]:
    state = [Share(message("row.state"), plan.state, "cache")] if plan.state.value != 0 else []
    return [
        *_weights(plan, picture),
        Share(message("row.kv"), plan.kv, "cache"),
        *state,
        Share(message("row.activation"), plan.activation, "runtime"),
        Share(message("row.overhead"), plan.overhead, "runtime"),
    ]


def _short(left: Quantity) -> Quantity:
    """What is lacking, from what is left: never below nothing."""
    if left.value is None or left.lowest is None or left.highest is None:
        return left
    low, value, high = (max(0.0, -end) for end in (left.highest, left.value, left.lowest))
    interval = low < high
    return replace(
        left, value=value, low=low if interval else None, high=high if interval else None, formula="total - available"
    )


def _bar(label: str, plan: MemoryPlan, picture: MemoryPicture, room: CardRoom) -> Bar:
    left = derive(
        "B",
        "available - total",
        [("available", room.available), ("total", plan.total)],
        lambda have, used: have - used,
        rising=(True, False),
    )
    kept = derive(
        "B",
        "memory shown by the driver - available",
        [("memory shown by the driver", room.shown), ("available", room.available)],
        lambda shown, have: shown - have,
        rising=(True, False),
    )
    rest = Rest(
        free=Share(message("row.free"), left, "free"),
        short=Share(message("chart.short"), _short(left), "short"),
        unknown=Share(message("chart.unknown"), left, "unknown"),
        kept=Share(message("chart.kept"), kept, "kept"),
    )
    return stacked(label, room.shown, room.available, _shares(plan, picture), rest, room.number)


def _bars(result: CheckResult, picture: MemoryPicture) -> list[Bar]:
    return [
        _bar(entry.card.gpu.name, result.fit.memory, picture, room)
        for entry, room in zip(result.cards, picture.cards, strict=True)
    ]


def _powers(low: float, high: float) -> tuple[float, ...]:
    """Powers of two from `low` to `high`, not more than are read at a glance."""
    first, last = ceil(log2(low)), int(log2(high))
    step = max(1, ceil((last - first + 1) / MOST_TICKS))
    return tuple(2.0**power for power in range(first, last + 1, step))


def _reason(result: CheckResult) -> tuple[Message, ...]:
    """That more than memory decides, where it does."""
    return (message("chart.memory_only"),) if verdict(result.fit.memory)[0] != result.verdict else ()


def _frontier(answer: CheckAnswer, result: CheckResult, name: str, steps: tuple[Step, ...]) -> Plot:
    """Sequences at once by context; where none is known, or none fits, the notes say so."""
    workload = answer.workload
    title = message("chart.frontier", gpu=name)
    known = [step for step in steps if step.sequences.value is not None]
    most = max((step.sequences.highest or 0.0 for step in known), default=0.0)
    if not known or not most:
        why = next((step.sequences.note for step in steps if step.sequences.note), None)
        return Plot(
            title,
            None,
            None,
            (),
            notes=(why or message("chart.none_fits", context=min(step.context for step in steps)), *_reason(result)),
        )
    asked = workload.context in {step.context for step in known}
    top = max(most, workload.concurrency if asked else 1.0)
    first, last = known[0].context, known[-1].context
    x = Axis(message("chart.axis.context"), "token", "log", first / 2, last, _powers(first, last))
    y = Axis(message("chart.axis.sequences"), "sequence", "log", 0.5, top * 1.25, _powers(1, top * 1.25))
    series = Series(
        message("chart.surely"),
        message("chart.possibly"),
        tuple(Point(step.context, step.sequences) for step in known),
        "step",
    )
    mark = Mark(
        message("chart.asked", context=workload.context, sequences=workload.concurrency),
        workload.context,
        workload.concurrency,
    )
    beyond = message("chart.beyond", context=workload.context, limit=answer.model.max_context)
    notes = (*(() if asked else (beyond,)), *_reason(result))
    return Plot(title, x, y, (series,), (mark,) if asked else (), notes)


def _once(plots: list[tuple[str, Plot]]) -> tuple[Plot, ...]:
    """Plots that look the same are one, for all the cards that it is of."""
    alike: dict[Hashable, tuple[Plot, list[str]]] = {}
    for name, plot in plots:
        points = tuple((at.x, at.y.lowest, at.y.highest) for series in plot.series for at in series.points)
        alike.setdefault((points, plot.marks, plot.notes), (plot, []))[1].append(name)
    return tuple(plot._replace(title=message("chart.frontier", gpu=", ".join(names))) for plot, names in alike.values())


def memory_chart(answer: CheckAnswer, names: tuple[str, ...]) -> Chart:
    """The picture of a verdict's memory, bars first.

    Args:
        answer: the verdict, with what was asked of its drawing.
        names: of its sets of cards.
    """
    drawn = [
        (result, name, result.picture)
        for result, name in zip(answer.results, names, strict=True)
        if result.picture is not None
    ]
    return Chart(
        message("chart.memory"),
        tuple(bar for result, _, picture in drawn for bar in _bars(result, picture)),
        _once([(name, _frontier(answer, result, name, picture.frontier)) for result, name, picture in drawn]),
    )
