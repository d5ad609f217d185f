"""What is fitted of each kind of kernel: which rows, which formula, from where the search starts."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from kernel_fits import Error, Model, Start, error, fit
from kernel_tables import (
    FORMATS,
    INTEL_PEAK,
    KV_FORMATS,
    RUNTIMES,
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

from assay.knowledge.catalog.gpus import gpu
from assay.reason.speed.kernels import (
    collective_seconds,
    decode_seconds,
    experts_seconds,
    matrix_seconds,
    prefill_seconds,
)
from assay.types.kernels import (
    Attention,
    Collective,
    DecodeKernel,
    Experts,
    ExpertsKernel,
    MatrixKernel,
    PrefillKernel,
    Rates,
)

Array = Any
Columns = dict[str, Array]
READ = Start(0.7, 0.96)
"""No matrix kernel of the tables reads more than this share of a card's bandwidth: what seems to read more rests on
less than was counted."""
SHARE = Start(0.7, 1.0)
FEWEST = 60
"""Fewer training rows fit no curve."""
WORST = 0.3
"""A fit whose cold held-out rows lie further off on average than this share is not shipped."""
SMALLEST = 128
"""Weights with fewer outputs or inputs are left out: no layer of a language model is so narrow."""
EAGER_FLOOR = 2.5
"""vLLM's block-scaled FP8 was measured without a CUDA graph: rows below this multiple of their kernel's fastest
twentieth show the host, not the card."""


class Fit(NamedTuple):
    """One fitted kernel.

    Attributes:
        card, runtime, version: whose.
        key: kind, format and what else tells fits of a kind apart.
        bandwidth, peak, peak_format: the catalogue's figures that the shares are shares of.
        parameters: in the order of the kernel's type.
        regimes: errors of held-out rows by regime, all rows.
        held: errors of the held-out rows whose bytes do not stay in the L2 cache.
        rows: held-out rows of that sort, as the columns of a shape, with measured seconds.
    """

    card: str
    runtime: str
    version: str
    key: str
    bandwidth: float
    peak: float
    peak_format: str
    parameters: tuple[float, ...]
    regimes: dict[str, Error]
    held: Error
    rows: Columns
    borrowed: str = ""


class Unfitted(NamedTuple):
    """A kernel that has measurements and no parameters, and why."""

    card: str
    runtime: str
    version: str
    key: str
    reason: str


NONE = "no usable rows"


def rows_of(train: int, test: int) -> str:
    """Why so few rows are not fitted; of one shape all rows are on one side."""
    return f"{train} usable rows to fit, {test} to keep out" if train + test else NONE


class Problem(NamedTuple):
    """What is to be fitted: a model of chosen rows, and how rows are sorted.

    `model` takes the rows' mask; `own` parameters are shipped, further ones only describe how the rows were measured.
    """

    model: Callable[[Array], Model]
    starts: tuple[Start, ...]
    own: int
    seconds: Array
    held: Array
    cached: Array
    regimes: dict[str, Array]
    shape: Columns


def bandwidth_of(card: str) -> float:
    """The catalogue's bandwidth of a card, bytes/s."""
    value = gpu(card).bandwidth.value
    if value is None:
        raise ValueError(card)
    return value


def peak_of(card: str, name: str) -> float:
    """The lowest dense matrix peak that the catalogue's sources publish for a number format, in operations/s."""
    peaks = [
        peak.rate.value
        for peak in gpu(card).published_peaks
        if peak.format == name and peak.sparsity == "dense" and peak.unit == "matrix" and peak.accumulate != "fp16"
    ]
    return min(value for value in peaks if value is not None)


def solve(place: Place, key: str, peak_format: str, problem: Problem) -> Fit | Unfitted:
    """The fit of a problem, or why there is none."""
    train, test = ~problem.held, problem.held
    card, runtime = SYSTEMS[place.system].card, RUNTIMES.get(place.runtime, place.runtime)
    if min(int(train.sum()), int(test.sum())) < FEWEST:
        return Unfitted(card, runtime, place.version, key, rows_of(int(train.sum()), int(test.sum())))
    found = fit(problem.model(train), problem.seconds[train], problem.starts)
    predicted = problem.model(np.ones(len(problem.seconds), bool))(found)

    def error_of(rows: Array) -> Error:
        return error(predicted[rows], problem.seconds[rows])

    plain = test & ~problem.cached
    held = error_of(plain if plain.any() else test)
    if held.mean > WORST:
        return Unfitted(card, runtime, place.version, key, f"held-out rows {100 * held.mean:.0f} % off")
    return Fit(
        card,
        runtime,
        place.version,
        key,
        bandwidth_of(card),
        peak_of(card, peak_format),
        peak_format,
        tuple(float(value) for value in found[: problem.own]),
        {name: error_of(test & rows) for name, rows in problem.regimes.items()},
        held,
        {**chosen(problem.shape, plain), "seconds": problem.seconds[plain]},
    )


def _faster(inside: Array, part: Array, gains: Array) -> Array:
    """How many times the memory's bandwidth rows see that stay in the cache, wholly or in part."""
    return 1.0 + gains[0] * inside + gains[1] * part


GAINS = (Start(0.5), Start(0.2))


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
            seen = Rates(rates.bandwidth * _faster(stays, may, values[6:]), rates.peak)
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
            seen = Rates(rates.bandwidth * _faster(stays, may, values[5:]), rates.peak)
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


HEAD_SIZES = (64, 128, 256)
GROUPS = (2, 16)
"""Query heads of a key-value head in decode: runtimes take other kernels for one head of each, and for very many."""


def _attention(columns: Columns, positions: Array, element: float) -> Attention:
    size = columns["head_dim"]
    return Attention(
        columns["batch_size"],
        positions,
        columns["num_heads"],
        columns["num_key_value_heads"],
        size,
        size,
        2.0 * size * element,
    )


def _latent(columns: Columns, positions: Array, element: float, *, prefill: bool) -> Attention:
    """DeepSeek's latent attention: one cached row of 512 + 64 elements; prompts are multiplied with full heads."""
    heads = columns["num_heads"]
    key, value = (192.0, 128.0) if prefill else (576.0, 512.0)
    kv_heads = heads if prefill else np.ones_like(heads)
    return Attention(columns["batch_size"], positions, heads, kv_heads, key, value, 576.0 * element)


def _shape(work: Attention) -> Columns:
    ones = np.ones_like(work.sequences)
    return {name: np.asarray(value) * ones for name, value in zip(Attention._fields, work, strict=True)}


def _rows_of(work: Attention, rows: Array) -> Attention:
    return Attention(*(values[rows] for values in _shape(work).values()))


def decode_problem(place: Place, work: Attention, seconds: Array) -> Problem:
    """Attention of new tokens over their caches."""
    card, cache = SYSTEMS[place.system]
    rates = Rates(bandwidth_of(card), peak_of(card, "bf16"))
    inside, part = resident(work.sequences * work.positions * work.kv_heads * work.kv_bytes, cache)

    def model(rows: Array) -> Model:
        own, stays, may = _rows_of(work, rows), inside[rows], part[rows]

        def taken(values: Array) -> Array:
            seen = Rates(rates.bandwidth * _faster(stays, may, values[5:]), rates.peak)
            return decode_seconds(DecodeKernel(*values[:5]), seen, own)

        return taken

    return Problem(
        model,
        (Start(1e-5), READ, Start(0.3, 1.0), Start(1e-9), Start(1e-8), *GAINS),
        5,
        seconds,
        held_out(work.heads, work.kv_heads, work.sequences),
        inside | part,
        {"short": inside, "between": part, "long": ~(inside | part)},
        _shape(work),
    )


def prefill_problem(place: Place, work: Attention, seconds: Array, peak_format: str) -> Problem:
    """Causal attention over whole prompts."""
    card, _ = SYSTEMS[place.system]
    rates = Rates(bandwidth_of(card), peak_of(card, peak_format))

    def model(rows: Array) -> Model:
        own = _rows_of(work, rows)

        def taken(values: Array) -> Array:
            return prefill_seconds(PrefillKernel(*values), rates, own)

        return taken

    length = work.positions
    return Problem(
        model,
        (Start(1e-5), READ, Start(0.5, 1.0), Start(1e-9)),
        4,
        seconds,
        held_out(work.heads, work.kv_heads, work.sequences),
        length < 256,
        {"<256": length < 256, "256..2047": (length >= 256) & (length < 2048), ">=2048": length >= 2048},
        _shape(work),
    )


def _whole(table: Columns) -> Columns:
    """Rows without a sliding window."""
    return chosen(table, table["window_size"] == 0) if "window_size" in table else table


def _grouped(table: Columns) -> Columns:
    group = table["num_heads"] / table["num_key_value_heads"]
    return chosen(table, (group >= GROUPS[0]) & (group <= GROUPS[1]))


def decodes(tables: Tables) -> Iterator[Fit | Unfitted]:
    """Decode attention by KV format and head size."""
    for place in tables.places("attention", "generation_attention_perf"):
        table = _grouped(_whole(tables.columns(place, "attention", "generation_attention_perf")))
        for kind, size in ((kind, size) for kind in np.unique(table["kv_cache_dtype"]) for size in HEAD_SIZES):
            rows = main_kernel(chosen(table, (table["kv_cache_dtype"] == kind) & (table["head_dim"] == size)))
            name, element = KV_FORMATS[kind]
            problem = decode_problem(place, _attention(rows, rows["step"] + 1.0, element), rows["seconds"])
            yield solve(place, f"decode:{name}:{size}", "bf16", problem)


def _multiplied(kind: str) -> str:
    return "fp8_e4m3" if kind == "fp8" else "bf16"


def prefills(tables: Tables) -> Iterator[Fit | Unfitted]:
    """Prefill attention by number format of its products, KV format and head size."""
    for place in tables.places("attention", "context_attention_perf"):
        table = _whole(tables.columns(place, "attention", "context_attention_perf"))
        table = chosen(table, table["step"] == 0)
        pairs = sorted(set(zip(table["attn_dtype"], table["kv_cache_dtype"], strict=True)))
        for (kind, cache), size in ((pair, size) for pair in pairs for size in HEAD_SIZES):
            own = (table["attn_dtype"] == kind) & (table["kv_cache_dtype"] == cache) & (table["head_dim"] == size)
            rows = main_kernel(chosen(table, own))
            name, element = KV_FORMATS[cache]
            work = _attention(rows, rows["isl"], element)
            problem = prefill_problem(place, work, rows["seconds"], _multiplied(kind))
            yield solve(place, f"prefill:{KV_FORMATS[kind][0]}:{name}:{size}", _multiplied(kind), problem)


def latents(tables: Tables) -> Iterator[Fit | Unfitted]:
    """Latent attention (MLA) where the kernel alone was measured, by KV format."""
    for place in tables.places("mla", "generation_mla_perf"):
        table = tables.columns(place, "mla", "generation_mla_perf")
        for kind in np.unique(table["kv_cache_dtype"]):
            rows = main_kernel(chosen(table, table["kv_cache_dtype"] == kind))
            name, element = KV_FORMATS[kind]
            work = _latent(rows, rows["step"] + 1.0, element, prefill=False)
            yield solve(place, f"latent_decode:{name}", "bf16", decode_problem(place, work, rows["seconds"]))
    for place in tables.places("mla", "context_mla_perf"):
        table = tables.columns(place, "mla", "context_mla_perf")
        for kind in np.unique(table["kv_cache_dtype"]):
            rows = main_kernel(chosen(table, table["kv_cache_dtype"] == kind))
            name, element = KV_FORMATS[kind]
            work = _latent(rows, rows["isl"], element, prefill=True)
            yield solve(place, f"latent_prefill:{name}", "bf16", prefill_problem(place, work, rows["seconds"], "bf16"))


ELEMENT = 2.0
"""Bytes of an element of the messages: the tables count elements, 16 bits each."""
LINKED = 5
"""Fewer sizes fit no line."""


def collective_fit(place: Place, runtime: str, cards: int, table: Columns) -> Fit | Unfitted:
    """All-reduce among a number of cards; every other size is kept out."""
    order = np.argsort(table["message_size"])
    size, seconds = table["message_size"][order] * ELEMENT, table["seconds"][order]
    held = np.arange(len(size)) % 2 == 1
    card = SYSTEMS[place.system].card
    if int((~held).sum()) < LINKED:
        return Unfitted(
            card, runtime, place.version, f"all_reduce:{cards}", rows_of(int((~held).sum()), int(held.sum()))
        )

    def taken(rows: Array) -> Model:
        return lambda values: collective_seconds(Collective(*values), size[rows])

    found = fit(taken(~held), seconds[~held], (Start(1e-5), Start(1e11)))
    off = error(taken(held)(found), seconds[held])
    if off.mean > WORST:
        return Unfitted(
            card, runtime, place.version, f"all_reduce:{cards}", f"held-out rows {100 * off.mean:.0f} % off"
        )
    return Fit(
        card, runtime, place.version, f"all_reduce:{cards}", bandwidth_of(card), 0.0, "",
        tuple(float(value) for value in found), {"all": off}, off,
        {"bytes": size[held], "seconds": seconds[held]},
    )  # fmt: skip


def collectives(tables: Tables) -> Iterator[Fit | Unfitted]:
    """All-reduce of each runtime's own kernel (inside a CUDA graph where both were measured), and NCCL's."""
    for name, table_name in (("", "custom_allreduce_perf"), ("nccl", "nccl_perf")):
        for place in tables.places("comm", table_name):
            table = tables.columns(place, "comm", table_name)
            keep = table["op_name"] == "all_reduce"
            if name:
                keep &= table["nccl_dtype"] == "half"
            else:
                keep &= np.char.find(table["kernel_source"], "eager") < 0
            table = chosen(table, keep)
            for cards in np.unique(table["num_gpus"]):
                rows = chosen(table, table["num_gpus"] == cards)
                yield collective_fit(place, name or RUNTIMES[place.runtime], int(cards), rows)


def all_fits(tables: Tables) -> Iterator[Fit | Unfitted]:
    """Every fit that the tables allow, and what they hold too few rows of, or rows that no curve fits."""
    for kind in (matrices, experts, decodes, prefills, latents, collectives):
        yield from (found for found in kind(tables) if isinstance(found, Fit) or found.reason != NONE)
