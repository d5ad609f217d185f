"""Pages: the headline first, notes and legend at the foot, columns that fit, nothing a terminal would obey."""

import io

import pytest

from assay.report.explain import cited_ids, explain_lines, walk
from assay.report.lines import MAX_WIDTH, clean, width_of
from assay.report.screen import show, width_for
from assay.report.text import report_lines
from assay.types.message import message
from assay.types.quantity import Quantity, derive, exact, unknown
from assay.types.report import Command, Figure, Notes, Report, Row, Table

GIB = 2**30
NAMES = tuple(f"RTX PRO 6000 Blackwell Edition number {index}" for index in range(7))


def _memory(gib: float, basis: str = "documented") -> Quantity:
    return exact(gib * GIB, "B", basis, "a-source")  # type: ignore[arg-type]


def _report(*blocks: Table | Notes | Command, headline: str = "Answer") -> Report:
    return Report((message("text", text=headline),), "plain", blocks)


def _text(report: Report, width: int = MAX_WIDTH) -> list[str]:
    return [line.text for line in report_lines(report, "en", width)]


def test_the_headline_is_the_first_line_and_alone() -> None:
    lines = _text(_report(Notes(None, (message("text", text="more"),))))
    assert lines[:3] == ["Answer", "", "  more"]


def test_an_unknown_figure_refers_to_its_reason_once() -> None:
    missing = unknown("B", message("unknown.memory_driver"))
    table = Table(None, ("a", "b"), (Row("memory", (missing, missing)),))
    lines = _text(_report(table))
    assert sum("unknown [1]" in line for line in lines) == 1
    assert lines[-1] == "[1] no source says how much memory the driver shows"


def test_the_legend_lists_only_the_letters_in_use() -> None:
    table = Table(None, ("",), (Row("memory", (_memory(96),)),))
    assert _text(_report(table))[-1] == "D documented"


def test_rows_that_differ_are_marked_without_colour() -> None:
    table = Table(None, ("a", "b"), (Row("x", (_memory(1), _memory(2)), differs=True), Row("y", (1, 1))))
    lines = _text(_report(table))
    assert any(line.startswith("≠ x") for line in lines)
    assert any(line.startswith("  y") for line in lines)
    assert "≠ differs" in lines[-1]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("width", [60, 80, 100])
def test_many_columns_stay_within_the_width_and_all_are_shown(count: int, width: int) -> None:
    rows = tuple(
        Row(f"a row with a label of its own {index}", tuple(_memory(90 + column) for column in range(count)))
        for index in range(3)
    )
    lines = _text(_report(Table(message("text", text="Title"), NAMES[:count], rows)), width)
    assert max(map(width_of, lines)) <= width
    page = "\n".join(lines)
    for column in range(count):
        assert page.count(f"{90 + column} GiB D") == 3


def test_columns_are_dealt_out_evenly() -> None:
    rows = (Row("label", tuple(_memory(index + 10) for index in range(4))),)
    lines = _text(_report(Table(None, NAMES[:4], rows)), 48)
    shown = [line for line in lines if line.startswith("label")]
    assert [line.count("GiB") for line in shown] == [2, 2]


def test_a_column_that_tells_of_the_one_before_stays_with_it() -> None:
    heads = ("first card", "dense peak", "second card", "dense peak", "third card", "dense peak")
    cells = tuple(_memory(10 + index) if index % 2 else message("support.native") for index in range(6))
    lines = _text(_report(Table(None, heads, (Row("label", cells),))), 46)
    shown = [line for line in lines if line.startswith("label")]
    assert [(line.count("native"), line.count("GiB")) for line in shown] == [(2, 2), (1, 1)]


def test_figures_stand_under_each_other() -> None:
    rest = derive("B", "a", [("a", _memory(3, "assumed"))], float)
    table = Table(None, ("column",), (Row("x", (_memory(96),)), Row("y", (rest,))))
    lines = [line for line in _text(_report(table)) if "GiB" in line]
    assert len({line.index("GiB") for line in lines}) == 1


def test_a_caveat_of_ours_is_told_and_a_note_of_the_catalogue_waits_for_the_explanation() -> None:
    ours = exact(GIB, "B", "documented", "s", note=message("note.lower_bound", gpu="X"))
    theirs = exact(GIB, "B", "documented", "s", note=message("text", text="a remark in the data"))
    page = "\n".join(_text(_report(Table(None, ("a",), (Row("x", (ours,)), Row("y", (theirs,)))))))
    assert "1 GiB D [1]" in page
    assert "[1] no source says what the driver shows for X" in page
    assert "a remark in the data" not in page


def test_words_in_a_cell_wrap_and_figures_do_not() -> None:
    long = message("text", text="many words that do not fit into one line of the terminal " * 3)
    lines = _text(_report(Table(None, ("words", "figure"), (Row("x", (long, _memory(96))),))), 60)
    assert max(map(width_of, lines)) <= 60
    assert sum("96 GiB D" in line for line in lines) == 1


def test_a_command_is_never_broken() -> None:
    line = "vllm serve " + "x" * 200
    assert f"  {line}" in _text(_report(Command(None, line)))


def test_what_a_terminal_would_obey_is_taken_out() -> None:
    evil = "model\x1b[2J\x07\u202ename\x9b31m"
    assert clean(evil) == "model?[2J??name?31m"
    lines = _text(_report(Table(None, ("",), (Row(evil, (evil,)),)), Command(None, evil), headline=evil))
    assert not [line for line in lines if any(ord(character) < 32 or character in "\x9b\u202e" for character in line)]


class _Terminal(io.StringIO):
    def __init__(self, *, tty: bool, encoding: str = "utf-8") -> None:
        super().__init__()
        self._tty, self._encoding = tty, encoding

    def isatty(self) -> bool:
        return self._tty

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@pytest.fixture
def page() -> Report:
    return _report(Table(message("text", text="Title"), ("a",), (Row("memory ≠ ×", (_memory(96),)),)))


def test_a_terminal_is_coloured_and_says_the_same(page: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    lines = report_lines(page, "en", 100)
    coloured, plain = _Terminal(tty=True), _Terminal(tty=False)
    show(lines, coloured)
    show(lines, plain)
    assert "\x1b[" in coloured.getvalue()
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured.getvalue()) == plain.getvalue()


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_escape_codes_where_they_are_not_wanted(
    page: Report, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv(name, value)
    stream = _Terminal(tty=True)
    show(report_lines(page, "en", 100), stream)
    assert "\x1b" not in stream.getvalue()


def test_an_encoding_without_box_characters_gets_ascii(page: Report) -> None:
    stream = _Terminal(tty=False, encoding="ascii")
    show(report_lines(page, "en", 100), stream)
    assert stream.getvalue().isascii()
    assert "?" not in stream.getvalue()
    assert "memory # x" in stream.getvalue()


def test_the_width_is_the_terminals_and_at_most_100(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert width_for(_Terminal(tty=True)) == 80
    monkeypatch.setenv("COLUMNS", "250")
    assert width_for(_Terminal(tty=True)) == 100
    monkeypatch.delenv("COLUMNS")
    assert width_for(_Terminal(tty=False)) == 100


def _derived() -> tuple[Quantity, Quantity]:
    sold = exact(24 * GIB, "B", "documented", "vendor-page")
    share = exact(0.92, "ratio", "assumed", "own-bound")
    usable = derive("B", "sold size x share", [("sold", sold), ("share", share)], lambda a, b: a * b)
    return usable, derive("B", "usable / 2", [("usable", usable), ("usable again", usable)], lambda a, _: a / 2)


def test_the_explanation_walks_to_the_roots_and_says_each_figure_once() -> None:
    usable, half = _derived()
    shown = [Figure("half", half), Figure("usable", usable), Figure("half", half)]
    names = [name for name, _ in walk(shown, "en")]
    assert names == ["half", "usable", "sold", "share"]


def test_the_explanation_names_formula_inputs_basis_and_sources() -> None:
    from assay.knowledge.catalog.sources import Source

    usable, _ = _derived()
    figures = [Figure("usable", usable)]
    assert cited_ids(figures) == ("vendor-page", "own-bound")
    source = Source("vendor-page", "A datasheet", "https://example.org/sheet", "2025-03-18", "vendor-document", None)
    text = "\n".join(line.text for line in explain_lines(figures, [source], "en", 100))
    assert "formula: sold size x share" in text
    assert "sold = 24 GiB D; share = 0.92 ?" in text
    assert "the weakest input, 100 % of the value: assumed" in text
    assert "vendor-page: A datasheet (2025-03-18)" in text
    assert "https://example.org/sheet" in text
