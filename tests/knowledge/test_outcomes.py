"""The published cases: every row obeys the rule, names what the catalogue knows, and no group crosses the split."""

import csv
import sys
from collections import Counter
from pathlib import Path

import pytest

from assay.knowledge.catalog import models, recipes, weight_formats
from assay.knowledge.store import names

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS / "outcomes"))

import cases as cases_module  # noqa: E402  (benchmarks are scripts, not a package)
import halves as halves_module  # noqa: E402
from cases import Case, CaseError, case_of, load, usable  # noqa: E402

LEAST_USABLE = {"speed": 60, "refused": 30, "fit": 40, "quality": 10}


@pytest.fixture(scope="module")
def cases() -> tuple[Case, ...]:
    return load()


@pytest.fixture
def cells() -> dict[str, str]:
    """The cells of one good speed row."""
    with cases_module.PATH.open(newline="", encoding="utf-8") as lines:
        return next(row for row in csv.DictReader(lines) if row["kind"] == "speed" and row["outcome"] == "b")


def test_enough_cases_of_each_kind_are_usable(cases: tuple[Case, ...]) -> None:
    found = Counter(case.kind for case in usable(cases))
    assert all(found[kind] >= least for kind, least in LEAST_USABLE.items()), found


def test_both_outcomes_of_each_kind_are_there(cases: tuple[Case, ...]) -> None:
    found = Counter((case.kind, case.outcome) for case in usable(cases))
    for pair in (("speed", "a"), ("speed", "b"), ("fit", "fits"), ("fit", "does_not_fit"), ("refused", "runs")):
        assert found[pair] >= 20, pair
    assert found["refused", "refused"] >= 30


def test_cards_runtimes_and_formats_are_the_catalogues(cases: tuple[Case, ...]) -> None:
    gpus, runtimes, kv_types = set(names("gpu")), set(names("runtime")), set(names("kv_format"))
    for case in usable(cases):
        assert set(case.cards) <= gpus, case.id
        assert case.runtime in runtimes, case.id
        assert {case.kv_a, case.kv_b} <= kv_types | {""}, case.id
        for weights in (case.weights_a, case.weights_b):
            assert not weights or weight_formats.known(weights) or weights in recipes.known(), (case.id, weights)


def test_configurations_are_here_or_in_the_catalogue(cases: tuple[Case, ...]) -> None:
    for case in usable(cases):
        if case.config.endswith(".json"):
            assert (BENCHMARKS / case.config).is_file(), case.id
        elif case.config:
            assert models.is_named(case.config), case.id


def test_a_card_that_a_source_leaves_open_is_several_variants(cases: tuple[Case, ...]) -> None:
    open_cards = {case.gpu for case in cases if "|" in case.gpu}
    assert "a100-sxm4-80gb|a100-pcie-80gb" in open_cards
    assert all(len(set(gpu.split("|"))) == len(gpu.split("|")) for gpu in open_cards)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("outcome", "faster"),
        ("outcome", "a"),
        ("kind", "rumour"),
        ("metric", "feeling"),
        ("metric", "tpot_s"),
        ("value_a", ""),
        ("value_a", "-1"),
        ("value_a", "nan"),
        ("value_b", "quick"),
        ("gpus", "0"),
        ("concurrency", ""),
        ("config", ""),
        ("source", "somebody said so"),
        ("weights_b", "bf16"),
        ("utilization", "90"),
        ("quote", ""),
    ],
)
def test_malformed_rows_are_refused(cells: dict[str, str], name: str, value: str) -> None:
    case_of(cells)
    with pytest.raises(CaseError):
        case_of({**cells, name: value})


def test_a_missing_or_unknown_column_is_refused(cells: dict[str, str]) -> None:
    with pytest.raises(CaseError, match="columns"):
        case_of({name: value for name, value in cells.items() if name != "quote"})
    with pytest.raises(CaseError, match="columns"):
        case_of({**cells, "verdict": "yes"})


def test_an_excluded_row_may_lack_what_excludes_it(cells: dict[str, str]) -> None:
    case = case_of({**cells, "concurrency": "", "excluded": "the load is not told"})
    assert usable((case,)) == ()


def test_an_id_is_used_once(cells: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "outcomes.csv"
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(cells))
        writer.writeheader()
        writer.writerows([cells, cells])
    with pytest.raises(CaseError, match="twice"):
        load(path)


def test_no_group_crosses_the_split(cases: tuple[Case, ...]) -> None:
    halves = halves_module.split(cases)
    assert {case.group for case in halves.open} & {case.group for case in halves.sealed} == set()
    assert len(halves.open) + len(halves.sealed) == len(cases)


def test_the_side_of_a_group_is_the_last_bit_of_its_sha256() -> None:
    assert [group for group in "abcdef" if halves_module.is_open(group)] == ["c", "d", "e"]


def test_each_half_has_its_share_of_each_kind(cases: tuple[Case, ...]) -> None:
    for half in halves_module.split(usable(cases)):
        found = Counter(case.kind for case in half)
        assert all(found[kind] >= least / 3 for kind, least in LEAST_USABLE.items()), found
