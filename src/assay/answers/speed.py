"""How fast a model runs on cards: where it runs as the speed model wants it, and what that model says."""

from collections.abc import Sequence
from math import inf, log

from assay.answers.asked import CardCount
from assay.answers.cards import Card
from assay.answers.execution import path_of_group
from assay.knowledge.catalog.speed import calibration, neighbours
from assay.reason.memory.fit import Setting
from assay.reason.memory.overhead import process_bytes, scheduler_load
from assay.reason.speed.predict import Speed, nothing, predict, seen_of, speed_of
from assay.reason.speed.shape import Matrix, Shape, shape_of
from assay.reason.speed.step import FALLBACK_INTENSITY, Multiply, Place, Prepared, prepare
from assay.types.execution import Regime
from assay.types.gpu import Gpu, Peak
from assay.types.message import Message, message
from assay.types.model import Role
from assay.types.picture import SpeedPicture
from assay.types.plan import Fit, Prediction, Workload
from assay.types.quantity import STRENGTH, Basis, unknown
from assay.types.runtime import Runtime
from assay.types.speed import Neighbour

DP4A_PER_FMA = 4
"""A dp4a instruction multiplies four pairs of bytes where an FMA multiplies one pair of numbers."""
PCIE_GB_PER_LANE = {"3.0": 0.985, "4.0": 1.969, "5.0": 3.938, "6.0": 7.563}
"""Bytes per second of one lane and direction after encoding, in 1e9."""
DEFAULT_PCIE = "4.0 x8"
"""For cards whose slot nobody states: neither the best nor the worst of today's."""
LONG_PROMPT = 2048
"""Tokens of a prompt that are read at once where the runtime's scheduler is not known."""
WIDE = ("fp32", "fp16")
"""Accumulators in order of preference: runtimes sum in FP32 unless told otherwise."""
NARROW = {"llama.cpp": ("fp16", "fp32")}
"""llama.cpp's products in FP16 go to cuBLAS with accumulators in FP16 (ggml-cuda, CUBLAS_COMPUTE_16F)."""
TWICE = {"mxfp4": "fp8_e4m3", "nvfp4": "fp8_e4m3", "fp8_e4m3": "bf16", "int8": "bf16", "fp16": "bf16", "bf16": "fp16"}
"""The format whose peak stands in for one that nobody publishes; of the next wider one, twice the rate."""


def _rate(peaks: Sequence[Peak], number: str, unit: str, accumulators: tuple[str, ...] = WIDE) -> float | None:
    rates = {
        peak.accumulate: peak.rate.value
        for peak in peaks
        if peak.format == number and peak.unit == unit and peak.sparsity == "dense" and peak.rate.value
    }
    for accumulate in accumulators:
        if accumulate in rates:
            return rates[accumulate]
    return max((rate for rate in rates.values() if rate), default=None)


def devices_of(card: Card) -> int:
    """How many devices a product shows itself as: its published peaks are of all of them."""
    sold, shown = card.gpu.memory_sold.value, card.gpu.memory_driver.value
    return round(sold / shown) if sold and shown and shown <= sold * 0.6 else 1


def reference(card: Card) -> tuple[float, bool]:
    """The 16-bit dense matrix peak of a device in FLOP/s and whether it is one; else what stands in for it.

    In its place: the FP32 rate of the vector units, else the bandwidth times a fixed intensity.
    """
    for number in ("bf16", "fp16"):
        rate = _rate(card.peaks, number, "matrix")
        if rate:
            return rate / devices_of(card), True
    vector = _rate(card.peaks, "fp32", "vector")
    if vector:
        return vector, False
    return (card.gpu.bandwidth.value or 0.0) * FALLBACK_INTENSITY, False


def _stand_in(card: Card, number: str, accumulators: tuple[str, ...]) -> float:
    """What is held against where a format's peak is not published: twice that of the next wider one, and so on."""
    times, wider = 1, number
    while wider in TWICE:
        times *= 1 if {wider, TWICE[wider]} == {"bf16", "fp16"} else 2
        wider = TWICE[wider]
        rate = _rate(card.peaks, wider, "matrix", accumulators)
        if rate:
            return times * rate / devices_of(card)
        if wider == "fp16":
            break
    return reference(card)[0]


def _multiply(card: Card, engine: str, tokens: int, regime: Regime | None) -> Multiply:
    number = regime.multiplies if regime is not None else "unknown"
    unit = regime.unit if regime is not None else "unknown"
    if unit in ("dp4a", "fma"):
        vector = _rate(card.peaks, "fp32", "vector")
        if vector:
            return Multiply(tokens, number, unit, vector * (DP4A_PER_FMA if unit == "dp4a" else 1), known=True)
    accumulators = NARROW.get(engine, WIDE)
    rate = _rate(card.peaks, number, "matrix", accumulators) if unit == "tensor" else None
    if rate:
        return Multiply(tokens, number, unit, rate / devices_of(card), known=True)
    return Multiply(tokens, number, unit, _stand_in(card, number, accumulators), known=False)


def _start(batch: str) -> int:
    first = batch.partition("..")[0]
    return int(first) if first.isdigit() else 1


def multiplies_of(matrix: Matrix, engine: str, card: Card) -> tuple[Multiply, ...]:
    """What multiplies a matrix, by the tokens of a step from which it does."""
    role: Role = "experts" if matrix.kind == "experts" else "mlp"
    path = path_of_group(engine, matrix.format, role, card.gpu.isa)
    found = tuple(_multiply(card, engine, _start(regime.batch), regime) for regime in path.regimes)
    return found or (_multiply(card, engine, 1, None),)


def _lanes(gpu: Gpu) -> float:
    generation, _, lanes = (gpu.pcie or DEFAULT_PCIE).partition(" x")
    return PCIE_GB_PER_LANE.get(generation, PCIE_GB_PER_LANE["3.0"]) * 1e9 * int(lanes or 16)


def chunk_of(engine: Runtime, card: Card, cards: int) -> int:
    """Tokens of a prompt that a runtime reads at once by default."""
    memory = engine.memory
    if memory is None:
        return LONG_PROMPT
    if memory.ubatch_tokens:
        return memory.ubatch_tokens
    if not memory.tiers:
        return LONG_PROMPT
    shown = process_bytes(card.usable)
    load = scheduler_load(memory, card.gpu.id, shown, 1, 1, cards)
    return max(load.batched_tokens, 1)


def place_of(card: Card, cards: int, engine: Runtime, power_limit: float | None = None) -> Place:
    """A number of like cards under a runtime.

    Args:
        card: one of them; its bandwidth is known.
        cards: that share every layer; where a runtime deals whole layers, one.
        engine: the runtime.
        power_limit: W that each is limited to, or None for its default.
    """
    gpu = card.gpu
    link, width = "", 0.0
    if cards > 1:
        both = gpu.link_bandwidth.value
        link, width = ("nvlink", both / 2) if both else ("pcie", _lanes(gpu))
    default = gpu.power_limit.value
    return Place(
        gpu=gpu.id,
        isa=gpu.isa or "",
        vendor=gpu.vendor,
        runtime=engine.id,
        bandwidth=gpu.bandwidth.lowest or inf,
        peak=reference(card)[0],
        cards=cards,
        link=link,
        link_bandwidth=width,
        chunk=chunk_of(engine, card, cards),
        power=default / power_limit if default and power_limit else 1.0,
    )


def prepared_of(shape: Shape, card: Card, cards: int, engine: Runtime) -> Prepared:
    """A shape on a number of like cards under a runtime of the release that the catalogue holds."""
    executed = [multiplies_of(matrix, engine.id, card) for matrix in shape.matrices]
    return prepare(shape, place_of(card, cards, engine), executed)


def _basis(setting: Setting, card: Card) -> Basis:
    """The weakest basis of what a prediction rests on: weights, bandwidth, and published measurements."""
    roots: tuple[Basis, ...] = (setting.model.weights.root, card.gpu.bandwidth.root, "reported")
    return max(roots, key=STRENGTH.index)


def speed_on(setting: Setting, card: Card, cards: int) -> Speed:
    """What predictions of a setting on a number of like cards are made with."""
    shape = shape_of(setting.model, setting.kv)
    prepared = prepared_of(shape, card, cards, setting.runtime)
    sources = tuple(dict.fromkeys((*setting.model.weights.sources, *card.gpu.bandwidth.sources)))
    return speed_of(prepared, calibration(), sources, _basis(setting, card))


def _unknown_prefill(card: Card, speed: Speed) -> bool:
    """Without a published peak nothing is said of prefill on a card that nobody's measurement is known of."""
    near = seen_of(speed.calibration, card.gpu.id, speed.prepared.place.runtime)
    return not reference(card)[1] and near in ("unseen", "runtime")


def _unpredictable(setting: Setting, answer: Fit, column: Sequence[CardCount]) -> Message | None:
    """Why there is no speed on these cards, where there is none."""
    if answer.verdict == "no":
        refused = any(reason.code in ("check.raises", "check.kv_raises") for reason in answer.reasons)
        return message("unknown.does_not_run" if refused else "unknown.does_not_fit")
    weights = setting.model.weights
    if weights.value is None:
        return weights.note or message("unknown.weights")
    blind = [entry.card.gpu.bandwidth for entry in column if entry.card.gpu.bandwidth.value is None]
    return (blind[0].note or message("unknown.bandwidth")) if blind else None


def _speeds(setting: Setting, column: Sequence[CardCount]) -> list[tuple[Card, Speed]]:
    """What predictions on each kind of card are made with; whole layers on each card work one after the other."""
    together = sum(entry.number for entry in column) if setting.runtime.split == "tensor" else 1
    return [(entry.card, speed_on(setting, entry.card, together)) for entry in column]


def predicted(setting: Setting, workload: Workload, answer: Fit, column: Sequence[CardCount]) -> Prediction:
    """Prefill, decode and throughput on one set of cards; of unlike cards the slowest decides.

    A model that does not fit has no speed on these cards.
    """
    reason = _unpredictable(setting, answer, column)
    if reason is not None:
        return nothing(reason)
    found = [_on(speed, workload, card) for card, speed in _speeds(setting, column)]
    return max(found, key=lambda each: each.itl.value or 0.0)


def curves(setting: Setting, workload: Workload, answer: Fit, column: Sequence[CardCount]) -> SpeedPicture | None:
    """What the speed on one set of cards is drawn from; None where nothing is predicted."""
    from assay.reason.speed.picture import speed_picture  # noqa: PLC0415 -- few ask for a drawing

    if _unpredictable(setting, answer, column) is not None:
        return None
    speeds = [speed for _, speed in _speeds(setting, column)]
    slowest = max(speeds, key=lambda speed: predict(speed, workload).itl.value or 0.0)
    return speed_picture(slowest, workload, answer, setting.model.max_context)


NEAREST = 3


def nearest(setting: Setting, card: Card) -> tuple[Neighbour, ...]:
    """The published measurements that are most alike: of this runtime, of weights of this format, of as many bytes."""
    shape = shape_of(setting.model, setting.kv)
    size = sum(each.size * (shape.chosen / shape.experts if each.kind == "experts" else 1.0) for each in shape.matrices)
    if not size:
        return ()
    formats = {matrix.format for matrix in shape.matrices} | {setting.model.released_format}

    def apart(one: Neighbour) -> tuple[bool, bool, float, str]:
        alike = one.weights in formats
        return one.runtime != setting.runtime.id, not alike, abs(log(one.touched / size)), one.id

    return tuple(sorted(neighbours(card.gpu.id), key=apart)[:NEAREST])


def _on(speed: Speed, workload: Workload, card: Card) -> Prediction:
    found = predict(speed, workload)
    if not _unknown_prefill(card, speed):
        return found
    why = message("unknown.peak")
    return found._replace(prefill=unknown("token/s", why), ttft_unloaded=unknown("s", why))
