"""The profile as a page."""

from assay.answers.profile import SETTINGS, ProfileAnswer
from assay.types.message import Message, message
from assay.types.report import Cell, Notes, Report, Row, Table


def _own(code: str, value: float | None) -> Message | None:
    """A figure of the owner's own: no letter, for nobody measured, documented or assumed it."""
    return None if value is None else message(code, value=value)


def _price(value: float | None, currency: str | None) -> Message | None:
    """The price of a kilowatt hour with the currency that was set; the rouble as its sign in Russian."""
    if currency is None:
        return _own("profile.per_kwh_unnamed", value)
    if currency == "RUB":
        return _own("profile.roubles_per_kwh", value)
    return None if value is None else message("profile.per_kwh", value=value, currency=currency)


def layout(answer: ProfileAnswer) -> Report:
    """What was done, or that this is the profile; then every setting, the ones that are not set as well."""
    profile = answer.profile
    cells: dict[str, Cell] = {
        "gpu": profile.gpu,
        "ram-gib": _own("profile.gib", profile.ram_gib),
        "ram-bandwidth-gb-s": _own("profile.gb_per_s", profile.ram_bandwidth_gb_s),
        "electricity-per-kwh": _price(profile.electricity_per_kwh, profile.currency),
        "currency": profile.currency,
        "language": profile.language,
    }
    unset = message("profile.not_set")
    rows = tuple(Row(name, (unset if cells[name] is None else cells[name],)) for name in SETTINGS)
    return Report(
        headline=(answer.done or message("profile.headline"),),
        tone="plain",
        blocks=(Table(None, ("",), rows), Notes(None, (message("profile.where", file=str(answer.path)),))),
    )
