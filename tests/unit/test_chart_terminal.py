"""Charts in a terminal: as wide as they may be, told apart without colour, and in ASCII where there is no UTF-8."""

import io
import re

import pytest
from drawn import HOSTILE, bar, chart, figure, shares

from assay.report.chart.terminal import CHARACTERS, EDGE, MARK, POSSIBLE, SLIVER, WIDEST, chart_lines
from assay.report.lines import DRAWN, Line, width_of
from assay.report.numbers import LANGUAGES, Language
from assay.report.screen import show
from assay.report.speech import Speech
from assay.types.chart import Chart
from assay.types.message import message


def lines(drawn: Chart, language: Language = "en", width: int = 100) -> list[Line]:
    return chart_lines(drawn, Speech(language), width)


def of_bar(*arguments: object) -> list[str]:
    return [line.text for line in lines(Chart(message("chart.memory"), (bar(*arguments),), ()))]  # type: ignore[arg-type]


class Terminal(io.StringIO):
    """A stream with an encoding and, if asked, a terminal."""

    def __init__(self, encoding: str, *, tty: bool) -> None:
        super().__init__()
        self._encoding, self._tty = encoding, tty

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._tty


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_no_line_is_wider_than_80_columns_or_the_terminal(language: Language, width: int) -> None:
    assert max(width_of(line.text) for line in lines(chart(), language, width)) <= min(width, WIDEST)


def test_every_part_stands_under_its_place_in_the_bar() -> None:
    found = of_bar("card", figure(24, 24), figure(21, 22), shares(8, (2, 3)))
    whole = next(line for line in found if line.startswith("the card"))
    start = whole.index("█")
    for label in ("experts", "KV cache", "runtime overhead", "free", "not for the runtime"):
        row = next(line for line in found if line.startswith(label))
        for column, character in enumerate(row[start:], start):
            assert character in {" ", SLIVER, whole[column]}
    assert len(whole) == WIDEST


def test_what_hangs_over_stands_behind_the_end_of_the_card() -> None:
    found = of_bar("card", figure(16, 16), figure(14, 14), shares(30, (1, 2)))
    whole = next(line for line in found if line.startswith("the card"))
    assert "█" in whole.partition(EDGE)[2]
    lacking = next(line for line in found if line.startswith("lacking"))
    assert set(lacking.partition(EDGE)[2]) == {"×"}
    assert "17.5–20.1 GiB" in lacking


def test_a_part_too_small_for_a_character_is_still_marked() -> None:
    found = of_bar("card", figure(24, 24), figure(21, 22), shares(8, (2, 3)))
    assert SLIVER in next(line for line in found if line.startswith("norms"))


def test_nothing_is_drawn_of_an_unknown_part() -> None:
    found = [line.text for line in lines(chart())]
    start = found.index("Card Three")
    overhead = next(line for line in found[start:] if line.startswith("runtime overhead"))
    assert overhead.rstrip().endswith("unknown [1]")
    assert "?" in next(line for line in found[start:] if line.startswith("what is left"))
    assert not any(line.startswith("free") for line in found[start : found.index("Card Four")])


def test_the_asked_point_is_marked() -> None:
    found = [line.text for line in lines(chart())]
    (row,) = [line for line in found if line.startswith("2,048")]
    assert MARK in row
    assert any(MARK in line and "8 sequences" in line for line in found)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "koi8-r", "utf-8"])
def test_without_utf_8_every_kind_has_a_character_of_its_own(encoding: str) -> None:
    stream = Terminal(encoding, tty=False)
    show(lines(chart()), stream)
    text = stream.getvalue()
    text.encode(encoding)
    kinds = {*CHARACTERS.values(), POSSIBLE, EDGE, MARK}
    stand_ins = {character.translate(DRAWN) for character in kinds}
    assert len(stand_ins) == len(kinds)
    drawn = {character for character in text if ord(character) in DRAWN}
    assert bool(drawn) == (encoding == "utf-8")


def test_colour_only_on_a_terminal_and_only_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    plain, coloured = Terminal("utf-8", tty=False), Terminal("utf-8", tty=True)
    show(lines(chart()), plain)
    show(lines(chart()), coloured)
    assert "\x1b[" not in plain.getvalue()
    assert "\x1b[34m█" in coloured.getvalue()  # weights are blue, within their line
    assert "\x1b[32m▓" in coloured.getvalue()
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured.getvalue()) == plain.getvalue()


def test_a_hostile_name_steers_no_terminal() -> None:
    assert not any(character in line.text for line in lines(chart(HOSTILE)) for character in "\x1b\x00\u202e")
