"""Bars: whatever the plan, pieces fill their bar without gap or overlap, and every byte of every figure is drawn."""

import pytest
from drawn import GIB, bar, figure, shares
from hypothesis import given
from hypothesis import strategies as st

from assay.report.chart.stack import Share
from assay.types.chart import Bar, Piece
from assay.types.message import message
from assay.types.quantity import Quantity, exact, unknown

SIZES = st.integers(0, 200 * GIB)


@st.composite
def figures(draw: st.DrawFn) -> Quantity:
    """A figure: exact, an interval, or unknown."""
    low, value, high = sorted(draw(st.tuples(SIZES, SIZES, SIZES)))
    kind = draw(st.sampled_from(("exact", "interval", "interval", "unknown")))
    if kind == "unknown":
        return unknown("B", message("unknown.overhead"))
    return exact(value, "B", "documented") if kind == "exact" else Quantity(value, "B", "assumed", low=low, high=high)


def all_pieces(drawn: Bar) -> list[Piece]:
    return sorted((piece for part in drawn.parts for piece in part.pieces), key=lambda piece: piece.start)


def length(drawn: Bar, *fills: str, possible: bool | None = None) -> float:
    return sum(
        piece.end - piece.start
        for piece in all_pieces(drawn)
        if (not fills or piece.fill in fills) and (possible is None or piece.possible == possible)
    )


@given(st.lists(figures(), max_size=8), figures(), figures())
def test_every_byte_is_drawn_once(sizes: list[Quantity], whole: Quantity, room: Quantity) -> None:
    named = [Share(str(index), size, "weights") for index, size in enumerate(sizes)]
    drawn = bar("card", whole, room, named)
    pieces = all_pieces(drawn)
    assert all(piece.end > piece.start for piece in pieces)
    at = 0.0
    for piece in pieces:
        assert piece.start == pytest.approx(at, abs=0.01)  # neither a gap nor an overlap
        at = piece.end
    if pieces:
        assert at == pytest.approx(drawn.end, abs=0.01)
    for share, part in zip(named, drawn.parts, strict=False):
        sure = sum(piece.end - piece.start for piece in part.pieces if not piece.possible)
        assert sure == pytest.approx(share.figure.lowest or 0.0, abs=0.01)
        every = sum(piece.end - piece.start for piece in part.pieces)
        assert every == pytest.approx(share.figure.highest or 0.0, abs=0.01)


@given(st.lists(figures(), max_size=8), figures(), figures())
def test_the_parts_inside_add_up_to_the_card(sizes: list[Quantity], whole: Quantity, room: Quantity) -> None:
    drawn = bar("card", whole, room, [Share(str(index), size, "weights") for index, size in enumerate(sizes)])
    if not whole.highest:
        assert drawn.edge is None
        return
    assert drawn.edge == whole.highest
    inside = sum(min(piece.end, drawn.edge) - piece.start for piece in all_pieces(drawn) if piece.start < drawn.edge)
    assert inside == pytest.approx(whole.highest, abs=0.01)
    used = sum(size.highest or 0.0 for size in sizes)
    least = whole.highest if room.lowest is None else min(whole.highest, room.lowest)
    assert drawn.end - drawn.edge == pytest.approx(max(0.0, used - least), abs=0.01)
    assert (drawn.short is None) == (used <= least)
    free = length(drawn, "free")
    if room.value is None or any(size.value is None for size in sizes):
        assert not free  # what is not known is never free
    else:
        assert free == pytest.approx(max(0.0, least - used), abs=0.01)


def test_free_is_what_the_pessimistic_ends_leave() -> None:
    drawn = bar("card", figure(24, 24), figure(21, 22), shares(8, (2, 3)))
    assert length(drawn, "free") / GIB == pytest.approx(21 - (8 + 0.001 + 3 + 2))
    assert length(drawn, "kept", possible=True) / GIB == pytest.approx(1)
    assert length(drawn, "kept", possible=False) / GIB == pytest.approx(2)


def test_what_hangs_over_is_hatched_where_the_lower_ends_would_fit() -> None:
    close = bar("card", figure(16, 16), figure(14, 14), shares(12, (1, 2)))
    beyond = [piece for piece in all_pieces(close) if close.edge is not None and piece.start >= close.edge]
    assert beyond
    assert all(piece.possible for piece in beyond)
    far = bar("card", figure(16, 16), figure(14, 14), shares(20, (1, 2)))
    assert any(far.edge is not None and piece.start >= far.edge and not piece.possible for piece in all_pieces(far))
    assert far.short is not None
    assert [(piece.start, piece.end) for piece in far.short.pieces] == [pytest.approx((far.edge, far.end))]


def test_an_unknown_part_has_no_pieces_and_leaves_nothing_free() -> None:
    nobody = unknown("B", message("unknown.overhead"))
    drawn = bar("card", figure(24, 24), figure(21, 22), shares(8, (2, 3), nobody))
    assert drawn.parts[3].pieces == ()
    assert drawn.parts[3].figure.note == nobody.note
    assert length(drawn, "unknown") / GIB == pytest.approx(21 - 8.001 - 3)
    assert not length(drawn, "free")


def test_a_card_of_unknown_size_has_no_end() -> None:
    unsized = unknown("B", message("unknown.unified_memory", gpu="x"))
    drawn = bar("card", unsized, unsized, shares(8, (2, 3)))
    assert drawn.edge is None
    assert not length(drawn, "free", "kept")
    assert drawn.parts[-1].figure.value is None
