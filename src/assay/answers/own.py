"""The owner's stored measurements, as the speed model takes them."""

from collections.abc import Iterator

from assay.answers.cards import Card
from assay.answers.model import answer as read_model
from assay.answers.narrower import in_format
from assay.answers.places import prepared_of
from assay.errors import AssayError
from assay.knowledge.catalog.runtimes import kv_format
from assay.observe.measurements.store import concerning
from assay.observe.profile import store_path
from assay.reason.memory.fit import Setting
from assay.reason.speed.own import Own
from assay.reason.speed.shape import Shape, shape_of
from assay.types.measurement import Measurement
from assay.types.model import Model
from assay.types.speed import SpeedKind

Load = tuple[SpeedKind, float, float, float, float]
"""(kind, sequences, prompt, output, seconds)"""


def _loads(measurement: Measurement) -> Iterator[Load]:
    """The times that one measurement tells."""
    asked, figures = measurement.workload, measurement.figures
    prompt, output, sequences = asked.prompt or 0.0, asked.output or 0.0, float(asked.concurrency or 1)
    between = figures.itl.mean or (1.0 / figures.decode_per_sequence if figures.decode_per_sequence else None)
    if between and output:
        kind: SpeedKind = "serving" if sequences > 1 else "decode"
        yield kind, sequences, asked.depth + prompt, output, between
    if figures.prefill and prompt:
        yield "prefill", 1.0, prompt, 0.0, prompt / figures.prefill
    elif figures.ttft.mean and prompt and sequences == 1:
        yield "prefill", 1.0, prompt, 0.0, figures.ttft.mean


def _model(measurement: Measurement) -> Model | None:
    name, weights = measurement.model.id, measurement.model.weights
    if name is None:
        return None
    try:
        model = read_model(name)
        return model if weights in (None, model.released_format) else in_format(model, name, weights)
    except AssayError:  # a model or a format that is not known any more corrects nothing
        return None


def _shape(measurement: Measurement, setting: Setting) -> Shape | None:
    model = _model(measurement)
    if model is None or not model.weights.value:
        return None
    try:
        kv = kv_format(measurement.workload.kv) if measurement.workload.kv else setting.kv
    except KeyError:
        kv = setting.kv
    return shape_of(model, kv)


def own_measurements(setting: Setting, card: Card, cards: int, shared: int) -> tuple[Own, ...]:
    """The stored measurements on so many of this card under this runtime; none where nothing is stored.

    Args:
        setting: model, runtime and KV format that are asked for.
        card: one of the cards.
        cards: how many.
        shared: of them that share every layer.

    Raises:
        BadInput, EnvironmentFailure: the store cannot be used.
    """
    path = store_path()
    if not path.exists():
        return ()
    asked = shape_of(setting.model, setting.kv)
    found = []
    for measurement in concerning(path, card.gpu.id, setting.runtime.id):
        shape = _shape(measurement, setting) if measurement.gpus == cards else None
        if shape is None:
            continue
        prepared = prepared_of(shape, card, shared, setting.runtime)
        same = shape.matrices == asked.matrices
        found += [Own(measurement.id or 0, *load, same, prepared) for load in _loads(measurement)]
    return tuple(found)
