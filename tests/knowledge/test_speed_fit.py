"""The shipped fit of the speed model: what its script gives, what it promises, and that breaking it shows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from assay.knowledge.catalog.sources import source
from assay.knowledge.catalog.speed import SOURCE, calibration, neighbours

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "benchmarks" / "speed"
FIT = ROOT / "src" / "assay" / "knowledge" / "data" / "generated" / "speed_fit.json"


@pytest.fixture(scope="module")
def observations() -> list:  # type: ignore[type-arg]
    sys.path.insert(0, str(SCRIPTS))
    from observations import load  # type: ignore[import-not-found]

    return list(load()[0])


def test_the_script_reproduces_the_shipped_coefficients(observations: list) -> None:  # type: ignore[type-arg]
    """To 1e-6; the intervals take two orders more refits: `calibrate_speed.py --check` compares those as well."""
    from fitting import fitted  # type: ignore[import-not-found]

    shipped = json.loads(FIT.read_text(encoding="utf-8"))["entries"]["fit"]["coefficients"]
    made = fitted(observations)
    assert made.keys() == shipped.keys()
    far = {name: (made[name], shipped[name]) for name in made if abs(made[name] - shipped[name]) > 1e-6}
    assert not far


def test_no_twin_of_a_row_crosses_a_fold(observations: list) -> None:  # type: ignore[type-arg]
    from cross_validation import fold_of  # type: ignore[import-not-found]

    folds: dict[str, set[int]] = {}
    for one in observations:
        assert one.gpu in one.group
        folds.setdefault(one.group, set()).add(fold_of(one.group))
    assert all(len(found) == 1 for found in folds.values())
    assert len({min(found) for found in folds.values()}) > 15


def test_every_stratum_has_a_spread_that_widens_with_distance() -> None:
    fit = calibration()
    for kind in ("decode", "serving", "prefill"):
        for which in ("dense", "experts"):
            near, far = (fit.spreads[f"{kind}/{seen}/{which}"] for seen in ("calibrated", "runtime"))
            assert near.low < 0 < near.high
            assert near.high - near.low < far.high - far.low
            assert near.rows >= 12


def test_rows_of_a_card_name_their_sources() -> None:
    found = neighbours("rtx-pro-6000-blackwell-workstation-edition")
    assert len(found) >= 30
    assert {"decode", "prefill", "serving"} <= {one.kind for one in found}
    for one in found:
        assert source(one.source).title
        assert one.seconds > 0
        assert one.touched > 0
    assert source(SOURCE).title
    assert neighbours("no-such-card") == ()


def test_fitted_cards_are_those_of_the_rows(observations: list) -> None:  # type: ignore[type-arg]
    counted: dict[str, int] = {}
    for one in observations:
        counted[f"{one.gpu}/{one.runtime}"] = counted.get(f"{one.gpu}/{one.runtime}", 0) + 1
    assert {name: sum(kinds.values()) for name, kinds in calibration().fitted.items()} == counted


def test_the_scripts_answer_for_themselves() -> None:
    """Their first line of help says what they do; nothing is fitted for that."""
    for name in ("calibrate_speed.py", "speed_errors.py"):
        found = subprocess.run(
            [sys.executable, str(SCRIPTS / name), "--help"],
            capture_output=True, text=True, check=True, timeout=60,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        )  # fmt: skip
        assert "benchmarks/speed" in found.stdout
