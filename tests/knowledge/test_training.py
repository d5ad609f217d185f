"""The published figures of training (benchmarks/training): no success is answered no, no failure yes."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "training"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("training_compare", FOLDER / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()
ROWS = {row.id: row for row in SCRIPT.rows() if row.use != "none"}


def test_the_list_is_long_enough_and_has_both_outcomes() -> None:
    assert sum(row.use == "compare" for row in ROWS.values()) >= 12
    assert sum(row.outcome == "oom" for row in ROWS.values()) >= 5
    halves = [row.half for row in ROWS.values()]
    assert min(halves.count("calibration"), halves.count("validation")) > len(halves) / 4


@pytest.mark.parametrize("name", list(ROWS))
def test_what_ran_is_not_refused_and_what_ran_out_of_memory_is_not_promised(name: str) -> None:
    found = SCRIPT.compared(ROWS[name])
    assert found.verdict != ("yes" if ROWS[name].outcome == "oom" else "no")


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.use == "compare"])
def test_no_published_peak_is_above_the_pessimistic_end(name: str) -> None:
    found = SCRIPT.compared(ROWS[name])
    assert ROWS[name].peak[0] <= found.predicted.high


def test_the_errors_are_as_small_as_the_documentation_says() -> None:
    found = [SCRIPT.compared(row) for row in ROWS.values() if row.use == "compare"]
    errors = sorted(abs(each.error) for each in found)
    assert errors[len(errors) // 2] <= 0.06
    assert errors[-1] <= 0.35
    assert sum(not each.inside for each in found) <= 1
