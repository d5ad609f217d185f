"""A plot of an SVG picture: axes with their units, each series with its interval, the points that are pointed out."""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from xml.etree import ElementTree as ET

from assay.report.chart.canvas import LINE, MARGIN, WIDTH, Canvas, legible, wide
from assay.report.chart.scale import position
from assay.report.format import extent
from assay.report.numbers import Language, plain
from assay.report.words import say
from assay.types.chart import Axis, Mark, Plot, Point, Series
from assay.types.message import message
from assay.types.quantity import Quantity

LEFT, RIGHT = MARGIN + 64, WIDTH - MARGIN
HEIGHT = 260
DIAMOND = 7

DASHES = ("", "7 4", "2 3", "11 3 2 3")

Places = list[tuple[float, float]]
Read = Callable[[Quantity], float | None]
LOWEST, VALUE, HIGHEST = attrgetter("lowest"), attrgetter("value"), attrgetter("highest")


class Frame:
    """Where values lie on the picture."""

    __slots__ = ("top", "x", "y")

    def __init__(self, x: Axis, y: Axis, top: float) -> None:
        self.x, self.y, self.top = x, y, top

    def across(self, value: float) -> float:
        """Of a value on the x axis."""
        return round(LEFT + position(self.x, value) * (RIGHT - LEFT), 2)

    def down(self, value: float) -> float:
        """Of a value on the y axis."""
        return round(self.top + (1 - position(self.y, value)) * HEIGHT, 2)


def _axes(canvas: Canvas, frame: Frame, language: Language) -> None:
    """Marked values with lines across, and the names of the axes with their scale."""
    bottom = frame.top + HEIGHT
    free = float(RIGHT)
    for value in reversed(frame.x.ticks):
        x, words = frame.across(value), plain(value, language)
        canvas.add("line", "grid", x1=x, x2=x, y1=frame.top, y2=bottom)
        if x <= free:
            canvas.text(x, bottom + 16, words, "small faint middle")
            free = x - wide(words, 12) - 6
    for value in frame.y.ticks:
        y = frame.down(value)
        canvas.add("line", "grid", x1=LEFT, x2=RIGHT, y1=y, y2=y)
        canvas.text(LEFT - 6, y + 4, plain(value, language), "small faint right")
    canvas.add("polyline", "axis", points=f"{LEFT},{frame.top} {LEFT},{bottom} {RIGHT},{bottom}")
    canvas.text(MARGIN, frame.top - 8, _named(frame.y, language), "small faint")
    canvas.text(RIGHT, bottom + 34, _named(frame.x, language), "small faint right")


def _named(axis: Axis, language: Language) -> str:
    words = say(axis.label, language)
    return f"{words} {say(message('chart.log'), language)}" if axis.scale == "log" else words


def _runs(series: Series) -> Iterator[tuple[Point, ...]]:
    """Neighbouring points that are known: of one that is not, nothing is drawn, and no line leads across it."""
    for known, run in groupby(series.points, lambda point: point.y.value is not None):
        if known:
            yield tuple(run)


def _way(frame: Frame, series: Series, run: Sequence[Point], read: Read) -> Places:
    """The way of a curve; a step holds each value back to the point before, the first to the end of the axis."""
    places: Places = []
    before = frame.across(frame.x.low if run[0] is series.points[0] else run[0].x)
    for point in run:
        x, y = frame.across(point.x), frame.down(read(point.y) or 0.0)
        if series.form == "step":
            places.append((before, y))
        places.append((x, y))
        before = x
    return places


def _points(places: Places) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in places)


def _run(canvas: Canvas, frame: Frame, series: Series, run: Sequence[Point], dashes: dict[str, str]) -> None:
    """What the interval leaves open hatched; of a step what is certain filled; the line, and the points themselves."""
    low, high = (_way(frame, series, run, read) for read in (LOWEST, HIGHEST))
    read = LOWEST if series.form == "step" else VALUE
    line = _way(frame, series, run, read)
    if series.form == "step":
        bottom = frame.top + HEIGHT
        area = [(low[0][0], bottom), *low, (low[-1][0], bottom)]
        canvas.add("polygon", f"area {series.fill} pale", points=_points(area))
    if high != low:
        canvas.add("polygon", "band", points=_points([*low, *reversed(high)]), fill=f"url(#assay-{series.fill})")
    canvas.add("polyline", f"lines {series.fill}", points=_points(line), **dashes)


def _curve(canvas: Canvas, frame: Frame, series: Series, number: int, language: Language) -> None:
    """A series, told from others by its dashes as well."""
    dashes = {"stroke-dasharray": DASHES[number % len(DASHES)]} if number else {}
    read = LOWEST if series.form == "step" else VALUE
    for run in _runs(series):
        _run(canvas, frame, series, run, dashes)
        for point in run:
            at = canvas.add(
                "circle", f"dot {series.fill}", cx=frame.across(point.x), cy=frame.down(read(point.y) or 0.0), r=3
            )
            ET.SubElement(at, "title").text = legible(f"{plain(point.x, language)}: {extent(point.y, language)}")


def _mark(canvas: Canvas, frame: Frame, mark: Mark, language: Language) -> None:
    """A diamond with its words on the side that has room."""
    x, y = frame.across(mark.x), frame.down(mark.y)
    corners = [(x, y - DIAMOND), (x + DIAMOND, y), (x, y + DIAMOND), (x - DIAMOND, y)]
    canvas.add("polygon", "mark", points=_points(corners))
    words = say(mark.label, language)
    # Above it and to its right there is room where values fall with x.
    at = min(x + DIAMOND + 4, RIGHT - wide(words, 12) - 4)
    canvas.text(at, max(frame.top + 10, y - 2 * DIAMOND), words, "small strong halo")


def _legend(canvas: Canvas, series: Series, number: int, language: Language) -> None:
    x, y = float(LEFT), canvas.y + 2
    dashes = {"stroke-dasharray": DASHES[number % len(DASHES)]} if number else {}
    for label, sure in ((series.label, True), (series.possible, False)):
        if not sure:
            canvas.add("rect", "band", x=x, y=y, width=14, height=14, fill=f"url(#assay-{series.fill})")
        elif series.form == "step":
            canvas.add("rect", f"area {series.fill} pale", x=x, y=y, width=14, height=14)
        else:
            canvas.add("path", f"lines {series.fill}", d=f"M{x:.2f} {y + 7:.2f}H{x + 14:.2f}", **dashes)
        if not sure or series.form == "step":
            canvas.add("rect", "frame", x=x, y=y, width=14, height=14)
        words = say(label, language)
        canvas.text(x + 20, y + 12, words, "small")
        x += 44 + wide(words, 12)
    canvas.y += LINE


def draw_plot(canvas: Canvas, plot: Plot, language: Language) -> None:
    """A plot with its axes, or what there is to say in its place."""
    canvas.y += LINE
    canvas.prose(say(plot.title, language), "strong")
    if plot.x is not None and plot.y is not None:
        frame = Frame(plot.x, plot.y, canvas.y + 24)
        for number, series in enumerate(plot.series):
            _curve(canvas, frame, series, number, language)
        _axes(canvas, frame, language)
        for mark in plot.marks:
            _mark(canvas, frame, mark, language)
        canvas.y = frame.top + HEIGHT + 20
        for number, series in enumerate(plot.series):
            _legend(canvas, series, number, language)
    for note in plot.notes:
        canvas.prose(say(note, language), "faint")
