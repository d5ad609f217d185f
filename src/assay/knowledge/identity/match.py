"""From words to products: exact driver name, alias or name, then whole words; never a substring."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from assay.knowledge.identity import words
from assay.knowledge.identity.outside import full_name, short_name
from assay.knowledge.identity.products import Product, Vocabulary, key, keys, products, related, vocabulary
from assay.knowledge.identity.query import Query, memory_gib
from assay.types.message import Message, message

_Test = Callable[[Product, float], bool]
_BARE_SIZE = message("gpu.memory.bare_size")


class Found(NamedTuple):
    """What matched, in the catalogue's order; `near` are products that fail by memory size only.

    `decided` is False where the query named no single card, however few are left: `rtx 5000 12gb`.
    """

    products: tuple[Product, ...]
    notes: tuple[Message, ...] = ()
    near: tuple[Product, ...] = ()
    decided: bool = True


def find(query: Query) -> Found:
    """The products that a query names."""
    return _without_fewer_cores(query, _found(query)) if query.words else Found(())


def _without_fewer_cores(query: Query, found: Found) -> Found:
    """Leaves out, and names, machines that only have fewer GPU cores than another candidate."""
    ids = {product.id for product in found.products}
    counts = [word for word in query.words if word.isdecimal() or word.endswith(words.CORE)]
    sized = bool(query.memory_gib or counts)
    twins = [small for small, large in words.FEWER_CORES.items() if large in ids and (small in ids or not sized)]
    if not twins or any(f"{word.removesuffix(words.CORE)}{words.CORE}" in _cores(found) for word in counts):
        return found
    kept = tuple(product for product in found.products if product.id not in twins)
    names = " | ".join(products()[small].name for small in twins)
    return found._replace(products=kept, notes=(*found.notes, message("gpu.fewer_cores_left_out", names=names)))


def _cores(found: Found) -> frozenset[str]:
    return frozenset().union(*(vocabulary(product).known for product in found.products))


def _found(query: Query) -> Found:
    nearby = related(query.words)
    with_vendor, plain = key(query.words, vendor=True), key(query.words)
    exact = tuple(product for product in nearby if with_vendor in keys(product).drivers)
    if exact and not all(map(_is_uncommon, exact)):
        return Found(exact)
    by_words = _by_words(query, nearby)
    if exact:
        # The driver of a rare part prints the family's bare name (`NVIDIA H100`); people mean the family by it.
        return by_words._replace(products=tuple(dict.fromkeys((*exact, *by_words.products))), notes=())
    exact = tuple(product for product in nearby if plain in keys(product).aliases and _fits_vendor(query, product))
    if exact:
        # A nickname that is another product's name as well decides nothing: `9700 pro`.
        both = tuple(dict.fromkeys((*exact, *by_words.products)))
        return by_words._replace(products=both) if by_words.products else Found(exact)
    exact = tuple(product for product in nearby if plain == keys(product).name and _fits_vendor(query, product))
    return Found(exact) if exact else _unless_outside(query, by_words)


def _unless_outside(query: Query, found: Found) -> Found:
    """What the words say, unless they are NVIDIA's own name of a product that the catalogue lacks."""
    other = full_name(query)
    if other is None and not (found.products or found.notes):
        other = short_name(query)
    if other is None:
        return found
    return Found((), (message("gpu.driver_name.outside", "warning", name=other),), found.products)


def find_by_memory(query: Query) -> Found:
    """The products of a question that names nothing but a memory size: sold with it, or shown so by the driver.

    Memory that a machine shares out in many sizes is no candidate: it would be one for every size.
    """
    vendors = query.name & words.VENDORS
    nearby = [product for product in products().values() if not vendors or product.vendor.lower() in vendors]
    nearby = [product for product in nearby if product.status != "rumoured"]
    if len(set(query.memory_gib)) > 1:
        note = message("gpu.memory.contradiction", "warning", sizes=_sizes(set(query.memory_gib)))
        return Found((), (note,), decided=False)
    asked = query.memory_gib[0]
    for test in (_is_sold, _is_shown):
        fitting = [product for product in nearby if test(product, asked)]
        if fitting:
            return Found(tuple(fitting), (*_memory_notes(test, fitting, asked), _BARE_SIZE), decided=False)
    known = {size for product in nearby for size in vocabulary(product).sizes_gib}
    note = message("gpu.memory.nobody", "warning", asked=_size(asked), sizes=_sizes(known))
    return Found((), (note,), decided=False)


def _fits_vendor(query: Query, product: Product) -> bool:
    return not (query.name & words.VENDORS) - {product.vendor.lower()}


def _by_words(query: Query, nearby: Sequence[Product]) -> Found:
    """Whole words; a number that no product knows is tried as a core count, then as a memory size."""
    found = [product for product in nearby if _answers(product, query.name)]
    if found:
        chosen = _without_uncommon(query, _by_memory(query.memory_gib, _by_edition(query.name, found)))
        if len(chosen.products) == 1 and _is_bare(chosen.products[0], query.name):
            return Found((), chosen.notes, chosen.products)
        return chosen._replace(decided=any(_is_named(vocabulary(product), query.name) for product in chosen.products))
    numbers = [word for word in query.words if word.isdecimal() and word[0] != "0" and int(word) <= words.MAXIMUM_COUNT]
    for number in numbers[-1:]:
        rest = query.name - {number}
        cores = [product for product in nearby if rest and _answers(product, rest | {f"{number}core"})]
        if cores:
            return Found(tuple(cores))
        found = [product for product in nearby if rest and _answers(product, rest)]
        if found:
            chosen = _by_memory((*query.memory_gib, float(number)), _by_edition(rest, found))
            return chosen._replace(decided=any(_is_named(vocabulary(product), rest) for product in chosen.products))
    return _by_letter_s(query, nearby)


def _by_letter_s(query: Query, nearby: Sequence[Product]) -> Found:
    """`4070s` is a SUPER or a plural: both where both exist, the plural alone where more than one is asked for."""
    short = next((word for word in query.words if word[:-1].isdecimal() and len(word) == 5 and word[-1] == "s"), None)
    if short is None:
        return Found(())
    others = query.name - {short}
    plain, better = others | {short[:-1]}, others | {short[:-1], "super"}
    supers = [product for product in nearby if _answers(product, better)]
    singles = [product for product in nearby if _answers(product, plain)]
    released = any(product.status != "rumoured" for product in supers)
    if (query.cards or 1) == 1 and not released:
        singles = []
    return _by_memory(query.memory_gib, [*singles, *supers])


def _without_uncommon(query: Query, found: Found) -> Found:
    """Leaves out, and names, the parts that are meant only where their memory size is said."""
    uncommon = [product for product in found.products if _is_uncommon(product)]
    common = tuple(product for product in found.products if product not in uncommon)
    if query.memory_gib or not common or not uncommon:
        return found
    names = " | ".join(product.name for product in uncommon)
    return found._replace(products=common, notes=(*found.notes, message("gpu.uncommon_left_out", names=names)))


def _is_uncommon(product: Product) -> bool:
    name = frozenset(keys(product).name.split())
    return any(part <= name for part in words.STATED_IN_FULL)


def _answers(product: Product, asked: frozenset[str]) -> bool:
    """Whether a product knows every asked word and is not missing a word that it needs."""
    own = vocabulary(product)
    if product.memory_type is None:
        asked = frozenset(word for word in asked if not word.startswith(words.MEMORY_KINDS))
    return _is_named(own, asked) or _is_in_series(product, own, asked)


def _is_named(own: Vocabulary, asked: frozenset[str]) -> bool:
    if not asked <= own.known or any(clash <= asked for clash in own.clashes):
        return False
    return any(all(group & asked for group in form.required) for form in own.forms)


def _is_bare(product: Product, asked: frozenset[str]) -> bool:
    """Whether only the figures of a number are said, neither its letter nor its brand: `5500` may be an RX 5500."""
    name = frozenset(keys(product).name.split())
    return any(
        brand in name and brand not in asked and {word[1:] for word in name if word[:1] == letter} & asked
        for brand, letter in words.BARE_NUMBER_LETTERS.items()
    )


def _is_in_series(product: Product, own: Vocabulary, asked: frozenset[str]) -> bool:
    return own.series is not None and _is_series(product, own.series, asked)


def _is_series(product: Product, series: str, asked: frozenset[str]) -> bool:
    """`rtx 5000`, `rtx 50`, `50 series`, `50xx`: every desktop card of the series."""
    own = vocabulary(product)
    if ("laptop" in own.known) != ("laptop" in asked):
        return False
    short = series.rstrip("0").ljust(2, "0")
    spelled = {series, short, series[:2] + "xx"} & asked
    if len(spelled) != 1:
        return False
    rest = asked - spelled
    named = bool(rest & words.SERIES_BRANDS) or "series" in rest
    return rest <= own.known & words.SERIES_WORDS | {"series"} and (
        named or (series in spelled and "geforce" in own.known)
    )


def _by_edition(asked: frozenset[str], found: list[Product]) -> list[Product]:
    """Where editions are named, the products that have just these; where not, all: left out is not chosen."""
    editions = asked & words.EDITIONS
    if not editions:
        return found
    return [product for product in found if vocabulary(product).editions == editions] or found


def _by_memory(sizes: tuple[float, ...], found: list[Product]) -> Found:
    if not sizes:
        return Found(tuple(found))
    if len(set(sizes)) > 1:
        return Found((), (message("gpu.memory.contradiction", "warning", sizes=_sizes(set(sizes))),), tuple(found))
    asked = sizes[0]
    for test in (_is_sold, _is_configurable, _is_shown):
        fitting = [product for product in found if test(product, asked)]
        if fitting:
            fitting = _with_siblings(test, fitting, found)
            return Found(tuple(fitting), _memory_notes(test, fitting, asked))
    known = {size for product in found for size in vocabulary(product).sizes_gib}
    names = " | ".join(product.name for product in found[:6])
    if not known:
        note = message("gpu.memory.not_known", "warning", asked=_size(asked), name=names)
    else:
        note = message("gpu.memory.no_such_variant", "warning", asked=_size(asked), sizes=_sizes(known), name=names)
    return Found((), (note,), tuple(found))


def _is_sold(product: Product, asked: float) -> bool:
    return asked in vocabulary(product).sizes_gib


def _is_configurable(product: Product, asked: float) -> bool:
    """One chip's name covers machines with many sizes of memory, unless the name says the size."""
    own = vocabulary(product)
    named = any(memory_gib(word) is not None for word in own.known)
    largest = max(own.sizes_gib, default=asked)
    start = words.MACHINE_MEMORY.get(product.vendor)
    shared = product.unified and start is not None and product.name.lower().startswith(start)
    if asked not in words.MACHINE_SIZES_GIB:
        return False
    return shared and not named and (product.memory_smallest_gib or 0) <= asked <= largest


def _is_shown(product: Product, asked: float) -> bool:
    """The driver's figure as people read it: 97,887 MiB as "98 GB", "97 GB" or, in GiB, "95.6"."""
    mib = product.memory_driver_mib
    if mib is None:
        return False
    shown = (mib / 1000, mib / 1024, mib * 2**20 / 1e9)
    return any(asked in {round(size), int(size)} for size in shown) or abs(asked * 1024 - mib) < 1


def _with_siblings(test: _Test, fitting: list[Product], found: list[Product]) -> list[Product]:
    """With the driver's figure of one edition, those of the same sold size whose own figure nobody recorded."""
    if test is not _is_shown:
        return fitting
    sold = {product.memory_sold_gib for product in fitting}
    return [
        product
        for product in found
        if product in fitting or (product.memory_driver_mib is None and product.memory_sold_gib in sold)
    ]


def _memory_notes(test: _Test, found: list[Product], asked: float) -> tuple[Message, ...]:
    if test is _is_sold:
        return ()
    if test is _is_configurable:
        return (message("gpu.memory.configurable", asked=_size(asked), name=found[0].name),)
    shown = Counter((product.memory_sold_gib, product.memory_driver_mib) for product in found)
    return tuple(
        _driver_note(asked, sold, mib)
        for (sold, mib), _ in shown.most_common()  # what most candidates show comes first
        if sold is not None and mib is not None
    )


def _driver_note(asked: float, sold: float, mib: float) -> Message:
    size, count, shown = _size(sold), round(sold * 2**30), round(mib)
    if abs(asked * 1024 - mib) < 1:
        return message("gpu.memory.driver_exact", sold=size, bytes=count, driver_mib=shown)
    return message("gpu.memory.driver_figure", asked=_size(asked), sold=size, bytes=count, driver_mib=shown)


def _size(gib: float) -> str:
    return f"{gib:g}"


def _sizes(sizes: Iterable[float]) -> str:
    return " / ".join(_size(size) for size in sorted(sizes))
