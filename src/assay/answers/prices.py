"""A user's own prices: a TOML file with a currency, a tariff, exchange rates and offers, checked line by line."""

from datetime import date
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple, get_args

from assay.answers.profile import _card, _currency
from assay.errors import MalformedFile, UnreadableFile, UsageError
from assay.observe import profile as file
from assay.reason.market import earliest_day
from assay.types.market import RENTED, Offer, Seller
from assay.types.message import message
from assay.types.quantity import Quantity, exact

TOP = ("currency", "electricity-per-kwh", "rates", "price")
OFFER = ("gpu", "price", "currency", "seller", "where", "date", "region", "tier")
NEEDED = ("gpu", "price", "seller", "date")


class OwnPrices(NamedTuple):
    """What the file says.

    Attributes:
        currency: ISO code that prices without one of their own are in; electricity: of a kilowatt hour, or None.
        rates: `rates[have, want]`, units of `want` for one of `have`; only what the file gives, and its inverse.
        offers: the user's own, of identified cards; assumed, because the user says it.
    """

    currency: str
    electricity: Quantity | None
    rates: dict[tuple[str, str], Quantity]
    offers: tuple[Offer, ...]


def _wrong(path: Path, field: str, value: object) -> MalformedFile:
    return MalformedFile(
        message("error.prices_value", file=str(path), name=field, value=str(value)),
        message("hint.prices_file", keys=", ".join(OFFER), sellers=", ".join(get_args(Seller))),
        file=str(path),
        field=field,
    )


def _amount(path: Path, field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value <= 0:
        raise _wrong(path, field, value)
    return value


def _code(path: Path, field: str, value: object) -> str:
    try:
        return _currency(field, value if isinstance(value, str) else "")
    except UsageError as error:
        raise _wrong(path, field, value) from error


def _table(path: Path, field: str, value: object, allowed: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(path, field, value)
    for name in value:
        if name not in allowed:
            raise _wrong(path, f"{field}.{name}" if field else name, value[name])
    return value


def _offer(path: Path, number: int, body: dict[str, Any], currency: str) -> Offer:
    field = f"price[{number}]"
    for name in NEEDED:
        if name not in body:
            raise _wrong(path, f"{field}.{name}", "")
    for name in ("gpu", "seller", "where", "region", "tier"):
        if name in body and not (isinstance(body[name], str) and body[name].strip()):
            raise _wrong(path, f"{field}.{name}", body[name])
    if body["seller"] not in get_args(Seller):
        raise _wrong(path, f"{field}.seller", body["seller"])
    told = body["date"].isoformat() if isinstance(body["date"], date) else str(body["date"])
    try:
        earliest_day(told)
    except ValueError as error:
        raise _wrong(path, f"{field}.date", told) from error
    code = _code(path, f"{field}.currency", body.get("currency", currency))
    unit = f"{code}/h" if body["seller"] in RENTED else code
    amount = exact(_amount(path, f"{field}.price", body["price"]), unit, "assumed", path.name)
    gpu = _card(body["gpu"])
    return Offer(
        field, gpu, amount, body["seller"], body.get("where", "own"), told, body.get("region"), body.get("tier")
    )


def parse(text: str, path: Path) -> OwnPrices:
    """The file's text as prices.

    Raises:
        MalformedFile: not TOML, an unknown key, or a value that cannot be; `field` names it.
        UnknownGpu: a card that the catalogue does not know, or an ambiguous one.
    """
    body = _table(path, "", file.parse(text, path), TOP)
    currency = _code(path, "currency", body.get("currency", "USD"))
    rates: dict[tuple[str, str], Quantity] = {}
    given = body.get("rates", {})
    for have, value in _table(path, "rates", given, tuple(given) if isinstance(given, dict) else ()).items():
        rate, code = _amount(path, f"rates.{have}", value), _code(path, f"rates.{have}", have)
        rates[code, currency] = exact(rate, currency, "assumed", path.name)
        rates[currency, code] = exact(1 / rate, code, "assumed", path.name)
    told = body.get("price", [])
    if not isinstance(told, list):
        raise _wrong(path, "price", told)
    offers = tuple(
        _offer(path, number, _table(path, f"price[{number}]", one, OFFER), currency)
        for number, one in enumerate(told, 1)
    )
    tariff = body.get("electricity-per-kwh")
    power = None if tariff is None else _amount(path, "electricity-per-kwh", tariff)
    electricity = None if power is None else exact(power, f"{currency}/kWh", "assumed", path.name)
    return OwnPrices(currency, electricity, rates, offers)


def load(path: Path) -> OwnPrices:
    """The user's prices.

    Raises:
        UnreadableFile: there is no such file, or it cannot be read; and what `parse` raises.
    """
    if not path.exists():
        raise UnreadableFile(
            message("error.unreadable.missing", file=str(path)), message("hint.prices_missing"), file=str(path)
        )
    return parse(file.read_text(path), path)
