"""The catalogue's GPUs as identity sees them: names, words they need, words they know, memory, PCI ids."""

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple

from assay.knowledge.catalog.gpus import identities
from assay.knowledge.identity import words
from assay.knowledge.identity.normalise import clean, split, tokens, without_noise
from assay.knowledge.identity.query import memory_gib
from assay.types.gpu import PciId

GIB = 2**30


class Product(NamedTuple):
    """One GPU's identity; `memory_sold_gib` and `memory_driver_mib` are None where unknown.

    `memory_sizes_gib` holds every size that sellers print, contradicting ones included; `memory_smallest_gib` is the
    smallest machine's where that is recorded.
    """

    id: str
    name: str
    vendor: str
    architecture: str
    status: str
    driver_names: tuple[str, ...]
    aliases: tuple[str, ...]
    pci: tuple[PciId, ...]
    memory_sold_gib: float | None
    memory_sizes_gib: tuple[float, ...]
    memory_smallest_gib: float | None
    memory_driver_mib: float | None
    memory_type: str | None
    unified: bool


class Form(NamedTuple):
    """A name's words: a query needs one of each group in `required`."""

    required: frozenset[frozenset[str]]


class Vocabulary(NamedTuple):
    """What a product's names make of it: the forms it answers to and every word it knows."""

    forms: tuple[Form, ...]
    known: frozenset[str]
    editions: frozenset[str]
    sizes_gib: frozenset[float]
    series: str | None
    clashes: frozenset[frozenset[str]]


def _product(name: str, body: dict[str, Any]) -> Product:
    sold, driver, kind = body.get("memory_sold"), body.get("memory_driver"), body.get("memory_type") or {}
    return Product(
        id=name,
        name=body["name"],
        vendor=body["vendor"],
        architecture=body.get("architecture", ""),
        status=body.get("status", "released"),
        driver_names=tuple(body.get("driver_names", ())),
        aliases=tuple(body.get("aliases", ())),
        pci=tuple(PciId(row["device"], row.get("subsystem"), row.get("revision")) for row in body.get("pci", ())),
        memory_sold_gib=sold["v"] / GIB if sold else None,
        memory_sizes_gib=tuple({sold[end] / GIB for end in ("v", "lo", "hi") if end in sold}) if sold else (),
        memory_smallest_gib=sold["lo"] / GIB if sold and "lo" in sold else None,
        memory_driver_mib=driver["v"] / 2**20 if driver else None,
        memory_type=kind.get("name"),
        unified=bool(kind.get("unified", False)),
    )


@cache
def said(text: str) -> tuple[str, ...]:
    """The words of a catalogue name, without noise; parted once."""
    return tuple(without_noise(tokens(text)))


@cache
def products() -> dict[str, Product]:
    """Every GPU of the catalogue by id, in the catalogue's order."""
    return {name: _product(name, body) for name, body in identities().items()}


def _number_forms(word: str, name: frozenset[str]) -> frozenset[str]:
    """A model number with and without the letter that people leave out (`a6000`, `6000`)."""
    for brand, letter in words.BARE_NUMBER_LETTERS.items():
        if brand in name and word[:1] == letter and word[1:].isdecimal():
            return frozenset({word, word[1:]})
    return frozenset({word})


def _form(found: frozenset[str], vendor: str) -> Form:
    decisive = words.REQUIRED_BY_VENDOR.get(vendor, frozenset())
    needed = {
        word
        for word in found
        if memory_gib(word) is None
        and not word.endswith(words.CORE)
        and (word not in words.OPTIONAL or word in decisive)
    }
    if needed <= words.FAMILIES:
        needed |= found & words.BRANDS - words.VENDORS
    codes = needed & words.MODULE_CODES
    groups = [_number_forms(word, found) | codes for word in needed - codes or needed or found]
    return Form(frozenset(groups))


def _extras(product: Product, name: frozenset[str]) -> set[str]:
    """Words that are true of the product although its name does not hold them."""
    extra = {product.vendor.lower(), *split(clean(product.architecture)), *tokens(product.memory_type or "")}
    modules = {word for word in name if word.startswith("sxm")}
    if modules:
        extra |= {"sxm", *words.SXM_SYSTEMS}
        if modules == {"sxm"}:
            extra.update(*(words.SXM_OF_ARCHITECTURE.get(word, ()) for word in list(extra)))
    if name & (words.PCIE_FAMILIES | words.PCIE_CARDS) and not name & words.NOT_PCIE:
        extra.add("pcie")
    if product.vendor == "NVIDIA" and not name & words.NOT_DATACENTER:
        extra.add(words.DATACENTER_OLD_BRAND)
    for letter, brand in words.OLD_BRANDS.items():
        if "rtx" in name and any(word[:1] == letter and word[1:].isdecimal() for word in name):
            extra.add(brand)
    return extra


def _clashes(name: frozenset[str]) -> frozenset[frozenset[str]]:
    """Words that cannot both speak of the product: `quadro` and the bare number of an RTX A4000 are another card's."""
    return frozenset(
        frozenset({brand, word[1:]})
        for letter, brand in words.OLD_BRANDS.items()
        for word in name
        if "rtx" in name and word[:1] == letter and word[1:].isdecimal()
    )


def _series(name: frozenset[str]) -> str | None:
    """`5000` for a GeForce RTX 5090, `9000` for a Radeon RX 9070, else None."""
    for brand, figures in words.SERIES:
        if brand in name:
            model = next((word for word in name if word.isdecimal() and len(word) == 4), None)
            return None if model is None else model[:figures].ljust(4, "0")
    return None


def _name_words(product: Product) -> tuple[str, ...]:
    """The words of a name; a remark in parentheses (`GB10 (DGX Spark)`) is not needed."""
    return said(product.name.partition("(")[0])


def _plain_driver_names(product: Product) -> list[str]:
    """Driver names that speak of this product alone, not of a shared chip (`Navi 31 [… XT/… XTX]`)."""
    return [name for name in product.driver_names if "/" not in name and "[" not in name]


@cache
def vocabulary(product: Product) -> Vocabulary:
    """The words of a product; derived once and kept."""
    name = frozenset(_name_words(product))
    aliases = [frozenset(said(alias)) for alias in product.aliases]
    known = {*name, *said(product.name), *_extras(product, name)}.union(*aliases)
    for driver in _plain_driver_names(product):
        known.update(said(driver))
    known.update(form for word in name for form in _number_forms(word, name))
    sizes = {size for size in map(memory_gib, name) if size is not None}
    sizes.update(product.memory_sizes_gib)
    forms = (_form(name, product.vendor), *(_alias_form(alias) for alias in aliases if alias))
    return Vocabulary(forms, frozenset(known), name & words.EDITIONS, frozenset(sizes), _series(name), _clashes(name))


def _alias_form(alias: frozenset[str]) -> Form:
    """An alias is needed whole, but for words that never decide."""
    needed = {word for word in alias if word not in words.VENDORS and memory_gib(word) is None}
    return Form(frozenset(frozenset({word}) for word in needed or alias))


def key(found: Iterable[str], *, vendor: bool = False) -> str:
    """Words as one comparable text, with or without the vendor's name."""
    return " ".join(word for word in found if vendor or word not in words.VENDORS)


class Keys(NamedTuple):
    """A product's exact spellings."""

    drivers: frozenset[str]
    aliases: frozenset[str]
    name: str


@cache
def keys(product: Product) -> Keys:
    """Driver names (with the vendor), aliases and name of a product in one spelling each."""
    return Keys(
        frozenset(key(said(driver), vendor=True) for driver in product.driver_names),
        frozenset(key(said(alias)) for alias in product.aliases),
        key(_name_words(product)),
    )


@cache
def _haystack(product: Product) -> str:
    return " ".join((product.name, *product.driver_names, *product.aliases)).lower()


def figures(word: str) -> str:
    """The longest run of figures in a word."""
    runs = "".join(character if character.isdigit() else " " for character in word).split()
    return max(runs, key=len, default="")


def related(found: tuple[str, ...]) -> list[Product]:
    """Products worth a closer look: their names hold the figures of the query's words.

    Only a shortcut past the others, whose words would have to be parted for nothing; it decides nothing.
    """
    # Memory sizes, kinds of memory and form factors may be true of a product whose names do not hold them.
    naming = [
        word
        for word in found
        if memory_gib(word) is None and word not in words.OPTIONAL and not word.startswith(words.MEMORY_KINDS)
    ]
    needles = _needles(naming)
    if not needles:
        deciding = [word for word in naming if word not in words.RESPELLED]
        needles = {max(deciding, key=len)} if deciding else set()
    close = [product for product in products().values() if any(needle in _haystack(product) for needle in needles)]
    return close or list(products().values())


def _needles(found: Iterable[str]) -> set[str]:
    """The figures of the words, and how the models of a series begin: `50` for 5000, `rx 9` for 9000."""
    needles = {figures(word) for word in found} - {""}
    for number in list(needles):
        if number.endswith("000"):
            needles.add(number[:2])
        if number.endswith("0") and len(number) in (2, 4):
            needles.add(f"rx {number[0]}")
    return needles
