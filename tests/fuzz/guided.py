"""One reader under atheris: inputs grow towards code that no input has reached. `run.py` starts it.

    python tests/fuzz/guided.py READER SECONDS FOLDER PLACE

The folder keeps the corpus, the inputs that did not pass, and what the run has to say (`report.json`); the place is an
empty folder in which the reader finds its files. Without atheris, which has wheels for some systems only, the same
changes are made without guidance.
"""

import hashlib
import json
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Any

try:
    import atheris
except ImportError:
    atheris = None

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["assay.observe.checkpoint"]) if atheris is not None else nullcontext():
    from harness import Watch, imported
    from mutations import MOST, changed_document, mutated
    from targets import Target, targets

    imported()

EVERY = 0.2
"""Seconds between reports: atheris ends the process without a last word."""


class Run:
    """Counts what a reader does with the inputs it is given, and keeps those that did not pass."""

    def __init__(self, target: Target, folder: Path, place: Path) -> None:
        self.target = target
        self.folder = folder
        self.place = place
        self.watch = Watch()
        self.executions = 0
        self._reported = 0.0
        self.slowest = 0.0
        self.largest = 0
        self.said: dict[str, int] = {}
        self.broken: dict[str, int] = {}
        (folder / "crashes").mkdir(parents=True, exist_ok=True)
        target.prepare(place)

    def one(self, content: bytes) -> None:
        """Read one input."""
        self.target.place(self.place, content)
        found = self.watch.read(self.place, lambda: self.target.read(self.place))
        self.executions += 1
        self.said[found.said] = self.said.get(found.said, 0) + 1
        self.largest = max(self.largest, found.growth)
        if found.broken is not None:
            self._keep(found.broken, content)
        if found.seconds > self.slowest and self.executions > 1:
            self.slowest = found.seconds
            (self.folder / "slowest.bin").write_bytes(content)
        if time.monotonic() - self._reported > EVERY or found.broken is not None:
            self.report()

    def _keep(self, broken: str, content: bytes) -> None:
        reason = broken.partition(": ")[0] if " at " in broken else broken
        if reason not in self.broken:
            name = hashlib.sha256(reason.encode()).hexdigest()[:16]
            (self.folder / "crashes" / f"{name}.bin").write_bytes(content)
            (self.folder / "crashes" / f"{name}.txt").write_text(broken + "\n", "utf-8", "backslashreplace")
        self.broken[reason] = self.broken.get(reason, 0) + 1

    def report(self) -> None:
        """Write down how far the run has come."""
        self._reported = time.monotonic()
        document: dict[str, Any] = {
            "executions": self.executions, "crashes": self.broken, "slowest_seconds": self.slowest,
            "largest_growth_bytes": self.largest, "said": self.said, "guided": atheris is not None,
        }  # fmt: skip
        (self.folder / "report.json").write_text(json.dumps(document, indent=1), "utf-8")


def _unguided(run: Run, seconds: float) -> None:
    choose = Random(time.time_ns())  # noqa: S311 - no secret
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        run.one(mutated(choose, run.target))
    run.report()


def _guided(run: Run, seconds: int) -> None:
    corpus = run.folder / "corpus"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(run.target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        choose = Random(seed)  # noqa: S311 - no secret
        if choose.randrange(2):
            content = changed_document(choose, data)
            if content is not None:
                return content[:most]
        found: bytes = atheris.Mutate(data, most)
        return found

    options = [
        f"-max_total_time={seconds}", f"-max_len={min(MOST, 2 * max(map(len, run.target.seeds)) + 1024)}",
        "-timeout=60", "-rss_limit_mb=4096", f"-artifact_prefix={run.folder}/crashes/", "-verbosity=0",
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options, str(corpus)], run.one, custom_mutator=mutate)
    atheris.Fuzz()


def main() -> None:
    """Fuzz one reader."""
    name, seconds, folder, place = sys.argv[1:5]
    Path(folder).mkdir(parents=True, exist_ok=True)
    run = Run(targets()[name], Path(folder), Path(place))
    if atheris is None:
        _unguided(run, float(seconds))
    else:
        _guided(run, int(seconds))


if __name__ == "__main__":
    main()
