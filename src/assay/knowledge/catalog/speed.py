"""The fit of the speed model, and the published measurements of a card that it was fitted to."""

from functools import cache

from assay.knowledge import store
from assay.types.speed import Calibration, Neighbour, Spread

FIT, ROWS = "speed_fit", "speed_row"
SOURCE = "assay-speed-fit"


@cache
def calibration() -> Calibration:
    """Coefficients and spreads, as `benchmarks/speed/calibrate_speed.py` wrote them."""
    body = store.entry(FIT, "fit") or {}
    spreads = {
        name: Spread(low, high, rows, stratum) for name, (low, high, rows, stratum) in body.get("spreads", {}).items()
    }
    return Calibration(body.get("coefficients", {}), spreads, body.get("fitted", {}), SOURCE)


@cache
def neighbours(gpu: str) -> tuple[Neighbour, ...]:
    """The published measurements of a card."""
    body = store.entry(ROWS, gpu) or {}
    cited = body.get("cited", ())
    return tuple(Neighbour._make([*row[:-1], cited[row[-1]]]) for row in body.get("rows", ()))
