"""Published start-up logs of vLLM and SGLang, one row a log: read and checked, never guessed.

What the columns mean, and what makes a row usable, is stated in README.md beside the data.
"""

import csv
import math
from pathlib import Path
from typing import NamedTuple

PATH = Path(__file__).parent / "startup_logs.csv"
SETS = ("main", "tokens only", "weights only", "inconsistent", "incomplete")
OUTCOMES = ("started", "no room", "out of memory later")
RUNTIMES = ("vllm", "sglang")
UNKNOWN_SOURCE = "copy, id unknown"  # a copy was seen, its original was not found: never in the main set
LARGEST_CARD_GIB = 300.0  # above any card sold: a figure beyond it has lost its unit
LARGEST_GRAPH_GIB = 20.0


class RowError(ValueError):
    """A row that breaks the rule; the message names the row, the column and the value."""


class Row(NamedTuple):
    """One start-up log; memory in GiB of one card, as the log prints it; None is a figure not printed."""

    id: str
    set: str
    reason: str
    outcome: str
    group: str
    twin_of: str
    runtime: str
    version: str
    card: str
    card_basis: str
    cards: int | None
    model_id: str
    config: str
    weight_format: str
    kv_cache_dtype: str
    tp: int | None
    pp: int | None
    dp: int | None
    max_model_len: int | None
    utilization: float | None
    utilization_basis: str
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    enforce_eager: bool | None
    other_flags: str
    total_memory_gib: float | None
    free_memory_gib: float | None
    model_loading_gib: float | None
    available_kv_gib: float | None
    kv_tokens: int | None
    concurrency: float | None
    num_gpu_blocks: int | None
    block_size: int | None
    non_torch_gib: float | None
    activation_peak_gib: float | None
    graph_gib: float | None
    graph_estimated_gib: float | None
    encoder_cache_tokens: int | None
    free_after_load_gib: float | None
    free_after_pool_gib: float | None
    check_concurrency: str
    check_bytes: str
    check_budget: str
    source: str
    quote: str
    note: str


REQUIRED = ("id", "set", "outcome", "group", "runtime", "version", "card", "model_id", "source", "quote")
REQUIRED_MAIN = (
    "config",
    "weight_format",
    "kv_cache_dtype",
    "cards",
    "tp",
    "utilization",
    "model_loading_gib",
    "available_kv_gib",
)
SIGNED = ("available_kv_gib", "graph_gib", "graph_estimated_gib", "non_torch_gib")
CHOICES = {"set": SETS, "outcome": OUTCOMES, "runtime": RUNTIMES}


def _value(row: str, name: str, text: str) -> object:
    """One cell as its column's type; an empty cell of a number or a truth value is None."""
    kind = Row.__annotations__[name]
    if kind is str:
        return text
    if text == "":
        return None
    try:
        if kind == bool | None:
            return {"true": True, "false": False}[text]
        number = float(text) if kind == float | None else int(text)
    except (ValueError, KeyError):
        raise RowError(f"{row}: {name} cannot be {text!r}") from None
    if not math.isfinite(number):
        raise RowError(f"{row}: {name} cannot be {text!r}")
    return number


def _check_ranges(row: Row) -> None:
    """Numbers lie where their unit allows; RowError otherwise."""
    for name, value in row._asdict().items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        limit = LARGEST_GRAPH_GIB if name.startswith("graph") else LARGEST_CARD_GIB
        signed = name in SIGNED
        if value < 0 and not signed:
            raise RowError(f"{row.id}: {name} below zero: {value}")
        if name.endswith("_gib") and abs(value) > limit:
            raise RowError(f"{row.id}: {name} beyond any card: {value}")
    if row.utilization is not None and not 0 < row.utilization <= 1:
        raise RowError(f"{row.id}: utilization is a share of one: {row.utilization}")
    for name in ("cards", "tp", "pp", "dp"):
        if getattr(row, name) == 0:
            raise RowError(f"{row.id}: {name} cannot be 0")


def _check_rule(row: Row) -> None:
    """Every row has what each set needs, as the README's rule states it; RowError otherwise."""
    for name, allowed in CHOICES.items():
        if getattr(row, name) not in allowed:
            raise RowError(f"{row.id}: {name} cannot be {getattr(row, name)!r}")
    names = REQUIRED + (REQUIRED_MAIN if row.set == "main" else ())
    missing = [name for name in names if getattr(row, name) in (None, "")]
    if missing:
        raise RowError(f"{row.id}: without {', '.join(missing)}")
    if row.set == "main" and row.card == "unknown":
        raise RowError(f"{row.id}: a row of the main set names its card")
    if row.set != "main" and not row.reason:
        raise RowError(f"{row.id}: a row outside the main set says why")
    if not row.source.startswith("https://") and (row.set == "main" or row.source != UNKNOWN_SOURCE):
        raise RowError(f"{row.id}: the source is an address, not {row.source!r}")
    off = [name for name in ("check_bytes", "check_budget") if getattr(row, name)[:1] in ("+", "-")]
    if row.set == "main" and off:
        raise RowError(f"{row.id}: {', '.join(off)} disagrees, so the row cannot be in the main set")


def row_of(cells: dict[str, str]) -> Row:
    """A row from the text of its cells, checked; RowError when it breaks the rule."""
    name = cells.get("id") or "a row without an id"
    absent = [field for field in Row._fields if cells.get(field) is None]
    unknown = [field for field in cells if field not in Row._fields]
    if absent or unknown:
        raise RowError(f"{name}: columns missing {absent}, unknown {unknown}")
    row = Row(**{field: _value(name, field, cells[field]) for field in Row._fields})  # type: ignore[arg-type]
    _check_ranges(row)
    _check_rule(row)
    return row


def load(path: Path = PATH) -> tuple[Row, ...]:
    """All rows in the order of the file; RowError for a malformed row, a repeated id or a twin of nothing."""
    with path.open(newline="", encoding="utf-8") as lines:
        rows = tuple(row_of(cells) for cells in csv.DictReader(lines))
    by_id = {row.id: row for row in rows}
    if len(by_id) != len(rows):
        raise RowError("an id is used twice")
    for row in rows:
        if not row.twin_of:
            continue
        first = by_id.get(row.twin_of)
        if first is None or first.group != row.group or first.twin_of:
            raise RowError(f"{row.id}: twin_of names no first row of its group: {row.twin_of!r}")
    return rows


def usable(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows that count: the main set, a repeated run once."""
    return tuple(row for row in rows if row.set == "main" and not row.twin_of)
