"""What a dated price is worth today: expiry, several offers as one interval, another currency."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from statistics import median

from assay.types.market import Ageing, Announcement, Offer, Seller
from assay.types.message import message
from assay.types.quantity import STRENGTH, Quantity, derive, unknown

HOUR = "/h"
TOLD = re.compile(r"\d{4}(-\d{2}){0,2}")


def earliest_day(told: str) -> date:
    """The first day that an ISO day, month or year can mean: of a price known to the month, the oldest it may be.

    Raises:
        ValueError: the text is none of them.
    """
    if not TOLD.fullmatch(told):
        raise ValueError(f"neither a day, nor a month, nor a year: {told!r}")
    year, month, day = (*told.split("-"), "1", "1")[:3]
    return date(int(year), int(month), int(day))


def age_days(told: str, today: date) -> int:
    """Days from the earliest day that `told` can mean until today; 0 for a day to come."""
    return max(0, (today - earliest_day(told)).days)


def expired(offer: Offer, ageing: Mapping[Seller, Ageing], today: date) -> bool:
    """Whether the offer is older than its kind of price holds."""
    return age_days(offer.date, today) > ageing[offer.seller].days


def aged(offer: Offer, ageing: Mapping[Seller, Ageing], today: date) -> Quantity:
    """The offer's price as of today, in its own unit: as it was while it holds, then an interval that widens.

    low = price / drift ** (days beyond the term / term), high = price x the same: no jump on the day of expiry, and
    one further term takes it to the whole drift. The figure then rests on our bound, so it is `assumed`, and says so.
    """
    price, rule, days = offer.price, ageing[offer.seller], age_days(offer.date, today)
    if price.value is None or days <= rule.days:
        return price
    factor = rule.drift ** ((days - rule.days) / rule.days)
    return replace(
        price,
        low=(price.lowest or 0) / factor,
        high=(price.highest or 0) * factor,
        basis="assumed",
        sources=tuple(dict.fromkeys((*price.sources, *rule.sources))),
        note=message("market.stale", "warning", date=offer.date, days=days, term=rule.days),
    )


def standing(offers: Sequence[Offer], ageing: Mapping[Seller, Ageing], today: date) -> tuple[Offer, ...]:
    """The offers of one kind of seller that speak for today, newest first.

    A vendor has one list price: its newest. Elsewhere the newest of each seller, region and tier counts, and the
    expired ones only where nothing fresh is left; then the newest of them alone.
    """
    newest: dict[tuple[str | None, ...], Offer] = {}
    ordered = sorted(offers, key=lambda offer: earliest_day(offer.date), reverse=True)
    for offer in ordered:
        if earliest_day(offer.date) > today:
            continue
        key: tuple[str | None, ...] = (offer.where, offer.region, offer.tier)
        newest.setdefault(("",) if offer.seller == "vendor-list" else key, offer)
    found = tuple(newest.values())
    fresh = tuple(offer for offer in found if not expired(offer, ageing, today))
    return fresh or found[:1]


def price(offers: Sequence[Offer], seller: Seller, ageing: Mapping[Seller, Ageing], today: date) -> Quantity:
    """What such a seller asks for the card today: the median of the offers that stand, between their ends.

    `inputs` names each offer with its own price; unknown where there is none, or none in one currency.
    """
    told = standing([offer for offer in offers if offer.seller == seller], ageing, today)
    unit = told[0].price.unit if told else f"USD{HOUR if seller.startswith('cloud') else ''}"
    parts = [(offer, aged(offer, ageing, today)) for offer in told]
    parts = [(offer, part) for offer, part in parts if part.unit == unit and part.value is not None]
    if not parts:
        return unknown(unit, message("unknown.price"))
    figures = [part for _, part in parts]
    low, high = min(part.lowest or 0 for part in figures), max(part.highest or 0 for part in figures)
    return Quantity(
        median(part.value or 0 for part in figures),
        unit,
        max((part.root for part in figures), key=STRENGTH.index),
        tuple(dict.fromkeys(source for part in figures for source in part.sources)),
        low=low if low < high else None,
        high=high if low < high else None,
        note=next((part.note for part in figures if part.note), None),
        inputs=tuple((offer.where, part) for offer, part in parts) if len(parts) > 1 else (),
    )


def converted(figure: Quantity, currency: str, rates: Mapping[tuple[str, str], Quantity]) -> Quantity:
    """The figure in another currency, by a rate that the user gave; unknown without one, never guessed.

    `rates[have, want]` is how many units of `want` one unit of `have` costs.
    """
    have, slash, per = figure.unit.partition("/")
    if have == currency or figure.value is None:
        return figure
    unit = f"{currency}{slash}{per}"
    rate = rates.get((have, currency))
    if rate is None:
        return unknown(unit, message("unknown.exchange_rate", have=have, want=currency))
    inputs = (("price", figure), ("exchange rate", rate))
    return derive(unit, "price x exchange rate", inputs, lambda amount, factor: amount * factor, note=figure.note)


def months_until(part: Announcement, today: date) -> tuple[float, float | None]:
    """Months from today until the part can be bought: (at the earliest, at the latest; None where nobody says)."""
    days = (earliest_day(part.earliest) - today).days if part.earliest else 0
    last = None if part.latest is None else (_latest_day(part.latest) - today).days
    months = 365.25 / 12
    return max(0.0, days / months), None if last is None else max(0.0, last / months)


def _latest_day(told: str) -> date:
    """The last day that an ISO day, month or year can mean, a month counted as its 28th: the year is what matters."""
    year, month, day = (*told.split("-"), *("12", "28")[told.count("-") :])[:3]
    return date(int(year), int(month), int(day))


def worth_waiting(part: Announcement) -> bool:
    """Whether the part may enter a recommendation: announced or shipping; a rumour never does."""
    return part.status in ("shipping", "announced")
