"""The cards of this machine by UUID, for a command that must run on just these."""

from typing import NamedTuple

from assay.answers.asked import CardCount
from assay.errors import NoGpu
from assay.knowledge.catalog.launch import visibility
from assay.observe.device.device import Device
from assay.types.message import Message, message

PLACEHOLDER = "GPU-FILL-IN-{number}"


class Pinned(NamedTuple):
    """UUIDs in the order of the cards, `missing` of them placeholders that name no card; the cards' maker."""

    uuids: tuple[str, ...]
    missing: int
    vendor: str

    @property
    def finder(self) -> str | None:
        """The command that prints what the placeholders stand for; None where there are none, or it is not known."""
        shown = visibility(self.vendor)
        return shown.finder if shown is not None and self.missing else None

    @property
    def notes(self) -> tuple[Message, ...]:
        """What to do about placeholders."""
        if not self.missing:
            return ()
        code = "launch.not_pinned" if visibility(self.vendor) is None else "launch.fill_in"
        return (message(code, count=self.missing),)


def _devices() -> tuple[Device, ...]:
    from assay.observe.device.machine import devices  # noqa: PLC0415 - only a command looks at drivers

    try:
        return devices()
    except NoGpu:
        return ()


def _found() -> list[tuple[str, str]]:
    """(id of the catalogue, UUID) of every device of this machine that is exactly known."""
    from assay.observe.device.resolve import resolve_device  # noqa: PLC0415 - same

    found = []
    for device in _devices():
        resolved = resolve_device(device)
        if device.uuid is not None and resolved.match == "exact":
            found.append((resolved.candidates[0], device.uuid))
    return found


def pinned(column: tuple[CardCount, ...]) -> Pinned:
    """A UUID for each card, of this machine where it has such cards, else a placeholder to be filled in."""
    here = _found()
    uuids: list[str] = []
    missing = 0
    for entry in column:
        own = [uuid for name, uuid in here if name == entry.card.gpu.id and uuid not in uuids][: entry.number]
        uuids += own
        for _ in range(entry.number - len(own)):
            missing += 1
            uuids.append(PLACEHOLDER.format(number=len(uuids) + 1))
    return Pinned(tuple(uuids), missing, column[0].card.gpu.vendor)
