"""The owner's measurements: imported from a file, listed, forgotten."""

from pathlib import Path
from typing import Literal, NamedTuple

from assay.answers.measured import Naming, identified, unidentified
from assay.errors import UsageError
from assay.observe.measurements.read import read
from assay.observe.measurements.store import Store, everything, one
from assay.observe.profile import store_path
from assay.types.measurement import Measurement
from assay.types.message import Message, message
from assay.types.quantity import Quantity

Action = Literal["run", "import", "list", "forget"]


class BenchAnswer(NamedTuple):
    """What was done with which measurements.

    Attributes:
        path: the store; None where nothing was to be stored.
        measurements: those that the action is about.
        stopped: what ended a run before its time, or None.
        exit_code: 0, or why a run ended early: 4 for the server, 130 for the user.
    """

    action: Action
    path: Path | None
    measurements: tuple[Measurement, ...]
    messages: tuple[Message, ...] = ()
    stopped: Message | None = None
    exit_code: int = 0


def source_of(measurement: Measurement) -> str:
    """The source that the figures of a measurement cite: its file or server, and the date."""
    place = measurement.origin.place
    return f"{place} ({measurement.when})" if measurement.when else place


def figure(measurement: Measurement, value: float | None, unit: str, missing: str) -> Quantity:
    """A figure of a measurement: `measured`, by whoever its source is; `missing` is the code of why there is none."""
    if value is None:
        return Quantity(None, unit, "measured", (source_of(measurement),), note=message(missing))
    return Quantity(value, unit, "measured", (source_of(measurement),))


def _said_once(measurements: tuple[Measurement, ...]) -> tuple[Message, ...]:
    return tuple(dict.fromkeys(said for each in measurements for said in unidentified(each)))


def import_files(files: tuple[str, ...], naming: Naming) -> BenchAnswer:
    """Store the measurements of benchmark files: all of them, or none where one file cannot be believed.

    Raises:
        BadInput: a file that cannot be read or believed, or a card, model, runtime or format that is not known.
        CannotAnswer: a file larger than is read, or a store of a newer version.
        PermissionRefused: the store cannot be written.
    """
    found = tuple(identified(each, naming) for file in files for each in read(file))
    path = store_path()
    with Store(path) as store:
        kept = tuple(store.put(each) for each in found)
    return BenchAnswer("import", path, kept, _said_once(kept))


def stored() -> BenchAnswer:
    """All measurements.

    Raises:
        BadInput, CannotAnswer, EnvironmentFailure: the store cannot be used.
    """
    path = store_path()
    return BenchAnswer("list", path, everything(path))


def forget(number: int) -> BenchAnswer:
    """Remove one measurement from the store.

    Raises:
        UsageError: there is none with this number.
        BadInput, CannotAnswer, EnvironmentFailure: the store cannot be used.
    """
    path = store_path()
    found = one(path, number)
    if found is None:
        raise UsageError(message("error.bench.no_such", number=number), message("hint.bench.list"))
    with Store(path) as store:
        store.forget(number)
    return BenchAnswer("forget", path, (found,))
