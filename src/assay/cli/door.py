"""What the caller wants of the door, known before anything else is loaded: language, JSON, explanation.

The arguments are looked through once before click sees them, because an error in the arguments themselves is
already said in the right language and the right form.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

from assay.report.numbers import Language
from assay.report.words import language_of


class Door(NamedTuple):
    """How to answer."""

    language: Language = "en"
    as_json: bool = False
    explain: bool = False


def _wished_language(arguments: Sequence[str]) -> str | None:
    wish = None
    for index, argument in enumerate(arguments):
        if argument == "--lang" and index + 1 < len(arguments):
            wish = arguments[index + 1]
        elif argument.startswith("--lang="):
            wish = argument.partition("=")[2]
    return wish


def _profile_language() -> str | None:
    """The profile's language; a broken profile is the business of the commands that need it."""
    from assay.errors import AssayError
    from assay.observe.profile import parse, profile_path, read_text

    try:
        path = profile_path()
        wish = parse(read_text(path), path).get("language")
    except AssayError:
        return None
    return wish if isinstance(wish, str) else None


def open_door(arguments: Sequence[str]) -> Door:
    """The door that these arguments and the environment ask for."""
    ours = list(arguments)
    if "--" in ours:
        ours = ours[: ours.index("--")]
    wish = _wished_language(ours)
    language = language_of(wish, None if wish else _profile_language(), environment=os.environ)
    return Door(language, "--json" in ours, "--explain" in ours)
