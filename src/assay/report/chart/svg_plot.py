"""A plot of an SVG picture: axes with their units, each series with its interval, the points that are pointed out."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from assay.report.chart.canvas import LINE, MARGIN, WIDTH, Canvas, legible, wide
from assay.report.chart.scale import position
from assay.report.format import extent
from assay.report.numbers import Language, trimmed_decimals
from assay.report.numbers import number as digits
from assay.report.words import say
from assay.types.chart import Axis, Mark, Plot, Series
from assay.types.message import Message, message

LEFT, RIGHT = MARGIN + 64, WIDTH - MARGIN
HEIGHT = 260
DIAMOND = 7

Places = list[tuple[float, float]]


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


def _tick(value: float, language: Language) -> str:
    return digits(value, language, trimmed_decimals(value, 2))


def _axes(canvas: Canvas, frame: Frame, language: Language) -> None:
    """Marked values with lines across, and the names of the axes with their scale."""
    bottom = frame.top + HEIGHT
    free = float(RIGHT)
    for value in reversed(frame.x.ticks):
        x, words = frame.across(value), _tick(value, language)
        canvas.add("line", "grid", x1=x, x2=x, y1=frame.top, y2=bottom)
        if x <= free:
            canvas.text(x, bottom + 16, words, "small faint middle")
            free = x - wide(words, 12) - 6
    for value in frame.y.ticks:
        y = frame.down(value)
        canvas.add("line", "grid", x1=LEFT, x2=RIGHT, y1=y, y2=y)
        canvas.text(LEFT - 6, y + 4, _tick(value, language), "small faint right")
    canvas.add("polyline", "axis", points=f"{LEFT},{frame.top} {LEFT},{bottom} {RIGHT},{bottom}")
    canvas.text(MARGIN, frame.top - 8, _named(frame.y, language), "small faint")
    canvas.text(RIGHT, bottom + 34, _named(frame.x, language), "small faint right")


def _named(axis: Axis, language: Language) -> str:
    words = say(axis.label, language)
    return f"{words} {say(message('chart.log'), language)}" if axis.scale == "log" else words


def _outline(frame: Frame, series: Series, ends: Sequence[float]) -> Places:
    """The way of a curve; a step begins at the left end of the axis and holds each value back to the one before."""
    places: Places = []
    before = frame.across(frame.x.low)
    for point, end in zip(series.points, ends, strict=True):
        x, y = frame.across(point.x), frame.down(end)
        if series.form == "step":
            places.append((before, y))
        places.append((x, y))
        before = x
    return places


def _points(places: Places) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in places)


def _curve(canvas: Canvas, frame: Frame, series: Series, language: Language) -> None:
    """What is certain filled, what is possible hatched, and the line between them."""
    sure = _outline(frame, series, [point.y.lowest or 0.0 for point in series.points])
    most = _outline(frame, series, [point.y.highest or 0.0 for point in series.points])
    bottom = frame.top + HEIGHT
    area = [(sure[0][0], bottom), *sure, (sure[-1][0], bottom)]
    canvas.add("polygon", "area cache pale", points=_points(area))
    if most != sure:
        canvas.add("polygon", "band", points=_points([*sure, *reversed(most)]), fill="url(#assay-cache)")
    canvas.add("polyline", "lines cache", points=_points(sure))
    for point in series.points:
        dot = canvas.add("circle", "dot cache", cx=frame.across(point.x), cy=frame.down(point.y.lowest or 0.0), r=3)
        ET.SubElement(dot, "title").text = legible(f"{_tick(point.x, language)}: {extent(point.y, language)}")


def _mark(canvas: Canvas, frame: Frame, mark: Mark, language: Language) -> None:
    """A diamond with its words on the side that has room."""
    x, y = frame.across(mark.x), frame.down(mark.y)
    corners = [(x, y - DIAMOND), (x + DIAMOND, y), (x, y + DIAMOND), (x - DIAMOND, y)]
    canvas.add("polygon", "mark", points=_points(corners))
    words = say(mark.label, language)
    # Above it and to its right there is room where values fall with x.
    at = min(x + DIAMOND + 4, RIGHT - wide(words, 12) - 4)
    canvas.text(at, max(frame.top + 10, y - 2 * DIAMOND), words, "small strong halo")


def _legend(canvas: Canvas, series: Series, language: Language) -> None:
    x = float(LEFT)
    keys: tuple[tuple[Message, str, dict[str, str]], ...] = (
        (series.label, "area cache pale", {}),
        (series.possible, "band", {"fill": "url(#assay-cache)"}),
    )
    for label, kind, fill in keys:
        canvas.add("rect", kind, x=x, y=canvas.y + 2, width=14, height=14, **fill)
        canvas.add("rect", "frame", x=x, y=canvas.y + 2, width=14, height=14)
        words = say(label, language)
        canvas.text(x + 20, canvas.y + 14, words, "small")
        x += 44 + wide(words, 12)
    canvas.y += LINE


def draw_plot(canvas: Canvas, plot: Plot, language: Language) -> None:
    """A plot with its axes, or what there is to say in its place."""
    canvas.y += LINE
    canvas.prose(say(plot.title, language), "strong")
    if plot.x is not None and plot.y is not None:
        frame = Frame(plot.x, plot.y, canvas.y + 24)
        for series in plot.series:
            _curve(canvas, frame, series, language)
        _axes(canvas, frame, language)
        for mark in plot.marks:
            _mark(canvas, frame, mark, language)
        canvas.y = frame.top + HEIGHT + 20
        for series in plot.series:
            _legend(canvas, series, language)
    for note in plot.notes:
        canvas.prose(say(note, language), "faint")
