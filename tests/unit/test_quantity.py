import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.types.message import message
from assay.types.quantity import STRENGTH, Quantity, derive, exact, total, unknown

WHY = message("unknown.peak")
FIGURES = st.floats(min_value=0, max_value=1e15, allow_nan=False)


def test_a_value_without_a_basis_cannot_be_made() -> None:
    with pytest.raises(TypeError):
        Quantity(1.0, "B")  # type: ignore[call-arg]


def test_an_unknown_value_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="note"):
        Quantity(None, "B", "documented")


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_value_is_finite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        exact(value, "B", "documented")


@pytest.mark.parametrize(("low", "high"), [(2.0, None), (None, 0.5), (2.0, 3.0)])
def test_an_interval_holds_its_value(low: float | None, high: float | None) -> None:
    with pytest.raises(ValueError, match="interval"):
        Quantity(1.0, "B", "assumed", low=low, high=high)


def test_a_derived_figure_names_its_formula() -> None:
    with pytest.raises(ValueError, match="formula"):
        Quantity(1.0, "B", "derived")


def test_a_sum_says_how_much_rests_on_its_weakest_part() -> None:
    parts = [("weights", exact(97, "B", "documented", "a")), ("overhead", exact(3, "B", "assumed", "b"))]
    whole = total("B", parts)
    assert (whole.value, whole.basis, whole.weakest) == (100, "derived", "assumed")
    assert whole.weakest_share == pytest.approx(0.03)
    assert whole.sources == ("a", "b")


def test_a_sum_of_sums_keeps_the_share() -> None:
    inner = total("B", [("x", exact(50, "B", "documented")), ("y", exact(50, "B", "assumed"))])
    outer = total("B", [("inner", inner), ("z", exact(100, "B", "measured"))])
    assert outer.weakest == "assumed"
    assert outer.weakest_share == pytest.approx(0.25)


def test_one_unknown_part_makes_the_sum_unknown_and_keeps_the_reason() -> None:
    whole = total("B", [("x", exact(1, "B", "documented")), ("y", unknown("B", WHY))])
    assert whole.value is None
    assert whole.note == WHY


def test_a_product_with_an_assumed_factor_rests_on_it_wholly() -> None:
    inputs = [("rate", exact(10, "B/s", "documented")), ("share", exact(0.5, "ratio", "assumed"))]
    figure = derive("B/s", "rate x share", inputs, lambda a, b: a * b)
    assert (figure.value, figure.weakest, figure.weakest_share) == (5, "assumed", 1.0)


def test_a_quotient_turns_the_interval_of_what_it_falls_with() -> None:
    time = derive(
        "s",
        "bytes / rate",
        [("bytes", exact(8, "B", "documented")), ("rate", Quantity(2, "B/s", "assumed", low=1, high=4))],
        lambda size, rate: size / rate,
        rising=(True, False),
    )
    assert (time.low, time.value, time.high) == (2, 4, 8)


@given(st.lists(st.tuples(FIGURES, st.sampled_from([b for b in STRENGTH if b != "derived"])), min_size=1, max_size=6))
def test_a_sum_never_looks_stronger_than_its_weakest_part(parts: list[tuple[float, str]]) -> None:
    figures = [(str(i), exact(v, "B", b)) for i, (v, b) in enumerate(parts)]  # type: ignore[arg-type]
    whole = total("B", figures)
    assert whole.root == max((b for _, b in parts), key=STRENGTH.index)  # type: ignore[arg-type]
    assert whole.weakest_share is not None
    assert 0 <= whole.weakest_share <= 1 + 1e-9


@given(FIGURES, FIGURES, FIGURES)
def test_intervals_add_end_by_end(a: float, b: float, c: float) -> None:
    low, middle, high = sorted((a, b, c))
    interval = Quantity(middle, "B", "assumed", low=low, high=high)
    whole = total("B", [("x", interval), ("y", exact(1.0, "B", "documented"))])
    assert whole.low == pytest.approx(low + 1)
    assert whole.high == pytest.approx(high + 1)
