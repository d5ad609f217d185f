"""Reads a hostile file in a process of its own and says what that cost."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parents[2] / "src"
PROGRAM = """
import sys, time
from pathlib import Path
from assay.errors import AssayError
from assay.observe.checkpoint.read import read
started = time.process_time()
try:
    read(Path(sys.argv[1]))
    said = "read"
except AssayError as error:
    said = error.message.code
used = time.process_time() - started
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(said, used, peak)
"""


class Cost(NamedTuple):
    """What a read said, its processor time and the peak of its memory."""

    said: str
    seconds: float
    mebibytes: float


def cost(path: Path) -> Cost:
    """Read a path in a fresh interpreter (Linux)."""
    command = [sys.executable, "-c", PROGRAM, str(path)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=True, env={"PYTHONPATH": str(SOURCE)}
    )
    said, seconds, peak = done.stdout.split()
    return Cost(said, float(seconds), int(peak) / 1024)
