"""The speeds of one copy of a model, as the evaluator of options asks for them: the only door to the speed model."""

from collections.abc import Sequence

from assay.answers.asked import CardCount
from assay.answers.speed import has_prefill, slowest, speeds_on
from assay.reason.decide.weigh import Pacer
from assay.reason.memory.fit import Setting
from assay.reason.speed import step
from assay.reason.speed.predict import ends_of, nothing
from assay.types.decide import Interval, Pace
from assay.types.message import message
from assay.types.plan import Prediction, Workload
from assay.types.speed import SpeedKind


def prediction(setting: Setting, workload: Workload, column: Sequence[CardCount]) -> Prediction:
    """The speeds as figures.

    Args:
        setting: model, runtime, cards, KV format.
        workload: context, sequences, prompt.
        column: the cards.
    """
    speeds = speeds_on(setting, column)
    return slowest(speeds, workload) if speeds else nothing(message("unknown.bandwidth"))


def _rate(count: float, ends: tuple[float, float, float]) -> Interval:
    return count / ends[2], count / ends[1], count / ends[0]


def pacer(setting: Setting, column: Sequence[CardCount]) -> Pacer:
    """What tells a setting's speeds for any workload, on plain numbers; of unlike cards the slowest decides."""
    speeds = speeds_on(setting, column)

    def pace(workload: Workload, _output: int) -> Pace:
        if not speeds:
            return Pace(None, None, None)
        kind: SpeedKind = "serving" if workload.concurrency > 1 else "decode"
        steps = [
            (sum(step.decode(speed.prepared, speed.factors, workload.concurrency, workload.context / 2)), card, speed)
            for card, speed in speeds
        ]
        seconds, card, speed = max(steps, key=lambda found: found[0])
        each = ends_of(speed, seconds, kind)
        first = None
        if has_prefill(card, speed):
            first = ends_of(speed, sum(step.prefill(speed.prepared, speed.factors, workload.prompt)), "prefill")
        return Pace(_rate(1, each), _rate(workload.concurrency, each), first)

    return pace
