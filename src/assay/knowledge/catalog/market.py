"""Entries of the market as values: offers of a card, parts to come, how prices age."""

from functools import cache
from typing import Any

from assay.knowledge import store
from assay.knowledge.catalog.figures import quantity
from assay.types.market import Ageing, Announcement, Offer, Seller
from assay.types.quantity import Quantity

DAY = 86400


def _offer(name: str, body: dict[str, Any]) -> Offer:
    price = quantity(body["price"], body["price"]["u"], "unknown.price")
    told = (body.get(key) for key in ("region", "tier", "note"))
    return Offer(name, body["gpu"], price, body["seller"], body["where"], body["date"], *told)


@cache
def _offers() -> dict[str, tuple[Offer, ...]]:
    found: dict[str, tuple[Offer, ...]] = {}
    for name, body in store.entries("offer").items():
        offer = _offer(name, body)
        found[offer.gpu] = (*found.get(offer.gpu, ()), offer)
    return found


def offers(gpu: str) -> tuple[Offer, ...]:
    """Every dated offer of the card with this id, as it was then; none where no source says which card it sells."""
    return _offers().get(gpu, ())


def priced() -> tuple[str, ...]:
    """The ids of the cards that have an offer, sorted."""
    return tuple(sorted(_offers()))


def _figure(body: dict[str, Any], name: str) -> Quantity | None:
    return quantity(body[name], body[name]["u"], "unknown.term") if name in body else None


@cache
def announcements() -> tuple[Announcement, ...]:
    """Parts that are announced, on a roadmap, rumoured or cancelled, in the order of the file."""
    return tuple(
        Announcement(
            name,
            body["name"],
            body["vendor"],
            body["status"],
            body.get("from"),
            body.get("until"),
            body["confidence"],
            body["basis"],
            tuple(body["sources"]),
            _figure(body, "memory"),
            _figure(body, "bandwidth"),
            body.get("gpu"),
            body.get("note"),
        )
        for name, body in store.entries("announcement").items()
    )


@cache
def ageing() -> dict[Seller, Ageing]:
    """How the prices of each kind of seller age."""
    return {
        seller: Ageing(round(body["term"]["v"] / DAY), body["drift"]["v"], tuple(body["term"]["s"]))
        for body in store.entries("price_ageing").values()
        for seller in body["sellers"]
    }
