"""Cost of the compiled proofs: one target, all NVIDIA targets, all AMD targets, and what `formats` adds to a start.

    python benchmarks/proofs.py [--rounds 3]

Goals on two cores: one target, all probes: 1.5 s of CPU warm; all NVIDIA targets: 20 s wall; all AMD targets: 30 s.
Peer: ptxas in place of nvJitLink, where tools/fetch_test_models.py has fetched it.
"""

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from assay.observe.proof import amd, nvidia, toolchain  # noqa: E402 -- the checkout's own package

WORKERS = 2
TARGET = "sm_120a"
PTXAS = Path(os.environ.get("ASSAY_TEST_MODELS") or ROOT / ".cache" / "models") / "ptxas"
PACKAGES = {"prove": ("nvidia-nvjitlink", "nvidia-cuda-nvdisasm"), "prove-amd": ("llvmlite",)}


def _cpu() -> float:
    """Seconds of this process and of its children that have ended."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def cost(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """(CPU, wall) seconds, each the least of some rounds."""
    found = []
    for _ in range(rounds):
        cpu, wall = _cpu(), time.monotonic()
        work()
        found.append((_cpu() - cpu, time.monotonic() - wall))
    return min(cpu for cpu, _ in found), min(wall for _, wall in found)


def side_by_side(prove: Callable[[str], object], targets: tuple[str, ...]) -> None:
    """Prove several targets on two cores."""
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(prove, targets))


def installed_mb(names: tuple[str, ...]) -> float:
    """Megabytes that packages take on disk; what is downloaded is about half of it."""
    files = [file for name in names for file in distribution(name).files or ()]
    return sum(Path(str(file.locate())).stat().st_size for file in files if Path(str(file.locate())).exists()) / 1e6


def main() -> int:
    """Print the table; exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    tools = toolchain.find()
    targets = toolchain.targets(tools)
    rows = [
        (f"{TARGET}, {tools.tools[0].name}", *cost(lambda: nvidia.prove(tools, TARGET), rounds), 1.5, None),
        (
            f"all {len(targets)} NVIDIA targets",
            *cost(lambda: side_by_side(lambda name: nvidia.prove(tools, name), targets), 1),
            None,
            20.0,
        ),
        ("gfx942", *cost(lambda: amd.prove("gfx942"), rounds), None, None),
        (f"all {len(amd.targets())} AMD targets", *cost(lambda: side_by_side(amd.prove, amd.targets()), 1), None, 30.0),
    ]
    if PTXAS.exists():
        other = toolchain.of_ptxas(PTXAS, tools.disassembler)
        rows.insert(1, (f"{TARGET}, ptxas", *cost(lambda: nvidia.prove(other, TARGET), rounds), None, None))
    print(f"{'proof':28} {'CPU s':>7} {'goal':>6} {'wall s':>7} {'goal':>6}")
    missed = False
    for name, cpu, wall, most_cpu, most_wall in rows:
        missed = missed or (most_cpu is not None and cpu > most_cpu) or (most_wall is not None and wall > most_wall)
        goals = [f"{goal:.1f}" if goal else "" for goal in (most_cpu, most_wall)]
        print(f"{name:28} {cpu:7.2f} {goals[0]:>6} {wall:7.2f} {goals[1]:>6}")
    for extra, names in PACKAGES.items():
        print(f"extra {extra}: {installed_mb(names):.0f} MB installed")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
