"""How many settings are judged in a second of one core: minima over rounds, since machines are noisy.

    python benchmarks/fits.py [--rounds 5]

A *fit* is the three-way verdict and the total, (low, high) bytes on a card, of one (model, card, setting): runtime, how
many cards, KV format, context, sequences. No search for the largest context or concurrency is part of it. In the first
line nothing is kept from one fit to the next, though neighbours of the grid share all but the workload; the second
keeps what no workload changes, as a search over workloads does. Then the same settings as the page answers them: the
plan as figures with their sources, and the whole `fit` with its searches.

Budget: 10,000 fits a second, nothing kept. Exit 1 when it is missed, or when a verdict differs from `fit`'s.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product

from assay.answers.asked import CardCount
from assay.answers.cards import card
from assay.answers.judged import setting_of
from assay.knowledge.catalog.described import all_described
from assay.knowledge.catalog.runtimes import kv_format, runtime
from assay.reason.memory.fit import Setting, fit, memory_plan
from assay.reason.memory.outcome import Fixed, fixed_of, outcome
from assay.types.plan import Workload

CARDS = (
    "geforce-rtx-4090",
    "geforce-rtx-5090",
    "rtx-pro-6000-blackwell-workstation-edition",
    "h200-sxm-141gb",
)
RUNTIMES = (("vllm", ("bf16", "fp8")), ("llama.cpp", ("fp16", "q8_0")))
COUNTS = (1, 2, 4)
CONTEXTS, SEQUENCES = (4_096, 32_768), (1, 16)
BUDGET = 10_000
SLOW_SHARE = 8
"""What is slower is asked only of every so manieth setting."""

Case = tuple[Setting, Workload]
Asked = Callable[[Setting, Workload], object]


def grid() -> Iterator[Case]:
    """Every model of the catalogue on each number of each card, by runtime and KV format, context and sequences."""
    cards = [card(name) for name in CARDS]
    workloads = [Workload(*each, 1024) for each in product(CONTEXTS, SEQUENCES)]
    for model, device, count, (engine, kinds) in product(all_described().values(), cards, COUNTS, RUNTIMES):
        for kind in kinds:
            setting = setting_of(model, runtime(engine), kv_format(kind), (CardCount(device, count),))
            yield from ((setting, workload) for workload in workloads)


def keeping() -> Asked:
    """`outcome` that keeps the last setting's fixed part."""
    last: list[tuple[Setting, Fixed]] = []

    def asked(setting: Setting, workload: Workload) -> object:
        if not last or last[0][0] is not setting:
            last[:] = [(setting, fixed_of(setting))]
        return outcome(setting, workload, last[0][1])

    return asked


def per_second(asked: Asked, cases: list[Case], rounds: int) -> float:
    """Answers in a second of processor time, in the best round."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for setting, workload in cases:
            asked(setting, workload)
        best = min(best, time.process_time() - start)
    return len(cases) / best


def main() -> int:
    """Print the table; exit 1 when the budget is missed or an answer is another than `fit`'s."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    cases = list(grid())
    few = cases[::SLOW_SHARE]
    verdicts = Counter(outcome(*case).verdict for case in cases)
    differing = sum(outcome(*case).verdict != fit(*case).verdict for case in few)
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    print(f"{len(cases)} settings: {told}; of {len(few)} compared with fit {differing} differ")
    rows = (
        ("verdict and total, nothing kept", outcome, cases),
        ("verdict and total, setting kept", keeping(), cases),
        ("plan as figures", memory_plan, few),
        ("fit, with its searches", fit, few),
    )
    print(f"{'answer':35} {'a second':>10} {'us each':>9}")
    speed = {name: per_second(asked, some, rounds) for name, asked, some in rows}
    for name, rate in speed.items():
        print(f"{name:35} {rate:10,.0f} {1e6 / rate:9.1f}")
    return int(speed[rows[0][0]] < BUDGET or differing > 0)


if __name__ == "__main__":
    sys.exit(main())
