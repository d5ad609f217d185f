"""Models of the catalogue: published configurations under the names of their repositories."""

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


def _matches(wanted: str) -> list[str]:
    """Ids whose whole name, or whose name without the owner, is the wanted one; letter case does not matter."""
    key = wanted.strip().lower()
    if "/" in key:
        return [name for name in store.names(KIND) if name.lower() == key]
    return [name for name in store.names(KIND) if name.lower().rpartition("/")[2] == key]


def suggestions(wanted: str) -> tuple[str, ...]:
    """Names that are spelt alike: they are shown, never taken."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a misspelt name needs it

    known = store.names(KIND)
    short = {name.lower().rpartition("/")[2]: name for name in known}
    key = wanted.strip().lower().rpartition("/")[2]
    near = get_close_matches(key, short, n=5, cutoff=0.6)
    return tuple(short[name] for name in near)


def resolve(wanted: str) -> str:
    """The id that a name means.

    Raises:
        UnknownModel: no model has it, or several do: then the error names them.
    """
    ids = _matches(wanted)
    bodies = {name: (store.entry(KIND, name) or {}).get("same_as", name) for name in ids} if len(ids) > 1 else {}
    found = sorted(set(bodies.values())) if bodies else ids
    if not found:
        raise UnknownModel(
            message("error.unknown_model", query=wanted), message("hint.unknown_model"), candidates=suggestions(wanted)
        )
    if len(found) > 1:
        raise UnknownModel(
            message("error.ambiguous_model", query=wanted, number=len(found)),
            message("hint.ambiguous_model"),
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
    if "same_as" in body:
        name = body["same_as"]
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
