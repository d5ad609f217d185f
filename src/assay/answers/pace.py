"""The speeds of one copy of a model, as the evaluator of options asks for them: the only door to the speed model."""

from assay.answers.asked import CardCount
from assay.answers.check import speed_of
from assay.reason.decide.weigh import Pacer
from assay.reason.memory.fit import Setting, need_of
from assay.reason.memory.outcome import Fixed
from assay.types.decide import Interval, Pace
from assay.types.plan import Prediction, Workload
from assay.types.quantity import Quantity


def _interval(figure: Quantity) -> Interval | None:
    low, value, high = figure.lowest, figure.value, figure.highest
    return None if low is None or value is None or high is None else (low, value, high)


def prediction(setting: Setting, workload: Workload, cached: float, column: tuple[CardCount, ...]) -> Prediction:
    """The speeds as figures.

    Args:
        setting: model, runtime, cards, KV format.
        workload: context, sequences, prompt.
        cached: bytes of all sequences' caches on one card.
        column: the cards.
    """
    return speed_of(setting.model, setting.runtime, workload, cached, column)


def pacer(setting: Setting, fixed: Fixed, column: tuple[CardCount, ...]) -> Pacer:
    """What tells a setting's speeds for any workload."""

    def pace(workload: Workload, _output: int) -> Pace:
        cached = need_of(fixed.prepared, workload.context, workload.concurrency).kv
        found = prediction(setting, workload, cached, column)
        return Pace(_interval(found.decode_per_sequence), _interval(found.decode_total), _interval(found.ttft_unloaded))

    return pace
