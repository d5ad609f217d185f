"""Words for messages: every text that a person reads, in English and Russian (gettext).

A catalogue's msgid is the message's code, its msgstr a template with {parameters}. A number is written as the
language writes it; `{size:B}`, `{rate:B/s}`, `{share:%}` show a number in a base unit as people read it, and
`{port:raw}`
without grouping; `{what:code}` is itself a code; `{text:features}` is a list of short facts of the catalogue, each said
in the language where there are words for it; `{note:data}` is a sentence of the catalogue, in the language where it
was translated and marked as the catalogue's English where not; `{names:files}` is lines of bytes and name;
`{day:date}` is a date (2025-01-30, 30.01.2025); `{what:changes}` are changes of a training setting; `{ways:or}` and
`{changes:and}` are messages joined by that word. Which
plural form is meant is decided by the parameter that
msgid_plural names.
"""

import os
import re
from collections.abc import Callable, Mapping
from functools import cache
from gettext import GNUTranslations
from math import floor
from pathlib import Path

from assay.report import catalogue_compiler
from assay.report.numbers import LANGUAGES, Language, number, plain, trimmed_decimals
from assay.report.units import shown
from assay.types.message import Message, Parameter, message

LOCALE = Path(__file__).parent / "locale"
NOT_WORD = re.compile(r"[^a-z0-9]+")
DATA_CODE_CHARACTERS = 80
FIGURE = re.compile(r"(?<![\w.:])\d+(?:\.\d+)?(?![\w:])")
"""A number by itself: not the one in `HBM3`, `4090` of a name with letters, or a PCI id."""
PLACEHOLDER = re.compile(r"\{(\w+)(?::([^{}]+))?\}")


@cache
def translations(language: Language) -> GNUTranslations:
    """The catalogue of a language, made anew first if its text was edited."""
    return catalogue_compiler.load(LOCALE / language / "LC_MESSAGES")


def language_of(*wishes: str | None, environment: Mapping[str, str] = os.environ) -> Language:
    """The first of the wishes that names a language of Assay's, else the locale environment's, else English.

    Args:
        wishes: what the caller asked for, then the profile's language; None where there is no wish.
        environment: LC_ALL, LC_MESSAGES and LANG are read, in that order; the first that is set decides.
    """
    asked = [wish for wish in wishes if wish]
    locale = next((environment[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(name)), "")
    for wish in (*asked, locale):
        for language in LANGUAGES:
            if wish.lower().replace("-", "_").split("_")[0].split(".")[0] == language:
                return language
    return "en"


def counter(code: str, language: Language) -> str | None:
    """The parameter that chooses the plural form of this code; None where it has but one form."""
    key = catalogue_compiler.COUNTER + code
    found = translations(language).gettext(key)
    return None if found == key else found


def in_unit(value: float, unit: str, language: Language) -> str:
    """A number of a base unit in the unit people read, without its basis: `95.59 GiB`."""
    if unit == "%":
        return f"{number(value * 100, language, trimmed_decimals(value * 100, 1))} %"
    if unit == "raw":
        return str(value)
    way = shown(unit, value)
    scaled = floor(value / way.divisor) if way.whole else value / way.divisor
    digits = number(scaled, language, trimmed_decimals(scaled, way.decimals), grouping=way.grouping)
    return f"{digits} {unit_name(way.code, scaled, language)}" if way.code else digits


def unit_name(code: str, scaled: float, language: Language) -> str:
    """The name of a display unit beside a number; a unit without words is its own name."""
    if not code.startswith("unit."):
        return code
    # After a fraction English has its plural and Russian the form of 2 ("1,5 токена").
    return say(message(code, count=int(scaled) if float(scaled).is_integer() else 2), language)


def _printable(text: str) -> str:
    """Text of a file that may hold half a character (a lone surrogate): no terminal can be sent one."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _feature(fact: str, language: Language) -> str:
    """A short fact of the catalogue (`passive cooling`, `24 GB`) in a language, or as it stands.

    Its code is the fact itself, or the fact with `n` for each number, which its words call {first} and {second}.
    """
    catalogue = translations(language)
    slug = NOT_WORD.sub("_", fact.lower()).strip("_")
    of_numbers = NOT_WORD.sub("_", FIGURE.sub(" n ", fact.lower())).strip("_")
    figures = [text.replace(".", ",") if language == "ru" else text for text in FIGURE.findall(fact)]
    first, second = [*figures, "", ""][:2]
    for code in (f"feature.{slug}", f"feature.{of_numbers}"):
        if catalogue.gettext(code) != code:
            return say(message(code, first=first, second=second), language)
    return fact


def data_code(sentence: str) -> str:
    """The code under which a sentence of the catalogue has its words."""
    return f"data_text.{NOT_WORD.sub('_', sentence.lower()).strip('_')[:DATA_CODE_CHARACTERS]}"


def _data(sentence: str, language: Language) -> str:
    """A sentence of the catalogue in a language; what nobody translated says that it is the catalogue's."""
    if language == "en" or not sentence:
        return sentence
    code = data_code(sentence)
    said = say(message(code), language)
    return say(message("data_untranslated", text=sentence), language) if said == code else said


def _file(line: str, language: Language) -> str:
    """A file of `bytes name` as `name (size)`; without its size where that is 0: nobody knows it."""
    size, _, name = line.partition(" ")
    known = size.isdecimal() and int(size)
    return f"{_printable(name)} ({in_unit(int(size), 'B', language)})" if known else _printable(name)


def _date(day: str, language: Language) -> str:
    """An ISO date as the language writes it."""
    year, _, rest = day.partition("-")
    month, _, number_of_day = rest.partition("-")
    return f"{number_of_day}.{month}.{year}" if language == "ru" and number_of_day else day


def _change(change: str, language: Language) -> str:
    """A change of a training setting: its name, or `name=value`."""
    name, _, value = change.partition("=")
    return say(message(f"train.change.{name}", value=int(value) if value else None), language)


TEXTS: dict[str, Callable[[str, Language], str]] = {
    "code": lambda code, language: say(message(code), language),
    "data": _data,
    "changes": lambda changes, language: ", ".join(_change(each, language) for each in changes.split(", ")),
    "date": _date,
    "features": lambda facts, language: ", ".join(_feature(fact, language) for fact in facts.split(", ")),
    "roles": lambda roles, language: ", ".join(say(message(f"role.{role}"), language) for role in roles.split(", ")),
    "files": lambda lines, language: ", ".join(_file(line, language) for line in lines.split("\n")),
}
"""How a text is shown that is more than itself."""


def _filled(template: str, parameters: Mapping[str, Parameter], language: Language) -> str:
    def value(match: re.Match[str]) -> str:
        name, spec = match.groups()
        given = parameters.get(name)
        if isinstance(given, tuple):
            return say(message(f"join.{spec}"), language).join(say(one, language) for one in given)
        if spec in TEXTS:
            return TEXTS[spec]("" if given is None else str(given), language)
        if isinstance(given, bool) or not isinstance(given, (int, float)):
            return "" if given is None else _printable(str(given))
        return in_unit(given, spec, language) if spec else plain(given, language)

    text = PLACEHOLDER.sub(value, template)
    # "…: {field}" where the field is not known
    return text.rstrip(": ") if text.endswith(": ") else text


def say(what: Message | str, language: Language) -> str:
    """The words of a message; a plain string is data (a product's name) and stays as it is.

    A code without words comes out as the code with its parameters: ugly, and better than nothing to read.
    """
    if isinstance(what, str):
        return what
    parameters = dict(what.parameters)
    if what.code == "text":
        return str(parameters.get("text", ""))
    catalogue = translations(language)
    count = parameters.get(counter(what.code, language) or "")
    if isinstance(count, int):
        template = catalogue.ngettext(what.code, what.code, count)
    else:
        template = catalogue.gettext(what.code)
    if template == what.code:
        given = ", ".join(f"{name}={value}" for name, value in parameters.items())
        return f"{what.code} ({given})" if given else what.code
    return _filled(template, parameters, language)
