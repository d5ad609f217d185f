"""Training memory as predicted beside what was published (published.csv), with the verdict on the card that ran it.

    python benchmarks/training/compare.py

Rows are dealt to calibration or validation by the hash of their id, before anything is predicted: the terms of
data/training.toml may be moved by the first half only. A row of use `compare` has a peak; `verdict` only an outcome;
`none` is listed and not used, for the reason in its note. What a peak holds differs by how it was read: `allocated` has
neither CUDA's context nor fragmentation, `reserved` no context; a unit of `G` may be 1000^3 or 1024^3 bytes.

The terms were written before the first comparison. After it no typical term was moved but the share of inputs among the
sides of adapted matrices (0.5 to 0.45); three pessimistic ends came down to what autocast keeps of an adapter's input
and to the gradients of one layer.
"""

import csv
import hashlib
import statistics
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from assay.answers.asked import columns_of
from assay.answers.judged import memory_of
from assay.knowledge.catalog.training import training_terms
from assay.observe.checkpoint import config, read
from assay.reason.training import plan
from assay.reason.training.bounds import Bounds, Part, term
from assay.types.model import Model
from assay.types.training import LOSSES, METHODS, OPTIMIZERS, PRECISIONS, SHARDS, TARGETS, Training

HERE = Path(__file__).parent
UNITS = {"GB": (1e9, 1e9), "GiB": (2.0**30, 2.0**30), "G": (1e9, 2.0**30)}


class Row(NamedTuple):
    """A published figure: its id, what was trained how on what, the outcome, and the peak's ends in bytes."""

    id: str
    model: str
    training: Training
    cards: int
    gpu: str
    outcome: str
    peak: tuple[float, float] | None
    measure: str
    use: str

    @property
    def half(self) -> str:
        """`calibration` or `validation`, by the hash of the id."""
        odd = hashlib.sha256(self.id.encode()).digest()[0] % 2
        return "calibration" if odd else "validation"


class Compared(NamedTuple):
    """A row beside the prediction: its interval for what was read, the typical value's relative error, the verdict."""

    row: Row
    predicted: Bounds
    error: float | None
    inside: bool | None
    verdict: str


@cache
def model_of(name: str) -> Model:
    """A model of models.toml, or of the catalogue."""
    known = tomllib.loads((HERE / "models.toml").read_text(encoding="utf-8"))
    if name not in known:
        return read.read(name)
    return config.model(known[name], None, config.Origin(name, "models.toml", "config", (), "bf16"))


def _row(line: dict[str, str]) -> Row:
    training = Training(
        method=METHODS[METHODS.index(line["method"])],
        optimizer=OPTIMIZERS[OPTIMIZERS.index(line["optimizer"])],
        precision=PRECISIONS[PRECISIONS.index(line["precision"])],
        rank=int(line["rank"] or 1),
        targets=TARGETS[TARGETS.index(line["targets"] or "all-linear")],
        sequence=int(line["sequence"] or 1),
        micro_batch=int(line["micro_batch"]),
        checkpointing=line["checkpointing"] == "yes",
        loss=LOSSES[LOSSES.index(line["loss"])],
        shard=SHARDS[SHARDS.index(line["shard"])],
    )
    peak = None
    if line["unit"] in UNITS and line["peak"]:
        low, high = UNITS[line["unit"]]
        peak = float(line["peak"]) * low, float(line["peak"]) * high
    return Row(
        line["id"],
        line["model"],
        training,
        int(line["cards"]),
        line["gpu"],
        line["outcome"],
        peak,
        line["measure"],
        line["use"],
    )


def rows() -> list[Row]:
    """All rows of the list."""
    with (HERE / "published.csv").open(encoding="utf-8", newline="") as file:
        return [_row(line) for line in csv.DictReader(file)]


def _read_as(found: dict[str, Part], measure: str) -> Bounds:
    """The part of the need that this reading holds."""
    held = sum((found[name].size for name in plan.ADDED), Bounds(0.0, 0.0, 0.0))
    whole = held + found["overhead"].size
    context = term(training_terms(), "context")
    if measure == "allocated":
        return held
    return Bounds(*(end - own for end, own in zip(whole, context, strict=True))) if measure == "reserved" else whole


def compared(row: Row) -> Compared:
    """The prediction for a row."""
    column = columns_of((f"{row.cards}x {row.gpu}" if row.cards > 1 else row.gpu,))[0][0]
    subject = plan.Subject(model_of(row.model), memory_of(column), training_terms())
    verdict, _ = plan.verdict(plan.plan(subject, row.training))
    predicted = _read_as(plan.parts(subject, row.training), row.measure)
    if row.use != "compare" or row.peak is None:
        return Compared(row, predicted, None, None, verdict)
    low, high = row.peak
    nearest = min(max(predicted.typical, low), high)
    return Compared(
        row,
        predicted,
        predicted.typical / nearest - 1,
        predicted.low <= high and low <= predicted.high,
        verdict,
    )


def report() -> list[str]:
    """The table of errors, and what they come to."""
    found = [compared(row) for row in rows() if row.use != "none"]
    lines = [f"{'row':38} {'half':11} {'published':>9} {'predicted (GiB)':>24} {'error':>7} in  verdict"]
    for each in found:
        peak = "" if each.row.peak is None else f"{each.row.peak[0] / 2**30:.2f}"
        low, typical, high = (end / 2**30 for end in each.predicted)
        error = "" if each.error is None else f"{each.error:+.1%}"
        inside = {True: "yes", False: "NO", None: ""}[each.inside]
        shown = f"{typical:.2f} [{low:.2f}..{high:.2f}]"
        expected = "oom" if each.row.outcome == "oom" else ""
        lines.append(
            f"{each.row.id:38} {each.row.half:11} {peak:>9} {shown:>24} {error:>7} {inside:3} {each.verdict} {expected}"
        )
    for half in ("calibration", "validation"):
        errors = [abs(each.error) for each in found if each.error is not None and each.row.half == half]
        outside = sum(each.inside is False for each in found if each.row.half == half)
        lines.append(
            f"{half}: {len(errors)} peaks, median error {statistics.median(errors):.1%}, "
            f"worst {max(errors):.1%}, outside the interval {outside}"
        )
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join(report()) + "\n")
