"""Products with one weight, and the routed experts of a layer: which rows are fitted, and from where."""

from collections.abc import Iterator

import numpy as np
from kernel_fits import Model, Start
from kernel_solve import (
    GAINS,
    READ,
    SHARE,
    Array,
    Columns,
    Fit,
    Problem,
    Unfitted,
    bandwidth_of,
    faster,
    peak_of,
    solve,
)
from kernel_tables import (
    FORMATS,
    INTEL_PEAK,
    SYSTEMS,
    Format,
    Place,
    Tables,
    chosen,
    copies,
    held_out,
    main_kernel,
    resident,
)

from assay.reason.speed.kernels import experts_seconds, matrix_seconds
from assay.types.kernels import Experts, ExpertsKernel, MatrixKernel, Rates

SMALLEST = 128
"""Weights with fewer outputs or inputs are left out: no layer of a language model is so narrow."""
EAGER_FLOOR = 2.5
"""vLLM's block-scaled FP8 was measured without a CUDA graph: rows below this multiple of their kernel's fastest
twentieth show the host, not the card."""


def matrix_problem(place: Place, table: Columns, kind: str, known: Format) -> Problem:
    """Products of activations and one weight."""
    card, cache = SYSTEMS[place.system]
    rates = Rates(bandwidth_of(card), peak_of(card, known.peak))
    m, n, k = table["m"], table["n"], table["k"]
    size = n * k * known.bytes
    inside, part = resident(size * copies(place.runtime, kind, size, cache), cache)

    def model(rows: Array) -> Model:
        width, outputs, inputs, weight = m[rows], n[rows], k[rows], size[rows]
        stays, may = inside[rows], part[rows]

        def seconds(values: Array) -> Array:
            seen = Rates(rates.bandwidth * faster(stays, may, values[6:]), rates.peak)
            return matrix_seconds(MatrixKernel(*values[:6]), seen, width, (outputs, inputs), weight)

        return seconds

    return Problem(
        model,
        (Start(3e-6), READ, SHARE, Start(1e-9), Start(1e-9), Start(1e-13), *GAINS),
        6,
        table["seconds"],
        held_out(n, k),
        inside | part,
        {"m<=16": m <= 16, "16<m<=256": (m > 16) & (m <= 256), "m>256": m > 256},
        {"m": m, "n": n, "k": k, "bytes": size},
    )


def _peak_format(place: Place, known: Format) -> Format:
    return known._replace(peak=INTEL_PEAK) if place.system == "b60" else known


def matrices(tables: Tables) -> Iterator[Fit | Unfitted]:
    """The products of every system, runtime and format."""
    for place in tables.places("gemm", "gemm_perf"):
        table = tables.columns(place, "gemm", "gemm_perf")
        table = chosen(table, (table["n"] >= SMALLEST) & (table["k"] >= SMALLEST))
        plain: Fit | Unfitted | None = None
        for kind in np.unique(table["gemm_dtype"]):
            known = _peak_format(place, FORMATS[kind])
            rows = chosen(table, table["gemm_dtype"] == kind)
            if place.runtime == "vllm" and kind == "fp8_block" and isinstance(plain, Fit):
                yield eager(place, rows, known, plain)
                continue
            found = solve(place, f"matrix:{known.id}", known.peak, matrix_problem(place, rows, kind, known))
            plain = found if kind == "fp8" else plain
            yield found


def eager(place: Place, table: Columns, known: Format, plain: Fit) -> Fit | Unfitted:
    """Block-scaled FP8 of vLLM: only large products show the card; the rest is taken from plain FP8."""
    problem = matrix_problem(place, above_host(table), "fp8_block", known)
    starts = [
        start._replace(value=value, fixed=True)
        for start, value in zip(problem.starts[:6], plain.parameters, strict=True)
    ]
    starts[2], starts[5] = problem.starts[2], problem.starts[5]
    found = solve(place, f"matrix:{known.id}", known.peak, problem._replace(starts=(*starts, *problem.starts[6:])))
    return found._replace(borrowed="fp8") if isinstance(found, Fit) else found


def above_host(table: Columns) -> Columns:
    """The rows whose kernel takes well longer than the host needs to start it."""
    keep = np.zeros(len(table["seconds"]), bool)
    for name in np.unique(table["kernel_source"]):
        own = table["kernel_source"] == name
        keep |= own & (table["seconds"] > EAGER_FLOOR * np.quantile(table["seconds"][own], 0.05))
    return chosen(table, keep)


LATENT_MODELS = 22
"""Experts of a token of the one family whose experts have no gate and work on a narrower row."""
UNGATED_WIDTH = 1856
DRAWS = 5
"""Draws of experts from a power law that the loop walks through; a balanced choice is one."""


def _power_law(experts: int, rows: float, tokens: float, exponent: float) -> float:
    """Experts that get a token when counts follow a power law as the collector draws it, here at even quantiles.

    Counts above the number of tokens, and what rounding leaves, go to the experts with fewest.
    """
    low, high = (1.0, 0.8 * tokens) if rows > experts else (0.01, 2.0)
    ends = (low ** (1.0 - exponent), high ** (1.0 - exponent))
    quantiles = (np.arange(experts) + 0.5) / experts
    drawn = ((ends[1] - ends[0]) * quantiles + ends[0]) ** (1.0 / (1.0 - exponent))
    counts = np.minimum(np.round(drawn / drawn.sum() * rows), tokens)
    taken = int((counts > 0).sum())
    return float(taken + min(experts - taken, max(rows - counts.sum(), 0.0)))


def touched_experts(distribution: str, experts: int, rows: float, tokens: float) -> float:
    """Distinct experts of the measured choice: all different when balanced, as far as there are any."""
    if distribution == "balanced":
        return min(float(experts), rows)
    return _power_law(experts, rows, tokens, float(distribution.rpartition("_")[2]))


def _touched(table: Columns) -> tuple[Array, Array]:
    """Experts touched by one pass, and by all draws that the loop walks through (independent of each other)."""
    names = ("num_experts", "topk", "num_tokens")
    cases = list(zip(table["distribution"], *(table[name] for name in names), strict=True))
    known = {
        case: touched_experts(str(case[0]), int(case[1]), case[2] * case[3], case[3]) for case in dict.fromkeys(cases)
    }
    one = np.array([known[case] for case in cases])
    draws = np.where(table["distribution"] == "balanced", 1, DRAWS)
    return one, table["num_experts"] * (1.0 - (1.0 - one / table["num_experts"]) ** draws)


def experts_problem(place: Place, table: Columns, known: Format) -> Problem:
    """Routed experts of one layer, without expert parallelism."""
    card, cache = SYSTEMS[place.system]
    rates = Rates(bandwidth_of(card), peak_of(card, known.peak))
    tokens, hidden, total, each = (table[name] for name in ("num_tokens", "hidden_size", "num_experts", "topk"))
    width = table["inter_size"] / table["moe_tp_size"]
    touched, together = _touched(table)
    size = 3.0 * hidden * width * known.bytes
    inside, part = resident(together * size, cache)

    def model(rows: Array) -> Model:
        work = Experts((tokens * each)[rows], touched[rows], hidden[rows], width[rows], size[rows])
        stays, may = inside[rows], part[rows]

        def seconds(values: Array) -> Array:
            seen = Rates(rates.bandwidth * faster(stays, may, values[5:]), rates.peak)
            return experts_seconds(ExpertsKernel(*values[:5]), seen, work)

        return seconds

    return Problem(
        model,
        (Start(3e-5), READ, Start(0.4, 1.0), Start(1e-8), Start(1e-12), *GAINS),
        5,
        table["seconds"],
        held_out(hidden, table["inter_size"], each, total),
        inside | part,
        {"tokens<=16": tokens <= 16, "16<tokens<=256": (tokens > 16) & (tokens <= 256), "tokens>256": tokens > 256},
        {"rows": tokens * each, "distinct": touched, "hidden": hidden, "width": width, "expert_bytes": size},
    )


def experts(tables: Tables) -> Iterator[Fit | Unfitted]:
    """The routed experts of every system, runtime and format."""
    for place in tables.places("moe", "moe_perf"):
        table = tables.columns(place, "moe", "moe_perf")
        gated = (table["topk"] != LATENT_MODELS) & (table["inter_size"] != UNGATED_WIDTH)
        table = chosen(table, gated & (table["moe_ep_size"] == 1))
        for kind in np.unique(table["moe_dtype"]):
            known = _peak_format(place, FORMATS[kind])
            rows = main_kernel(chosen(table, table["moe_dtype"] == kind))
            yield solve(place, f"experts:{known.id}", known.peak, experts_problem(place, rows, known))
