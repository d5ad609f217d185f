"""Reads `serving.csv`: published measurements of servers, one quantity a row, refused where a row is not of the form.

The columns are described in README.md. A row with a reason in `excluded` is kept for what it says (a bound, a card
whose edition nobody states) and is never fitted nor scored.
"""

import csv
import sys
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from assay.answers.cards import card as card_of
from assay.answers.model import answer as read_model
from assay.knowledge.catalog.weight_formats import known, storage
from assay.types.model import Model

HERE = Path(__file__).parent
PATH = HERE / "serving.csv"
RUNTIMES = ("vllm", "sglang", "tensorrt-llm", "transformers", "exllamav2", "exllamav3")
UNITS = {
    "tpot": "s", "itl": "s", "ttft": "s", "throughput": "token/s", "decode": "token/s", "prefill": "token/s",
}  # fmt: skip
STATISTICS = ("mean", "median", "p99", "not stated")
EVIDENCE = ("raw", "table", "prose")
SLACK = 1.05
"""How far a row may lie above a peak of the data sheet before it is impossible: clocks above the rated one."""
UNEVEN = 1.25
"""How far a total may exceed sequences / mean time per token: the mean weighs short requests like long ones."""
WHOLE = ("gpus", "tp", "pp", "dp", "ep")
OPTIONAL = ("power_limit_w", "concurrency", "prompt", "output")


class RowError(ValueError):
    """A row that breaks the form; the message begins with its id."""


class Row(NamedTuple):
    """One measured quantity. Empty cells of figures are None: not stated."""

    id: str
    group: str
    gpu: str
    gpus: int
    power_limit_w: int | None
    runtime: str
    version: str
    date: str
    model: str
    config: str
    weights: str
    kv: str
    tp: int
    pp: int
    dp: int
    ep: int
    concurrency: int | None
    prompt: int | None
    output: int | None
    quantity: str
    value: float
    unit: str
    statistic: str
    settings: str
    evidence: str
    source: str
    quote: str
    excluded: str

    @property
    def run(self) -> tuple[Any, ...]:
        """What two quantities of one run share."""
        return (*self[1:19], self.settings, self.source)


def _figure(name: str, text: str, *, least: int) -> int:
    if not text.isdigit() or int(text) < least:
        raise RowError(f"{name} is a whole number from {least}, not {text!r}")
    return int(text)


def row_of(cells: dict[str, Any]) -> Row:
    """A row from the text of its cells; RowError when it is not of the form."""
    try:
        return _row(cells)
    except RowError as error:
        raise RowError(f"{cells.get('id') or 'a row without an id'}: {error}") from None


def _row(cells: dict[str, Any]) -> Row:
    if set(cells) != set(Row._fields) or not all(isinstance(cell, str) for cell in cells.values()):
        raise RowError(f"columns are {', '.join(Row._fields)}")
    if any(cell != cell.strip() for cell in cells.values()):
        raise RowError("a cell begins or ends with a space")
    values: dict[str, Any] = dict(cells)
    values |= {name: _figure(name, cells[name], least=1) for name in WHOLE}
    values |= {name: _figure(name, cells[name], least=0) if cells[name] else None for name in OPTIONAL}
    try:
        values["value"] = float(cells["value"])
    except ValueError:
        raise RowError(f"value is a number, not {cells['value']!r}") from None
    row = Row(**values)
    _check(row)
    return row


def _check(row: Row) -> None:
    """The form of one row; RowError without its id."""
    needed = ("id", "group", "model", "weights", "runtime", "quantity", "statistic", "evidence", "source", "quote")
    missing = [name for name in needed if not getattr(row, name)]
    if not row.excluded:
        missing += [name for name in ("gpu", "config") if not getattr(row, name)]
        missing += ["concurrency"] if row.concurrency is None else []
    if missing:
        raise RowError(f"without {', '.join(missing)}")
    allowed = {"runtime": RUNTIMES, "quantity": UNITS, "statistic": STATISTICS, "evidence": EVIDENCE}
    for name, choices in allowed.items():
        if getattr(row, name) not in choices:
            raise RowError(f"{name} cannot be {getattr(row, name)!r}")
    if not known(row.weights):
        raise RowError(f"no weight format is called {row.weights!r}")
    if row.unit != UNITS[row.quantity]:
        raise RowError(f"{row.quantity} is in {UNITS[row.quantity]}, not {row.unit!r}")
    if not 0 < row.value < 1e7:
        raise RowError(f"value {row.value} is above zero and below 10 million")
    if row.tp * row.pp * row.dp != row.gpus:
        raise RowError(f"tp x pp x dp = {row.tp * row.pp * row.dp} are not {row.gpus} cards")
    if row.quantity in {"decode", "prefill"} and row.concurrency not in {1, None}:
        raise RowError(f"{row.quantity} is of one sequence, not {row.concurrency}")


@cache
def model_of(config: str) -> Model:
    """The model whose shapes a row names: a catalogue name, a file of configs/, or `memory/NAME.json`."""
    if not config.endswith(".json"):
        return read_model(config)
    inside, _, name = config.rpartition("/")
    return read_model(HERE.parent / "memory" / "configs" / name if inside == "memory" else HERE / "configs" / name)


def least_bytes(row: Row) -> float:
    """Bytes of weights that a decode step of one sequence cannot do without: elements only, without their scales.

    An untied embedding table is looked up row by row and is left out; of routed experts the chosen ones count.
    """
    model = model_of(row.config)
    head = any(group.role == "head" for group in model.groups)
    left_out = {"vision", "mtp", "adapter"} | ({"embedding"} if head else set())
    active = sum(group.active for group in model.groups if group.role not in left_out)
    stored = storage(row.weights)
    return active * (stored.bits if stored else 0) / 8


def _floor(row: Row) -> str | None:
    """Why a decode figure is faster than the memory of its cards, or None."""
    if row.quantity not in {"tpot", "itl", "decode"}:
        return None
    step = row.value if row.unit == "s" else 1 / row.value
    bandwidth = card_of(row.gpu).gpu.bandwidth.value or float("inf")
    share = least_bytes(row) / step / (row.tp * bandwidth)
    return f"reads {share:.2f} of the bandwidth of its cards" if share > SLACK else None


def _ceiling(row: Row) -> str | None:
    """Why a rate multiplies faster than any unit of its cards, or None."""
    if row.quantity not in {"throughput", "prefill"}:
        return None
    peaks = [peak.rate.value for peak in card_of(row.gpu).peaks if peak.sparsity == "dense" and peak.rate.value]
    rate = 2 * model_of(row.config).active_parameters * row.value
    if not peaks or rate <= SLACK * row.gpus * max(peaks):
        return None
    return f"multiplies at {rate / row.gpus / max(peaks):.2f} of the highest peak of its cards"


def _overfull(row: Row) -> str | None:
    """Why the cards cannot hold what a row says runs together, its cache at one byte an element; or None.

    The requests that do not fit wait, so that the concurrency of such a row is not the number of sequences of a step.
    """
    if row.concurrency is None or row.prompt is None:
        return None
    model = model_of(row.config)
    each = sum(
        layer.count * (layer.kv_heads * (layer.key_dim + layer.value_dim) + layer.latent_dim + layer.rope_dim)
        for layer in model.layers
        if layer.kind in {"full", "mla"}
    )
    copies = row.tp if all(layer.kind != "mla" for layer in model.layers) else 1
    cache = row.concurrency * row.prompt * each
    room = row.gpus * (card_of(row.gpu).gpu.memory_sold.value or float("inf"))
    need = cache * row.tp / copies + least_bytes(row) * row.dp
    return f"holds {need / room:.2f} of the memory of its cards" if need > room else None


def impossible(row: Row) -> str | None:
    """Why a row cannot have been measured as it stands, or None."""
    return _floor(row) or _ceiling(row) or _overfull(row)


def contradictions(rows: Iterable[Row]) -> dict[str, str]:
    """Ids of throughput rows that exceed what the same run's time per token lets its sequences produce, and why."""
    runs: dict[tuple[Any, ...], dict[str, Row]] = defaultdict(dict)
    for row in rows:
        if row.statistic != "p99":
            runs[row.run].setdefault(row.quantity, row)
    found = {}
    for quantities in runs.values():
        total, each = quantities.get("throughput"), quantities.get("tpot")
        if total is None or each is None or total.concurrency is None:
            continue
        most = total.concurrency / each.value
        if total.value > UNEVEN * most:
            found[total.id] = f"{total.value:g} token/s of {total.concurrency} sequences at {each.value:g} s a token"
    return found


def load(path: Path = PATH) -> tuple[Row, ...]:
    """All rows in the order of the file; RowError for a malformed row or a repeated id."""
    with path.open(newline="", encoding="utf-8") as lines:
        rows = tuple(row_of(cells) for cells in csv.DictReader(lines))
    if len({row.id for row in rows}) != len(rows):
        raise RowError("an id is used twice")
    return rows


def usable(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows that may be fitted or scored."""
    return tuple(row for row in rows if not row.excluded)


def _main() -> int:
    rows = load()
    bad = {row.id: why for row in usable(rows) if (why := impossible(row))} | contradictions(usable(rows))
    for name, why in bad.items():
        print(f"{name}: {why}")
    print(f"{len(rows)} rows, {len(usable(rows))} usable")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(_main())
