"""Valid files with a few changes, through every reader: a model or one line, nothing else (see harness)."""

from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")
from harness import Outcome, Watch, imported
from mutations import mutated
from targets import Target, targets

WATCH = Watch()
EXAMPLES = 120


def outcome(target: Target, folder: Path, content: bytes) -> Outcome:
    target.place(folder, content)
    return WATCH.read(folder, lambda: target.read(folder))


@pytest.mark.parametrize("name", targets())
def test_seeds_are_understood(tmp_path: Path, name: str) -> None:
    target = targets()[name]
    target.prepare(tmp_path)
    imported()  # another test may have closed what was open
    said = []
    for seed in target.seeds:
        target.place(tmp_path, seed)
        said.append(outcome(target, tmp_path, seed))
    assert "read" in {one.said for one in said}, said


@pytest.mark.parametrize("name", targets())
def test_changed_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    target = targets()[name]
    target.prepare(tmp_path)
    imported()  # another test may have closed what was open

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.randoms(use_true_random=False))
    def every(choose: Random) -> None:
        found = outcome(target, tmp_path, mutated(choose, target))
        assert found.broken is None

    every()
