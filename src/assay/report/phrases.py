"""Formulas and the names of their inputs in the reader's language.

Lower floors name them in English, as they stand in the JSON; the catalogues hold the words for each under a code made
from its letters. What has no words is printed as it stands.
"""

import re

from assay.report.numbers import Language
from assay.report.words import say
from assay.types.message import message

NOT_WORD = re.compile(r"[^a-z0-9]+")
LONGEST = 60


def code_of(text: str) -> str:
    """The code of a phrase: its letters and figures, at most 60 of them."""
    return f"phrase.{NOT_WORD.sub('_', text.lower()).strip('_')[:LONGEST].strip('_')}"


def _said(code: str, language: Language) -> str | None:
    words = say(message(code), language)
    return None if words == code else words


def phrase(text: str, language: Language) -> str:
    """A formula or an input's name in a language.

    `experts, bf16` is a role and its format, `full: tokens kept` a kind of layer and a phrase, `full layers` the kind,
    `context + graphs` a sum of phrases.
    """
    words = _said(code_of(text), language)
    if words is not None:
        return words
    if " + " in text and all(said := [_said(code_of(part), language) for part in text.split(" + ")]):
        return " + ".join(filter(None, said))
    role, comma, rest = text.partition(", ")
    if comma and (words := _said(f"role.{role}", language)):
        return f"{words}, {rest}"
    kind, colon, rest = text.partition(": ")
    if colon and (words := _said(f"layer.{kind}", language)):
        return f"{words}: {phrase(rest, language)}"
    kind = text.removesuffix(" layers")
    return _said(f"layer.{kind}", language) or text
