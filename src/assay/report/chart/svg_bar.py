"""A bar of an SVG picture: its pieces to scale, a number for each part, and the list of the parts below."""

from math import ceil, floor, log10
from typing import NamedTuple
from xml.etree import ElementTree as ET

from assay.report.chart.canvas import LINE, MARGIN, WIDTH, Canvas, folded, legible
from assay.report.format import amount, extent, letter
from assay.report.numbers import Language, trimmed_decimals
from assay.report.numbers import number as digits
from assay.report.units import shown
from assay.report.words import say, unit_name
from assay.types.chart import Bar, Part, Piece
from assay.types.message import message

ACROSS = WIDTH - 2 * MARGIN
HEIGHT, GAP = 36, 8
MOST_DRAWN = 4
"""Equal bars that are drawn each; of more, one stands for all."""
APART = 17
"""Distance that two numbers below a bar keep."""
MOST_TICKS = 9


class _Key(NamedTuple):
    """A number below a bar: of which part, under which middle of a piece."""

    number: int
    middle: float
    at: float


def _x(bar: Bar, value: float) -> float:
    return round(MARGIN + value / bar.end * ACROSS, 2)


def _look(piece: Piece) -> tuple[str, dict[str, str]]:
    """The class of a piece, and how it is filled: plain, or hatched where it is only possible."""
    if piece.possible:
        return "piece possible", {"fill": f"url(#assay-{piece.fill})"}
    return f"piece {piece.fill}", {}


def _ticks(most: float) -> list[float]:
    """Round values from 0 to `most`, in steps of 1, 2 or 5."""
    raw = most / MOST_TICKS
    power = 10.0 ** floor(log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    return [index * step for index in range(floor(most / step) + 1)]


def _ruler(canvas: Canvas, bar: Bar, language: Language) -> None:
    """Values over the bar, in one unit for all, which stands behind the last."""
    way = shown(bar.whole.unit, bar.end)
    values = _ticks(bar.end / way.divisor)
    canvas.y += 16
    for value in values:
        x = _x(bar, value * way.divisor)
        words = digits(value, language, trimmed_decimals(value, 2))
        if value == values[-1] and way.code:
            words += f" {unit_name(way.code, value, language)}"
        anchor = "right" if x > WIDTH - 3 * MARGIN else "middle" if value else "left"
        canvas.text(x, canvas.y, words, f"small faint {anchor}")
        canvas.add("line", "axis", x1=x, x2=x, y1=canvas.y + 3, y2=canvas.y + 8)
    canvas.y += 10


def _strip(canvas: Canvas, bar: Bar, language: Language) -> None:
    """The pieces side by side, and where the whole ends if something hangs over."""
    for part in bar.parts:
        for piece in part.pieces:
            left, right = _x(bar, piece.start), _x(bar, piece.end)
            kind, fill = _look(piece)
            shape = canvas.add("rect", kind, x=left, y=canvas.y, width=right - left, height=HEIGHT, **fill)
            ET.SubElement(shape, "title").text = legible(
                f"{say(part.label, language)}: {extent(part.figure, language)}"
            )
            if piece.fill == "unknown" and right - left > APART:
                canvas.text((left + right) / 2, canvas.y + HEIGHT / 2 + 5, "?", "strong middle")
    if bar.edge is not None:
        canvas.add("rect", "frame", x=MARGIN, y=canvas.y, width=_x(bar, bar.edge) - MARGIN, height=HEIGHT)
        if bar.edge < bar.end:
            x = _x(bar, bar.edge)
            canvas.add("line", "edge", x1=x, x2=x, y1=canvas.y - 4, y2=canvas.y + HEIGHT + 4)
            canvas.add("line", "short", x1=x, x2=_x(bar, bar.end), y1=canvas.y - 3, y2=canvas.y - 3)
    canvas.y += HEIGHT


def _keys(bar: Bar) -> list[_Key]:
    """Numbers below the bar, kept apart; a part has one under each of its larger pieces, and one at least."""
    wanted: list[tuple[float, int]] = []
    for index, part in enumerate(bar.parts, 1):
        places = [(_x(bar, piece.start), _x(bar, piece.end)) for piece in part.pieces]
        large = [place for place in places if place[1] - place[0] >= APART] or places[:1]
        wanted += [((left + right) / 2, index) for left, right in large]
    wanted.sort()
    at: list[float] = []
    for middle, _ in wanted:
        at.append(max(middle, at[-1] + APART if at else MARGIN))
    limit = float(WIDTH - MARGIN)
    for index in reversed(range(len(at))):
        at[index] = min(at[index], limit)
        limit = at[index] - APART
    return [_Key(number, middle, place) for (middle, number), place in zip(wanted, at, strict=True)]


def _numbered(canvas: Canvas, bar: Bar) -> None:
    for key in _keys(bar):
        points = (
            f"{key.middle:.2f},{canvas.y + 1:.2f} {key.middle:.2f},{canvas.y + 5:.2f} {key.at:.2f},{canvas.y + 12:.2f}"
        )
        canvas.add("polyline", "axis", points=points)
        canvas.text(key.at, canvas.y + 24, str(key.number), "small middle")
    canvas.y += 34


def _swatch(canvas: Canvas, part: Part, x: float, y: float) -> None:
    """How the part's pieces look: what is certain, and what is only possible."""
    if any(piece.fill == "short" for piece in part.pieces):
        canvas.add("line", "edge", x1=x, x2=x, y1=y - 12, y2=y + 2)
        canvas.add("line", "short", x1=x, x2=x + 14, y1=y - 11, y2=y - 11)
        return
    every = [_look(piece) for piece in part.pieces]
    looks = [look for index, look in enumerate(every) if look not in every[:index]]
    for index, (kind, fill) in enumerate(looks):
        size = 14 / len(looks)
        canvas.add("rect", kind, x=x + index * size, y=y - 12, width=size, height=14, **fill)
    if looks:
        canvas.add("rect", "frame", x=x, y=y - 12, width=14, height=14)


def _list(canvas: Canvas, bar: Bar, language: Language) -> None:
    """The parts by number in two columns, and why an unknown one is."""
    parts = bar.parts if bar.short is None else (*bar.parts, bar.short)
    half, rows = ACROSS / 2, ceil(len(parts) / 2)
    for index, part in enumerate(parts):
        x = MARGIN + (index // rows) * (half + GAP)
        y = canvas.y + (index % rows) * LINE + 14
        figure = extent(part.figure, language)
        if part.figure.value is not None:
            figure += f" {letter(part.figure)}"
        if part is not bar.short:
            canvas.text(x + 16, y, str(index + 1), "small faint right")
        _swatch(canvas, part, x + 24, y)
        canvas.text(x + 46, y, folded(say(part.label, language), half - 190)[0])
        canvas.text(x + half - GAP, y, figure, "right")
    canvas.y += rows * LINE + GAP
    reasons = [part.figure.note for part in parts if part.figure.value is None and part.figure.note]
    for reason in dict.fromkeys(reasons):
        canvas.prose(f"{say(message('figure.unknown'), language)}: {say(reason, language)}", "faint")


def draw_bar(canvas: Canvas, bar: Bar, language: Language) -> None:
    """A bar with its ruler, its numbers and its list."""
    canvas.y += LINE
    said = say(bar.label, language)
    if bar.number > 1:
        said = f"{said}: {say(message('chart.cards', count=bar.number), language)}"
    canvas.prose(f"{said} · {amount(bar.whole, language)}", "strong")
    _ruler(canvas, bar, language)
    for index in range(bar.number if bar.number <= MOST_DRAWN else 1):
        canvas.y += GAP if index else 0
        _strip(canvas, bar, language)
    _numbered(canvas, bar)
    _list(canvas, bar, language)
