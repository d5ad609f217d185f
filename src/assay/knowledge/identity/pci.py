"""PCI ids in every spelling, and the products that carry them."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from assay.knowledge import store
from assay.knowledge.identity.products import Product, key, keys, products, related, said
from assay.types.gpu import PciId
from assay.types.message import Message, message

NVIDIA = "10de"
_ID = r"([0-9a-f]{4})"
# Compiled (and kept by `re`) when a text first looks like a PCI id: most queries never do.
_PAIR = rf"(?<![0-9a-z:.])(?:0x)?{_ID}[:\s]\s*(?:0x)?{_ID}(?![0-9a-z]|:[0-9a-f]{{2}}\.)"
_NVML = rf"0x{_ID}{_ID}(?![0-9a-f])"
_WINDOWS = rf"ven_{_ID}&dev_{_ID}(?:&subsys_{_ID}{_ID})?(?:&rev_([0-9a-f]{{2}}))?"
_MODALIAS = rf"pci:v0000{_ID}d0000{_ID}(?:sv0000{_ID}sd0000{_ID})?"
_REVISION = r"\brev(?:ision)?[\s:=]*(?:0x)?([0-9a-f]{2})\b"


class PciMatch(NamedTuple):
    """Products of a PCI id; `decided` is False where a missing subsystem or revision would decide."""

    products: tuple[Product, ...]
    decided: bool
    notes: tuple[Message, ...] = ()
    near: tuple[Product, ...] = ()


def revision_in(text: str) -> str | None:
    """The revision of `(rev c8)`, or None."""
    low = text.lower()
    found = re.search(_REVISION, low) if "rev" in low else None
    return found.group(1) if found else None


def parse_pci(text: str) -> PciId | None:
    """The PCI id in a text: `10de:2bb4`, NVML's `0x2bb410de`, Windows' `VEN_…`, a modalias; or None."""
    low = text.strip().lower()
    if not (":" in low or "0x" in low or "ven_" in low):
        return None
    windows = re.search(_WINDOWS, low)
    if windows:
        vendor, device, subsystem, subsystem_vendor, revision = windows.groups()
        return PciId(f"{vendor}:{device}", f"{subsystem_vendor}:{subsystem}" if subsystem else None, revision)
    modalias = re.search(_MODALIAS, low)
    if modalias:
        vendor, device, subsystem_vendor, subsystem = modalias.groups()
        return PciId(f"{vendor}:{device}", f"{subsystem_vendor}:{subsystem}" if subsystem else None)
    packed = re.findall(_NVML, low)
    if packed:
        pairs = [f"{vendor}:{device}" for device, vendor in packed]
    elif ":" in low or low.count("0x") >= 2:
        pairs = [f"{vendor}:{device}" for vendor, device in re.findall(_PAIR, low)]
    else:
        return None
    if not pairs:
        return None
    return PciId(pairs[0], pairs[1] if len(pairs) > 1 else None, revision_in(low))


def _same_subsystem(entry: str, given: str) -> bool:
    vendor, _, device = entry.partition(":")
    return entry == given or (vendor == "*" and device == given.partition(":")[2])


def _agrees(entry: PciId, given: PciId) -> bool | None:
    """True: this entry is meant; False: it is another's; None: what would decide was not given."""
    verdict: bool | None = True
    for own, asked, same in (
        (entry.subsystem, given.subsystem, _same_subsystem),
        (entry.revision, given.revision, str.__eq__),
    ):
        if own is None:
            continue
        if asked is None:
            verdict = None
        elif not same(own, asked):
            return False
    return verdict


def driver_names(given: PciId) -> tuple[tuple[str, ...], bool]:
    """NVIDIA's own names for a PCI id, and whether its subsystem decided among them (or none is needed)."""
    vendor, _, device = given.device.partition(":")
    if vendor != NVIDIA:
        return (), True
    if given.subsystem is not None:
        subsystem_vendor, _, subsystem = given.subsystem.partition(":")
        for name in (f"{device}:{subsystem}:{subsystem_vendor}", f"{device}:0000:0000"):
            body = store.entry("pci_name", name)
            if body is not None:
                return (body["name"],), True
    rows = [row for row in store.names("pci_name") if row.startswith(f"{device}:")]
    names = dict.fromkeys(body["name"] for body in (store.entry("pci_name", row) for row in rows) if body)
    return tuple(names), len(names) < 2


def by_driver_name(name: str) -> tuple[Product, ...]:
    """The products whose driver prints this name."""
    found = said(name)
    asked = key(found, vendor=True)
    return tuple(product for product in related(found) if asked in keys(product).drivers)


def _unique(found: Iterable[Product]) -> tuple[Product, ...]:
    return tuple({product.id: product for product in found}.values())


def find_pci(given: PciId) -> PciMatch:
    """The products with this PCI id; NVIDIA's name table decides where the catalogue's own entries do not."""
    sure: list[Product] = []
    open_: list[Product] = []
    others: list[Product] = []
    for product in products().values():
        verdicts = [_agrees(entry, given) for entry in product.pci if entry.device == given.device]
        if True in verdicts:
            sure.append(product)
        elif None in verdicts:
            open_.append(product)
        elif verdicts:
            others.append(product)
    names, decided = driver_names(given)
    return _with_names(given, (sure, open_, others), names, decided=decided)


def _with_names(
    given: PciId,
    found: tuple[list[Product], list[Product], list[Product]],
    names: tuple[str, ...],
    *,
    decided: bool,
) -> PciMatch:
    sure, open_, others = found
    named = _unique(product for name in names for product in by_driver_name(name))
    candidates = _unique([*_specific(sure, given), *open_])
    if given.subsystem is not None and len(candidates) != 1 and decided and named:
        both = tuple(product for product in candidates if product in named)
        candidates = both or named
    if candidates:
        known = {product.id for product in candidates}
        missing = [name for name in names if not known & {product.id for product in by_driver_name(name)}]
        notes = tuple(message("gpu.pci.also_driver_name", name=name) for name in missing)
        return PciMatch(candidates, decided=not open_ and not missing, notes=notes)
    if named:
        return PciMatch(named, decided=decided)
    said = []
    if names:
        said.append(message("gpu.pci.driver_name", "warning", device=given.device, name=" | ".join(names)))
    if others:
        said.append(message("gpu.pci.other_variant", "warning", device=given.device))
    if not said:
        said.append(message("gpu.pci.not_in_catalogue", "warning", device=given.device))
    return PciMatch((), decided=True, notes=tuple(said), near=tuple(others))


def _specific(found: list[Product], given: PciId) -> list[Product]:
    """Entries that name the given subsystem or revision come before those that name none."""
    precise = [
        product
        for product in found
        for entry in product.pci
        if entry.device == given.device and (entry.subsystem or entry.revision) and _agrees(entry, given)
    ]
    return precise or found
