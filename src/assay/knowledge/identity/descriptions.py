"""Texts of tools around a name: lspci's brackets and alternatives, `nvidia-smi -L`, OpenGL and Vulkan."""

import re
from typing import NamedTuple

_LABEL = r"^\s*(?:gpu|device)\s*\d+\s*[:=]\s*"
_UUID = r"\(\s*uuid:.*"
_OPENGL = r"/pcie?/sse2\s*$"
_BRACKET = r"\[([^\[\]]+)\]"
_PARENTHESIS = r"\((?:radv|radeonsi|navi|bmg|dg\d|amd |llvm|discrete|integrated)[^()]*\)"
_CLASS = r"^(?:[01][0-9a-fA-F]{3}|[0-9a-fA-F]{4}:[0-9a-fA-F]{4})$"
"""A device class (`0300`, `1200`) or a PCI id; `A100` and `B200` are names."""
_MAKERS = frozenset({"amd/ati", "ati", "amd"})


class Description(NamedTuple):
    """The name in a text, and the alternatives where it lists several."""

    text: str
    alternatives: tuple[str, ...]


def _has_figure(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _alternatives(text: str) -> tuple[str, ...]:
    """`Radeon RX 9070/9070 XT` -> Radeon RX 9070, Radeon RX 9070 XT: each with the words of the first."""
    parts = [part.strip() for part in text.split("/") if part.strip()]
    if len(parts) < 2:
        return ()
    first = parts[0].split()
    place = next((index for index, word in enumerate(first) if _has_figure(word)), len(first))
    brand, model = " ".join(first[:place]), " ".join(first[: place + 1])
    named = [parts[0]]
    for part in parts[1:]:
        if part[:1].isdigit():
            named.append(f"{brand} {part}")
        elif _has_figure(part) or not _has_figure(model):
            named.append(part)
        else:
            named.append(f"{model} {part}")
    return tuple(named)


def describe(text: str) -> Description:
    """The part of a text that names a card."""
    if not any(sign in text for sign in ":=/[("):
        return Description(text.strip(), ())
    for pattern in (_LABEL, _UUID, _OPENGL):
        text = re.sub(pattern, "", text, flags=re.IGNORECASE)
    brackets = [
        inner for inner in re.findall(_BRACKET, text) if not re.match(_CLASS, inner) and inner.lower() not in _MAKERS
    ]
    text = brackets[-1] if brackets else re.sub(_PARENTHESIS, " ", text, flags=re.IGNORECASE)
    _, mark, after = text.partition("w/")
    if mark:
        text = after
    return Description(text.strip(), _alternatives(text))
