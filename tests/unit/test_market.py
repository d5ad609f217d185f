"""What a dated price is worth today."""

from datetime import date, timedelta

import pytest

from assay.reason.market import (
    age_days,
    aged,
    converted,
    earliest_day,
    expired,
    months_until,
    price,
    standing,
    worth_waiting,
)
from assay.types.market import Ageing, Announcement, Offer, Seller, Status
from assay.types.quantity import Quantity, exact

TODAY = date(2026, 11, 23)
RULES: dict[Seller, Ageing] = {
    "vendor-list": Ageing(365, 1.6, ("bound",)),
    "street": Ageing(90, 1.5, ("bound",)),
    "used": Ageing(90, 1.5, ("bound",)),
    "cloud-on-demand": Ageing(90, 1.5, ("bound",)),
    "cloud-spot": Ageing(90, 1.5, ("bound",)),
}


def offer(value: float, when: str, seller: Seller = "street", where: str = "shop", unit: str = "USD") -> Offer:
    return Offer(f"{where}-{when}", "card", exact(value, unit, "reported", f"{where}-{when}"), seller, where, when)


def days_ago(days: int) -> str:
    return (TODAY - timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    ("told", "day"), [("2026-09-14", date(2026, 9, 14)), ("2026-09", date(2026, 9, 1)), ("2026", date(2026, 1, 1))]
)
def test_a_price_known_to_the_month_is_as_old_as_it_can_be(told: str, day: date) -> None:
    assert earliest_day(told) == day


@pytest.mark.parametrize("told", ["", "soon", "2026-13", "2026-02-30", "26-1-1-1-x"])
def test_a_date_that_is_none_is_refused(told: str) -> None:
    with pytest.raises(ValueError, match=r"year|month|day"):
        earliest_day(told)


@pytest.mark.parametrize(("seller", "days"), [("street", 90), ("used", 90), ("cloud-spot", 90), ("vendor-list", 365)])
def test_a_price_holds_for_its_term_and_not_a_day_longer(seller: Seller, days: int) -> None:
    last, next_day = offer(1000, days_ago(days), seller), offer(1000, days_ago(days + 1), seller)
    assert not expired(last, RULES, TODAY)
    assert aged(last, RULES, TODAY) == last.price
    assert expired(next_day, RULES, TODAY)
    found = aged(next_day, RULES, TODAY)
    assert found.note is not None
    assert (found.note.code, found.note.level, dict(found.note.parameters)["days"]) == (
        "market.stale",
        "warning",
        days + 1,
    )


def test_an_expired_price_widens_with_time_and_rests_on_the_bound() -> None:
    found = aged(offer(1000, days_ago(180)), RULES, TODAY)
    assert (found.value, found.low, found.high) == (1000, pytest.approx(1000 / 1.5), pytest.approx(1500))
    assert found.basis == "assumed"
    assert "bound" in found.sources
    later = aged(offer(1000, days_ago(270)), RULES, TODAY)
    assert later.low == pytest.approx(1000 / 1.5**2)
    assert later.high == pytest.approx(1000 * 1.5**2)


def test_a_range_widens_from_its_own_ends() -> None:
    shop = offer(1000, days_ago(180))._replace(price=Quantity(1000, "USD", "reported", ("s",), low=900, high=1200))
    found = aged(shop, RULES, TODAY)
    assert (found.low, found.high) == (pytest.approx(600), pytest.approx(1800))


def test_a_day_to_come_is_not_old_and_does_not_count() -> None:
    assert age_days("2027-01-01", TODAY) == 0
    assert standing([offer(1, "2027-01-01")], RULES, TODAY) == ()


def test_a_vendor_s_newest_list_price_replaces_the_others() -> None:
    listed = [offer(8565, "2025-03", "vendor-list", "a"), offer(16000, "2026-08-12", "vendor-list", "b")]
    assert price(listed, "vendor-list", RULES, TODAY).value == 16000
    assert price(listed[::-1], "vendor-list", RULES, TODAY).value == 16000


def test_several_fresh_offers_are_an_interval_with_each_source() -> None:
    offers = [
        offer(1000, days_ago(9)),
        offer(1400, days_ago(3), where="other"),
        offer(1100, days_ago(5), where="third"),
    ]
    found = price(offers, "street", RULES, TODAY)
    assert (found.value, found.low, found.high) == (1100, 1000, 1400)
    assert set(found.sources) == {one.id for one in offers}
    assert [name for name, _ in found.inputs] == ["other", "third", "shop"]
    assert found.note is None


def test_a_newer_offer_of_the_same_shop_replaces_the_older() -> None:
    assert price([offer(900, days_ago(60)), offer(1000, days_ago(2))], "street", RULES, TODAY).value == 1000


def test_stale_offers_speak_only_where_nothing_fresh_is_left_and_then_the_newest_alone() -> None:
    old, older, fresh = offer(700, days_ago(200)), offer(500, days_ago(400), where="x"), offer(1000, days_ago(4))
    assert standing([old, older, fresh._replace(where="y")], RULES, TODAY) == (fresh._replace(where="y"),)
    found = price([older, old], "street", RULES, TODAY)
    assert found.value == 700
    assert found.note is not None


def test_prices_of_other_sellers_and_other_currencies_stay_out() -> None:
    mixed = [
        offer(1000, days_ago(4)),
        offer(900, days_ago(4), "used", "u"),
        offer(90000, days_ago(5), where="r", unit="RUB"),
    ]
    found = price(mixed, "street", RULES, TODAY)
    assert (found.value, found.unit, found.low) == (1000, "USD", None)


def test_no_offer_is_unknown_and_never_nothing() -> None:
    found = price([], "cloud-spot", RULES, TODAY)
    assert (found.value, found.unit, found.note and found.note.code) == (None, "USD/h", "unknown.price")


def test_the_weakest_offer_names_the_basis() -> None:
    weak = offer(1000, days_ago(4), where="w")._replace(price=exact(1200, "USD", "assumed", "w"))
    assert price([offer(1000, days_ago(4)), weak], "street", RULES, TODAY).basis == "assumed"


def test_another_currency_needs_the_user_s_rate() -> None:
    rate = {("USD", "RUB"): exact(92.5, "RUB", "assumed", "prices.toml")}
    found = converted(Quantity(2, "USD/h", "reported", ("s",), low=1, high=3), "RUB", rate)
    assert (found.value, found.low, found.high, found.unit) == (185, 92.5, 277.5, "RUB/h")
    assert set(found.sources) == {"s", "prices.toml"}
    unknown = converted(exact(2, "USD", "reported", "s"), "EUR", rate)
    assert (unknown.value, unknown.note and unknown.note.code) == (None, "unknown.exchange_rate")
    same = exact(2, "USD", "reported", "s")
    assert converted(same, "USD", {}) is same


def part(status: Status, earliest: str | None, latest: str | None) -> Announcement:
    return Announcement("x", "X", "V", status, earliest, latest, "medium", "reported", ("s",))


def test_months_of_waiting() -> None:
    soon, late = months_until(part("announced", "2027-02", "2027"), TODAY)
    assert soon == pytest.approx(2.3, abs=0.05)
    assert late == pytest.approx(13.15, abs=0.1)
    assert months_until(part("announced", "2026-01", "2026-02"), TODAY) == (0.0, 0.0)
    assert months_until(part("roadmap", None, None), TODAY) == (0.0, None)


def test_a_rumour_is_never_worth_waiting_for() -> None:
    told: dict[Status, bool] = {
        "shipping": True,
        "announced": True,
        "roadmap": False,
        "rumoured": False,
        "cancelled": False,
    }
    assert {status: worth_waiting(part(status, None, None)) for status in told} == told
