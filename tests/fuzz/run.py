"""Long runs over every reader: executions, crashes and the slowest input of each; exit 1 when an input did not pass.

    python tests/fuzz/run.py [--seconds 60] [--folder .cache/fuzz] [READER …]

Each reader runs in a process of its own (guided.py). The slowest input is then timed again here, without the
instrumentation that guides the run. Inputs that did not pass stay in FOLDER/READER/crashes, each with its reason.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from harness import Watch
from targets import Target, targets

FAST = Path("/dev/shm")  # noqa: S108 - a private folder is made in it
ROUNDS = 5


def _place() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="assay-fuzz-", dir=FAST if FAST.is_dir() else None)


def _run(name: str, seconds: int, folder: Path) -> dict[str, Any]:
    """Fuzz one reader; what its process says, and whether it ended as it should."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").unlink(missing_ok=True)
    with _place() as place, (folder / "log.txt").open("wb") as log:
        command = [sys.executable, str(Path(__file__).with_name("guided.py")), name, str(seconds), str(folder), place]
        done = subprocess.run(command, stdout=log, stderr=log, check=False)
    written = folder / "report.json"
    found: dict[str, Any] = json.loads(written.read_text("utf-8")) if written.exists() else {"executions": 0}
    if done.returncode:
        found.setdefault("crashes", {})[f"exit {done.returncode}: see {folder / 'log.txt'}"] = 1
    return found


def _timed(watch: Watch, target: Target, content: bytes) -> tuple[float, str]:
    """(milliseconds at best, what the reader says or why it does not pass) of an input."""
    with _place() as place:
        target.prepare(Path(place))
        target.place(Path(place), content)
        found = [watch.read(Path(place), lambda: target.read(Path(place))) for _ in range(ROUNDS)]
    best = min(found, key=lambda one: one.seconds)
    return best.seconds * 1000, best.broken or best.said


def main() -> int:
    """Print one line for each reader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", metavar="READER")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--folder", type=Path, default=Path(".cache/fuzz"))
    asked = parser.parse_args()
    watch = Watch()
    print(f"{'reader':16} {'executions':>10} {'crashes':>7} {'slowest ms':>10} {'most MB':>7}  says of the slowest")
    total = bad = 0
    guided = True
    for name in asked.readers or targets():
        folder = asked.folder / name
        found = _run(name, asked.seconds, folder)
        slowest = folder / "slowest.bin"
        milliseconds, said = _timed(watch, targets()[name], slowest.read_bytes()) if slowest.exists() else (0.0, "")
        crashes = found.get("crashes", {})
        if ":" in said:  # in plain running it does not pass
            crashes[said] = 1
        guided = guided and found.get("guided", False)
        growth = found.get("largest_growth_bytes", 0) / 1e6
        print(
            f"{name:16} {found['executions']:10} {len(crashes):7} {milliseconds:10.1f} {growth:7.1f}  {said}",
            flush=True,
        )
        for reason, times in crashes.items():
            print(f"  {times} x {reason}")
        total, bad = total + found["executions"], bad + len(crashes)
    how = "guided by coverage" if guided else "not guided: atheris is not installed"
    print(f"{total} executions, {bad} crashes ({how})")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
