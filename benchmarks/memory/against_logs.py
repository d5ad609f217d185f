"""Predicted against logged memory: what vLLM and SGLang left for the KV cache, in published start-up logs.

    python benchmarks/memory/against_logs.py [--rows]

For each usable row: the memory that Assay predicts for the cache with the row's own settings, less what the log says,
in percent of what the driver shows of the card. Above zero is optimistic. `--rows` prints every row. Weights are
predicted where the checkpoint's format is the one of the published configuration; where it is another copy's, the
logged figure stands in (marked `w`), so that one error is not counted as another.
"""

import sys
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rows import Row, load, usable
from split import split

from assay.answers.cards import card
from assay.answers.model import answer as read_model
from assay.knowledge.catalog.runtimes import kv_format, memory_at, runtime, term
from assay.knowledge.identity.identify import identify
from assay.reason.memory.fit import CardMemory, Setting, capacity_of, memory_plan, room_of
from assay.types.model import Model
from assay.types.plan import Capacity, Workload
from assay.types.quantity import Quantity, exact
from assay.types.runtime import Runtime, RuntimeMemory

GIB = 2**30
HERE = Path(__file__).parent
WORST, USUAL, OPTIMISTIC = 4.0, 1.5, 1.0
"""Percent of the card's memory: the largest error, the median, and how far above the log a promise may lie."""
SHARED = ("decode_context_parallel", "speculative_config")
KV_NAMES = {"auto": "bf16", "bf16": "bf16", "fp8": "fp8"}


class Compared(NamedTuple):
    """One row: what was predicted for the cache (GiB), the log's figure, and the errors in percent of the card."""

    row: Row
    predicted: Quantity
    logged: float
    card: float
    weights_logged: bool
    capacity: Capacity | None

    @property
    def error(self) -> float:
        """Of the prediction itself."""
        return ((self.predicted.value or 0.0) / GIB - self.logged) / self.card * 100

    @property
    def promise(self) -> float:
        """Of the pessimistic end, which a verdict rests on."""
        return ((self.predicted.lowest or 0.0) / GIB - self.logged) / self.card * 100

    @property
    def tokens(self) -> float | None:
        """Percent by which tokens computed from the logged memory miss the logged ones, the memory's rounding allowed.

        None where none are printed, and where pipelines, context parallelism or a draft model share the memory.
        """
        aside = (self.row.pp or 1) > 1 or any(word in self.row.other_flags for word in SHARED)
        if aside or self.row.kv_tokens is None or self.capacity is None or self.capacity.tokens.value is None:
            return None
        half = 0.005 / self.logged if self.logged > 0 else 0.0
        miss = abs(self.capacity.tokens.value / self.row.kv_tokens - 1)
        return max(0.0, miss - half) * 100


def model_of(row: Row) -> Model:
    """The model whose shapes the row names."""
    named = HERE / row.config
    return read_model(str(named) if named.is_file() else row.config)


def _memory(row: Row, version: str) -> RuntimeMemory:
    memory = memory_at(row.runtime, version)
    if memory is None:
        raise ValueError(f"{row.id}: no memory terms")
    tiers = memory.tiers
    if row.max_num_batched_tokens:
        tiers = tuple(tier._replace(batched_tokens=row.max_num_batched_tokens) for tier in tiers)
    if row.max_num_seqs:
        tiers = tuple(tier._replace(sequences=row.max_num_seqs, wide_sequences=row.max_num_seqs) for tier in tiers)
    fraction = exact(row.utilization or 0.0, "ratio", "reported", row.source)
    counted = memory.graphs_counted and not row.enforce_eager and "ESTIMATE_CUDAGRAPHS=0" not in row.other_flags
    if "runner" in row.other_flags and memory.activation is not None:  # a pooling model samples nothing
        memory = memory._replace(activation=memory.activation._replace(logits=(0.0, 0.0, 0.0)))
    if "limit_mm_per_prompt" in row.other_flags:
        memory = memory._replace(video_architectures=frozenset())
    return memory._replace(tiers=tiers, fraction=fraction, graphs_counted=counted)


def _kv(row: Row) -> str:
    """The KV type: `auto` is that of the model's activations."""
    return "fp32" if (row.kv_cache_dtype, row.weight_format) == ("auto", "fp32") else KV_NAMES[row.kv_cache_dtype]


def setting_of(row: Row) -> tuple[Setting, bool]:
    """The setting of a row, and whether the log's weights stand in for the model's."""
    engine: Runtime = runtime(row.runtime)
    engine = engine._replace(memory=_memory(row, row.version))
    model = model_of(row)
    logged = row.weight_format != model.released_format or (row.pp or 1) > 1
    found = card(identify(row.card).candidates[0])
    cards = row.tp or 1
    reserve = "driver_reserve" if found.gpu.vendor == "NVIDIA" else "driver_reserve_other"
    place = CardMemory(found.gpu.id, found.usable, term("memory_term", reserve), cards)
    return Setting(model, engine, place, kv_format(_kv(row))), logged


def compare(row: Row) -> Compared:
    """One row against its prediction."""
    setting, logged = setting_of(row)
    workload = Workload(row.max_model_len or setting.model.max_context or 32_768, 1, 1)
    plan = memory_plan(setting, workload)
    if logged:
        plan = plan._replace(weights=exact((row.model_loading_gib or 0.0) * GIB, "B", "reported", row.source))
    room = room_of(setting, plan)
    seen = exact((row.available_kv_gib or 0.0) * GIB, "B", "reported", row.source)
    usable_memory = setting.card.usable
    shown = (usable_memory.value or 0.0) / GIB
    return Compared(row, room, row.available_kv_gib or 0.0, shown, logged, capacity_of(setting, workload, seen))


def _line(name: str, found: list[Compared]) -> str:
    errors = [one.error for one in found]
    promises = [one.promise for one in found]
    inside = sum(abs(error) <= WORST for error in errors)
    return (
        f"{name:12} {len(found):4} {median(map(abs, errors)):8.2f} {min(errors):8.2f} {max(errors):8.2f} "
        f"{inside:5}/{len(found):<4} {max(promises):9.2f} {sum(p > OPTIMISTIC for p in promises):4}"
    )


def main() -> None:
    """Print the errors of each half, and with --rows of each row."""
    halves = split(usable(load()))
    print("percent of the card: median of |error|, worst low, worst high, within 4; the promise's worst, above 1")
    every: list[Compared] = []
    for name, half in halves._asdict().items():
        found = [compare(row) for row in half]
        every += found
        print(_line(name, found))
    print(_line("all", every))
    printed = [one.tokens for one in every if one.tokens is not None]
    print(f"tokens from the logged memory: {sum(one <= 0.1 for one in printed)} of {len(printed)} within 0.1 percent")
    if "--rows" in sys.argv:
        for one in sorted(every, key=lambda each: each.error):
            mark = "w" if one.weights_logged else " "
            low, high = (one.predicted.lowest or 0) / GIB, (one.predicted.highest or 0) / GIB
            value = (one.predicted.value or 0) / GIB
            print(
                f"{one.error:7.2f} {one.promise:7.2f} {mark} {value:7.2f} ({low:.2f}-{high:.2f}) {one.logged:7.2f}  "
                f"{one.row.id} {'' if one.tokens is None else f'tokens {one.tokens:.2f}'}"
            )


if __name__ == "__main__":
    main()
