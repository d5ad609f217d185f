"""The market's data: every offer names one card, one currency and one day; every part to come says how sure it is."""

from datetime import date

import pytest

from assay.knowledge.catalog import market
from assay.knowledge.catalog.sources import source
from assay.knowledge.store import names
from assay.reason.market import earliest_day, price
from assay.types.market import RENTED, SELLERS, STATUSES, Offer

TODAY = date(2026, 11, 23)
OFFERS = [offer for gpu in market.priced() for offer in market.offers(gpu)]


def test_there_are_offers_of_each_kind() -> None:
    assert {offer.seller for offer in OFFERS} == set(SELLERS)
    assert len(OFFERS) >= 100


@pytest.mark.parametrize("offer", OFFERS, ids=lambda offer: offer.id)
def test_an_offer_is_of_one_card_of_the_catalogue_on_one_day(offer: Offer) -> None:
    assert offer.gpu in names("gpu")
    assert offer.price.unit == ("USD/h" if offer.seller in RENTED else "USD")
    assert offer.price.value
    assert offer.price.value > 0
    assert earliest_day(offer.date) <= TODAY
    assert offer.where
    assert all(source(name).kind != "local" for name in offer.price.sources)


def test_an_hour_costs_less_than_a_hundredth_of_the_card() -> None:
    """A price of the wrong unit would break this: no card is paid back in a hundred hours."""
    for gpu in market.priced():
        told = market.offers(gpu)
        hours = [offer.price.highest or 0 for offer in told if offer.seller in RENTED]
        cards = [offer.price.lowest or 0 for offer in told if offer.seller not in RENTED]
        if hours and cards:
            assert max(hours) * 100 < min(cards), gpu


def test_how_prices_age_is_said_for_each_seller() -> None:
    rules = market.ageing()
    assert set(rules) == set(SELLERS)
    assert {rules[seller].days for seller in RENTED} == {90}
    assert rules["vendor-list"].days == 365
    assert all(rule.drift > 1 and rule.sources for rule in rules.values())


def test_the_owner_s_card_has_a_list_price_of_the_day_and_a_street_price() -> None:
    told = market.offers("rtx-pro-6000-blackwell-workstation-edition")
    listed = price(told, "vendor-list", market.ageing(), TODAY)
    assert (listed.value, listed.basis, len(listed.sources)) == (16000, "reported", 2)
    assert price(told, "street", market.ageing(), TODAY).value
    assert price(told, "cloud-on-demand", market.ageing(), TODAY).unit == "USD/h"


def test_the_list_price_of_2025_is_visibly_stale_where_no_newer_one_is_known() -> None:
    listed = price(market.offers("geforce-rtx-5090"), "vendor-list", market.ageing(), TODAY)
    assert listed.note is not None
    assert listed.note.code == "market.stale"
    assert listed.low is not None
    assert listed.low < 1999


def test_parts_to_come_say_how_sure_they_are() -> None:
    found = market.announcements()
    assert len(found) >= 20
    for part in found:
        assert part.status in STATUSES, part.id
        assert part.confidence in ("high", "medium", "low"), part.id
        assert part.sources, part.id
        assert part.gpu is None or part.gpu in names("gpu"), part.id
        assert not (part.status == "rumoured" and part.confidence == "high"), part.id
        if part.earliest and part.latest:
            assert earliest_day(part.earliest) <= earliest_day(part.latest), part.id
    rumours = {part.id for part in found if part.status == "rumoured"}
    assert {"geforce-rtx-50-super", "geforce-rtx-60", "rtx-pro-6000-successor"} <= rumours
