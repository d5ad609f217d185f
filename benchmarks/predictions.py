"""How many speeds are predicted in a second of one core: minima over rounds, since machines are noisy.

    python benchmarks/predictions.py [--rounds 5]

A *prediction* is the seconds between tokens of one (model, card, runtime, sequences, context) with its 80 % interval,
on plain numbers, as a search over workloads asks. The second line prepares the model on the card anew for each; the
third is what a page shows: every figure with its parts and sources. Budget: 20,000 a second in the first line; exit 1
when it is missed.
"""

import argparse
import sys
import time
from collections.abc import Callable
from itertools import product
from math import exp

from assay.answers.asked import CardCount
from assay.answers.cards import card
from assay.answers.judged import setting_of
from assay.answers.speed import speed_on
from assay.knowledge.catalog.described import all_described
from assay.knowledge.catalog.runtimes import kv_format, runtime
from assay.reason.memory.fit import Setting
from assay.reason.speed import step
from assay.reason.speed.predict import Speed, predict, spread_of
from assay.types.plan import Workload

CARDS = ("geforce-rtx-4090", "rtx-pro-6000-blackwell-workstation-edition", "h200-sxm-141gb")
MODELS = 12
SEQUENCES, CONTEXTS = (1, 4, 16, 64, 256), (512, 4_096, 32_768)
BUDGET = 20_000


def settings() -> list[Setting]:
    """Models of the catalogue on cards."""
    models = [model for model in all_described().values() if model.weights.value][:: max(1, 84 // MODELS)]
    engine = runtime("vllm")
    return [
        setting_of(model, engine, kv_format("bf16"), (CardCount(card(name), 1),))
        for model, name in product(models, CARDS)
    ]


def plainly(speed: Speed, spread: tuple[float, float], sequences: int, context: int) -> tuple[float, float, float]:
    """(low, value, high) seconds between tokens."""
    value = sum(step.decode(speed.prepared, speed.factors, sequences, context / 2))
    return value * spread[0], value, value * spread[1]


def per_second(asked: Callable[[], int], rounds: int) -> float:
    """Answers in a second of processor time, in the best round; `asked` returns how many it gave."""
    best = 0.0
    for _ in range(rounds):
        start = time.process_time()
        count = asked()
        best = max(best, count / (time.process_time() - start))
    return best


def main() -> int:
    """Print the table; exit 1 when the budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    asked = settings()
    ready = []
    for setting in asked:
        speed = speed_on(setting, card(setting.card.gpu_id), 1)
        found = spread_of(speed.calibration, "serving", speed.prepared)
        ready.append((speed, (exp(-found.high), exp(-found.low))))
    loads = list(product(SEQUENCES, CONTEXTS))

    def plain() -> int:
        for speed, spread in ready:
            for sequences, context in loads:
                plainly(speed, spread, sequences, context)
        return len(ready) * len(loads)

    def anew() -> int:
        for setting in asked:
            speed = speed_on(setting, card(setting.card.gpu_id), 1)
            plainly(speed, (1.0, 1.0), 4, 4_096)
        return len(asked)

    def page() -> int:
        for speed, _ in ready:
            predict(speed, Workload(8_192, 8, 1_024))
        return len(ready)

    rows = (("seconds with their interval", plain), ("model prepared anew", anew), ("a page's figures", page))
    speeds = {name: per_second(each, rounds) for name, each in rows}
    print(f"{len(asked)} models on cards x {len(loads)} workloads")
    for name, rate in speeds.items():
        print(f"{name:35} {rate:10,.0f} {1e6 / rate:9.1f} us")
    return int(speeds[rows[0][0]] < BUDGET)


if __name__ == "__main__":
    sys.exit(main())
