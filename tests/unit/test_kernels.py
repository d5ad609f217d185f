"""Seconds of a kernel: the limits that its formula must have, and the search that fits its parameters."""

import sys
from pathlib import Path

import numpy as np
import pytest

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

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks" / "speed"))

import kernel_fits
import kernel_tables

RATES = Rates(1e12, 1e15)
BARE = MatrixKernel(5e-6, 0.5, 0.8, 0.0, 0.0, 0.0)


def test_one_row_takes_the_time_to_read_the_weight() -> None:
    seconds = matrix_seconds(BARE, RATES, 1, (8192, 8192), 8192 * 8192 * 2)
    assert seconds == pytest.approx(5e-6 + (8192 * 8192 + 16384) * 2 / 0.5e12, rel=1e-4)


def test_many_rows_take_the_time_to_multiply() -> None:
    seconds = matrix_seconds(BARE, Rates(1e13, 1e15), 65536, (8192, 8192), 8192 * 8192 * 2)
    assert seconds == pytest.approx(2 * 65536 * 8192 * 8192 / 0.8e15, rel=0.01)


def test_a_deep_narrow_product_is_bound_by_its_depth() -> None:
    deep = BARE._replace(depth=1e-8)
    assert matrix_seconds(deep, RATES, 1, (128, 16384), 128 * 16384) == pytest.approx(5e-6 + 16384e-8, rel=0.01)


def test_rows_and_elements_of_activations_are_paid_for_apart() -> None:
    paid = BARE._replace(row=1e-8, element=1e-12)
    more = matrix_seconds(paid, RATES, 32, (4096, 2048), 4096 * 2048) - matrix_seconds(
        BARE, RATES, 32, (4096, 2048), 4096 * 2048
    )
    assert more == pytest.approx(32e-8 + 32 * 2048e-12)


def test_experts_read_the_distinct_ones_and_multiply_all_rows() -> None:
    bare = ExpertsKernel(2e-5, 0.5, 0.5, 0.0, 0.0)
    few = Experts(8, 8, 2048, 768, 3 * 2048 * 768 * 2)
    assert experts_seconds(bare, RATES, few) == pytest.approx(2e-5 + 8 * 3 * 2048 * 768 * 2 / 0.5e12, rel=1e-3)
    many = Experts(8 * 65536, 128, 2048, 768, 3 * 2048 * 768 * 2)
    assert experts_seconds(bare, RATES, many) == pytest.approx(6 * 8 * 65536 * 2048 * 768 / 0.5e15, rel=0.05)
    apart = bare._replace(expert=1e-7, element=1e-11)
    assert experts_seconds(apart, RATES, few) - experts_seconds(bare, RATES, few) == pytest.approx(8e-7 + 8 * 2048e-11)


def test_decode_attention_reads_the_cache_and_prefill_multiplies_half_the_square() -> None:
    work = Attention(4, 32768, 32, 8, 128, 128, 512)
    assert decode_seconds(DecodeKernel(1e-5, 0.8, 1.0, 0.0, 0.0), RATES, work) == pytest.approx(
        1e-5 + 4 * 32768 * 8 * 512 / 0.8e12, rel=0.01
    )
    bare, counted = DecodeKernel(1e-5, 0.8, 1.0, 0.0, 0.0), DecodeKernel(1e-5, 0.8, 1.0, 0.0, 1e-7)
    assert decode_seconds(counted, RATES, work) - decode_seconds(bare, RATES, work) == pytest.approx(32e-7)
    one = work._replace(sequences=1, kv_heads=1, heads=1)
    assert decode_seconds(bare._replace(position=1e-8), RATES, one) == pytest.approx(1e-5 + 32768e-8, rel=0.01)
    flop = 4 * 32768 * 32768 * 32 * 256
    moved = 2 * 4 * 32768 * 40 * 256
    assert prefill_seconds(PrefillKernel(0.0, 0.5, 0.6, 0.0), RATES, work) == pytest.approx(
        flop / 0.6e15 + moved / 0.5e12
    )


def test_a_message_takes_its_start_and_its_bytes() -> None:
    assert collective_seconds(Collective(1e-5, 1e11), 1e6) == pytest.approx(2e-5)


def test_the_formulas_hold_for_arrays() -> None:
    rows = np.array([1.0, 16.0, 4096.0])
    together = matrix_seconds(BARE, RATES, rows, (4096, 4096), 4096 * 4096)
    alone = [matrix_seconds(BARE, RATES, float(row), (4096, 4096), 4096 * 4096) for row in rows]
    assert list(together) == pytest.approx(alone)


def test_the_fit_finds_what_made_the_rows() -> None:
    rows, inputs = (part.ravel() for part in np.meshgrid(2.0 ** np.arange(14), 2.0 ** np.arange(8, 15)))
    true = (4e-6, 0.83, 0.61, 1.3e-9, 2e-9, 4e-13)

    def model(values: np.ndarray) -> np.ndarray:
        return matrix_seconds(MatrixKernel(*values), RATES, rows, (6144, inputs), 6144 * inputs)

    share = kernel_fits.Start(0.5, 1.0)
    starts = (kernel_fits.Start(1e-5), share, share, *(kernel_fits.Start(near) for near in (1e-9, 1e-9, 1e-13)))
    seconds = model(np.array(true))
    assert list(kernel_fits.fit(model, seconds, starts)) == pytest.approx(list(true), rel=1e-5)
    wild = seconds.copy()
    wild[::10] *= 3
    assert kernel_fits.fit(model, wild, starts)[1] == pytest.approx(0.83, rel=0.15)


def test_a_share_stops_at_one_and_the_others_go_on() -> None:
    sizes = 10.0 ** np.arange(4, 10)

    def model(values: np.ndarray) -> np.ndarray:
        return values[0] + sizes / (1e12 * values[1])

    seconds = model(np.array([3e-6, 1.25]))
    start, share = kernel_fits.fit(model, seconds, (kernel_fits.Start(1e-5), kernel_fits.Start(0.5, 1.0)))
    assert share == 1.0
    assert start == pytest.approx(3e-6, rel=0.1)
    rows = np.tile([1.0, 64.0, 4096.0], 6)
    wide, deep = (part.ravel() for part in np.meshgrid(2.0 ** np.arange(10, 16), [2048.0, 8192.0, 16384.0]))

    def product(values: np.ndarray) -> np.ndarray:
        return matrix_seconds(MatrixKernel(*values), RATES, rows, (wide, deep), 2 * wide * deep)

    times = product(np.array([4e-6, 1.4, 0.6, 1e-9, 1e-9, 1e-13]))
    near = [kernel_fits.Start(value) for value in (1e-5, 1e-9, 1e-9, 1e-13)]
    ends = [
        kernel_fits.fit(product, times, (near[0], first, kernel_fits.Start(0.5, 1.0), *near[1:]))
        for first in (kernel_fits.Start(0.5, 1.0), kernel_fits.Start(1.0, 1.0, fixed=True))
    ]
    assert list(ends[0]) == pytest.approx(list(ends[1]), rel=1e-6)
    held = kernel_fits.fit(model, seconds, (kernel_fits.Start(1e-5), kernel_fits.Start(0.5, 1.0, fixed=True)))
    assert held[1] == 0.5


def test_what_stays_in_the_cache_is_told_from_what_is_read() -> None:
    sizes = np.array([1e6, 10e6, 30e6])
    walked = sizes * kernel_tables.copies("vllm", "bfloat16", sizes, 50e6)
    inside, part = kernel_tables.resident(walked, 50e6)
    assert (list(inside), list(part)) == ([True, False, False], [False, True, False])
    once = sizes * kernel_tables.copies("vllm", "nvfp4", sizes, 50e6)
    assert list(kernel_tables.resident(once, 50e6)[0]) == [True, True, True]
    assert list(kernel_tables.copies("trtllm", "fp8", sizes, 50e6)) == [5, 5, 2]


def test_rows_of_one_shape_are_on_one_side() -> None:
    n, k = np.array([128.0, 128.0, 256.0, 512.0] * 50), np.array([64.0, 64.0, 64.0, 64.0] * 50)
    held = kernel_tables.held_out(n, k)
    assert len({(a, side) for a, side in zip(n, held, strict=True)}) == 3
