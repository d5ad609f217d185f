"""No test reads what the person who runs it has measured or set."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_measurements_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if "XDG_DATA_HOME" not in os.environ:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
