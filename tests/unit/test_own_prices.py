"""A user's own prices: what the file says, and every line that cannot be."""

from pathlib import Path

import pytest

from assay.answers.prices import load, parse
from assay.errors import MalformedFile, UnknownGpu, UnreadableFile

PATH = Path("prices.toml")
GOOD = """
currency = "RUB"
electricity-per-kwh = 6.5
[rates]
USD = 92.5
[[price]]
gpu = "RTX PRO 6000 Blackwell Workstation Edition"
price = 1450000
seller = "street"
date = 2026-11-20
[[price]]
gpu = "geforce-rtx-5090"
price = 0.7
currency = "USD"
seller = "cloud-on-demand"
where = "Lium"
date = "2026-11"
"""


def test_prices_rates_and_the_tariff_are_the_user_s() -> None:
    told = parse(GOOD, PATH)
    first, second = told.offers
    assert (first.gpu, first.price.value, first.price.unit, first.date) == (
        "rtx-pro-6000-blackwell-workstation-edition",
        1450000,
        "RUB",
        "2026-11-20",
    )
    assert (second.price.unit, second.where) == ("USD/h", "Lium")
    assert told.electricity is not None
    assert (told.electricity.value, told.electricity.unit, told.electricity.basis) == (6.5, "RUB/kWh", "assumed")
    assert told.rates["USD", "RUB"].value == 92.5
    assert told.rates["RUB", "USD"].value == pytest.approx(1 / 92.5)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('"RUB"', '"roubles"', "currency"),
        ("6.5", "-1", "electricity-per-kwh"),
        ("92.5", "nan", "rates.USD"),
        ("92.5", "true", "rates.USD"),
        ("1450000", "0", "price[1].price"),
        ('"street"', '"friend"', "price[1].seller"),
        ("2026-11-20", '"soon"', "price[1].date"),
        ('"2026-11"', '"2026-13"', "price[2].date"),
        ("[[price]]\ngpu", "[[price]]\ncard = 1\ngpu", "price[1].card"),
        ('seller = "street"\n', "", "price[1].seller"),
        ("currency =", "colour = 1\ncurrency =", "colour"),
    ],
)
def test_a_line_that_cannot_be_is_named(old: str, new: str, field: str) -> None:
    with pytest.raises(MalformedFile) as caught:
        parse(GOOD.replace(old, new, 1), PATH)
    assert caught.value.field == field


def test_a_card_is_never_guessed() -> None:
    with pytest.raises(UnknownGpu):
        parse(GOOD.replace("RTX PRO 6000 Blackwell Workstation Edition", "RTX PRO 6000"), PATH)


def test_a_missing_file_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        load(tmp_path / "none.toml")
    (tmp_path / "prices.toml").write_text(GOOD, encoding="utf-8")
    assert len(load(tmp_path / "prices.toml").offers) == 2
