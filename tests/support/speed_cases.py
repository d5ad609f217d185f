"""A small model on a small card, for tests of the speed model: bytes and rates that can be divided by hand."""

from assay.reason.speed.shape import Shape, shape_of
from assay.reason.speed.step import Multiply, Place, Prepared, prepare
from assay.types.model import LayerGroup, Model, TensorGroup
from assay.types.quantity import exact
from assay.types.runtime import KvFormat
from assay.types.speed import Calibration, Spread

GROUPS = (
    TensorGroup("embedding", "bf16", 100, 1, 1, 200),
    TensorGroup("head", "bf16", 100, 100, 1, 200),
    TensorGroup("attention", "bf16", 300, 300, 4, 600),
    TensorGroup("experts", "bf16", 1280, 80, 4, 2560),
)
MOE = Model(
    name="moe",
    architecture="qwen3_moe",
    released_format="bf16",
    requantized_from=None,
    groups=GROUPS,
    layers=(LayerGroup("full", 1, 4, 4, 8, 8),),
    weights=exact(3560, "B", "documented"),
    hidden_size=8,
    vocabulary=16,
    intermediate=16,
    experts=128,
    experts_per_token=8,
    max_context=1024,
    container="config",
)
KV = KvFormat("bf16", 1, 2)
PLACE = Place("card", "isa", "NVIDIA", "vllm", bandwidth=1000.0, peak=1e6, chunk=512)
IDEAL: dict[str, float] = {
    "layer": -1e3,
    "expert_layer": -1e3,
    "step": -1e3,
    "each": -1e3,
    "rows": -1e3,
    "pad": -1e3,
    "reduce": -1e3,
    "ring": -1e3,
}
"""Coefficients of a card that reaches its peaks and pays for nothing else."""


def prepared(shape: Shape | None = None, place: Place = PLACE, peak: float | None = None) -> Prepared:
    """The small model on a place, every matrix multiplied by one path."""
    found = shape or shape_of(MOE, KV)
    path = (Multiply(1, "bf16", "tensor", peak or place.peak, known=True),)
    return prepare(found, place, [path] * len(found.matrices))


def calibration(low: float = -0.1, high: float = 0.2, rows: int = 40) -> Calibration:
    """A fit whose every stratum has the same spread, with measurements of the small card under vLLM."""
    names = [
        f"{kind}/{seen}/{which}"
        for kind in ("decode", "serving", "prefill")
        for seen in ("calibrated", "seen", "unseen", "runtime")
        for which in ("dense", "experts")
    ]
    spreads = {name: Spread(low, high, rows, name) for name in names}
    return Calibration(IDEAL, spreads, {"card/vllm": {"decode": 9}}, "as-asked")
