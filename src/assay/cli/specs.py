"""A model with its own settings in one word: `Qwen3-30B-A3B:context=32k,users=4,kv=fp8`."""

import re
from typing import Any

from assay.answers.packed import PackItem
from assay.cli.numbers import AT_LEAST_ONE, TOKENS
from assay.errors import UsageError
from assay.types.message import message

KEYS = ("context", "users", "kv", "runtime", "weights", "copies")
SPEC = re.compile(r"(?P<model>.+?):(?P<settings>[A-Za-z_]+\s*=.*)", re.DOTALL)
"""The first colon that a `word=` follows: a path, a port or `gguf:Q4_K_M` may hold others."""


def _number(name: str, text: str, spec: str) -> int:
    kind = TOKENS if name == "context" else AT_LEAST_ONE
    found = kind.read(text)
    if found is None or not kind.accepts(found):
        raise UsageError(message("error.pack_number", name=name, value=text, spec=spec), kind.hint())
    return found


def _value(name: str, text: str, spec: str) -> str | int:
    if name == "copies" and text.lower() == "max":
        return "max"
    return _number(name, text, spec) if name in {"context", "users", "copies"} else text


def item_of(spec: str, defaults: PackItem) -> PackItem:
    """The model that a word names, with what the word does not set taken from `defaults`.

    Raises:
        UsageError: a setting that is none, set twice or empty, or a number that is none.
    """
    match = SPEC.fullmatch(spec)
    if match is None:
        return defaults._replace(model=spec)
    found: dict[str, Any] = {}
    for part in match["settings"].split(","):
        name, equals, text = (piece.strip() for piece in part.partition("="))
        name = name.lower()
        if name not in KEYS or not equals or not text or name in found:
            raise UsageError(
                message("error.pack_setting", setting=part.strip(), spec=spec),
                message("hint.pack_setting", known=", ".join(KEYS)),
            )
        found[name] = _value(name, text, spec)
    return defaults._replace(model=match["model"], **found)
