"""Digits as a language writes them: 97,887.5 in English, 97 887,5 in Russian."""

from math import floor, log10
from typing import Literal

Language = Literal["en", "ru"]
LANGUAGES: tuple[Language, ...] = ("en", "ru")

NO_BREAK_SPACE = "\u00a0"
MINUS = "-"  # not U+2212: people copy these figures into a shell and a spreadsheet


def number(value: float, language: Language, decimals: int = 0, *, grouping: bool = True) -> str:
    """`value` with `decimals` digits after the point.

    English groups from 1,000; Russian from 10 000, as its typography has it.
    """
    text = f"{abs(value):.{decimals}f}"
    whole, _, fraction = text.partition(".")
    if grouping and len(whole) > (4 if language == "ru" else 3):
        whole = f"{int(whole):,}".replace(",", NO_BREAK_SPACE if language == "ru" else ",")
    sign = MINUS if value < 0 and float(text) != 0 else ""
    point = "," if language == "ru" else "."
    return f"{sign}{whole}{point}{fraction}" if fraction else f"{sign}{whole}"


def trimmed_decimals(value: float, most: int) -> int:
    """The fewest decimals (at most `most`) that show `value` as well as `most` of them would.

    A value that is not zero never looks like zero: it is given the digits its first two figures need.
    """
    if value and abs(value) <= 0.5 * 10**-most:
        most = 1 - floor(log10(abs(value)))
    text = f"{value:.{most}f}" if most else ""
    return len(text.rstrip("0").partition(".")[2])


def plain(value: float, language: Language) -> str:
    """A bare number inside a sentence: integers grouped, others with up to four significant digits."""
    if float(value).is_integer():
        return number(value, language)
    most = max(0, 3 - floor(log10(abs(value))))
    return number(value, language, trimmed_decimals(value, most))
