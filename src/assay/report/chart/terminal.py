"""A chart in a terminal: one line for a part, every part at its place under the bar, so that no colour is needed.

Block characters tell kinds of parts apart; `report.lines` has an ASCII character for each. Colours only repeat them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from assay.report.chart.scale import position
from assay.report.format import amount
from assay.report.lines import Line, Span, clean, prose, width_of, wrapped
from assay.report.numbers import NO_BREAK_SPACE, plain
from assay.report.speech import Speech
from assay.report.words import say
from assay.types.chart import Axis, Bar, Chart, Fill, Mark, Piece, Plot, Series
from assay.types.message import message
from assay.types.quantity import Quantity

WIDEST = 80
NARROWEST_BAR = 12
WIDEST_LABEL = 28
GAP = "  "
MOST_DRAWN = 4
"""Equal cards that have a line each; of more, one stands for all."""
CHARACTERS: dict[Fill, str] = {
    "weights": "█",
    "cache": "▓",
    "runtime": "▒",
    "free": "░",
    "kept": "▚",
    "unknown": "?",
    "short": "×",
}
POSSIBLE, SLIVER, EDGE, MARK = "╱", "▏", "│", "◆"


class _Cells(NamedTuple):
    """Characters of a bar and what each belongs to."""

    text: str
    spans: tuple[Span, ...]


class _Row(NamedTuple):
    label: str
    figure: str
    cells: _Cells


def _drawn(pieces: Sequence[Piece], bar: Bar, width: int) -> _Cells:
    """Pieces at their places on `width` characters; the end of the whole is marked where something hangs over it."""
    edge = width if bar.edge is None else round(bar.edge / bar.end * width)
    characters, spans = [" "] * width, []
    for piece in pieces:
        start, end = (round(place / bar.end * width) for place in (piece.start, piece.end))
        for cell in range(start, end):
            characters[cell] = POSSIBLE if piece.possible else CHARACTERS[piece.fill]
        spans.append(Span(start, end, piece.fill))
    if pieces and not "".join(characters).strip():
        characters[min(width - 1, int(pieces[0].start / bar.end * width))] = SLIVER
    if edge < width:
        characters.insert(edge, EDGE)
        spans = [Span(span.start + (span.start >= edge), span.end + (span.end > edge), span.style) for span in spans]
    return _Cells("".join(characters), tuple(span for span in spans if span.end > span.start))


def _lines(rows: Sequence[_Row], label_width: int) -> list[Line]:
    """Rows in three columns; a label that is too long takes further lines."""
    figures = max(width_of(row.figure) for row in rows)
    lines = []
    for row in rows:
        first, *others = wrapped(row.label, label_width)
        pad = label_width - width_of(first) + figures - width_of(row.figure)
        before = first + GAP + " " * pad + row.figure + GAP
        spans = [Span(span.start + len(before), span.end + len(before), span.style) for span in row.cells.spans]
        lines.append(Line((before + row.cells.text).rstrip(), "plain", tuple(spans)))
        lines += [Line(other) for other in others]
    return lines


def _room(labels: Sequence[str], figures: Sequence[str], width: int) -> tuple[int, int]:
    """Columns for labels and for the bar beside them."""
    left = width - max(map(width_of, figures), default=0) - 2 * len(GAP)
    label = max(8, min(WIDEST_LABEL, max(map(width_of, labels), default=0), left - NARROWEST_BAR))
    return label, max(NARROWEST_BAR, left - label)


def _ruler(bar: Bar, width: int, speech: Speech) -> str:
    """0 and the size of the whole, over the place where it ends."""
    edge = round((bar.edge or 0.0) / bar.end * width)
    size = amount(bar.whole, speech.language)
    return "0" + " " * (edge - 1 - width_of(size)) + size if edge > width_of(size) + 1 else size.rjust(edge)


def _names(bar: Bar, speech: Speech) -> list[str]:
    """What stands before the line of each card."""
    if bar.number == 1:
        return [say(message("chart.card"), speech.language)]
    if bar.number > MOST_DRAWN:
        return [say(message("chart.cards", count=bar.number), speech.language)]
    return [say(message("chart.card_number", number=index + 1), speech.language) for index in range(bar.number)]


def _bar(bar: Bar, speech: Speech, width: int) -> list[Line]:
    """The whole bar, then each part by itself at the same place."""
    names = _names(bar, speech)
    parts = bar.parts if bar.short is None else (*bar.parts, bar.short)
    labels = [clean(say(part.label, speech.language)) for part in parts]
    figures = [speech.extent(part.figure) for part in parts]
    label_width, cells = _room([*labels, *names], figures, width)
    cells -= bar.edge is not None and bar.edge < bar.end  # the mark of the edge takes one
    every = [piece for part in bar.parts for piece in part.pieces]
    rows = [_Row("", "", _Cells(_ruler(bar, cells, speech), ()))] if bar.edge is not None else []
    rows += [_Row(name, "", _drawn(every, bar, cells)) for name in names]
    rows += [
        _Row(label, figure, _drawn(part.pieces, bar, cells))
        for label, figure, part in zip(labels, figures, parts, strict=True)
    ]
    return [*prose(say(bar.label, speech.language), width, "strong"), *_lines(rows, label_width)]


def _reach(axis: Axis, value: Quantity, width: int, fill: Fill) -> _Cells:
    """A value as a length on an axis: as far as is certain, then as far as is possible."""
    sure, most = (round(position(axis, end or 0.0) * width) for end in (value.lowest, value.highest))
    text = CHARACTERS[fill] * sure + POSSIBLE * (most - sure)
    if not text and (value.highest or 0.0) > 0:
        text = SLIVER
    return _Cells(text.ljust(width), (Span(0, sure, fill), Span(sure, most, fill)))


def _marked(cells: _Cells, axis: Axis, marks: Sequence[Mark]) -> _Cells:
    text = cells.text
    for mark in marks:
        at = min(len(text) - 1, round(position(axis, mark.y) * len(text)))
        text = text[:at] + MARK + text[at + 1 :]
    return cells._replace(text=text)


def _series(plot: Plot, axes: tuple[Axis, Axis], series: Series, speech: Speech, width: int) -> list[Line]:
    """A line for each value: x, y, and y as a length."""
    language = speech.language
    heads = [say(axis.label, language) for axis in axes]
    labels = [plain(point.x, language) for point in series.points]
    figures = [speech.extent(point.y) for point in series.points]
    widest = max(map(width_of, labels))
    label_width, cells = _room([heads[0], *labels], [heads[1], *figures], width)
    scale = say(message("chart.log"), language) if axes[1].scale == "log" else ""
    rows = [
        _Row(heads[0], heads[1], _Cells(scale, ())),
        *(
            _Row(label.rjust(widest), figure, _marked(_reach(axes[1], point.y, cells, series.fill), axes[1], here))
            for label, figure, point in zip(labels, figures, series.points, strict=True)
            for here in [[mark for mark in plot.marks if mark.x == point.x]]
        ),
    ]
    sure, possible = say(series.label, language), say(series.possible, language)
    heading = prose(sure, width, "plain") if len(plot.series) > 1 else []
    key = f"{CHARACTERS[series.fill]} {sure}, {POSSIBLE} {possible}"
    return [*heading, *_lines(rows, label_width), *prose(key, width, "faint", "  ")]


def _plot(plot: Plot, speech: Speech, width: int) -> list[Line]:
    language = speech.language
    lines = prose(say(plot.title, language), width, "strong")
    if plot.x is not None and plot.y is not None:
        for series in plot.series:
            lines += _series(plot, (plot.x, plot.y), series, speech, width)
    for mark in plot.marks:
        lines += prose(f"{MARK} {say(mark.label, language)}", width, "plain", "  ")
    for note in plot.notes:
        lines += prose(say(note, language), width, "plain", "  ")
    return lines


def _key(chart: Chart, speech: Speech) -> str:
    """What each character of the bars stands for."""
    pieces = [piece for bar in chart.bars for part in bar.parts for piece in part.pieces]
    fills = dict.fromkeys(piece.fill for piece in pieces if not piece.possible)
    keys = [f"{CHARACTERS[fill]} {say(message(f'chart.fill.{fill}'), speech.language)}" for fill in fills]
    if any(piece.possible for piece in pieces):
        keys.append(f"{POSSIBLE} {say(message('chart.fill.possible'), speech.language)}")
    return ", ".join(key.replace(" ", NO_BREAK_SPACE, 1) for key in keys)


def chart_lines(chart: Chart, speech: Speech, width: int) -> list[Line]:
    """The chart as lines of at most 80 columns."""
    width = min(width, WIDEST)
    lines = prose(say(chart.title, speech.language), width, "title")
    for bar in chart.bars:
        lines += [*_bar(bar, speech, width), Line("")]
    if chart.bars:
        lines[-1:] = prose(_key(chart, speech), width, "faint", "  ", "  ")
    for plot in chart.plots:
        lines += [Line(""), *_plot(plot, speech, width)]
    for note in chart.notes:
        lines += prose(say(note, speech.language), width, "plain", "  ")
    return lines
