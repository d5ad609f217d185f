"""Every row of a survey of runtimes has its place among the execution cells, or says why it has none.

`tests/data/runtime_support.toml` is the survey; the rows with `elsewhere` are what the catalogue does not hold of it.
`tests/data/vllm_selected_kernels.csv` has the kernels that vLLM's own selection code returned.
"""

import csv
import tomllib
from pathlib import Path
from typing import Any

import pytest

from assay.knowledge.catalog import execution

DATA = Path(__file__).parents[1] / "data"
ROWS: list[dict[str, Any]] = tomllib.loads((DATA / "runtime_support.toml").read_text())["row"]
with (DATA / "vllm_selected_kernels.csv").open(encoding="utf-8", newline="") as lines:
    KERNELS = list(csv.DictReader(lines))
WORDS = (
    ("native(W4A8", {"converted"}), ("native(int8", {"native", "converted"}), ("native", {"native"}),
    ("converted", {"converted"}), ("weight-only", {"weight-only"}), ("emulated", {"weight-only"}),
    ("fallback", {"weight-only"}), ("unsupported", {"refused"}), ("error-at-runtime", {"refused"}),
)  # fmt: skip
"""Beginnings of the survey's words -> the paths that they mean."""
WITHOUT_A_CELL = {"ModelOpt (exporter)"}
"""Runtimes of the survey of which no cell can speak."""


def paths(words: str) -> set[str]:
    """The paths that words of the survey mean; a question mark behind them is unknown."""
    if words.endswith("?"):
        return {"unknown"}
    return next(meant for beginning, meant in WORDS if words.startswith(beginning))


def path(cell: str, isa: str) -> str:
    """The path of a cell, `unknown` where the catalogue has none."""
    runtime, weight_format, role = cell.split()
    found = execution.cell(runtime, weight_format, role, isa)
    return "unknown" if found is None else found.path


def test_every_row_stands_somewhere_or_says_why_not() -> None:
    assert len(ROWS) == 85
    assert {row["runtime"] for row in ROWS if "stands" not in row} == WITHOUT_A_CELL
    assert all("stands" in row or row["elsewhere"] for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['runtime']}: {row['formats']}")
def test_cells_say_what_the_survey_says(row: dict[str, Any]) -> None:
    differing = {
        (cell, isa): entry["path"]
        for entry in row.get("differs", ())
        for cell in entry["cells"]
        for isa in entry["isa"]
    }
    assert all(entry["why"] for entry in row.get("differs", ()))
    for said in row["says"]:
        for isa in said["isa"]:
            for cell in row.get("stands", ()):
                found = path(cell, isa)
                expected = paths(said["words"])
                listed = differing.pop((cell, isa), None)
                assert (found == listed) if listed is not None else (found in expected), (cell, isa, said["words"])
                assert listed not in expected, "listed as different, and is not"
    assert differing == {}, "speaks of what the row does not hold"


def test_every_format_of_a_row_that_stands_has_a_cell() -> None:
    written = {f"{runtime} {name}" for runtime in execution.runtimes() for name in execution.formats(runtime)}
    stands = [cell for row in ROWS for cell in row.get("stands", ())]
    assert [cell for cell in stands if cell.rpartition(" ")[0] not in written] == []


@pytest.mark.parametrize("row", KERNELS, ids=lambda row: row["cell"])
def test_kernels_are_those_that_the_selection_code_returned(row: dict[str, str]) -> None:
    weight_format, role = row["cell"].split()
    for isa, kernel in row.items():
        found = None if isa == "cell" else execution.cell("vllm", weight_format, role, isa)
        if found is not None and found.regimes:
            assert [regime.kernel for regime in found.regimes] == [kernel], isa


@pytest.mark.parametrize("runtime", ["transformer-engine", "mlx"])
def test_runtimes_beside_the_survey_have_rows(runtime: str) -> None:
    assert execution.formats(runtime)
