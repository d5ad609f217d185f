"""The subset of YAML that compose files and a runtime's configuration need: mappings, lists, JSON scalars.

Every text stands in double quotes as JSON writes it, which YAML reads the same way; keys are plain words.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from assay.types.launch import Value

PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
NOT_TEXT = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Plain words that YAML 1.1 reads as something else."""


def nested(pairs: tuple[tuple[str, Value], ...]) -> dict[str, Any]:
    """Dotted keys as mappings within mappings; a list's things by their text."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        *parents, last = key.split(".")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = [dict(item)["text"] for item in value] if isinstance(value, tuple) else value
    return found


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    return name if PLAIN_KEY.fullmatch(name) and name.lower() not in NOT_TEXT else _scalar(name)


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, dict | list) and inner:
                yield f"{indent}{_key(name)}:"
                yield from _lines(inner, indent + "  ")
            else:
                yield f"{indent}{_key(name)}: {_scalar(inner)}"
    else:
        for inner in value:
            if isinstance(inner, dict) and inner:
                first, *rest = _lines(inner, indent + "  ")
                yield f"{indent}- {first.lstrip()}"
                yield from rest
            else:
                yield f"{indent}- {_scalar(inner)}"


def document(value: dict[str, Any]) -> str:
    """A YAML document; lists hold scalars or mappings."""
    return "\n".join(_lines(value, "")) + "\n"
