"""The published serving measurements: every row is of the form, names what Assay knows, and is physically possible."""

import csv
import sys
import tomllib
from pathlib import Path

import pytest

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"
sys.path.insert(0, str(SPEED))

import import_silicon  # noqa: E402  (benchmarks are scripts, not a package)
from serving_rows import Row, RowError, contradictions, impossible, load, model_of, row_of, usable  # noqa: E402

from assay.knowledge.identity.identify import identify  # noqa: E402

LEAST_USABLE = 1000


@pytest.fixture(scope="module")
def rows() -> tuple[Row, ...]:
    return load()


@pytest.fixture
def cells() -> dict[str, str]:
    """The cells of a good row: 70 billion parameters in FP8 on one H200, 20 ms a token."""
    return {
        "id": "S9999", "group": "g", "gpu": "h200-sxm-141gb", "gpus": "1", "power_limit_w": "", "runtime": "vllm",
        "version": "0.19.0", "date": "2026-04-01", "model": "meta-llama/Llama-3.1-70B",
        "config": "meta-llama/Llama-3.1-70B", "weights": "fp8", "kv": "", "tp": "1", "pp": "1", "dp": "1", "ep": "1",
        "concurrency": "4", "prompt": "1024", "output": "1024", "quantity": "tpot", "value": "0.02", "unit": "s",
        "statistic": "mean", "settings": "", "evidence": "raw", "source": "s", "quote": "q", "excluded": "",
    }  # fmt: skip


def test_enough_rows_are_usable(rows: tuple[Row, ...]) -> None:
    assert len(usable(rows)) >= LEAST_USABLE


def test_cards_are_named_by_exactly_one_id(rows: tuple[Row, ...]) -> None:
    names = {row.gpu for row in rows if row.gpu}
    assert {name: identify(name).candidates for name in names} == {name: (name,) for name in names}


def test_configurations_can_be_laid_out(rows: tuple[Row, ...]) -> None:
    models = {row.config: model_of(row.config) for row in rows if row.config}
    assert {name for name, model in models.items() if not model.parameters or not model.layers} == set()


def test_configurations_here_name_their_source() -> None:
    folder = SPEED / "configs"
    told = tomllib.loads((folder / "sources.toml").read_text(encoding="utf-8")) if folder.is_dir() else {}
    assert set(told) == {path.name for path in folder.glob("*.json")}
    assert all(entry["source"].startswith("https://") and entry["basis"] for entry in told.values())


def test_sources_are_told_and_used(rows: tuple[Row, ...]) -> None:
    told = tomllib.loads((SPEED / "sources_serving.toml").read_text(encoding="utf-8"))
    assert set(told) == {row.source for row in rows}
    assert all(set(entry) == {"title", "url", "date", "licence"} for entry in told.values())
    assert all(entry["url"].startswith("https://") for entry in told.values())


def test_no_measurement_is_there_twice(rows: tuple[Row, ...]) -> None:
    seen: dict[tuple[object, ...], str] = {}
    twice = {}
    for row in rows:
        key = (*row[1:25], row.source, row.quote)
        if key in seen:
            twice[row.id] = seen[key]
        seen[key] = row.id
    assert twice == {}


def test_a_group_is_one_source_one_card_one_shape_and_one_runtime(rows: tuple[Row, ...]) -> None:
    held: dict[str, set[tuple[str, ...]]] = {}
    for row in rows:
        held.setdefault(row.group, set()).add((row.source, row.gpu, row.runtime))
    assert {group: kinds for group, kinds in held.items() if len(kinds) > 1} == {}


def test_no_usable_row_is_impossible(rows: tuple[Row, ...]) -> None:
    assert {row.id: why for row in usable(rows) if (why := impossible(row))} == {}


def test_totals_agree_with_times_per_token(rows: tuple[Row, ...]) -> None:
    assert contradictions(usable(rows)) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("gpus", "0"), ("gpus", "2"), ("tp", "1.0"), ("concurrency", "-1"), ("concurrency", ""), ("runtime", "vLLM"),
        ("weights", "int5"), ("quantity", "latency"), ("value", "0"), ("value", "nan"), ("value", "-0.02"),
        ("value", "fast"), ("unit", "ms"), ("unit", "token/s"), ("statistic", "p95"), ("evidence", "hearsay"),
        ("gpu", ""), ("config", ""), ("quote", ""), ("source", ""), ("model", " x"),
    ],
)  # fmt: skip
def test_a_row_that_breaks_the_form_is_refused(cells: dict[str, str], name: str, value: str) -> None:
    row_of(cells)
    with pytest.raises(RowError, match="S9999"):
        row_of(cells | {name: value})


def test_a_missing_or_unknown_column_is_refused(cells: dict[str, str]) -> None:
    with pytest.raises(RowError, match="columns"):
        row_of({name: cell for name, cell in cells.items() if name != "kv"})
    with pytest.raises(RowError, match="columns"):
        row_of(cells | {"note": "x"})


def test_an_excluded_row_may_leave_the_card_open(cells: dict[str, str]) -> None:
    assert row_of(cells | {"gpu": "", "concurrency": "", "excluded": "edition not stated"}).gpu == ""


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({"value": "0.0141"}, None),  # 69.5 GB in 14.1 ms are 4.93 TB/s: above the peak by less than the slack
        ({"value": "0.0137"}, "bandwidth"),
        ({"value": "0.0075", "tp": "2", "gpus": "2"}, None),
        ({"value": "0.0075", "dp": "2", "gpus": "2"}, "bandwidth"),  # a copy a card: each reads all of it
        ({"quantity": "decode", "concurrency": "1", "unit": "token/s", "value": "80"}, "bandwidth"),
        ({"quantity": "prefill", "concurrency": "1", "unit": "token/s", "value": "16000"}, "peak"),
        ({"concurrency": "64", "prompt": "32768"}, "memory"),
    ],
)
def test_what_the_card_cannot_do_is_told(cells: dict[str, str], changed: dict[str, str], said: str | None) -> None:
    why = impossible(row_of(cells | changed))
    assert why is None if said is None else said in str(why)


def test_a_total_above_all_sequences_together_is_told(cells: dict[str, str]) -> None:
    each = row_of(cells)
    total = {"id": "S9998", "quantity": "throughput", "unit": "token/s"}
    assert contradictions((each, row_of(cells | total | {"value": "240"}))) == {}
    assert set(contradictions((each, row_of(cells | total | {"value": "260"})))) == {"S9998"}


def test_repeated_ids_are_refused(tmp_path: Path, cells: dict[str, str]) -> None:
    path = tmp_path / "serving.csv"
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, cells)
        writer.writeheader()
        writer.writerows([cells, cells])
    with pytest.raises(RowError, match="twice"):
        load(path)


def _silicon(path: Path, **changed: str) -> list[import_silicon.Run]:
    cells = {
        "id": "a", "silicon_data_source": "silicon_concurrency=4; measured=2025-10-29", "backend": "vllm",
        "backend_version": "0.11.0", "model_path": "Qwen/Qwen3-32B", "system": "h100_sxm", "precision": "fp8",
        "mode": "agg", "isl": "1024", "osl": "1024", "gemm_quant_mode": "fp8", "tp_size": "2", "attention_dp_size": "",
        "moe_tp_size": "1", "moe_ep_size": "1", "silicon_ttft_ms": "100", "silicon_tpot_ms": "10",
    }  # fmt: skip
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, cells)
        writer.writeheader()
        writer.writerows([cells, cells | {"id": "b"}, cells | {"id": "c"} | changed])
    return import_silicon.runs_of(path, import_silicon.Counter())


def test_copies_of_a_run_are_imported_once_and_repeats_are_kept(tmp_path: Path) -> None:
    assert len(_silicon(tmp_path / "s.csv")) == 1
    assert len(_silicon(tmp_path / "s.csv", silicon_tpot_ms="10.5")) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"mode": "disagg"},
        {"tp_size": "16"},
        {"tp_size": "4", "attention_dp_size": "4"},
        {"silicon_data_source": "measured=2025-10-29"},
        {"model_path": "deepseek-ai/DeepSeek-V3", "moe_tp_size": "8"},
    ],
)
def test_runs_whose_layout_is_not_known_are_left_out(tmp_path: Path, changed: dict[str, str]) -> None:
    changed |= {"silicon_tpot_ms": "12"}
    assert len(_silicon(tmp_path / "s.csv", **changed)) == 1
