"""What the calibrating half of the start-up logs says of vLLM's terms, beside what the catalogue holds.

    python benchmarks/memory/calibrate.py

Three figures can be read off logs that print the parts of the profile: copies of the logits in 32 bits while tokens are
sampled (by release), what lies outside the allocator on one card, and what several cards with fast links add to it.
Medians of the calibrating half only; the validating half is printed beside them and decides nothing. Exit 1 where a
typical value of the catalogue is not the median to the digits it has.
"""

import sys
from statistics import median
from typing import NamedTuple

from against_logs import GIB, model_of
from rows import Row, load, usable
from split import split

from assay.answers.cards import card
from assay.knowledge.catalog.runtimes import memory_at
from assay.knowledge.identity.identify import identify
from assay.reason.memory.overhead import mlp_row, scheduler_load
from assay.types.runtime import RuntimeMemory

SAMPLES_DECIDE = 1.1
"""A row tells the copies of the logits only where sampling is at least this much more than a layer's own peak."""


class Read(NamedTuple):
    """One figure that a row tells."""

    name: str
    value: float


def _memory(row: Row) -> RuntimeMemory | None:
    return memory_at(row.runtime, row.version)


def _linked(row: Row) -> bool:
    memory = _memory(row)
    return memory is not None and card(identify(row.card).candidates[0]).gpu.id.startswith(memory.fast_links)


def _copies(row: Row) -> float | None:
    """Copies of the logits: (peak - hidden rows - the experts' workspace that is kept) / logits in 32 bits."""
    memory = _memory(row)
    if memory is None or memory.activation is None or row.activation_peak_gib is None or "vision" in row.note:
        return None
    model = model_of(row)
    if any(group.role == "vision" for group in model.groups):
        return None
    found = card(identify(row.card).candidates[0])
    load_ = scheduler_load(memory, found.gpu.id, found.usable.value or 0.0, row.max_model_len or 1, 1, row.tp or 1)
    tokens = row.max_num_batched_tokens or load_.batched_tokens
    sequences = min(row.max_num_seqs or load_.sequences, tokens)
    hidden, wide = tokens * model.hidden_size * 2, tokens * mlp_row(model, row.tp or 1) * 2
    kept = wide * memory.activation.kept[1] if model.experts else 0.0
    peak = row.activation_peak_gib * GIB
    layer = hidden * memory.activation.hidden[1] + wide
    return None if peak < layer * SAMPLES_DECIDE else (peak - hidden - kept) / (sequences * model.vocabulary * 4)


def reads(row: Row) -> list[Read]:
    """What one row tells."""
    memory, found = _memory(row), []
    if memory is None or memory.activation is None or row.runtime != "vllm" or (row.pp or 1) > 1:
        return []
    copies = _copies(row)
    if copies is not None:
        found.append(Read(f"copies of the logits, typical {memory.activation.logits[1]}", copies))
    if row.non_torch_gib is not None and row.tp == 1:
        found.append(Read("outside the allocator, one card, GiB", row.non_torch_gib))
    if row.non_torch_gib is not None and (row.tp or 1) > 1 and _linked(row) and memory.graphs_counted is False:
        found.append(Read("and with fast links, GiB", row.non_torch_gib))
    return found


def medians(rows: tuple[Row, ...]) -> dict[str, tuple[float, int]]:
    """The median of each figure, and how many rows tell it."""
    told: dict[str, list[float]] = {}
    for row in rows:
        for name, value in reads(row):
            told.setdefault(name, []).append(value)
    return {name: (median(values), len(values)) for name, values in sorted(told.items())}


def main() -> None:
    """Print both halves beside the catalogue; exit 1 where the catalogue is not the calibrating half's."""
    halves = split(usable(load()))
    chosen, others = medians(halves.calibration), medians(halves.validation)
    memory = memory_at("vllm", "0.19.0")
    if memory is None:
        raise SystemExit("vLLM has no memory terms")
    context = (memory.terms["context"].value or 0.0) / GIB
    linked = (memory.terms["parallel_linked"].value or 0.0) / GIB
    wanted = {"outside the allocator, one card, GiB": context, "and with fast links, GiB": context + linked}
    wrong = False
    print(f"{'figure':44} {'catalogue':>9} {'calibration':>16} {'validation':>16}")
    for name, (value, count) in chosen.items():
        held = wanted.get(name, float(name.rsplit(" ", 1)[1]) if name.startswith("copies") else 0.0)
        beside, many = others.get(name, (float("nan"), 0))
        wrong = wrong or abs(held - value) > 0.05 * max(1.0, abs(value))
        print(f"{name:44} {held:9.2f} {value:10.2f} ({count:3}) {beside:10.2f} ({many:3})")
    sys.exit(int(wrong))


if __name__ == "__main__":
    main()
