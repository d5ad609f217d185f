"""Which card of the catalogue a device of this machine is: PCI id, subsystem, revision, name and memory together."""

from assay.knowledge.identity.distinguish import distinguish
from assay.knowledge.identity.identify import identify
from assay.knowledge.identity.pci import by_driver_name, find_pci
from assay.knowledge.identity.products import Product, products
from assay.observe.device.device import Device
from assay.types.gpu import Identification
from assay.types.message import Message, message

MIB = 2**20
_TOLERANCE = 0.01
"""Drivers of one release and another differ by less; 8 and 16 GB differ by more."""
_RESERVED_AT_MOST = 0.08
"""A driver shows at most the sold size and keeps little of it for itself (5 % with ECC on GDDR6)."""


def _fits_memory(product: Product, total_bytes: int) -> bool:
    """Whether a card of this product shows this much memory; True where the catalogue does not know."""
    mib = total_bytes / MIB
    if product.unified:
        return True
    if product.memory_driver_mib is not None and abs(mib / product.memory_driver_mib - 1) <= _TOLERANCE:
        return True
    if product.memory_sold_gib is None:
        return product.memory_driver_mib is None
    share = mib / (product.memory_sold_gib * 1024)
    return 1 - _RESERVED_AT_MOST <= share <= 1 + _TOLERANCE


def _query(device: Device) -> str:
    parts = [device.name or ""]
    if device.pci is not None:
        parts += [device.pci.device, device.pci.subsystem or ""]
        parts += [f"(rev {device.pci.revision})"] if device.pci.revision else []
    return " ".join(part for part in parts if part)


def _by_name(name: str | None) -> tuple[Product, ...]:
    if name is None:
        return ()
    exact = by_driver_name(name)
    return exact or tuple(products()[found] for found in identify(name).candidates)


def _joined(
    device: Device, by_pci: tuple[Product, ...], by_name: tuple[Product, ...]
) -> tuple[tuple[Product, ...], list[Message]]:
    """What both the PCI id and the name say; where they contradict each other, all of them and a warning."""
    if not by_pci or not by_name:
        return by_pci or by_name, []
    both = tuple(product for product in by_pci if product in by_name)
    if both:
        return both, []
    note = message(
        "gpu.device.name_contradicts_pci",
        "warning",
        pci=device.pci.device if device.pci else None,
        by_pci=" | ".join(product.name for product in by_pci),
        name=device.name,
    )
    return (*by_pci, *(product for product in by_name if product not in by_pci)), [note]


def _by_memory(device: Device, found: tuple[Product, ...]) -> tuple[tuple[Product, ...], list[Message], bool]:
    """The products whose cards show this much memory, and whether the memory agrees with any."""
    if device.memory_total_bytes is None or not found:
        return found, [], True
    total = device.memory_total_bytes
    fitting = tuple(product for product in found if _fits_memory(product, total))
    if fitting:
        return fitting, [], True
    note = message(
        "gpu.device.memory_contradicts",
        "warning",
        shown_mib=round(total / MIB),
        names=" | ".join(product.name for product in found),
    )
    return found, [note], False


def resolve_device(device: Device) -> Identification:
    """The card behind a device. A contradiction between PCI id, name and memory is a warning and never exact."""
    match = find_pci(device.pci) if device.pci is not None else None
    by_pci = match.products if match is not None else ()
    found, notes = _joined(device, by_pci, _by_name(device.name))
    contradicted = bool(notes)
    if match is not None:
        notes = [*match.notes, *notes]
    found, more, agrees = _by_memory(device, found)
    notes += more
    query = _query(device)
    ids = tuple(product.id for product in found if product.status != "rumoured")
    if not ids:
        return Identification(query, "unknown", 1, (), notes=tuple(notes))
    if not agrees and not contradicted and len(ids) == 1:
        return Identification(query, "unknown", 1, (), suggestions=ids, notes=tuple(notes))
    decided = match is None or match.decided or bool(device.name) or len(found) < len(by_pci)
    if len(ids) == 1 and agrees and decided and not contradicted:
        return Identification(query, "exact", 1, ids, notes=tuple(notes))
    return Identification(query, "ambiguous", 1, ids, distinguish(ids), notes=tuple(notes))
