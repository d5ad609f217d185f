"""The published start-up logs: every row obeys the rule, every check repeats, no twin crosses the split."""

import csv
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

MEMORY = Path(__file__).parents[2] / "benchmarks" / "memory"
sys.path.insert(0, str(MEMORY))

import rows as rows_module  # noqa: E402  (benchmarks are scripts, not a package)
import split as split_module  # noqa: E402
from rows import Row, RowError, load, row_of, usable  # noqa: E402

LEAST_USABLE = 50


@pytest.fixture(scope="module")
def rows() -> tuple[Row, ...]:
    return load()


@pytest.fixture
def cells() -> dict[str, str]:
    """The cells of one good row of the main set."""
    with rows_module.PATH.open(newline="", encoding="utf-8") as lines:
        return next(row for row in csv.DictReader(lines) if row["set"] == "main" and row["check_budget"] == "ok")


def test_enough_rows_are_usable(rows: tuple[Row, ...]) -> None:
    assert len(usable(rows)) >= LEAST_USABLE


def test_configurations_of_the_main_set_are_here_or_in_the_catalogue(rows: tuple[Row, ...]) -> None:
    missing = [row.id for row in rows if row.config.startswith("configs/") and not (MEMORY / row.config).is_file()]
    assert missing == []


def test_configurations_name_their_source() -> None:
    told = tomllib.loads((MEMORY / "configs" / "sources.toml").read_text(encoding="utf-8"))
    assert set(told) == {path.name for path in (MEMORY / "configs").glob("*.json")}
    assert all(entry["source"].startswith("https://") and entry["basis"] for entry in told.values())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("utilization", "90"),
        ("utilization", ""),
        ("available_kv_gib", "61660"),
        ("available_kv_gib", ""),
        ("model_loading_gib", "-1"),
        ("model_loading_gib", "twelve"),
        ("kv_tokens", "-4"),
        ("tp", "0"),
        ("card", "unknown"),
        ("config", ""),
        ("set", "best"),
        ("outcome", "perhaps"),
        ("source", "copy 7"),
        ("source", "copy, id unknown"),
        ("enforce_eager", "maybe"),
        ("check_budget", "-1.00 GiB"),
        ("max_model_len", "nan"),
    ],
)
def test_malformed_rows_are_refused(cells: dict[str, str], name: str, value: str) -> None:
    row_of(cells)
    with pytest.raises(RowError):
        row_of({**cells, name: value})


def test_a_missing_or_unknown_column_is_refused(cells: dict[str, str]) -> None:
    with pytest.raises(RowError):
        row_of({name: value for name, value in cells.items() if name != "card"})
    with pytest.raises(RowError):
        row_of({**cells, "colour": "blue"})


def test_twins_name_a_row_of_their_group(tmp_path: Path, cells: dict[str, str]) -> None:
    path = tmp_path / "rows.csv"
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(cells))
        writer.writeheader()
        writer.writerow(cells)
        writer.writerow({**cells, "id": "another", "twin_of": "nothing"})
    with pytest.raises(RowError):
        load(path)


def test_concurrency_repeats_the_tokens(rows: tuple[Row, ...]) -> None:
    for row in rows:
        if row.check_concurrency == "ok":
            capacity = row.concurrency * row.max_model_len
            assert capacity == pytest.approx(row.kv_tokens, rel=0.011 + 0.006 / row.concurrency), row.id


def test_budget_repeats_the_pool(rows: tuple[Row, ...]) -> None:
    for row in rows:
        if row.check_budget == "ok":
            parts = row.model_loading_gib + row.non_torch_gib + row.activation_peak_gib
            assert row.total_memory_gib * row.utilization - parts == pytest.approx(row.available_kv_gib, abs=0.05), (
                row.id
            )


def test_no_group_crosses_the_split(rows: tuple[Row, ...]) -> None:
    halves = split_module.split(rows)
    crossing = {row.group for row in halves.calibration} & {row.group for row in halves.validation}
    assert crossing == set()
    assert len(halves.calibration) + len(halves.validation) == len(rows)


def test_both_halves_have_each_stratum_of_two_groups_or_more(rows: tuple[Row, ...]) -> None:
    usable_rows = usable(rows)
    strata: dict[str, set[str]] = defaultdict(set)
    first: dict[str, Row] = {}
    for row in sorted(usable_rows, key=lambda row: row.id):
        first.setdefault(row.group, row)
    for group, row in first.items():
        strata[split_module.stratum(row)].add(group)
    chosen = split_module.calibration_groups(usable_rows)
    for kind, groups in strata.items():
        if len(groups) > 1:
            assert groups & chosen, kind
            assert groups - chosen, kind


def test_the_split_ignores_the_order_of_the_file(rows: tuple[Row, ...]) -> None:
    usable_rows = usable(rows)
    assert split_module.calibration_groups(usable_rows) == split_module.calibration_groups(usable_rows[::-1])


def test_llama_cpp_buffers_add_up() -> None:
    """KV buffers of all devices over the context are the bytes per token that the row states."""
    with (MEMORY / "llama_cpp.csv").open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert row["source"].startswith("https://"), row["id"]
        assert row["check_lines"] == "every buffer is in the source", row["id"]
        total = sum(float(part.split("=")[1]) for part in row["kv_mib"].split(";"))
        assert total * 2**20 / int(row["context"]) == pytest.approx(float(row["kv_bytes_per_token"]), abs=1.5), row[
            "id"
        ]


def test_a_stratum_on_one_side_gives_a_group_to_the_other(rows: tuple[Row, ...]) -> None:
    row = next(row for row in rows if row.set == "main")
    even = [name for name in map(str, range(20)) if int(split_module.digest(name), 16) % 2 == 0][:2]
    halves = split_module.split([row._replace(id=name, group=name) for name in even])
    assert len(halves.calibration) == len(halves.validation) == 1


def test_rows_added_later_move_no_group(rows: tuple[Row, ...]) -> None:
    counted = usable(rows)
    kept = [row for row in counted if row.runtime == "vllm"]
    more = [kept[0]._replace(id=f"added {number}", group=f"added {number}") for number in range(9)]
    before = split_module.calibration_groups(kept)
    after = split_module.calibration_groups([*kept, *more])
    assert before == after - {row.group for row in more}


def test_the_side_of_a_group_is_the_last_bit_of_its_sha256() -> None:
    assert [group for group in "abcdef" if split_module._calibrates(group)] == ["c", "d", "e"]
