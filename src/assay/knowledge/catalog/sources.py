"""The sources that values cite."""

from collections.abc import Iterable
from typing import NamedTuple

from assay.knowledge import store


class Source(NamedTuple):
    """Who says it: title, address, date (ISO), kind, and how it was read (`original`, `quoted`)."""

    id: str
    title: str
    url: str | None
    date: str | None
    kind: str
    read: str | None


def source(name: str) -> Source:
    """The source with this id; an id outside the catalogue (a user's own file) is its own title."""
    body = store.entry("source", name)
    if body is None:
        return Source(name, name, None, None, "local", None)
    return Source(name, body["title"], body.get("url"), body.get("date"), body["kind"], body.get("read"))


def sources(names: Iterable[str]) -> tuple[Source, ...]:
    """The sources with these ids, each once, in order of first mention."""
    return tuple(source(name) for name in dict.fromkeys(names))
