"""The measuring itself: each workload rested for boost, driven until it settles for sustained, all within a budget."""

from collections.abc import Sequence
from typing import NamedTuple

from assay.observe import progress
from assay.observe.device.probe.device import Device, DeviceTrouble, Ready
from assay.reason.probe.plan import Share, divide, schedule
from assay.reason.probe.statistics import boost, settled, sustained, window
from assay.types.message import message
from assay.types.probe import Fill, Identity, Measurement, Refused, Run, Sample, Trouble, Window, Workload

FREE_SHARE = 0.9
"""Workloads take at most this share of the memory that is free."""
FLUSH_FROM_S = 1e-4
"""Launches shorter than this are rotated over several buffers instead: driving L2 out would take longer."""
LONGEST_COUNT = 2**20


class Options(NamedTuple):
    """What to do: the budget in s, what operands hold, whether other work on the card is ignored."""

    budget_s: float
    fill: Fill = "random"
    force: bool = False


class _Lost(Exception):
    """The device is gone in the middle of a workload; carries what was measured of it."""

    def __init__(self, partial: Measurement, trouble: tuple[Trouble, str]) -> None:
        super().__init__(trouble)
        self.partial = partial
        self.trouble = trouble


BUSY_PERCENT = 10
"""A card that others drive above this is busy; a desktop stays below."""


def refuse_busy(identity: Identity) -> None:
    """Refuse a card that works for somebody else: figures of a shared card are nobody's.

    Raises:
        DeviceTrouble: `busy`, with who holds it.
    """
    busy = (identity.utilization_percent or 0) > BUSY_PERCENT
    computing = [one for one in identity.processes if one.memory_bytes is None or one.memory_bytes > 0]
    if not busy and not computing:
        return
    who = ", ".join(f"{one.name or '?'} ({one.pid})" for one in computing)
    words = [f"{identity.utilization_percent} %"] if identity.utilization_percent else []
    raise DeviceTrouble("busy", "; ".join([*words, who] if who else words))


def run(device: Device, options: Options, made: str, *, synthetic: bool = False) -> Run:
    """All workloads of a device; what was measured before a device is lost is kept.

    Raises:
        DeviceTrouble: nothing could be started.
    """
    identity = device.identity()
    if not options.force:
        refuse_busy(identity)
    free, total = device.memory()
    shares = divide(device.workloads(), options.budget_s)
    deadline = device.now() + options.budget_s
    found, trouble = _all(device, shares, _Limits(deadline, int(free * FREE_SHARE), options.fill))
    progress.tell(None)
    return Run(identity, free, total, options.fill, options.budget_s, tuple(found), trouble, synthetic, made)


class _Limits(NamedTuple):
    deadline: float
    free_bytes: int
    fill: Fill


def _all(
    device: Device, shares: Sequence[Share], limits: _Limits
) -> tuple[list[Measurement], tuple[Trouble, str] | None]:
    found: list[Measurement] = []
    for place, share in enumerate(shares):
        progress.tell(message("progress.probing", name=share.workload.name, place=place + 1, count=len(shares)))
        left = limits.deadline - device.now()
        if share.seconds is None or left < share.seconds:
            found.append(_refused(share.workload, Refused("time", "")))
            continue
        try:
            found.append(_workload(device, share.workload, share.seconds, limits))
        except _Lost as lost:
            rest = [_refused(one.workload, Refused("lost", lost.trouble[1])) for one in shares[place + 1 :]]
            return [*found, lost.partial, *rest], lost.trouble
    return found, None


def _refused(workload: Workload, why: Refused) -> Measurement:
    return Measurement(workload, refused=why)


def _workload(device: Device, workload: Workload, seconds: float, limits: _Limits) -> Measurement:
    if workload.needed_bytes > limits.free_bytes:
        return _refused(workload, Refused("memory", ""))
    try:
        ready = device.prepare(workload, limits.fill)
    except DeviceTrouble as trouble:
        return _after(Measurement(workload), trouble)
    if isinstance(ready, Refused):
        return _refused(workload, ready)
    try:
        return _measured(device, workload, ready, seconds)
    finally:
        ready.close()


def _after(partial: Measurement, trouble: DeviceTrouble) -> Measurement:
    """Too little memory ends a workload, anything else the probe.

    Raises:
        _Lost: the probe ends.
    """
    if trouble.trouble == "memory":
        return partial._replace(refused=Refused("memory", trouble.words))
    lost = partial if partial.best is not None else partial._replace(refused=Refused("lost", trouble.words))
    raise _Lost(lost, (trouble.trouble, trouble.words)) from trouble


class _Stretch(NamedTuple):
    """Launches that fill a stretch of time."""

    device: Device
    ready: Ready
    samples: list[Sample]
    single_s: float
    flush: bool

    def __call__(self, seconds: float) -> Window:
        count = max(1, min(LONGEST_COUNT, round(seconds / self.single_s)))
        took = self.device.time(self.ready, count, flush=self.flush)
        return window(took, count, self.samples, self.device.now())


def _measured(device: Device, workload: Workload, ready: Ready, seconds: float) -> Measurement:
    partial = Measurement(workload)
    plan = schedule(seconds)
    try:
        wrong = ready.check()
        if wrong is not None:
            return partial._replace(wrong=wrong)
        single = _calibrated(device, ready, plan.burst_s)
        flush = workload.kind == "gemm" and single >= FLUSH_FROM_S
        with device.sampling() as samples:
            took = _Stretch(device, ready, samples, single, flush)
            bursts = []
            for _ in range(plan.bursts):
                device.rest(plan.rest_s)
                bursts.append(took(plan.burst_s))
                partial = partial._replace(boost=boost(bursts, ready.work))
            _settle(device, took, plan.window_s, plan.warm_s)
            windows: list[Window] = []
            for _ in range(plan.windows):
                windows.append(took(plan.window_s))
                partial = partial._replace(sustained=sustained(windows, ready.work))
    except DeviceTrouble as trouble:
        return _after(partial, trouble)
    return partial


def _settle(device: Device, took: _Stretch, window_s: float, most_s: float) -> None:
    """Drive the card until its windows are steady, at most so long."""
    end = device.now() + most_s
    warm: list[Window] = []
    while device.now() < end and not settled(warm):
        warm.append(took(window_s))


def _calibrated(device: Device, ready: Ready, least_s: float) -> float:
    """Seconds of one launch, from a batch that takes at least a tenth of the burst."""
    count, took = 1, 0.0
    while count < LONGEST_COUNT:
        took = device.time(ready, count)
        if took >= least_s / 10:
            break
        count = min(LONGEST_COUNT, max(2 * count, round(count * least_s / 5 / took) if took > 0 else 16 * count))
    else:
        took = device.time(ready, count)
    if took <= 0:
        raise DeviceTrouble("other", "no time passed")
    return took / count
