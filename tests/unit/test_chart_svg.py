"""The SVG picture: XML that any reader takes, shapes that measure what the figures say, nothing from outside."""

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from drawn import HOSTILE, bar, chart, figure, parsed, shares
from hypothesis import given
from hypothesis import strategies as st

from assay.answers.asked import CheckRequest
from assay.answers.check import answer
from assay.report.chart.canvas import MARGIN, WIDTH
from assay.report.chart.svg import svg
from assay.report.layout.check import layout
from assay.report.numbers import LANGUAGES, Language
from assay.types.chart import Chart
from assay.types.message import message
from assay.types.quantity import Quantity

SVG = "{http://www.w3.org/2000/svg}"
HEAD = (message("text", text="Headline"),)
OWNER = "RTX PRO 6000 Blackwell Workstation Edition"


def pieces(root: ET.Element) -> list[tuple[float, float, float, str, str]]:
    """(x, end, y, class, fill) of every piece."""
    return [
        (
            float(shape.get("x", "nan")),
            float(shape.get("x", "nan")) + float(shape.get("width", "nan")),
            float(shape.get("y", "nan")),
            shape.get("class", ""),
            shape.get("fill", ""),
        )
        for shape in root.iter(f"{SVG}rect")
        if shape.get("class", "").startswith("piece") and shape.get("height") == "36"
    ]


def one_bar(*arguments: object) -> ET.Element:
    return parsed(svg(HEAD, (Chart(message("chart.memory"), (bar(*arguments),), ()),), "en"))  # type: ignore[arg-type]


@given(st.floats(0, 30), st.floats(0, 8), st.floats(0, 8), st.integers(1, 3))
def test_widths_are_the_figures_to_scale(experts: float, low: float, more: float, number: int) -> None:
    drawn = bar("card", figure(24, 24), figure(21, 22), shares(experts, (low, low + more)), number)
    root = parsed(svg(HEAD, (Chart(message("chart.memory"), (drawn,), ()),), "en"))
    found = pieces(root)
    scale = (WIDTH - 2 * MARGIN) / drawn.end
    expected = sorted((piece.start, piece.end) for part in drawn.parts for piece in part.pieces)
    rows = sorted({row[2] for row in found})
    assert len(rows) == number
    for y in rows:
        row = sorted(piece for piece in found if piece[2] == y)
        assert len(row) == len(expected)
        for (start, end), (left, right, *_) in zip(expected, row, strict=True):
            assert left == pytest.approx(MARGIN + start * scale, abs=0.011)
            assert right == pytest.approx(MARGIN + end * scale, abs=0.021)
        assert all(two[0] == pytest.approx(one[1], abs=0.001) for one, two in pairwise(row))
        assert row[0][0] == MARGIN
        assert row[-1][1] == pytest.approx(WIDTH - MARGIN, abs=0.001)


@pytest.mark.parametrize("gpu", [OWNER, "4090", "2x 5090", "5090 + 4090"])
def test_of_a_real_plan_the_card_is_as_long_as_its_memory(gpu: str) -> None:
    found = answer(CheckRequest("Qwen3-30B-A3B", (gpu,), concurrency=8, picture="memory"))
    report = layout(found)
    (drawn,) = [block for block in report.blocks if isinstance(block, Chart)]
    root = parsed(svg(report.headline, (drawn,), "en"))
    found_pieces = pieces(root)
    plan = found.results[0].fit.memory
    rows = iter(sorted({piece[2] for piece in found_pieces}))
    for each in drawn.bars:
        for _ in range(each.number):
            y = next(rows)
            row = [piece for piece in found_pieces if piece[2] == y]
            per_pixel = each.end / (WIDTH - 2 * MARGIN)
            parts = ("piece weights", "piece cache", "piece runtime")
            sure = sum(right - left for left, right, _, kind, _ in row if kind in parts)
            assert sure * per_pixel == pytest.approx(plan.total.lowest, rel=0.002)
            edge = MARGIN + (each.edge or 0) / per_pixel
            inside = sum(min(right, edge) - left for left, right, *_ in row if left < edge)
            assert inside * per_pixel == pytest.approx(each.whole.value, rel=0.002)


def test_the_upper_ends_are_hatched_and_what_lacks_hangs_over() -> None:
    root = one_bar("card", figure(16, 16), figure(14, 14), shares(12, (1, 2)))
    hatched = [piece for piece in pieces(root) if piece[3] == "piece possible"]
    assert {piece[4] for piece in hatched} == {"url(#assay-cache)", "url(#assay-runtime)"}
    patterns = {pattern.get("id") for pattern in root.iter(f"{SVG}pattern")}
    assert {piece[4][5:-1] for piece in hatched} <= patterns
    over = [line for line in root.iter(f"{SVG}line") if line.get("class") == "short"]
    assert len(over) == 2  # over the bar, and in the list
    per_pixel = (16 + 2.001) / (WIDTH - 2 * MARGIN)
    assert (float(over[0].get("x2", "0")) - float(over[0].get("x1", "0"))) * per_pixel == pytest.approx(2.001, abs=0.05)


def test_the_frontier_is_a_step_curve_with_the_asked_point() -> None:
    root = parsed(svg(HEAD, (chart(),), "en"))
    (curve,) = [line for line in root.iter(f"{SVG}polyline") if line.get("class") == "lines cache"]
    places = [tuple(map(float, point.split(","))) for point in curve.get("points", "").split()]
    assert all(one[0] == two[0] or one[1] == two[1] for one, two in pairwise(places))
    assert [one[1] for one in places] == sorted(one[1] for one in places)  # downwards: fewer with more context
    dots = [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in root.iter(f"{SVG}circle")]
    assert dots == places[1::2]
    assert all(one[1] == two[1] for one, two in zip(places[::2], dots, strict=True))  # each held back to the left
    (mark,) = [shape for shape in root.iter(f"{SVG}polygon") if shape.get("class") == "mark"]
    corners = [tuple(map(float, point.split(","))) for point in mark.get("points", "").split()]
    middle = sum(x for x, _ in corners) / 4, sum(y for _, y in corners) / 4
    assert middle[0] == pytest.approx(dots[1][0], abs=0.01)  # asked for at the second context, below what surely fits
    assert middle[1] > dots[1][1]


def test_an_interval_of_the_frontier_is_a_hatched_band() -> None:
    root = parsed(svg(HEAD, (chart(),), "en"))
    (band,) = [shape for shape in root.iter(f"{SVG}polygon") if shape.get("class") == "band"]
    assert band.get("fill") == "url(#assay-cache)"


@pytest.mark.parametrize("language", LANGUAGES)
def test_hostile_names_stay_text(language: Language) -> None:
    drawn = svg((message("text", text=HOSTILE),), (chart(HOSTILE),), language)
    root = parsed(drawn)
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {
        "svg", "title", "desc", "style", "defs", "pattern", "rect", "path", "text", "line", "polyline", "polygon",
        "circle",
    }  # fmt: skip
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not [name for name in attributes if name.startswith("on") or "href" in name]
    words = "".join(root.itertext())
    assert "<script>alert('1')</script>&amp;" in words
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800-\udfff]", words)


@given(st.text(max_size=300))
def test_any_name_at_all_is_well_formed(name: str) -> None:
    parsed(svg((message("text", text=name),), (chart(name),), "en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_self_contained_and_told_in_words(language: Language) -> None:
    drawn = svg(HEAD, (chart(),), language)
    outside = re.findall(r"https?://[^\"]+", drawn)
    assert set(outside) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in drawn
    assert "@font-face" not in drawn
    assert "prefers-color-scheme:dark" in drawn
    root = parsed(drawn)
    assert root.get("role") == "img"
    assert root.get("lang") == language
    ids = {element.get("id"): element for element in root.iter() if element.get("id")}
    named, described = (root.get("aria-labelledby") or "").split()
    assert ids[named].text == "Headline"
    told = ids[described].text or ""
    assert "Card Three" in told
    assert {"en": "unknown", "ru": "неизвестно"}[language] in told
    for rect in root.iter(f"{SVG}rect"):
        if rect.get("height") == "36" and rect.get("class", "").startswith("piece"):
            assert rect.find(f"{SVG}title") is not None


def test_why_a_part_is_unknown_is_said() -> None:
    words = "".join(parsed(svg(HEAD, (chart(),), "en")).itertext())
    assert "no source says how much a model may use" in words


def test_numbers_below_a_bar_keep_apart() -> None:
    many = [each for _ in range(4) for each in shares(0.01, (0.01, 0.01))]
    root = one_bar("card", figure(24, 24), figure(21, 22), many)
    numbers = [text for text in root.iter(f"{SVG}text") if text.get("class") == "small middle"]
    places = [float(text.get("x", "")) for text in numbers]
    assert len(places) >= len(many)
    assert all(two - one >= 16.9 for one, two in pairwise(places))
    assert places[0] >= MARGIN
    assert places[-1] <= WIDTH - MARGIN


def test_a_bar_without_a_byte_is_drawn_too() -> None:
    nothing = Quantity(0, "B", "documented")
    assert pieces(one_bar("card", figure(1, 1), figure(1, 1), [])) != []
    one_bar("card", nothing, nothing, [])
