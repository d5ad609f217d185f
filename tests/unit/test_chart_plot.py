"""Plots of several series: told apart without colour, unknown points left out, values at their places."""

import pytest
from drawn import parsed

from assay.report.chart.scale import position
from assay.report.chart.svg import svg
from assay.report.chart.svg_plot import HEIGHT, LEFT, RIGHT
from assay.report.chart.terminal import chart_lines
from assay.report.speech import Speech
from assay.types.chart import Axis, Chart, Plot, Point, Series
from assay.types.message import message
from assay.types.quantity import Quantity, exact, unknown

SVG = "{http://www.w3.org/2000/svg}"
X = Axis(message("text", text="sequences"), "sequence", "log", 1, 16, (1, 2, 4, 8, 16))
Y = Axis(message("text", text="tokens a second"), "token/s", "linear", 0, 200, (0, 100, 200))
LINEAR = Axis(message("text", text="x"), "", "linear", -10, 10, (0,))


def rate(low: float, value: float, high: float) -> Quantity:
    return Quantity(value, "token/s", "assumed", low=low, high=high)


FIRST = Series(
    message("text", text="decode"),
    message("text", text="estimate"),
    (
        Point(1, rate(10, 20, 40)),
        Point(2, rate(20, 40, 80)),
        Point(4, unknown("token/s", message("unknown.bandwidth"))),
        Point(8, rate(80, 150, 180)),
        Point(16, rate(90, 160, 190)),
    ),
    fill="runtime",
)
SECOND = FIRST._replace(
    label=message("text", text="prefill"),
    points=(Point(1, exact(100, "token/s", "measured")), Point(16, rate(1, 2, 3))),
)
PLOT = Plot(message("text", text="speed"), X, Y, (FIRST, SECOND))
CHART = Chart(message("text", text="chart"), (), (PLOT,))


def places(points: str) -> list[tuple[float, ...]]:
    return [tuple(map(float, point.split(","))) for point in points.split()]


def test_positions_are_linear_or_logarithmic_and_stay_on_the_axis() -> None:
    assert position(X, 4) == pytest.approx(0.5)
    assert position(LINEAR, 5) == pytest.approx(0.75)
    assert (position(X, 0), position(X, 99)) == (0, 1)
    assert (position(LINEAR, -99), position(LINEAR, 99)) == (0, 1)


def test_nothing_is_drawn_of_an_unknown_point_and_no_line_leads_across_it() -> None:
    root = parsed(svg((message("text", text="x"),), (CHART,), "en"))
    first = [line for line in root.iter(f"{SVG}polyline") if line.get("class") == "lines runtime"][:2]
    assert [len(places(line.get("points", ""))) for line in first] == [2, 2]
    dots = list(root.iter(f"{SVG}circle"))
    assert len(dots) == 6
    bottom = max(float(line.get("y1", "0")) for line in root.iter(f"{SVG}line") if line.get("class") == "grid")
    assert all(float(dot.get("cy", "0")) < bottom for dot in dots)
    lines = [line.text for line in chart_lines(CHART, Speech("en"), 80)]
    (row,) = [line for line in lines if line.split()[:1] == ["4"]]
    assert row.split()[1:] == ["unknown", "[1]"]


def test_a_line_is_drawn_at_its_values_and_its_band_at_the_ends() -> None:
    root = parsed(svg((message("text", text="x"),), (CHART,), "en"))
    axis = next(line for line in root.iter(f"{SVG}polyline") if line.get("class") == "axis")
    top = places(axis.get("points", ""))[0][1]

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + x * (RIGHT - LEFT), top + (1 - y / 200) * HEIGHT

    line = next(line for line in root.iter(f"{SVG}polyline") if line.get("class") == "lines runtime")
    assert places(line.get("points", "")) == [
        pytest.approx(at(0, 20), abs=0.01),
        pytest.approx(at(0.25, 40), abs=0.01),
    ]
    band = next(shape for shape in root.iter(f"{SVG}polygon") if shape.get("class") == "band")
    expected = [at(0, 10), at(0.25, 20), at(0.25, 80), at(0, 40)]
    assert places(band.get("points", "")) == [pytest.approx(corner, abs=0.01) for corner in expected]
    assert not [shape for shape in root.iter(f"{SVG}polygon") if "area" in shape.get("class", "")]


def test_series_are_told_apart_without_colour() -> None:
    root = parsed(svg((message("text", text="x"),), (CHART,), "en"))
    lines = [line for line in root.iter(f"{SVG}polyline") if line.get("class") == "lines runtime"]
    assert [line.get("stroke-dasharray") for line in lines] == [None, None, "7 4"]
    paths = [path for path in root.iter(f"{SVG}path") if "H" in path.get("d", "")]
    assert [key.get("stroke-dasharray") for key in paths] == [None, "7 4"]
    text = [line.text for line in chart_lines(CHART, Speech("en"), 80)]
    assert text.index("decode") < text.index("prefill")
    assert any("20–80 tok/s" in line for line in text)
