"""CPU time of cold starts, beside peers in the same run: minima over rounds, since machines are noisy.

    python benchmarks/startup.py [--rounds 10]

Budgets: `assay check … --json` 100 ms, `assay gpu …` 80 ms, `assay tables` over the whole catalogue 300 ms.
"""

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

ASSAY = [sys.executable, "-c", "import sys; from assay.cli.entry import main; sys.exit(main())"]
CHECK = [*ASSAY, "check", "Qwen3-30B-A3B", "--gpu", "rtx-pro-6000-blackwell-workstation-edition", "--json"]
CASES: dict[str, tuple[list[str], float | None]] = {
    "python -c pass": ([sys.executable, "-c", "pass"], None),
    "python -c 'import click'": ([sys.executable, "-c", "import click"], None),
    "assay check Qwen3-30B-A3B --gpu … --json": (CHECK, 0.100),
    "assay gpu 5090": ([*ASSAY, "gpu", "5090"], 0.080),
    "assay tables --gpu …": ([*ASSAY, "tables", "--gpu", "rtx-pro-6000-blackwell-workstation-edition"], 0.300),
    "assay gpu 5090 --json": ([*ASSAY, "gpu", "5090", "--json"], 0.080),
}


def cpu_seconds(command: list[str]) -> float:
    """User and system seconds of one child process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "XDG_CONFIG_HOME": str(Path(__file__).parent / "no-profile")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled modules are what an installed program has
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def main() -> int:
    """Print the table; exit 1 when a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    best = dict.fromkeys(CASES, float("inf"))
    for _ in range(rounds):  # rounds outside, cases inside: noise falls on all alike
        for name, (command, _) in CASES.items():
            best[name] = min(best[name], cpu_seconds(command))
    bare, click = best["python -c pass"], best["python -c 'import click'"]
    print(f"{'command':45} {'CPU ms':>7} {'x bare':>7} {'x click':>8} {'budget':>7}")
    missed = False
    for name, seconds in best.items():
        budget = CASES[name][1]
        missed = missed or (budget is not None and seconds > budget)
        limit = f"{budget * 1000:.0f}" if budget else ""
        print(f"{name:45} {seconds * 1000:7.0f} {seconds / bare:7.1f} {seconds / click:8.1f} {limit:>7}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
