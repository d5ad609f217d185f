"""The profile as a page."""

from assay.answers.profile import SETTINGS, ProfileAnswer
from assay.types.message import message
from assay.types.report import Cell, Figure, Notes, Report, Row, Table


def layout(answer: ProfileAnswer) -> Report:
    """What was done, or that this is the profile; then every setting, the ones that are not set as well."""
    profile = answer.profile
    cells: dict[str, Cell] = {
        "gpu": profile.gpu,
        "ram-gib": profile.ram if profile.ram_gib else None,
        "ram-bandwidth-gb-s": profile.ram_bandwidth if profile.ram_bandwidth_gb_s else None,
        "electricity-per-kwh": profile.electricity if profile.electricity_per_kwh else None,
        "currency": profile.currency,
        "language": profile.language,
    }
    unset = message("profile.not_set")
    rows = tuple(Row(name, (unset if cells[name] is None else cells[name],)) for name in SETTINGS)
    figures = [
        Figure(message("profile.ram"), profile.ram),
        Figure(message("profile.ram_bandwidth"), profile.ram_bandwidth),
        Figure(message("profile.electricity"), profile.electricity),
    ]
    return Report(
        headline=(answer.done or message("profile.headline"),),
        tone="plain",
        blocks=(Table(None, ("",), rows), Notes(None, (message("profile.where", file=str(answer.path)),))),
        figures=tuple(entry for entry in figures if entry.figure.value is not None),
    )
