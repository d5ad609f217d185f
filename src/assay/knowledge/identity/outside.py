"""NVIDIA's own names of products that the catalogue lacks: a full name of another product is no shorthand for ours."""

from collections.abc import Iterator
from functools import cache

from assay.knowledge import store
from assay.knowledge.identity import words
from assay.knowledge.identity.products import figures, key, keys, related, said
from assay.knowledge.identity.query import Query, memory_gib


@cache
def _table() -> tuple[str, ...]:
    rows = store.fields("pci_name", ("name",)).values()
    return (*dict.fromkeys(row["name"] for row in rows), *words.OLDER_NAMES)


def _near(query: Query) -> Iterator[str]:
    """Names that hold the query's figures, or its words where it has none: the others need not be parted."""
    needles = {figures(word) for word in query.words if memory_gib(word) is None} - {""}
    needles = needles or {word for word in query.name if word not in words.OPTIONAL}
    return (name for name in _table() if any(needle in name.lower() for needle in needles))


def _is_carried(name: str) -> bool:
    """Whether a product of the catalogue has this driver name."""
    found = said(name)
    return any(key(found, vendor=True) in keys(product).drivers for product in related(found))


def _named(text: str) -> tuple[frozenset[str], frozenset[str]]:
    """(the words of a name without its vendor, those of them that state no memory)."""
    whole = frozenset(said(text)) - words.VENDORS
    return whole, frozenset(word for word in whole if memory_gib(word) is None)


def full_name(query: Query) -> str | None:
    """NVIDIA's name that the query states in full, where no product of the catalogue carries it."""
    if _other_vendor(query):
        return None
    stated = frozenset(query.words) - words.VENDORS
    named = query.name - words.VENDORS
    for name in _near(query):
        whole, without_memory = _named(name)
        if (stated == whole or named == whole == without_memory) and not _is_carried(name):
            return name
    return None


def short_name(query: Query) -> str | None:
    """NVIDIA's shortest name that the query shortens (`1660 ti`); asked where the catalogue has no answer."""
    named = query.name - words.VENDORS
    if _other_vendor(query) or not any(any(map(str.isdigit, word)) for word in named):
        return None
    fitting = []
    for name in _near(query):
        _, without_memory = _named(name)
        if without_memory - words.OPTIONAL <= named <= without_memory and not _is_carried(name):
            fitting.append(name)
    return min(fitting, key=len, default=None)


def _other_vendor(query: Query) -> bool:
    return bool((query.name & words.VENDORS) - {"nvidia"})
