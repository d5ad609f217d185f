"""A table of a report as lines: columns that fit, heads that wrap, further columns stacked below.

Figures never wrap. When the columns do not fit side by side they are dealt out in groups, the labels repeated, so that
several cards compare well in a terminal of 100 columns.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from assay.report.format import unit_of
from assay.report.lines import Line, Style, clean, prose, width_of, wrapped
from assay.report.numbers import number
from assay.report.speech import Speech
from assay.report.words import say
from assay.types.message import Message
from assay.types.quantity import Quantity
from assay.types.report import Cell, Row, Table

GAP = "  "
TAIL = re.compile(r"(?: (?:[MRCD?]|d\??))?(?: \[\d+\])?$")
"""The letter and the note behind a figure."""
DIFFERS = "≠ "
WIDEST_LABEL = 44
WIDEST_LISTED = 30
WIDEST_HEAD = 22
NARROWEST_PROSE = 18


class Column(NamedTuple):
    """A column ready for the page.

    Attributes:
        head, cells: their texts.
        fixed: for each cell, whether it is a figure, which never wraps.
        right: whether the column is set flush right.
        width, narrowest: columns of the terminal that it likes to have, and the fewest that it can do with.
    """

    head: str
    cells: tuple[str, ...]
    fixed: tuple[bool, ...]
    right: bool
    width: int
    narrowest: int


class _Grid(NamedTuple):
    labels: tuple[str, ...]
    styles: tuple[Style, ...]
    label_width: int
    columns: tuple[Column, ...]


def cell_text(cell: Cell, speech: Speech, *, bare: bool = False) -> str:
    """The words of one cell, without its unit if `bare`; None is a dash: the question does not apply."""
    if cell is None:
        return "–"
    if isinstance(cell, Quantity):
        return speech.figure(cell, bare=bare)
    if isinstance(cell, int):
        return number(cell, speech.language)
    return clean(say(cell, speech.language))


def _longest(text: str) -> int:
    return max((width_of(word) for word in text.split()), default=0)


def _aligned(texts: list[str], fixed: tuple[bool, ...]) -> list[str]:
    """Figures with their tails made equally wide ("d?" is wider than "D"), so that digits stand under each other."""
    tails = [
        match[0] if whole and (match := TAIL.search(text)) else "" for text, whole in zip(texts, fixed, strict=True)
    ]
    widest = max(map(width_of, tails), default=0)
    return [
        text + " " * (widest - width_of(tail)) if whole else text
        for text, tail, whole in zip(texts, tails, fixed, strict=True)
    ]


def _shared_unit(cells: Sequence[Cell], speech: Speech) -> str | None:
    """The unit that all known figures among several cells have: a label or a head can name it once."""
    figures = [cell for cell in cells if isinstance(cell, Quantity) and cell.value is not None]
    units = {unit_of(figure, speech.language) for figure in figures}
    return units.pop() if len(cells) > 1 and len(units) == 1 else None


def _column(head: Message | str, cells: list[tuple[Cell, bool]], speech: Speech) -> Column:
    texts = [cell_text(cell, speech, bare=bare) for cell, bare in cells]
    return _set(head, [cell for cell, _ in cells], texts, speech)


def _set(head: Message | str, cells: list[Cell], texts: list[str], speech: Speech) -> Column:
    fixed = tuple(cell is None or isinstance(cell, (Quantity, int)) for cell in cells)
    # Data in words beside figures is a sheet of facts and reads from the left; figures alone stand under each other.
    right = any(isinstance(cell, (Quantity, int)) for cell in cells) and not any(type(cell) is str for cell in cells)
    if right:
        texts = _aligned(texts, fixed)
    title = clean(say(head, speech.language))
    figures = max((width_of(text) for text, whole in zip(texts, fixed, strict=True) if whole), default=0)
    prose_wide = max((width_of(text) for text, whole in zip(texts, fixed, strict=True) if not whole), default=0)
    words = max((_longest(text) for text, whole in zip(texts, fixed, strict=True) if not whole), default=0)
    narrowest = max(figures, _longest(title), min(prose_wide, max(words, NARROWEST_PROSE)))
    return Column(
        title,
        tuple(texts),
        fixed,
        right,
        max(figures, prose_wide, narrowest, min(width_of(title), WIDEST_HEAD)),
        narrowest,
    )


def _grid(table: Table, speech: Speech, *, units_in_labels: bool = False) -> _Grid:
    marked = any(row.differs for row in table.rows)

    if table.listing:
        return _listing(table, speech)
    units = [_shared_unit(row.cells, speech) if units_in_labels else None for row in table.rows]

    def label(row: Row, unit: str | None) -> str:
        mark = (DIFFERS if row.differs else "  ") if marked else ""
        return mark + clean(say(row.label, speech.language)) + (f", {unit}" if unit else "")

    labels = tuple(map(label, table.rows, units))
    columns = tuple(
        _column(
            head,
            [
                (row.cells[index] if index < len(row.cells) else None, unit is not None)
                for row, unit in zip(table.rows, units, strict=True)
            ],
            speech,
        )
        for index, head in enumerate(table.columns)
    )
    styles: tuple[Style, ...] = tuple("strong" if row.strong else "plain" for row in table.rows)
    return _Grid(labels, styles, min(WIDEST_LABEL, max(map(width_of, labels), default=0)), columns)


def _breakable(label: str) -> str:
    """A label longer than a listing allows, with a space behind the last hyphen where its line may end."""
    cut = label.rfind("-", 0, WIDEST_LISTED) + 1
    if width_of(label) <= WIDEST_LISTED or " " in label or not cut:
        return label
    return f"{label[:cut]} {_breakable(label[cut:])}"


def _listing(table: Table, speech: Speech) -> _Grid:
    """Labels that wrap early, and columns whose heads name the unit."""
    labels = tuple(_breakable(clean(say(row.label, speech.language))) for row in table.rows)
    columns = []
    for index, head in enumerate(table.columns):
        cells = [row.cells[index] if index < len(row.cells) else None for row in table.rows]
        unit = _shared_unit(cells, speech)
        title = say(head, speech.language) + (f", {unit}" if unit else "")
        columns.append(_column(title, [(cell, unit is not None) for cell in cells], speech))
    styles: tuple[Style, ...] = tuple("strong" if row.strong else "plain" for row in table.rows)
    return _Grid(labels, styles, min(WIDEST_LISTED, max(map(width_of, labels), default=0)), tuple(columns))


def _units(columns: tuple[Column, ...]) -> list[tuple[Column, ...]]:
    """Columns that belong together: one whose head others have too (`dense peak`) tells of the one before it."""
    heads = [column.head for column in columns]
    units: list[tuple[Column, ...]] = []
    for column in columns:
        if units and heads.count(column.head) > 1:
            units[-1] = (*units[-1], column)
        else:
            units.append((column,))
    return units


def _groups(columns: tuple[Column, ...], room: int) -> list[tuple[Column, ...]]:
    """The columns in groups that fit `room`, as few and as even as they come."""
    for units in (_units(columns), [(column,) for column in columns]):
        for count in range(1, len(units) + 1):
            size = -(-len(units) // count)
            dealt = [sum(units[start : start + size], ()) for start in range(0, len(units), size)]
            if all(sum(column.narrowest + len(GAP) for column in group) <= room for group in dealt):
                return dealt
    return [(column,) for column in columns]


def _squeezed(columns: tuple[Column, ...], room: int) -> tuple[Column, ...]:
    """The columns of a group made narrower, the widest first, until they fit or none can give more."""
    found = list(columns)
    while sum(column.width + len(GAP) for column in found) > room:
        givers = [index for index, column in enumerate(found) if column.width > column.narrowest]
        if not givers:
            break
        widest = max(givers, key=lambda index: found[index].width)
        found[widest] = found[widest]._replace(width=found[widest].width - 1)
    return tuple(found)


def _padded(text: str, column: Column) -> str:
    space = " " * max(0, column.width - width_of(text))
    return space + text if column.right else text + space


def _beside(label: list[str], cells: list[list[str]], label_width: int, columns: tuple[Column, ...]) -> list[str]:
    height = max(len(label), *(len(cell) for cell in cells), 1)
    lines = []
    for index in range(height):
        first = label[index] if index < len(label) else ""
        parts = [first + " " * max(0, label_width - width_of(first))]
        parts += [
            _padded(cell[index] if index < len(cell) else "", column)
            for cell, column in zip(cells, columns, strict=True)
        ]
        lines.append(GAP.join(parts).rstrip())
    return lines


def _block(grid: _Grid, columns: tuple[Column, ...]) -> list[Line]:
    lines: list[Line] = []
    if any(column.head for column in columns):
        heads = [wrapped(column.head, column.width) for column in columns]
        lines += [Line(text, "strong") for text in _beside([], heads, grid.label_width, columns)]
        total = grid.label_width + sum(column.width + len(GAP) for column in columns)
        lines.append(Line("─" * total, "faint"))
    for row, (label, style) in enumerate(zip(grid.labels, grid.styles, strict=True)):
        cells = [
            [column.cells[row]] if column.fixed[row] else wrapped(column.cells[row], column.width) for column in columns
        ]
        indent = label[: len(label) - len(label.lstrip())]
        name = wrapped(label.lstrip(), grid.label_width, indent, indent + "  ") if label else [""]
        lines += [Line(text, style) for text in _beside(name, cells, grid.label_width, columns)]
    return lines


def _narrowed(grid: _Grid, width: int) -> _Grid:
    """The grid with labels that wrap earlier, where the widest figure would otherwise run off a narrow terminal."""
    room = width - max((column.narrowest + len(GAP) for column in grid.columns), default=0)
    if room >= grid.label_width:
        return grid
    return grid._replace(label_width=max(room, max(map(_longest, grid.labels), default=0) + len(DIFFERS)))


def _laid_out(table: Table, speech: Speech, width: int) -> tuple[_Grid, list[tuple[Column, ...]]]:
    """The table in as few groups of columns as it can be; units move into the labels only where that saves one."""
    grid = _narrowed(_grid(table, speech), width)
    groups = _groups(grid.columns, width - grid.label_width)
    if len(groups) > 1:
        shorter = _narrowed(_grid(table, speech, units_in_labels=True), width)
        fewer = _groups(shorter.columns, width - shorter.label_width)
        if len(fewer) < len(groups):
            return shorter, fewer
    return grid, groups


def table_lines(table: Table, speech: Speech, width: int) -> list[Line]:
    """The table as lines no wider than `width` (a figure that alone is wider stays whole)."""
    lines = [] if table.title is None else prose(say(table.title, speech.language), width, "title")
    grid, groups = _laid_out(table, speech, width)
    if not grid.columns:
        return lines + [Line(text, style) for text, style in zip(grid.labels, grid.styles, strict=True)]
    for index, group in enumerate(groups):
        lines += [Line("")] if index else []
        lines += _block(grid, _squeezed(group, width - grid.label_width))
    return lines
