"""Where the owner's measurements lie."""

import os
from collections.abc import Mapping
from pathlib import Path

from assay.observe.profile import user_folder


def store_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where measurements lie: `assay/measurements.sqlite` below XDG_DATA_HOME, else below `~/.local/share`."""
    return user_folder("XDG_DATA_HOME", ".local/share", environment) / "assay" / "measurements.sqlite"
