"""A figure as people read it: `95.59 GiB D`, `38 tok/s (19–61) d?`, `unknown`.

Behind each figure stands the letter of its basis. Rounding never improves an answer: counts of tokens,
requests and copies are rounded down, the ends of an interval outwards, and what is not zero never looks like
zero.
"""

from math import ceil, floor, log10

from assay.report.numbers import Language, number, trimmed_decimals
from assay.report.units import Shown, shown
from assay.report.words import say, unit_name
from assay.types.message import message
from assay.types.quantity import Quantity

LETTERS = {
    "measured": "M",
    "reported": "R",
    "compiled": "C",
    "documented": "D",
    "derived": "d",
    "assumed": "?",
}
LEGEND = {
    "M": "legend.measured",
    "R": "legend.reported",
    "C": "legend.compiled",
    "D": "legend.documented",
    "d": "legend.derived",
    "d?": "legend.derived_from_assumption",
    "?": "legend.assumed",
}
"""The letters in the order of the legend, strongest first, and the codes of their words."""


def letter(figure: Quantity) -> str:
    """The letter of a figure's basis; `d?` is arithmetic on an assumption."""
    if figure.basis == "derived" and figure.root == "assumed":
        return "d?"
    return LETTERS[figure.basis]


INTERVAL_DIGITS = 3
"""Significant digits of a figure that is an interval: more would claim what the interval denies."""


def _power(scaled: float, way: Shown, *, interval: bool) -> int:
    """The power of ten that a scaled value is rounded to: decimals, or with a minus sign tens and hundreds."""
    if way.whole:
        return 0
    if not interval or not scaled:
        return way.decimals
    return min(way.decimals, INTERVAL_DIGITS - 1 - floor(log10(abs(scaled))))


def _digits(value: float, way: Shown, language: Language, outwards: int = 0, *, interval: bool = False) -> str:
    scaled = value / way.divisor
    places = _power(scaled, way, interval=interval)
    if outwards or way.whole or places < 0:
        power = 10.0**places
        exact = round(scaled * power, 6)  # 0.3 * 10 is 3.0000000000000004: not a reason to show 0.4
        turned = ceil(exact) if outwards > 0 and not way.whole else floor(exact)
        scaled = (turned if outwards or way.whole else round(exact)) / power
    decimals = 0 if way.whole else trimmed_decimals(scaled, max(0, places))
    return number(scaled, language, decimals, grouping=way.grouping)


def unit_of(figure: Quantity, language: Language) -> str | None:
    """The name of the unit that a known figure is shown in, as a heading has it; None where it has none."""
    if figure.value is None:
        return None
    way = shown(figure.unit, figure.value)
    return unit_name(way.code, 0, language) if way.code else None


def amount(figure: Quantity, language: Language, *, bare: bool = False) -> str:
    """The figure with its unit and interval and without its letter; `unknown` where there is no value.

    `bare` leaves the unit out, for a row whose label names it.
    """
    if figure.value is None:
        return say(message("figure.unknown"), language)
    way = shown(figure.unit, figure.value)
    low, high = figure.lowest, figure.highest
    interval = low is not None and high is not None and low != high
    text = _digits(figure.value, way, language, interval=interval)
    if way.code and not bare:
        scaled = figure.value / way.divisor
        text = f"{text} {unit_name(way.code, floor(scaled) if way.whole else scaled, language)}"
    if low is None or high is None or low == high:
        return text
    ends = _digits(low, way, language, -1, interval=True), _digits(high, way, language, 1, interval=True)
    dash = "…" if low < 0 else "–"  # "-36–-31" cannot be read
    return f"{text} ({ends[0]}{dash}{ends[1]})"


def extent(figure: Quantity, language: Language, *, bare: bool = False) -> str:
    """The ends of the figure's interval with its unit: what a drawing of it shows; `unknown` where there is no value.

    `bare` leaves the unit out, for a column whose head names it.
    """
    low, high = figure.lowest, figure.highest
    if low is None or high is None or low == high:
        return amount(figure, language, bare=bare)
    way = shown(figure.unit, high)
    ends = _digits(low, way, language, -1, interval=True), _digits(high, way, language, 1, interval=True)
    text = ("…" if low < 0 else "–").join(ends)
    if not way.code or bare:
        return text
    scaled = high / way.divisor
    return f"{text} {unit_name(way.code, floor(scaled) if way.whole else scaled, language)}"


def figure_text(figure: Quantity, language: Language, *, bare: bool = False) -> str:
    """The figure with its basis letter; an unknown one has none."""
    text = amount(figure, language, bare=bare)
    return text if figure.value is None else f"{text} {letter(figure)}"
