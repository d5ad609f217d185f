"""Sizes of vector indexes against the libraries' own (tests/data, written by tools/vector_index_sizes.py)."""

import csv
from pathlib import Path

import pytest

from assay.reason.memory.vector_index import (
    FAISS_HEADER,
    Sizes,
    faiss_bytes,
    flat,
    flat_bytes,
    hnsw,
    hnsw_memory,
    hnswlib_bytes,
)
from assay.types.message import message
from assay.types.quantity import exact, unknown

TABLE = Path(__file__).parents[1] / "data" / "vector_indexes.csv"
ROWS = list(csv.DictReader(TABLE.read_text(encoding="utf-8").splitlines()))
GRAPHS = {"hnswlib": hnswlib_bytes, "faiss": faiss_bytes}


def _graph(row: dict[str, str]) -> Sizes:
    return GRAPHS[row["library"]](int(row["vectors"]), int(row["dimension"]), int(row["links"]))


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row["library"] in GRAPHS], ids=lambda row: "-".join(row.values())
)
def test_a_graph_is_as_large_as_the_library_makes_it(row: dict[str, str]) -> None:
    found, real = _graph(row), int(row["bytes"])
    assert found.low <= real <= found.high
    assert found.mean == pytest.approx(real, rel=2e-3)


@pytest.mark.parametrize("row", [row for row in ROWS if row["library"] == "faiss-flat"], ids=lambda row: row["bytes"])
def test_a_flat_index_is_its_vectors(row: dict[str, str]) -> None:
    assert 0 <= int(row["bytes"]) - flat_bytes(int(row["vectors"]), int(row["dimension"])) <= FAISS_HEADER


def test_a_million_vectors_have_a_narrow_spread() -> None:
    found = hnswlib_bytes(1_000_000, 1024)
    assert found.high - found.low < 0.001 * found.mean


def test_memory_holds_both_libraries() -> None:
    whole = hnsw_memory(100_000, 384)
    for graph in GRAPHS.values():
        sizes = graph(100_000, 384)
        assert whole.low <= sizes.low
        assert sizes.high <= whole.high


def test_figures_name_their_sources_and_pass_on_what_is_not_known() -> None:
    width = exact(1024, "", "documented", "a-model")
    assert flat(1000, width).value == 1000 * 1024 * 4
    found = hnsw(1000, width)
    assert {"a-model", "hnswlib-source", "faiss-hnsw-source"} <= set(found.sources)
    assert (found.value or 0) > 1000 * 1024 * 4
    assert hnsw(1000, unknown("", message("unknown.dimensions"))).value is None
