"""Models of the catalogue: published configurations under the names of their repositories."""

import re
from typing import Any, NamedTuple

from assay.errors import UnknownModel
from assay.knowledge import store
from assay.types.message import message

KIND = "model"


class Entry(NamedTuple):
    """A published configuration and what is known beside it.

    Attributes:
        id: repository `owner/name`.
        config: the keys of config.json that the readers use.
        separate: the same of hf_quant_config.json, or None.
        sources: ids of the sources.
        released_format: weight format of the weights as first published, or None.
        requantized_from: repository that this one was re-quantized from, or None.
        plain_format: format of the unconverted tensors where config.json does not say it.
    """

    id: str
    config: dict[str, Any]
    separate: dict[str, Any] | None
    sources: tuple[str, ...]
    released_format: str | None
    requantized_from: str | None
    plain_format: str | None


SIDE_WORDS = frozenset({"instruct", "it", "chat", "base", "thinking", "hf", "meta", "nvidia"})
"""Words of a repository's name that people leave out: they change neither the architecture nor the size."""
VERSION = re.compile(r"v\d+(\.\d+)*|\d{4}|a\d+(\.\d+)?b")
"""Release numbers and active parameters are left out as well."""
SEPARATORS = re.compile(r"[-_/\s]+")


def _words(name: str) -> frozenset[str]:
    return frozenset(filter(None, SEPARATORS.split(name.lower())))


def _required(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in words - SIDE_WORDS if not VERSION.fullmatch(word))


def _matches(wanted: str) -> list[str]:
    """Ids that a name means, letter case aside: the whole id, the name without its owner, or its words.

    By words, nothing may be asked for that the model's name does not have, and nothing left out but what changes
    neither architecture nor size: `Llama-3.3-70B` is `Llama-3.3-70B-Instruct`, `Qwen3-30B-A3B` is not its FP8 copy.
    """
    key = wanted.strip().lower()
    names = store.names(KIND)
    if "/" in key:
        return [name for name in names if name.lower() == key]
    exact = [name for name in names if name.lower().rpartition("/")[2] == key]
    if exact:
        return exact
    asked = _words(key)
    spelt = ((name, _words(name.rpartition("/")[2])) for name in names)
    return [name for name, words in spelt if asked and _required(words) <= asked <= words]


def is_named(wanted: str) -> bool:
    """Whether a text is an id or a name without its owner, and not just words of one."""
    key = wanted.strip().lower()
    return any(key in (name.lower(), name.lower().rpartition("/")[2]) for name in store.names(KIND))


def suggestions(wanted: str) -> tuple[str, ...]:
    """Names that are spelt alike: they are shown, never taken."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a misspelt name needs it

    known = store.names(KIND)
    short = {name.lower().rpartition("/")[2]: name for name in known}
    key = wanted.strip().lower().rpartition("/")[2]
    near = get_close_matches(key, short, n=5, cutoff=0.6)
    return tuple(short[name] for name in near)


def resolve(wanted: str) -> str:
    """The id that a name means; of one that is the same as another, the other's.

    Raises:
        UnknownModel: no model has it, or several do: then the error names them.
    """
    found = sorted({str((store.entry(KIND, name) or {}).get("same_as", name)) for name in _matches(wanted)})
    if not found:
        near = suggestions(wanted)
        hint = message("hint.suggestions", suggestions=", ".join(near)) if near else message("hint.unknown_model")
        raise UnknownModel(message("error.unknown_model", query=wanted), hint, candidates=near)
    if len(found) > 1:
        raise UnknownModel(
            message("error.ambiguous_model", query=wanted, number=len(found)),
            message("hint.ambiguous_model", candidates=", ".join(found)),
            candidates=found,
        )
    return found[0]


def entry(wanted: str) -> Entry:
    """The model with this name.

    Raises:
        UnknownModel: see `resolve`.
    """
    name = resolve(wanted)
    body = store.entry(KIND, name) or {}
    return Entry(
        name,
        body["config"],
        body.get("hf_quant_config"),
        tuple(body["sources"]),
        body.get("released_format"),
        body.get("requantized_from"),
        body.get("plain_format"),
    )


def families() -> dict[str, str]:
    """The family of every model of the catalogue, by id."""
    return {name: str(found["family"]) for name, found in store.fields(KIND, ("family",)).items() if found}
