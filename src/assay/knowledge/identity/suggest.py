"""Near names for an unknown query: suggestions, never answers, and the only fuzzy matching."""

from collections.abc import Sequence

from assay.knowledge.identity import words
from assay.knowledge.identity.products import Product, key, products, said
from assay.knowledge.identity.query import Query

MAXIMUM = 5
_NEAR = 0.65
"""Less alike than this is another name: `b100` for 5090 helps nobody."""


def suggest(query: Query, near: Sequence[Product] = ()) -> tuple[str, ...]:
    """Up to five ids: `near` first, then the closest names by shared words and edit distance."""
    from difflib import SequenceMatcher  # noqa: PLC0415 - 5 ms that an understood query must not pay

    asked, plain = query.name, key(query.words)
    scores: list[tuple[float, int, str]] = []
    for place, product in enumerate(products().values()):
        if product.status == "rumoured":
            continue
        found = said(product.name)
        own = frozenset(found)
        shared = sum(_weight(word) for word in asked & own) / (sum(map(_weight, asked | own)) or 1)
        likeness = SequenceMatcher(None, plain, key(found)).ratio()
        if any(map(_decides, asked & own)) or _begins(asked, own) or likeness >= _NEAR:
            scores.append((-(likeness + 2 * shared), place, product.id))
    ordered = [*(product.id for product in near), *(name for _, _, name in sorted(scores))]
    return tuple(dict.fromkeys(ordered))[:MAXIMUM]


def _decides(word: str) -> bool:
    """`rtx` and `pro` are in too many names to bring anybody nearer."""
    return word not in words.OPTIONAL


def _begins(asked: frozenset[str], own: frozenset[str]) -> bool:
    """Whether a model number begins as another does: `mi300` and `mi300x`."""
    numbers = [[word for word in found if len(word) > 2 and any(map(str.isdigit, word))] for found in (asked, own)]
    return any(one.startswith(other) or other.startswith(one) for one in numbers[0] for other in numbers[1])


def _weight(word: str) -> int:
    """A model number says more than a word."""
    return 3 if any(map(str.isdigit, word)) else 1
