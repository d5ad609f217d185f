"""Figures as people read them: nothing is rounded into a better answer, nothing unknown looks like zero."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.report.format import LEGEND, LETTERS, amount, figure_text, letter, unit_of
from assay.report.numbers import number, trimmed_decimals
from assay.types.message import message
from assay.types.quantity import STRENGTH, Quantity, derive, exact, unknown

GIB, MIB = 2**30, 2**20


@pytest.mark.parametrize(
    ("value", "unit", "english", "russian"),
    [
        (96 * GIB, "B", "96 GiB D", "96 ГиБ D"),
        (97_887 * MIB, "B", "95.59 GiB D", "95,59 ГиБ D"),
        (275_040 * MIB, "B", "268.6 GiB D", "268,6 ГиБ D"),
        (128 * MIB, "B", "128 MiB D", "128 МиБ D"),
        (98_304, "B", "96 KiB D", "96 КиБ D"),
        (0, "B", "0 B D", "0 Б D"),
        (-34.5 * GIB, "B", "-34.5 GiB D", "-34,5 ГиБ D"),
        (1.792e12, "B/s", "1,792 GB/s D", "1792 ГБ/с D"),
        (503.8e12, "FLOP/s", "503.8 TFLOP/s D", "503,8 Тфлоп/с D"),
        (1.64e12, "FLOP/s", "1.64 TFLOP/s D", "1,64 Тфлоп/с D"),
        (838e12, "OP/s", "838 TOP/s D", "838 Топ/с D"),
        (2.617e9, "Hz", "2617 MHz D", "2617 МГц D"),
        (600, "W", "600 W D", "600 Вт D"),
        (32_768, "token", "32,768 tokens D", "32\u00a0768 токенов D"),
        (1, "token", "1 token D", "1 токен D"),
        (38.4, "token/s", "38 tok/s D", "38 токен/с D"),
        (3.84, "token/s", "3.8 tok/s D", "3,8 токен/с D"),
        (0.0634, "s", "63.4 ms D", "63,4 мс D"),
        (12.5, "s", "12.5 s D", "12,5 с D"),
        (2e-6, "s", "2 µs D", "2 мкс D"),
        (8565, "USD", "8,565 USD D", "8565 USD D"),
        (0.985, "ratio", "0.985 D", "0,985 D"),
    ],
)
def test_units_and_digits(value: float, unit: str, english: str, russian: str) -> None:
    figure = exact(value, unit, "documented", "a-source")
    assert figure_text(figure, "en") == english
    assert figure_text(figure, "ru") == russian


def test_an_interval_is_shown_and_rounded_outwards() -> None:
    figure = Quantity(38.4, "token/s", "assumed", low=19.6, high=60.2)
    assert figure_text(figure, "en") == "38 tok/s (19–61) ?"
    assert amount(Quantity(-2.0 * GIB, "B", "assumed", low=-3.0 * GIB, high=-1.0 * GIB), "en") == "-2 GiB (-3…-1)"


def test_a_point_interval_is_no_interval() -> None:
    assert amount(Quantity(5.0, "W", "documented", low=5.0, high=5.0), "en") == "5 W"


def test_unknown_is_a_word_without_a_letter() -> None:
    figure = unknown("B", message("unknown.memory_driver"))
    assert figure_text(figure, "en") == "unknown"
    assert figure_text(figure, "ru") == "неизвестно"


@pytest.mark.parametrize("unit", ["token", "sequence", "instance"])
def test_counts_are_rounded_down(unit: str) -> None:
    assert amount(exact(6.999, unit, "measured"), "en").split()[0] == "6"


def test_a_tiny_lack_does_not_look_like_none() -> None:
    assert amount(exact(-0.001 * GIB, "B", "documented", "s"), "en") == "-1 MiB"
    assert amount(exact(0.0004, "token/s", "documented", "s"), "en") == "0.0004 tok/s"


def test_letters() -> None:
    assumed = exact(1.0, "B", "assumed", "s")
    documented = exact(1.0, "B", "documented", "s")
    assert letter(derive("B", "f", [("a", assumed)], float)) == "d?"
    assert letter(derive("B", "f", [("a", documented)], float)) == "d"
    assert {LETTERS[basis] for basis in STRENGTH} | {"d?"} == set(LEGEND)


@pytest.mark.parametrize("most", [0, 1, 2])
def test_half_of_the_last_digit_is_not_rounded_to_zero(most: int) -> None:
    assert float(number(0.5 * 10**-most, "en", trimmed_decimals(0.5 * 10**-most, most))) > 0


@given(st.floats(min_value=-1e6, max_value=1e6, allow_nan=False), st.integers(min_value=0, max_value=4))
def test_what_is_not_zero_never_looks_like_zero(value: float, most: int) -> None:
    text = number(value, "en", trimmed_decimals(value, most))
    assert (float(text.replace(",", "")) == 0) == (value == 0) or abs(value) < 1e-300


@given(st.floats(min_value=0.01, max_value=1e15), st.floats(min_value=1.0, max_value=2.0), st.sampled_from(["B", "s"]))
def test_a_larger_figure_never_prints_smaller(value: float, factor: float, unit: str) -> None:
    def read(text: str) -> float:
        digits, name = text.split()
        scale = {
            "B": 1,
            "KiB": 2**10,
            "MiB": 2**20,
            "GiB": 2**30,
            "s": 1,
            "ms": 1e-3,
            "µs": 1e-6,
            "h": 3600,
            "days": 86_400,
        }[name]
        return float(digits.replace(",", "")) * scale

    smaller = read(amount(exact(value, unit, "documented", "s"), "en"))
    larger = read(amount(exact(value * factor, unit, "documented", "s"), "en"))
    assert smaller <= larger * (1 + 1e-9)


@pytest.mark.parametrize(
    ("value", "low", "high", "text"),
    [
        (18_216, 3_312, 27_324, "18,200 tok/s (3,310–27,400)"),
        (140.2, 38.4, 265.9, "140 tok/s (38–266)"),
        (0.062, 0.041, 0.335, "0.06 tok/s (0.04–0.34)"),
    ],
)
def test_an_interval_is_shown_with_three_digits_and_rounded_outwards(
    value: float, low: float, high: float, text: str
) -> None:
    figure = Quantity(value, "token/s", "assumed", low=low, high=high)
    assert amount(figure, "en") == text


def test_the_unit_can_stand_in_the_label_instead() -> None:
    figure = Quantity(1792e9, "B/s", "documented")
    assert (amount(figure, "en", bare=True), unit_of(figure, "en")) == ("1,792", "GB/s")
