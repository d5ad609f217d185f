"""What people and tools write -> the right card, an honest ambiguity, or unknown."""

import csv
import tomllib
from pathlib import Path

import pytest

from assay.knowledge import store
from assay.knowledge.identity.identify import identify
from assay.knowledge.identity.products import products

NAMES = Path(__file__).parents[1] / "data" / "names.csv"
DRIVER_TABLE = store.DATA / "pci" / "nvidia_driver_names.toml"
DRIVER_NAMES = sorted(set(tomllib.loads(DRIVER_TABLE.read_text(encoding="utf-8"))["names"].values()))
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


def holders(driver_name: str) -> set[str]:
    """The products that carry a driver name; NVIDIA writes `SUPER` and `Super`."""
    low = driver_name.lower()
    return {product.id for product in products().values() if low in map(str.lower, product.driver_names)}


@pytest.mark.parametrize("name", DRIVER_NAMES)
def test_nvidias_own_name_is_never_another_card(name: str) -> None:
    own = holders(name)
    for text in (name, name.removeprefix("NVIDIA ")):
        for form in ("{0}", "NVIDIA {0}", "NVIDIA Corporation XX123GL [{0}]", "{0} (UUID: GPU-0)"):
            answer = identify(form.format(text))
            if own:
                assert answer.match != "unknown", answer
                assert answer.match != "exact" or answer.candidates[0] in own, answer
            else:
                assert (answer.match, answer.candidates) == ("unknown", ()), answer
                assert "gpu.driver_name.outside" in {note.code for note in answer.notes}, answer


@pytest.mark.parametrize(
    "query",
    [
        "quadro 4000",
        "quadro 6000",
        "TU104GL [Quadro RTX 4000]",
        "titan",
        "nvidia titan",
        "titan x",
        "titan v",
        "3060 laptop",
    ],
)
def test_another_products_name_is_no_shorthand(query: str) -> None:
    answer = identify(query)
    assert answer.match == "unknown"
    assert "gpu.driver_name.outside" in {note.code for note in answer.notes}


@pytest.mark.parametrize("query", ["quadro rtx 4500", "quadro rtx 5500", "quadro rtx 6000 48gb", "quadro 6000 48gb"])
def test_an_older_brand_before_a_bare_number_is_no_a_card(query: str) -> None:
    assert identify(query).match == "unknown"
