"""Where a model runs, as the speed model wants it: cards, links, and what multiplies each matrix there."""

from collections.abc import Sequence
from math import inf

from assay.answers.cards import Card
from assay.answers.execution import path_of_group
from assay.reason.memory.overhead import process_bytes, scheduler_load
from assay.reason.speed.shape import Matrix, Shape
from assay.reason.speed.step import FALLBACK_INTENSITY, Multiply, Place, Prepared, prepare
from assay.types.execution import Regime
from assay.types.gpu import Gpu, Peak
from assay.types.model import Role
from assay.types.runtime import Runtime

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
