"""What people and tools write -> the right card, an honest ambiguity, or unknown."""

import csv
from pathlib import Path

import pytest

from assay.knowledge.identity.identify import identify

NAMES = Path(__file__).parents[1] / "data" / "names.csv"
ROWS = list(csv.DictReader(NAMES.read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['kind']}: {row['query']}" for row in ROWS])
def test_name(row: dict[str, str]) -> None:
    answer = identify(row["query"])
    assert (answer.match, answer.count) == (row["match"], int(row["count"]))
    assert set(answer.candidates) == set(row["ids"].split())
    if row["match"] == "exact":
        assert answer.candidates == (row["ids"],)


@pytest.mark.parametrize("row", [row for row in ROWS if row["match"] == "ambiguous"], ids=lambda row: row["query"])
def test_an_ambiguous_answer_says_what_tells_the_candidates_apart(row: dict[str, str]) -> None:
    assert identify(row["query"]).distinguish


@pytest.mark.parametrize("row", [row for row in ROWS if row["match"] == "exact"], ids=lambda row: row["query"])
def test_an_exact_row_expects_the_id_it_was_collected_with(row: dict[str, str]) -> None:
    assert row["expected"] == row["ids"]
