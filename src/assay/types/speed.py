"""What the speed model was fitted to: coefficients, how far off it was, and the measurements behind them."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

SpeedKind = Literal["decode", "serving", "prefill"]
Seen = Literal["calibrated", "seen", "unseen", "runtime"]
"""How near the fitted measurements are: this card and runtime; this card; this runtime on other cards; neither."""


class Spread(NamedTuple):
    """Logarithms of predicted / measured seconds that rows of a stratum lie between with a chance of 80 %.

    Attributes:
        low, high: the ends.
        rows: how many residuals they come from.
        stratum: which, as it is called in the documentation.
    """

    low: float
    high: float
    rows: int
    stratum: str


class Calibration(NamedTuple):
    """A fit of the speed model.

    Attributes:
        coefficients: by level, see `reason/speed/step.py`.
        spreads: by `kind/seen/dense` or `kind/seen/experts`; every combination is there.
        fitted: measurements by `gpu/runtime` and kind.
        source: id of the catalogue's source that says how it was fitted.
    """

    coefficients: Mapping[str, float]
    spreads: Mapping[str, Spread]
    fitted: Mapping[str, Mapping[str, int]]
    source: str


class Neighbour(NamedTuple):
    """A published or stored measurement of the same card.

    Attributes:
        id: of the row; gpu, runtime, version, model, weights: what was run.
        kind: what was measured; sequences, prompt, output: tokens.
        seconds: what it took.
        touched: bytes of weights that a step of one token reads: what makes models alike.
        source: id of the catalogue's source.
    """

    id: str
    gpu: str
    runtime: str
    version: str
    model: str
    weights: str
    kind: SpeedKind
    sequences: float
    prompt: float
    output: float
    seconds: float
    touched: float
    source: str
