"""The speed of cards as a picture: throughput by load, latency by context, and the steps under the roofline."""

from collections.abc import Sequence
from math import ceil, floor, log2, log10

from assay.types.chart import Axis, Chart, Mark, Plot, Point, Series
from assay.types.message import Message, message
from assay.types.picture import Roof, SpeedPicture
from assay.types.plan import Workload
from assay.types.quantity import Quantity

MOST_TICKS = 9
TIMES = 1.25
"""Room above the highest value of an axis."""


def _twos(low: float, high: float) -> tuple[float, ...]:
    first, last = ceil(log2(low)), floor(log2(high))
    step = max(1, ceil((last - first + 1) / MOST_TICKS))
    return tuple(2.0**power for power in range(first, last + 1, step))


def _tens(low: float, high: float) -> tuple[float, ...]:
    ticks = [
        digit * 10.0**power
        for power in range(floor(log10(low)), ceil(log10(high)) + 1)
        for digit in (1, 2, 5)
        if low <= digit * 10.0**power <= high
    ]
    return tuple(ticks if len(ticks) <= MOST_TICKS else ticks[:: ceil(len(ticks) / MOST_TICKS)])


def _value_axis(label: Message, unit: str, figures: Sequence[Quantity]) -> Axis:
    low = min(figure.lowest or 0.0 for figure in figures) / TIMES
    high = max(figure.highest or 0.0 for figure in figures) * TIMES
    return Axis(label, unit, "log", low, high, _tens(low, high))


def _series(label: str, points: Sequence[tuple[float, Quantity]]) -> Series:
    return Series(
        message(label), message("chart.interval"), tuple(Point(x, figure) for x, figure in points), "line", "cache"
    )


def _known(points: Sequence[tuple[float, Quantity]]) -> list[tuple[float, Quantity]]:
    return [(x, figure) for x, figure in points if figure.value is not None]


def _loads(picture: SpeedPicture, workload: Workload, name: str) -> Plot:
    title = message("chart.loads", gpu=name, prompt=workload.prompt, context=workload.context)
    points = _known([(load.sequences, load.throughput) for load in picture.loads])
    if not points:
        return Plot(title, None, None, (), notes=_why([load.throughput for load in picture.loads]))
    first, last = points[0][0], points[-1][0]
    x = Axis(message("chart.axis.sequences"), "sequence", "log", first / 2, max(last, 2), _twos(first, max(last, 2)))
    y = _value_axis(message("chart.axis.throughput"), "token/s", [figure for _, figure in points])
    return Plot(title, x, y, (_series("chart.predicted", points),), _asked(points, workload.concurrency))


def _asked(points: Sequence[tuple[float, Quantity]], asked: float) -> tuple[Mark, ...]:
    return tuple(Mark(message("chart.asked_here"), x, figure.value or 0.0) for x, figure in points if x == asked)


def _why(figures: Sequence[Quantity]) -> tuple[Message, ...]:
    return tuple(dict.fromkeys(figure.note for figure in figures if figure.note))


def _depths(picture: SpeedPicture, workload: Workload, name: str) -> list[Plot]:
    plots = []
    for title, axis, kind in (
        ("chart.depths", "chart.axis.between", "between"),
        ("chart.prompts", "chart.axis.first", "first"),
    ):
        points = _known([(depth.context, getattr(depth, kind)) for depth in picture.depths])
        head = message(title, gpu=name, sequences=workload.concurrency)
        if len(points) > 1:
            first, last = points[0][0], points[-1][0]
            x = Axis(message("chart.axis.context"), "token", "log", first / 2, last, _twos(first, last))
            y = _value_axis(message(axis), "s", [figure for _, figure in points])
            plots.append(Plot(head, x, y, (_series("chart.predicted", points),), _asked(points, workload.context)))
    return plots


def _roof_line(roof: Roof, bandwidth: float, low: float, high: float) -> Series:
    """The roof of one number format: the bandwidth's slope up to the ridge, then the peak."""
    ridge = roof.rate / bandwidth
    stations = sorted({low, min(max(ridge, low), high), high})
    formula = "the lower of bandwidth x operations for a byte and the peak"
    points = tuple(
        Point(x, Quantity(min(x * bandwidth, roof.rate), "FLOP/s", "derived", formula=formula)) for x in stations
    )
    return Series(message("chart.roof", number=roof.number), message("chart.interval"), points, "line", "kept")


def _roofline(picture: SpeedPicture, name: str) -> Plot:
    title = message("chart.roofline", gpu=name)
    if not picture.roofs:
        return Plot(title, None, None, (), notes=(message("chart.no_roof"),))
    intensities = [point.intensity for point in picture.points]
    ridge = max(roof.rate for roof in picture.roofs) / picture.bandwidth
    low, high = min(*intensities, ridge) / 2, max(*intensities, ridge) * 4
    figures = [point.rate for point in picture.points]
    top = max(roof.rate for roof in picture.roofs)
    bottom = min([low * picture.bandwidth, *(figure.lowest or top for figure in figures)])
    x = Axis(message("chart.axis.intensity"), "FLOP/B", "log", low, high, _tens(low, high))
    y = Axis(message("chart.axis.rate"), "FLOP/s", "log", bottom / 2, top * 2, _tens(bottom / 2, top * 2))
    measured = tuple(
        Series(
            message(f"chart.point.{point.kind}", tokens=point.tokens),
            message("chart.interval"),
            (Point(point.intensity, point.rate),),
            "line",
            "weights",
        )
        for point in picture.points
    )
    roofs = tuple(_roof_line(roof, picture.bandwidth, low, high) for roof in picture.roofs)
    marks = tuple(
        Mark(message(f"chart.point.{point.kind}", tokens=point.tokens), point.intensity, point.rate.value or 0.0)
        for point in picture.points
    )
    return Plot(title, x, y, (*roofs, *measured), marks)


def speed_chart(drawn: Sequence[tuple[str, SpeedPicture]], workload: Workload) -> Chart:
    """The picture of how fast sets of cards are.

    Args:
        drawn: name and picture of each set.
        workload: what was asked.
    """
    plots: list[Plot] = []
    for name, picture in drawn:
        plots += [_loads(picture, workload, name), *_depths(picture, workload, name), _roofline(picture, name)]
    return Chart(message("chart.speed"), (), tuple(plots))
