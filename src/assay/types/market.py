"""Prices and parts to come: dated offers, how long a price holds, what is announced."""

from typing import Literal, NamedTuple

from assay.types.quantity import Basis, Quantity

Seller = Literal["vendor-list", "street", "used", "cloud-on-demand", "cloud-spot"]
SELLERS: tuple[Seller, ...] = ("vendor-list", "street", "used", "cloud-on-demand", "cloud-spot")
RENTED: frozenset[Seller] = frozenset({"cloud-on-demand", "cloud-spot"})
"""Sellers of hours; the others sell the card."""
Status = Literal["shipping", "announced", "roadmap", "rumoured", "cancelled"]
STATUSES: tuple[Status, ...] = ("shipping", "announced", "roadmap", "rumoured", "cancelled")
Confidence = Literal["high", "medium", "low"]


class Offer(NamedTuple):
    """What one seller asked for one card on one day.

    Attributes:
        id: the catalogue's, or a name for a user's own; gpu: the card's id.
        price: in `USD` (or another ISO code) for the card, `USD/h` for an hour of it; as it was then.
        seller: what kind; where: who.
        date: ISO, of a day, a month or a year, as exactly as the source tells.
        region, tier: as the seller names them, or None; note: what else to know, as data.
    """

    id: str
    gpu: str
    price: Quantity
    seller: Seller
    where: str
    date: str
    region: str | None = None
    tier: str | None = None
    note: str | None = None


class Ageing(NamedTuple):
    """How long a price holds, and how far it may have moved after that.

    Attributes:
        days: for which it holds.
        drift: the factor, up or down, by which it may move within each further such term.
        sources: who says so.
    """

    days: int
    drift: float
    sources: tuple[str, ...]


class Announcement(NamedTuple):
    """A part that is not, or not surely, for sale.

    Attributes:
        id, name, vendor: of the part; gpu: its id where the catalogue has the card.
        status: `rumoured` is never a reason to wait, `cancelled` never one to hope.
        earliest, latest: ISO day, month or year from and until which it is expected; None where nobody says.
        confidence: that status and dates hold.
        memory, bandwidth: in B and B/s where they are published, else None.
        basis, sources: who says so; note: what else to know, as data.
    """

    id: str
    name: str
    vendor: str
    status: Status
    earliest: str | None
    latest: str | None
    confidence: Confidence
    basis: Basis
    sources: tuple[str, ...]
    memory: Quantity | None = None
    bandwidth: Quantity | None = None
    gpu: str | None = None
    note: str | None = None
