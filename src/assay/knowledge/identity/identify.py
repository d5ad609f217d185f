"""Which card is meant: exact, ambiguous with candidates, or unknown with suggestions; never a guess."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from assay.knowledge import store
from assay.knowledge.identity import words
from assay.knowledge.identity.descriptions import describe
from assay.knowledge.identity.distinguish import distinguish
from assay.knowledge.identity.match import Found, find, find_by_memory
from assay.knowledge.identity.pci import find_pci, parse_pci, revision_in
from assay.knowledge.identity.products import Product, products
from assay.knowledge.identity.query import Query, memory_gib, parse
from assay.types.gpu import Identification, PciId
from assay.types.message import Message, message


class _Answer(NamedTuple):
    products: tuple[Product, ...]
    decided: bool
    notes: tuple[Message, ...] = ()
    near: tuple[Product, ...] = ()


def identify(query: str) -> Identification:
    """The card that a text names: a name as drivers, shops or people write it, an lspci line, or a PCI id.

    An empty text and one without a known name are unknown; so is a count of 0 or above 1024.
    """
    text = query[: words.MAXIMUM_QUERY_CHARACTERS]
    name = text.strip().lower()
    literal = store.entry("gpu", name)  # a point query: an id of the catalogue needs none of the other names
    if literal is not None and literal.get("status", "released") == "released":
        return Identification(query, "exact", 1, (name,))
    if literal is not None:
        return _identification(query, 1, _Answer((products()[name],), decided=True), Query((), 1, ()))
    given = parse_pci(text)
    if given is not None:
        return _identification(query, 1, _pci(given), Query((), 1, ()))
    return _named(query, text)


def _is_negative(text: str) -> bool:
    return text.strip()[:1] == "-" and text.strip()[1:2].isdigit()


def _named(query: str, text: str) -> Identification:
    """First the text as a whole (a driver's own line may hold brackets), then the name in it."""
    description = describe(text)
    parsed = parse(description.text)
    if parsed.cards is None or _is_negative(text):
        note = message("gpu.count.invalid", "warning", planned=words.PLANNED_TOGETHER)
        return Identification(query, "unknown", 1, (), suggestions=_suggestions(parsed, ()), notes=(note,))
    if parsed.memory_gib and parsed.name <= words.VENDORS:
        sized = find_by_memory(parsed)
        return _identification(query, parsed.cards, _Answer(sized.products, decided=False, notes=sized.notes), None)
    whole = find(parse(text))
    if whole.products:
        answer = _answer(whole)
    elif description.alternatives:
        answer = _any_of(description.alternatives)
    else:
        answer = _answer(find(parsed) if description.text != text else whole)
    if not answer.products and not answer.notes:
        several = _several(text)
        if several is not None:
            return several._replace(query=query)
    return _identification(query, parsed.cards, _by_revision(answer, revision_in(text)), parsed)


def _several(text: str) -> Identification | None:
    """The answer to a text that names more than one card (`5090 5080`, `2x 4090 + 5090`); None for any other."""
    parts = [part.strip() for part in re.split(r"\s*[+,;&]\s*|\s+(?:and|и)\s+", text) if part.strip()]
    divisions = [parts] if len(parts) > 1 else []
    pieces = text.split()
    divisions += [[" ".join(pieces[:place]), " ".join(pieces[place:])] for place in range(1, len(pieces))]
    for division in divisions:
        queries = [parse(part) for part in division]
        if all(_names_a_model(query) for query in queries):
            found = [find(query).products for query in queries]
            if all(found):
                names = " | ".join(division)
                note = message("gpu.several_cards", "warning", names=names)
                near = tuple(dict.fromkeys(products[0].id for products in found))
                return Identification(text, "unknown", 1, (), suggestions=near[:5], notes=(note,))
    return None


def _names_a_model(query: Query) -> bool:
    return any(memory_gib(word) is None and any(map(str.isdigit, word)) for word in query.words)


def _answer(found: Found) -> _Answer:
    notes = found.notes
    if not found.decided and len(found.products) == 1:
        notes = (*notes, message("gpu.series", name=found.products[0].name))
    return _Answer(found.products, decided=found.decided, notes=notes, near=found.near)


def _pci(given: PciId) -> _Answer:
    found = find_pci(given)
    notes = found.notes
    if not found.decided and len(found.products) == 1:
        notes = (*notes, message("gpu.pci.undecided", "warning", device=given.device))
    return _Answer(found.products, decided=found.decided, notes=notes, near=found.near)


def _any_of(alternatives: Sequence[str]) -> _Answer:
    """Each alternative by itself; where one is not in the catalogue the rest is no exact answer."""
    found: dict[str, Product] = {}
    notes: list[Message] = []
    for text in alternatives:
        one = find(parse(text))
        found.update((product.id, product) for product in one.products)
        if not one.products:
            notes.append(message("gpu.alternative.unknown", name=text))
    return _Answer(tuple(found.values()), decided=not notes, notes=tuple(notes))


def _by_revision(answer: _Answer, revision: str | None) -> _Answer:
    """A revision beside a name decides where the candidates' PCI entries name revisions."""
    if revision is None or len(answer.products) < 2:
        return answer
    fitting = tuple(product for product in answer.products if any(entry.revision == revision for entry in product.pci))
    return _Answer(fitting, decided=True) if len(fitting) == 1 else answer


def _identification(query: str, count: int, answer: _Answer, parsed: Query | None) -> Identification:
    """The answer; names near to `parsed` where nothing answers, none where no name was asked for."""
    released = tuple(product for product in answer.products if product.status != "rumoured")
    notes = [*answer.notes]
    if answer.products and not released:
        notes += [message("gpu.unreleased", "warning", name=product.name) for product in answer.products]
    notes += [
        message("gpu.announced", "warning", name=product.name) for product in released if product.status == "announced"
    ]
    if not released:
        suggestions = () if parsed is None else _suggestions(parsed, answer.near)
        return Identification(query, "unknown", count, (), suggestions=suggestions, notes=tuple(notes))
    ids = tuple(product.id for product in released)
    if len(ids) == 1 and answer.decided:
        return Identification(query, "exact", count, ids, notes=tuple(notes))
    return Identification(query, "ambiguous", count, ids, distinguish(ids), notes=tuple(notes))


def _suggestions(parsed: Query, near: Sequence[Product]) -> tuple[str, ...]:
    from assay.knowledge.identity.suggest import suggest  # noqa: PLC0415 - only an unknown query pays for it

    return suggest(parsed, near)
