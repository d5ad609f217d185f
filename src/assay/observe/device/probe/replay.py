"""Recordings as devices, and devices whose answers are recorded."""

from collections.abc import Iterator
from contextlib import contextmanager

from assay.observe.device.probe.device import Device, DeviceTrouble, Ready
from assay.observe.device.probe.recording import Batch, Entry, Met, Recording
from assay.observe.device.probe.runner import Options
from assay.types.probe import Fill, Identity, Refused, Sample, Workload


class _Replayed:
    """A recorded workload: launching does nothing, the device tells the times."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.next = 0

    @property
    def work(self) -> float:
        return self.entry.work

    def launch(self, count: int) -> None:
        """Nothing runs."""

    def check(self) -> str | None:
        return self.entry.wrong

    def close(self) -> None:
        """Nothing is held."""


class ReplayDevice:
    """A device that answers as a recording says; its clock is the recording's, so that a replay takes no time."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.entries = {entry.workload.name: entry for entry in recording.entries}
        self.clock = 0.0
        self.current: _Replayed | None = None

    def _meet(self, during: str, after: int = 0) -> None:
        for met in self.recording.troubles:
            if met.during == during and after >= met.after:
                raise DeviceTrouble(met.trouble, met.words)

    def identity(self) -> Identity:
        """The recorded identity."""
        self._meet("identity")
        return self.recording.identity or Identity(None)

    def memory(self) -> tuple[int, int]:
        """The recorded memory."""
        self._meet("memory")
        return self.recording.memory

    def workloads(self) -> tuple[Workload, ...]:
        """All that could be asked then."""
        return self.recording.workloads

    def prepare(self, workload: Workload, fill: Fill) -> Ready | Refused:
        """The recorded workload; one that was not reached is refused for time."""
        del fill
        entry = self.entries.get(workload.name)
        if entry is None:
            self._meet(workload.name)
            return Refused("time", "")
        self.clock = max(self.clock, entry.began_at)
        if entry.refused is not None:
            return entry.refused
        self.current = _Replayed(entry)
        return self.current

    def time(self, ready: Ready, count: int, *, flush: bool = False) -> float:
        """The next recorded time, for as many launches as are asked for; the last one again when all are told."""
        del flush
        if not isinstance(ready, _Replayed):
            raise TypeError(ready)
        entry = ready.entry
        self._meet(entry.workload.name, ready.next)
        if not entry.batches:
            raise DeviceTrouble("other", "the recording holds no times")
        batch = entry.batches[min(ready.next, len(entry.batches) - 1)]
        seconds = batch.seconds * (count / batch.launches)
        known = ready.next < len(entry.batches)
        self.clock = max(self.clock, batch.ended_at) if known else self.clock + seconds
        ready.next += 1
        return seconds

    def now(self) -> float:
        """The recording's clock."""
        return self.clock

    def rest(self, seconds: float) -> None:
        """The recorded times tell when a rest was over."""

    @contextmanager
    def sampling(self) -> Iterator[list[Sample]]:
        """The samples that were taken of the current workload."""
        yield [] if self.current is None else list(self.current.entry.samples)

    def close(self) -> None:
        """Nothing is held."""


class RecordingDevice:
    """Any device, with everything that it answers written down."""

    def __init__(self, device: Device, options: Options, made: str, version: str) -> None:
        self.device = device
        self.options = options
        self.made = made
        self.version = version
        self.found_identity: Identity | None = None
        self.found_memory = (0, 0)
        self.entries: list[Entry] = []
        self.troubles: list[Met] = []
        self.start = device.now()

    def recording(self) -> Recording:
        """What was answered so far."""
        return Recording(
            synthetic=False,
            made=self.made,
            assay_version=self.version,
            budget_s=self.options.budget_s,
            fill=self.options.fill,
            force=self.options.force,
            identity=self.found_identity,
            memory=self.found_memory,
            workloads=self.device.workloads(),
            entries=tuple(self._from_start(entry) for entry in self.entries),
            troubles=tuple(self.troubles),
        )

    def _from_start(self, entry: Entry) -> Entry:
        """An entry with its times counted from the beginning of the recording."""
        return entry._replace(
            began_at=entry.began_at - self.start,
            batches=tuple(one._replace(ended_at=one.ended_at - self.start) for one in entry.batches),
            samples=tuple(one._replace(at=one.at - self.start) for one in entry.samples),
        )

    def _note(self, during: str, after: int, trouble: DeviceTrouble) -> None:
        self.troubles.append(Met(during, after, trouble.trouble, trouble.words))

    def identity(self) -> Identity:
        """The device's."""
        try:
            self.found_identity = self.device.identity()
        except DeviceTrouble as trouble:
            self._note("identity", 0, trouble)
            raise
        return self.found_identity

    def memory(self) -> tuple[int, int]:
        """The device's."""
        try:
            self.found_memory = self.device.memory()
        except DeviceTrouble as trouble:
            self._note("memory", 0, trouble)
            raise
        return self.found_memory

    def workloads(self) -> tuple[Workload, ...]:
        """The device's."""
        return self.device.workloads()

    def prepare(self, workload: Workload, fill: Fill) -> Ready | Refused:
        """The device's; a new entry begins."""
        began = self.now()
        try:
            ready = self.device.prepare(workload, fill)
        except DeviceTrouble as trouble:
            self._note(workload.name, 0, trouble)
            raise
        if isinstance(ready, Refused):
            self.entries.append(Entry(workload, began, refused=ready))
            return ready
        self.entries.append(Entry(workload, began, work=ready.work))
        return _Recorded(ready, self)

    def changed(self, **values: object) -> None:
        """The current entry with more in it."""
        self.entries[-1] = self.entries[-1]._replace(**values)  # type: ignore[arg-type]

    def time(self, ready: Ready, count: int, *, flush: bool = False) -> float:
        """The device's time, written down."""
        entry = self.entries[-1]
        inner = ready.inner if isinstance(ready, _Recorded) else ready
        try:
            seconds = self.device.time(inner, count, flush=flush)
        except DeviceTrouble as trouble:
            self._note(entry.workload.name, len(entry.batches), trouble)
            raise
        self.changed(batches=(*entry.batches, Batch(count, seconds, self.now())))
        return seconds

    def now(self) -> float:
        """The device's clock."""
        return self.device.now()

    def rest(self, seconds: float) -> None:
        """The device's."""
        self.device.rest(seconds)

    @contextmanager
    def sampling(self) -> Iterator[list[Sample]]:
        """The device's samples, written down at the end."""
        with self.device.sampling() as samples:
            try:
                yield samples
            finally:
                self.changed(samples=tuple(samples))

    def close(self) -> None:
        """The device's."""
        self.device.close()


class _Recorded:
    """A workload whose check is written down."""

    def __init__(self, inner: Ready, device: RecordingDevice) -> None:
        self.inner = inner
        self.device = device

    @property
    def work(self) -> float:
        return self.inner.work

    def launch(self, count: int) -> None:
        self.inner.launch(count)

    def check(self) -> str | None:
        try:
            wrong = self.inner.check()
        except DeviceTrouble as trouble:
            self.device._note(self.device.entries[-1].workload.name, 0, trouble)  # noqa: SLF001 -- its other half
            raise
        self.device.changed(wrong=wrong)
        return wrong

    def close(self) -> None:
        self.inner.close()
