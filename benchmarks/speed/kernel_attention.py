"""Attention of decode and prefill, latent attention included: which rows are fitted, and from where."""

from collections.abc import Iterator

import numpy as np
from kernel_fits import Model, Start
from kernel_solve import GAINS, READ, Array, Columns, Fit, Problem, Unfitted, bandwidth_of, faster, peak_of, solve
from kernel_tables import KV_FORMATS, SYSTEMS, Place, Tables, chosen, held_out, main_kernel, resident

from assay.reason.speed.kernels import decode_seconds, prefill_seconds
from assay.types.kernels import Attention, DecodeKernel, PrefillKernel, Rates

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
            seen = Rates(rates.bandwidth * faster(stays, may, values[5:]), rates.peak)
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
