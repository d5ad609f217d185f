"""What people and tools write -> the right card, an honest ambiguity, or unknown."""

import csv
import tomllib
from pathlib import Path

import pytest

from assay.knowledge import store
from assay.knowledge.catalog.gpus import gpu
from assay.knowledge.identity import words
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


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("9060 xt", "radeon-rx-9060-xt-8gb radeon-rx-9060-xt-16gb"),
        ("9060 xt 16gb", "radeon-rx-9060-xt-16gb"),
        ("AMD Radeon RX 9060 XT", "radeon-rx-9060-xt-8gb radeon-rx-9060-xt-16gb"),
        ("1002:7590 rev c0", "radeon-rx-9060-xt-8gb radeon-rx-9060-xt-16gb"),
        ("a770", "arc-a770-8gb arc-a770-16gb"),
        ("8086:56a0", "arc-a770-8gb arc-a770-16gb"),
        ("arc a770 8 gb", "arc-a770-8gb"),
        ("rtx 3050", "geforce-rtx-3050-8gb geforce-rtx-3050-6gb"),
        ("10de:2584", "geforce-rtx-3050-6gb"),
        ("rx 7600", "radeon-rx-7600"),
        ("rx 7600 xt", "radeon-rx-7600-xt"),
        ("1002:7480", "radeon-rx-7600 radeon-rx-7600-xt"),
        ("v100 pcie", "tesla-v100-pcie-16gb tesla-v100-pcie-32gb"),
        ("rtx a2000", "rtx-a2000-6gb rtx-a2000-12gb"),
    ],
)
def test_two_sizes_of_one_name_are_two_products(query: str, expected: str) -> None:
    answer = identify(query)
    assert set(answer.candidates) == set(expected.split())
    assert answer.match == ("exact" if len(answer.candidates) == 1 else "ambiguous")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("m3 ultra 60", "apple-m3-ultra-60-core"),
        ("m3 ultra 60-core gpu", "apple-m3-ultra-60-core"),
        ("m3 ultra 80", "apple-m3-ultra"),
        ("m2 ultra 60", "apple-m2-ultra-60-core"),
        ("m2 ultra 76", "apple-m2-ultra"),
        ("m1 ultra 48 cores", "apple-m1-ultra-48-core"),
        ("m1 max 24", "apple-m1-max-24-core"),
        ("m2 max 38", "apple-m2-max"),
        ("m5 ultra 512gb", "apple-m5-ultra"),
        ("m4 max 40 core 64gb", "apple-m4-max"),
    ],
)
def test_a_count_of_cores_is_a_machine_of_its_own(query: str, expected: str) -> None:
    answer = identify(query)
    assert (answer.match, answer.candidates) == ("exact", (expected,))
    assert "gpu.fewer_cores_left_out" not in {note.code for note in answer.notes}


@pytest.mark.parametrize("query", ["m3 ultra", "Apple M3 Ultra", "m1 max", "m3 ultra 256gb"])
def test_a_chip_without_its_count_of_cores_says_which_machines_share_its_name(query: str) -> None:
    answer = identify(query)
    assert answer.match == "exact"
    assert "gpu.fewer_cores_left_out" in {note.code for note in answer.notes}


@pytest.mark.parametrize("query", ["m4 max 40 core 36gb", "m5 ultra 64 core 512gb", "m3 ultra 80 core 64gb"])
def test_a_machine_that_is_not_sold_is_no_answer(query: str) -> None:
    assert identify(query).match == "unknown"


def test_machines_with_fewer_cores_share_what_the_answer_says_they_share() -> None:
    for small, large in words.FEWER_CORES.items():
        first, second = gpu(small), gpu(large)
        assert first.bandwidth.value == second.bandwidth.value is not None
        assert (first.multiprocessors.value or 0) < (second.multiprocessors.value or 0)
