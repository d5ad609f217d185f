"""A figure as people read it: `95.59 GiB D`, `38 tok/s (19–61) d?`, `unknown`.

Behind each figure stands the letter of its basis. Rounding never improves an answer: counts of tokens,
requests and copies are rounded down, the ends of an interval outwards, and what is not zero never looks like
zero.
"""

from math import ceil, floor

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


def _digits(value: float, way: Shown, language: Language, outwards: int = 0) -> str:
    scaled = value / way.divisor
    decimals = 0 if way.whole else trimmed_decimals(scaled, way.decimals)
    if outwards or way.whole:
        power = 10.0 ** max(decimals, 0 if way.whole else way.decimals)
        exact = round(scaled * power, 6)  # 0.3 * 10 is 3.0000000000000004: not a reason to show 0.4
        scaled = (ceil(exact) if outwards > 0 and not way.whole else floor(exact)) / power
        decimals = 0 if way.whole else trimmed_decimals(scaled, way.decimals)
    return number(scaled, language, decimals, grouping=way.grouping)


def amount(figure: Quantity, language: Language) -> str:
    """The figure with its unit and interval and without its letter; `unknown` where there is no value."""
    if figure.value is None:
        return say(message("figure.unknown"), language)
    way = shown(figure.unit, figure.value)
    text = _digits(figure.value, way, language)
    if way.code:
        scaled = figure.value / way.divisor
        text = f"{text} {unit_name(way.code, floor(scaled) if way.whole else scaled, language)}"
    low, high = figure.lowest, figure.highest
    if low is None or high is None or low == high:
        return text
    ends = _digits(low, way, language, -1), _digits(high, way, language, 1)
    dash = "…" if low < 0 else "–"  # "-36–-31" cannot be read
    return f"{text} ({ends[0]}{dash}{ends[1]})"


def figure_text(figure: Quantity, language: Language) -> str:
    """The figure with its basis letter; an unknown one has none."""
    text = amount(figure, language)
    return text if figure.value is None else f"{text} {letter(figure)}"
