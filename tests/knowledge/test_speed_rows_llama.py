"""The published speeds of llama.cpp and its like: every row obeys the rule, and none is faster than its card."""

import csv
import re
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from assay.answers.cards import Card, card
from assay.answers.model import answer as read_model
from assay.answers.narrower import cost_of
from assay.answers.weights import by_recipe
from assay.knowledge.catalog.recipes import recipe
from assay.knowledge.catalog.weight_formats import storage
from assay.reason.memory.requantize import requantized
from assay.reason.speed.shape import group_bytes, matrices
from assay.types.model import Model

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"
MEMORY = SPEED.parent / "memory" / "configs"
GIB = 2**30
COLUMNS = """id group gpu gpus power_limit_w host runtime version built model config weights size_gib parameters_b kv
quantity prompt depth output batch value spread unit flash_attention offload evidence source quote excluded"""
ALWAYS = "id group gpu gpus runtime model weights quantity value unit evidence source"
WHOLE = ("gpus", "prompt", "depth", "output", "batch")
RUNTIMES = ("llama.cpp", "ik_llama.cpp", "mlx", "exllama")
BUILT = re.compile(r"(post:)?20[2-3]\d-(0[1-9]|1[0-2])")
ABOVE_BANDWIDTH = 1.05
"""A decode step may read up to 5 % less than every weight it is said to touch (rounded sizes, tied tables)."""
SIZE_WITHIN = 0.02
"""How far the size that llama-bench prints may lie from the recipe's: a row beyond it names the wrong model."""
LEAST_DECODE, LEAST_PREFILL, LEAST_CARDS, LEAST_SHAPES = 700, 500, 50, 40


class RowError(ValueError):
    """A row that breaks the rule; the message names the row and what is wrong."""


class Row(NamedTuple):
    """One measurement; text columns as they stand, counts and the speed as numbers."""

    cells: dict[str, str]
    gpus: int
    prompt: int
    depth: int
    output: int
    batch: int
    value: float

    def __getattr__(self, name: str) -> str:
        return self.cells[name]

    @property
    def is_good(self) -> bool:
        return not self.cells["excluded"]


def touched(model: Model) -> float:
    """Bytes of weights that a step of one token reads."""
    return sum(group_bytes(model, group, 1) for group in model.groups)


def met(model: Model) -> float:
    """Parameters that one token is multiplied with."""
    return sum(matrix.met for matrix in matrices(model))


def _whole(cells: dict[str, str], name: str) -> int:
    if not re.fullmatch(r"\d+", cells[name]):
        raise RowError(f"{cells['id']}: {name} is {cells[name]!r}")
    return int(cells[name])


def _positive(cells: dict[str, str], name: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", cells[name]) or float(cells[name]) <= 0:
        raise RowError(f"{cells['id']}: {name} is {cells[name]!r}")
    return float(cells[name])


def row_of(cells: dict[str, str]) -> Row:
    """The row that these cells are.

    Raises:
        RowError: a cell is missing, of the wrong kind or outside its list.
    """
    for name in ALWAYS.split():
        if not cells[name].strip():
            raise RowError(f"{cells['id']}: no {name}")
    for name in ("size_gib", "parameters_b", "power_limit_w"):
        if cells[name]:
            _positive(cells, name)
    if cells["spread"] and not re.fullmatch(r"\d+(\.\d+)?", cells["spread"]):
        raise RowError(f"{cells['id']}: spread is {cells['spread']!r}")
    listed = {
        "quantity": ("decode", "prefill"),
        "unit": ("token/s",),
        "evidence": ("raw", "table", "prose"),
        "flash_attention": ("", "on", "off", "auto"),
        "runtime": RUNTIMES,
    }
    for name, allowed in listed.items():
        if cells[name] not in allowed:
            raise RowError(f"{cells['id']}: {name} is {cells[name]!r}")
    row = Row(cells, *(_whole(cells, name) for name in WHOLE), _positive(cells, "value"))
    if row.gpus < 1 or row.batch < 1:
        raise RowError(f"{row.id}: no card or no sequence")
    if row.is_good:
        _check_good(row)
    return row


def _check_good(row: Row) -> None:
    """What a row needs to be fitted or tested with."""
    if not BUILT.fullmatch(row.built):
        raise RowError(f"{row.id}: built is {row.built!r}")
    if not row.config or not row.quote or not row.kv:
        raise RowError(f"{row.id}: no config, quote or type of the KV cache")
    tokens = (row.output, row.prompt) if row.quantity == "decode" else (row.prompt, row.output)
    if not tokens[0] or tokens[1]:
        raise RowError(f"{row.id}: a {row.quantity} of {row.prompt} and {row.output} tokens")
    if recipe(row.weights) is None and storage(row.weights) is None and not row.size_gib:
        raise RowError(f"{row.id}: neither a format nor a size says how many bytes the weights are")


def load() -> tuple[Row, ...]:
    with (SPEED / "llama.csv").open(newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines, strict=True)
        assert reader.fieldnames == COLUMNS.split()
        return tuple(row_of(cells) for cells in reader)


@pytest.fixture(scope="module")
def rows() -> tuple[Row, ...]:
    return load()


@pytest.fixture(scope="module")
def good(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return tuple(row for row in rows if row.is_good)


def config_path(name: str) -> str:
    """The file of a configuration, or the name itself where it is one of the catalogue."""
    folder, _, rest = name.rpartition("memory/")
    path = MEMORY / rest if not folder and name.startswith("memory/") else SPEED / "configs" / name
    return str(path) if path.is_file() else name


@cache
def model_of(name: str) -> Model:
    return read_model(config_path(name))


@cache
def stored(name: str, weights: str) -> Model:
    """The model of a configuration under one of llama-quantize's recipes."""
    return by_recipe(model_of(name), config_path(name), weights)


@cache
def card_of(name: str) -> Card:
    return card(name)


def read_bytes(row: Row) -> float:
    """Fewest bytes of weights that a decode step can read: those that one token touches, however many there are.

    Of a publisher's own mixture, its size times the share that a token touches of the model as released.
    """
    if recipe(row.weights) is not None:
        return touched(stored(row.config, row.weights))
    model = model_of(row.config)
    if storage(row.weights) is not None:
        return touched(requantized(model, cost_of(row.weights)))
    return touched(model) / loaded_bytes(model) * float(row.size_gib) * GIB


def loaded_bytes(model: Model) -> int:
    """Bytes of the text model alone: GGUF keeps a vision tower in a file of its own."""
    return sum(group.size for group in model.groups if group.role not in {"vision", "mtp"})


def highest_peak(row: Row) -> float | None:
    """The card's highest dense matrix peak in any format; None where none is known."""
    peaks = [peak for peak in card_of(row.gpu).peaks if peak.sparsity == "dense" and peak.unit == "matrix"]
    return max((peak.rate.value for peak in peaks if peak.rate.value), default=None)


def test_there_are_rows_enough(good: tuple[Row, ...]) -> None:
    quantities = Counter(row.quantity for row in good)
    assert quantities["decode"] >= LEAST_DECODE
    assert quantities["prefill"] >= LEAST_PREFILL
    assert len({row.gpu for row in good}) >= LEAST_CARDS
    assert len({row.config for row in good}) >= LEAST_SHAPES


def test_ids_and_measurements_are_there_once(rows: tuple[Row, ...], good: tuple[Row, ...]) -> None:
    assert len({row.id for row in rows}) == len(rows)
    aside = {"id", "quote", "excluded", "spread", "value", "evidence"}
    told = Counter(tuple(value for name, value in row.cells.items() if name not in aside) for row in good)
    assert [key for key, count in told.items() if count > 1] == []


def test_a_group_is_one_source(rows: tuple[Row, ...]) -> None:
    sources: dict[str, set[str]] = {}
    for row in rows:
        sources.setdefault(row.group, set()).add(row.source)
    assert [group for group, found in sources.items() if len(found) > 1] == []


def test_cards_of_good_rows_are_in_the_catalogue(good: tuple[Row, ...]) -> None:
    for name in {row.gpu for row in good}:
        assert card_of(name).gpu.id == name


def test_sources_are_told_once_and_used(rows: tuple[Row, ...]) -> None:
    told = tomllib.loads((SPEED / "sources_llama.toml").read_text(encoding="utf-8"))
    assert set(told) == {row.source for row in rows}
    for entry in told.values():
        assert entry["url"].startswith("https://")
        assert entry["title"]
        assert entry["date"]


def test_shapes_are_loaded_and_name_their_source(good: tuple[Row, ...]) -> None:
    told = tomllib.loads((SPEED / "configs" / "sources.toml").read_text(encoding="utf-8"))
    assert set(told) >= {name for name in {row.config for row in good} if (SPEED / "configs" / name).is_file()}
    for name in {row.config for row in good}:
        assert model_of(name).parameters > 0


def test_printed_sizes_are_those_of_the_model_and_recipe(good: tuple[Row, ...]) -> None:
    for row in good:
        if not row.size_gib or recipe(row.weights) is None:
            continue
        model = stored(row.config, row.weights)
        aside = sum(group.size for group in model.groups if group.role == "vision")
        low, high = ((model.weights.lowest or 0) - aside) / GIB, ((model.weights.highest or 0) - aside) / GIB
        printed = float(row.size_gib)
        assert low * (1 - SIZE_WITHIN) <= printed <= high * (1 + SIZE_WITHIN), (row.id, low, high, printed)


def test_no_decode_reads_faster_than_the_memory(good: tuple[Row, ...]) -> None:
    for row in good:
        bandwidth = card_of(row.gpu).gpu.bandwidth.value
        if row.quantity == "decode" and bandwidth:
            share = row.value / row.batch * read_bytes(row) / (bandwidth * row.gpus)
            assert share <= ABOVE_BANDWIDTH, (row.id, row.quote)


def test_no_prefill_multiplies_faster_than_the_peak(good: tuple[Row, ...]) -> None:
    for row in good:
        peak = highest_peak(row)
        if row.quantity == "prefill" and peak:
            assert 2 * met(model_of(row.config)) * row.value <= peak * row.gpus, (row.id, row.quote)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("value", "-1"),
        ("value", "0"),
        ("value", "1,024"),
        ("value", "nan"),
        ("gpus", "0"),
        ("batch", "1.5"),
        ("quantity", "speed"),
        ("unit", "ms"),
        ("evidence", "hearsay"),
        ("built", "2025"),
        ("config", ""),
        ("quote", ""),
        ("prompt", "512"),
        ("output", "0"),
        ("power_limit_w", "300 W"),
        ("flash_attention", "1"),
    ],
)
def test_a_broken_cell_is_refused(name: str, value: str, good: tuple[Row, ...]) -> None:
    decode = next(row for row in good if row.quantity == "decode")
    with pytest.raises(RowError, match=decode.id):
        row_of({**decode.cells, name: value})
