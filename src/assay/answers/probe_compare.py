"""Two probes beside each other: recordings in files, or stored ones by number."""

from pathlib import Path
from typing import NamedTuple

from assay.answers.probe import ProbeAnswer, replayed
from assay.errors import UsageError
from assay.observe.device.probe import recording, store
from assay.reason.probe.compare import Compared, compared
from assay.types.message import Message, message


class CompareAnswer(NamedTuple):
    """Two probes and every workload of theirs.

    Attributes:
        names: as they were asked for.
        first, second: what follows from each.
        rows: workload by workload.
    """

    names: tuple[str, str]
    first: ProbeAnswer
    second: ProbeAnswer
    rows: tuple[Compared, ...]

    @property
    def slower(self) -> int:
        """How many workloads the second did worse."""
        return sum(1 for row in self.rows if row.change == "slower")

    @property
    def faster(self) -> int:
        """How many workloads the second did better."""
        return sum(1 for row in self.rows if row.change == "faster")

    @property
    def exit_code(self) -> int:
        """3 where they have nothing in common, else 0: a difference is an answer and no failed claim."""
        return 0 if any(row.ratio is not None for row in self.rows) else 3


def _loaded(name: str) -> recording.Recording:
    """A recording in a file, or a stored probe by its number.

    Raises:
        UsageError: no probe has this number.
        UnreadableFile, MalformedFile, PermissionRefused: it cannot be read.
    """
    if not name.isdecimal() or Path(name).exists():
        return recording.read(Path(name))
    path = store.store_path()
    found = store.get(path, int(name))
    if found is None:
        known = ", ".join(str(one.number) for one in store.listed(path))
        raise UsageError(message("error.no_such_probe", number=name), message("hint.no_such_probe", known=known or "-"))
    return found


def answer(first: str, second: str) -> CompareAnswer:
    """Two probes side by side.

    Raises:
        UsageError, UnreadableFile, MalformedFile, PermissionRefused: one of them is not there or cannot be read.
        DeviceFailed: one is of a device that answered nothing.
    """
    left, right = replayed(_loaded(first)), replayed(_loaded(second))
    return CompareAnswer((first, second), left, right, compared(left.run, right.run))


def notes(found: CompareAnswer) -> tuple[Message, ...]:
    """What makes two probes hard to compare."""
    one, other = found.first.run, found.second.run
    said = []
    if one.synthetic or other.synthetic:
        said.append(message("probe.note.synthetic", "warning"))
    if one.identity.name != other.identity.name:
        names = {"first": one.identity.name, "second": other.identity.name}
        said.append(message("probe.compare.cards", first=names["first"], second=names["second"]))
    elif one.identity.uuid != other.identity.uuid:
        said.append(message("probe.compare.other_card"))
    if one.identity.driver != other.identity.driver:
        said.append(message("probe.compare.drivers", first=one.identity.driver, second=other.identity.driver))
    if one.fill != other.fill:
        said.append(message("probe.compare.fill", "warning"))
    return tuple(said)
