"""A report's charts as one SVG picture: self-contained, readable without colour, light or dark as its reader is.

Hatched is what the upper end of an interval may take; pieces carry numbers that the list below names, and every shape
has a title.
"""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from assay.report.chart.canvas import LINE, MARGIN, STYLE, WIDTH, Canvas, legible, number
from assay.report.chart.svg_bar import draw_bar
from assay.report.chart.svg_plot import draw_plot
from assay.report.format import LEGEND, extent, letter
from assay.report.numbers import Language
from assay.report.words import say
from assay.types.chart import Bar, Chart, Fill
from assay.types.message import Message, message
from assay.types.quantity import Quantity

HATCHED: tuple[Fill, ...] = ("weights", "cache", "runtime", "kept", "unknown")
HATCH = 7
"""Distance of the lines of a hatching."""


def _hatchings(root: ET.Element) -> None:
    """A pattern for each kind of piece that is only possible."""
    defs = ET.SubElement(root, "defs")
    for fill in HATCHED:
        pattern = ET.SubElement(
            defs,
            "pattern",
            {
                "id": f"assay-{fill}",
                "width": str(HATCH),
                "height": str(HATCH),
                "patternUnits": "userSpaceOnUse",
                "patternTransform": "rotate(45)",
            },
        )
        ET.SubElement(pattern, "rect", {"class": "paper", "width": str(HATCH), "height": str(HATCH)})
        ET.SubElement(pattern, "rect", {"class": f"{fill} pale", "width": str(HATCH), "height": str(HATCH)})
        ET.SubElement(pattern, "path", {"class": f"lines {fill}", "d": f"M1 0V{HATCH}"})


def _told(bar: Bar, language: Language) -> str:
    """A bar in words, for who does not see it."""
    parts = bar.parts if bar.short is None else (*bar.parts, bar.short)
    said = "; ".join(f"{say(part.label, language)}: {_figure(part.figure, language)}" for part in parts)
    return f"{say(bar.label, language)}: {said}."


def _figure(figure: Quantity, language: Language) -> str:
    """The ends of a figure, or why there are none."""
    reason = f" ({say(figure.note, language)})" if figure.value is None and figure.note else ""
    return extent(figure, language) + reason


def _described(charts: Sequence[Chart], language: Language) -> str:
    """All bars, points and notes in words."""
    said: list[str] = []
    for chart in charts:
        said += [_told(bar, language) for bar in chart.bars]
        for plot in chart.plots:
            said.append(f"{say(plot.title, language)}.")
            said += [f"{point.x:g}: {extent(point.y, language)};" for series in plot.series for point in series.points]
            said += [f"{say(note, language)}." for note in (*(mark.label for mark in plot.marks), *plot.notes)]
    return legible(" ".join(said))


def _letters(charts: Sequence[Chart]) -> list[str]:
    figures = [part.figure for chart in charts for bar in chart.bars for part in bar.parts]
    figures += [
        point.y for chart in charts for plot in chart.plots for series in plot.series for point in series.points
    ]
    used = {letter(figure) for figure in figures if figure.value is not None}
    return [mark for mark in LEGEND if mark in used]


def svg(headline: Sequence[Message], charts: Sequence[Chart], language: Language) -> str:
    """The picture as a document in UTF-8.

    Args:
        headline: the answer that it illustrates; its first message is the title.
        charts: drawn below each other.
        language: of the words.
    """
    ET.register_namespace("", "http://www.w3.org/2000/svg")
    root = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "lang": language})
    first, *others = [say(each, language) for each in headline]
    ET.SubElement(root, "title", {"id": "assay-title"}).text = legible(first)
    ET.SubElement(root, "desc", {"id": "assay-desc"}).text = _described(charts, language)
    ET.SubElement(root, "style").text = STYLE
    _hatchings(root)
    paper = ET.SubElement(root, "rect", {"class": "paper"})
    canvas = Canvas(root)
    canvas.prose(first, "head", 19)
    for line in others:
        canvas.prose(line, "faint")
    for chart in charts:
        for bar in chart.bars:
            draw_bar(canvas, bar, language)
        for plot in chart.plots:
            draw_plot(canvas, plot, language)
    canvas.y += LINE / 2
    legend = [f"{mark} {say(message(LEGEND[mark]), language)}" for mark in _letters(charts)]
    possible = say(message("chart.hatched"), language)
    canvas.prose(" · ".join((possible, *legend)), "small faint", 12)
    height = number(canvas.y + MARGIN)
    for shape in (root, paper):
        shape.attrib.update({"width": number(WIDTH), "height": height})
    root.attrib.update({"viewBox": f"0 0 {WIDTH} {height}", "role": "img", "aria-labelledby": "assay-title assay-desc"})
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=False) + "\n"
