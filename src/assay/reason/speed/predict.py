"""Prefill, decode, first token and throughput of a model on a card, each in an interval that was tried out.

The value is the speed model's (`step.py`). The interval is where 80 % of the measurements of the same stratum lay that
the model had not been fitted to, by cross-validation: the same card and runtime, the same card, the same runtime, or
neither; dense or with experts.
"""

from collections.abc import Sequence
from math import exp
from typing import NamedTuple

from assay.reason.speed import step
from assay.reason.speed.own import Correction, Own, correction, exactly
from assay.reason.speed.step import Factors, Prepared
from assay.types.message import Message, message
from assay.types.plan import Bound, Prediction, Workload
from assay.types.quantity import Basis, Quantity, derive, unknown
from assay.types.speed import Calibration, Seen, SpeedKind, Spread

ENOUGH = 30
"""Calibrated prefill rows of a stratum below which a prefill figure counts as assumed."""
OWN = "own-measurement"
"""The source that stands for what the owner stored."""
CORRECTED = "the step's parts at the card's peak x fitted factors, x what your measurements were off"
FORMULA = "sum of the parts of the step, each at the card's peak x fitted factors"


class Part(NamedTuple):
    """Seconds of one kind of a step's parts."""

    name: str
    seconds: float
    bound: Bound


def seen_of(calibration: Calibration, gpu: str, runtime: str) -> Seen:
    """How near the fitted measurements are."""
    if f"{gpu}/{runtime}" in calibration.fitted:
        return "calibrated"
    if any(name.startswith(f"{gpu}/") for name in calibration.fitted):
        return "seen"
    return "unseen" if any(name.endswith(f"/{runtime}") for name in calibration.fitted) else "runtime"


def spread_of(calibration: Calibration, kind: SpeedKind, prepared: Prepared) -> Spread:
    """Where measurements of the stratum lay about the model."""
    near = seen_of(calibration, prepared.place.gpu, prepared.place.runtime)
    return calibration.spreads[f"{kind}/{near}/{'experts' if prepared.shape.experts else 'dense'}"]


def parts_of(prepared: Prepared, contributions: Sequence[float]) -> tuple[Part, ...]:
    """A step's seconds by what they are spent on, without those that take none."""
    read = sum(contributions[term.read] for term in prepared.terms)
    multiply = sum(
        contributions[regime.multiply] + contributions[regime.pad] for term in prepared.terms for regime in term.regimes
    )
    found = (
        Part("time to read weights", read, "bandwidth"),
        Part("time to multiply", multiply, "compute"),
        Part("time to read caches", contributions[prepared.cache], "bandwidth"),
        Part("time of activations", contributions[prepared.rows], "bandwidth"),
        Part("time of attention", contributions[prepared.attend], "compute"),
        Part(
            "time of layers and launches",
            sum(contributions[place] for place in (prepared.layer, prepared.experts, prepared.step, prepared.each)),
            "overhead",
        ),
        Part("time to exchange sums", contributions[prepared.reduce] + contributions[prepared.ring], "communication"),
    )
    return tuple(part for part in found if part.seconds > 0.0)


def bound_of(parts: Sequence[Part]) -> Bound:
    """What most of the time is spent on."""
    by_bound: dict[Bound, float] = {}
    for part in parts:
        by_bound[part.bound] = by_bound.get(part.bound, 0.0) + part.seconds
    return max(by_bound, key=lambda name: by_bound[name])


class Speed(NamedTuple):
    """What is predicted with: a shape on a place, the fit and its factors; sources and basis of model and card.

    `own` are the owner's measurements on this card, each with the factors of the model that was measured.
    """

    prepared: Prepared
    calibration: Calibration
    factors: Factors
    sources: tuple[str, ...]
    basis: Basis
    own: tuple[tuple[Own, Factors], ...] = ()


def speed_of(prepared: Prepared, calibration: Calibration, sources: tuple[str, ...], basis: Basis) -> Speed:
    """Ready to predict.

    Args:
        prepared: a shape on a place.
        calibration: the fit.
        sources: of the model's weights and the card's rates.
        basis: the weakest of theirs.
    """
    return Speed(prepared, calibration, step.factors_of(prepared, calibration.coefficients), sources, basis)


def ends_of(speed: Speed, seconds: float, kind: SpeedKind) -> tuple[float, float, float]:
    """(low, value, high) of a time that the model says: its stratum's interval, moved by the owner's measurements."""
    spread, corrected = spread_of(speed.calibration, kind, speed.prepared), correction(kind, speed.own)
    value = seconds * corrected.factor
    low = value * min(exp(-spread.high * corrected.width), 1.0)
    return low, value, value * max(exp(-spread.low * corrected.width), 1.0)


def seconds_of(speed: Speed, contributions: Sequence[float], kind: SpeedKind, basis: Basis | None = None) -> Quantity:
    """A time with the interval of its stratum."""
    corrected = correction(kind, speed.own)
    low, value, high = ends_of(speed, sum(contributions), kind)
    weakest: Basis = basis or speed.basis
    inputs = tuple(
        (part.name, _part(speed, part, weakest))
        for part in sorted(parts_of(speed.prepared, contributions), key=lambda part: -part.seconds)
    )
    return Quantity(
        value,
        "s",
        "derived",
        (*speed.sources, speed.calibration.source, *((OWN,) if corrected.ids else ())),
        low=low,
        high=high,
        weakest=weakest,
        weakest_share=1.0,
        note=_corrected_by(corrected),
        formula=CORRECTED if corrected.ids else FORMULA,
        inputs=inputs,
    )


def _corrected_by(found: Correction) -> Message | None:
    if not found.ids:
        return None
    code = "speed.corrected" if found.width < 1.0 else "speed.corrected_other"
    return message(code, ids=", ".join(map(str, found.ids)))


def _measured(found: Own) -> Quantity:
    """A time as the owner measured it."""
    return Quantity(found.seconds, "s", "measured", (OWN,), note=message("speed.measured", id=found.id))


def _part(speed: Speed, part: Part, weakest: Basis) -> Quantity:
    return Quantity(
        part.seconds,
        "s",
        "derived",
        (*speed.sources, speed.calibration.source),
        weakest=weakest,
        weakest_share=1.0,
        formula="at the card's peak x fitted factors",
    )


def _rate(time: Quantity, count: float, formula: str) -> Quantity:
    return derive("token/s", formula, [("time", time)], lambda seconds: count / seconds, rising=(False,))


def nothing(reason: Message) -> Prediction:
    """No prediction, and why."""
    none = unknown("token/s", reason)
    return Prediction(none, none, none, unknown("s", reason), unknown("s", reason), None, none)


def throughput_of(speed: Speed, workload: Workload) -> Quantity:
    """Tokens a second of all sequences, each that is finished replaced by a new one with its prompt."""
    output = workload.context - workload.prompt
    if output < 1:
        return unknown("token/s", message("unknown.no_output", prompt=workload.prompt, context=workload.context))
    times = step.serving(speed.prepared, speed.factors, workload.concurrency, workload.prompt, output)
    between = seconds_of(speed, times, "serving" if workload.concurrency > 1 else "decode")
    return _rate(between, workload.concurrency, "sequences / time between tokens, prompts of others read meanwhile")


def predict(speed: Speed, workload: Workload) -> Prediction:
    """What a user sees: decode at half of the context, prefill of the prompt, the first token, throughput.

    Args:
        speed: what to predict with.
        workload: tokens of a sequence, sequences, prompt.
    """
    sequences, prompt = workload.concurrency, workload.prompt
    many: SpeedKind = "serving" if sequences > 1 else "decode"
    decoding = step.decode(speed.prepared, speed.factors, sequences, workload.context / 2)
    stored = tuple(own for own, _ in speed.own)
    exact_step = exactly(stored, many, sequences, workload.context / 2)
    each = _measured(exact_step) if exact_step else seconds_of(speed, decoding, many)
    calibrated = spread_of(speed.calibration, "prefill", speed.prepared)
    doubted: Basis | None = "assumed" if calibrated.rows < ENOUGH else None
    exact_prompt = exactly(stored, "prefill", 1.0, prompt)
    predicted = seconds_of(speed, step.prefill(speed.prepared, speed.factors, prompt), "prefill", doubted)
    reading = _measured(exact_prompt) if exact_prompt else predicted
    return Prediction(
        prefill=_rate(reading, prompt, "prompt tokens / prefill time"),
        decode_per_sequence=_rate(each, 1, "1 / step time"),
        decode_total=_rate(each, sequences, "sequences / step time"),
        ttft_unloaded=reading,
        itl=each,
        bound=bound_of(parts_of(speed.prepared, decoding)),
        throughput=throughput_of(speed, workload),
        seen=seen_of(speed.calibration, speed.prepared.place.gpu, speed.prepared.place.runtime),
    )
