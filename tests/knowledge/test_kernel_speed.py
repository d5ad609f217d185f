"""The fitted kernels (`benchmarks/speed/fit_kernels.py`): sound, of the catalogue's cards, near what was measured."""

import csv
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import pytest

from assay.knowledge import store
from assay.knowledge.catalog import kernels
from assay.knowledge.catalog.gpus import gpu
from assay.knowledge.catalog.runtimes import runtime
from assay.reason.speed.kernels import (
    collective_seconds,
    decode_seconds,
    experts_seconds,
    matrix_seconds,
    prefill_seconds,
)
from assay.types.kernels import Attention, Experts, Rates

SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"
sys.path.insert(0, str(SPEED))

import kernel_matrices  # noqa: E402  (benchmarks are scripts, not a package)
import kernel_solve  # noqa: E402

SHIPPED = store.DATA / "generated" / "kernel_speed.json"
NUMBER_FORMATS = {
    "bf16": "bf16", "fp8": "fp8_e4m3", "fp8_block128": "fp8_e4m3", "nvfp4": "nvfp4", "int8_w8a16": "bf16",
    "int4_w4a16": "bf16", "int8_w8a8": "int8", "mxfp4_w4a16": "bf16", "mxfp4": "fp8_e4m3",
}  # fmt: skip
"""Weight formats of the entries, and the format that their kernels multiply in."""
MOST = {
    "matrix": (0.11, 0.09),
    "experts": (0.16, 0.11),
    "decode": (0.13, 0.06),
    "prefill": (0.13, 0.09),
    "latent_decode": (0.13, 0.06),
    "latent_prefill": (0.10, 0.06),
    "all_reduce": (0.14, 0.09),
}
"""Of the committed held-out rows of a kind: the largest mean and median error."""

Row = dict[str, str]
Places = kernels.places()


def sample() -> list[Row]:
    with (SPEED / "kernel_sample.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


SAMPLE = sample()


def known(found: Any) -> Any:
    assert found is not None
    return found


def figures(row: Row, name: str) -> Rates:
    return known(kernels.rates(row["card"], row["runtime"], "bf16" if row["card"] == "arc-pro-b60" else name))


def shape_of(row: Row) -> dict[str, float]:
    return {name: float(value) for name, value in (part.split("=") for part in row["shape"].split())}


def matrix(row: Row, rest: list[str]) -> float:
    shape = shape_of(row)
    fitted = known(kernels.matrix_kernel(row["card"], row["runtime"], rest[0]))
    rates = figures(row, NUMBER_FORMATS[rest[0]])
    return matrix_seconds(fitted.kernel, rates, shape["m"], (shape["n"], shape["k"]), shape["bytes"])


def experts(row: Row, rest: list[str]) -> float:
    fitted = known(kernels.experts_kernel(row["card"], row["runtime"], rest[0]))
    return experts_seconds(fitted.kernel, figures(row, NUMBER_FORMATS[rest[0]]), Experts(**shape_of(row)))


def attention(row: Row) -> Attention:
    return Attention(**shape_of(row))


def decode(row: Row, rest: list[str]) -> float:
    fitted = known(kernels.decode_kernel(row["card"], row["runtime"], rest[0], int(rest[1])))
    return decode_seconds(fitted.kernel, figures(row, "bf16"), attention(row))


def prefill(row: Row, rest: list[str]) -> float:
    fitted = known(kernels.prefill_kernel(row["card"], row["runtime"], (rest[0], rest[1]), int(rest[2])))
    return prefill_seconds(fitted.kernel, figures(row, NUMBER_FORMATS[rest[0]]), attention(row))


def latent_decode(row: Row, rest: list[str]) -> float:
    fitted = known(kernels.latent_decode_kernel(row["card"], row["runtime"], rest[0]))
    return decode_seconds(fitted.kernel, figures(row, "bf16"), attention(row))


def latent_prefill(row: Row, rest: list[str]) -> float:
    fitted = known(kernels.latent_prefill_kernel(row["card"], row["runtime"], rest[0]))
    return prefill_seconds(fitted.kernel, figures(row, "bf16"), attention(row))


def all_reduce(row: Row, rest: list[str]) -> float:
    fitted = known(kernels.all_reduce(row["card"], row["runtime"], int(rest[0])))
    return collective_seconds(fitted.kernel, shape_of(row)["bytes"])


PREDICTED: dict[str, Callable[[Row, list[str]], float]] = {
    "matrix": matrix,
    "experts": experts,
    "decode": decode,
    "prefill": prefill,
    "latent_decode": latent_decode,
    "latent_prefill": latent_prefill,
    "all_reduce": all_reduce,
}


@pytest.mark.parametrize("kind", PREDICTED)
def test_held_out_rows_lie_near_what_the_fitted_kernels_say(kind: str) -> None:
    errors = []
    for row in SAMPLE:
        name, *rest = row["key"].split(":")
        if name == kind:
            errors.append(abs(PREDICTED[kind](row, rest) / float(row["seconds"]) - 1))
    assert len(errors) > 15
    assert mean(errors) < MOST[kind][0]
    assert median(errors) < MOST[kind][1]


@pytest.mark.parametrize("place", Places, ids=":".join)
def test_cards_and_runtimes_are_the_catalogues(place: tuple[str, str]) -> None:
    card, engine = place
    assert gpu(card).id == card
    assert engine == kernels.NCCL or runtime(engine).id == engine


@pytest.mark.parametrize("place", Places, ids=":".join)
def test_shares_are_shares_of_what_the_catalogue_says_today(place: tuple[str, str]) -> None:
    body = known(store.entry(kernels.KIND, ":".join(place)))
    assert body["bandwidth"] == gpu(place[0]).bandwidth.value
    for name, peak in body["peaks"].items():
        assert peak == kernel_solve.peak_of(place[0], name)


@pytest.mark.parametrize("place", Places, ids=":".join)
def test_no_share_is_above_one_and_no_time_below_zero(place: tuple[str, str]) -> None:
    body = known(store.entry(kernels.KIND, ":".join(place)))
    assert known(store.entry("source", body["source"]))["kind"] == "measurement"
    for kind, fits in body["fits"].items():
        shares = slice(1, 2 if kind == "all_reduce" else 3)
        for name, (values, (average, middle, rows), *_) in fits["of"].items():
            assert all(value >= 0 for value in values), (kind, name)
            assert all(0 < share <= 1 for share in values[shares]), (kind, name)
            assert middle <= average * 1.5
            assert average <= 300
            assert rows > 0


@pytest.mark.parametrize("tokens", [1, 4, 64, 4096])
def test_experts_of_a_measured_choice_are_between_one_tokens_and_all(tokens: int) -> None:
    balanced = kernel_matrices.touched_experts("balanced", 128, tokens * 8, tokens)
    skewed = kernel_matrices.touched_experts("power_law_1.2", 128, tokens * 8, tokens)
    assert balanced == min(128, tokens * 8)
    assert 8 <= skewed <= balanced
    assert skewed < 128 or tokens > 64
    assert skewed > 120 or tokens < 4096


def test_rows_that_show_the_host_are_left_out() -> None:
    kernel = np.array(["a"] * 40 + ["b"] * 40)
    seconds = np.concatenate([np.linspace(1e-4, 1e-3, 40), np.linspace(1e-5, 1e-4, 40)])
    left = kernel_matrices.above_host({"kernel_source": kernel, "seconds": seconds})
    assert left["seconds"][left["kernel_source"] == "a"].min() > 2.5e-4
    assert left["seconds"][left["kernel_source"] == "b"].min() < 5e-5


def test_what_nobody_measured_has_no_figures() -> None:
    assert kernels.matrix_kernel("geforce-rtx-5090", "vllm", "nvfp4") is None
    assert kernels.matrix_kernel("h100-sxm5-80gb", "vllm", "nvfp4") is None
    assert kernels.decode_kernel("h100-sxm5-80gb", "vllm", "bf16", 80) is None
    assert kernels.all_reduce("h100-sxm5-80gb", "vllm", 3) is None
    assert kernels.rates("h100-sxm5-80gb", "vllm", "nvfp4") is None
    assert kernels.rates("geforce-rtx-5090", "vllm", "bf16") is None


def test_block_scaled_fp8_under_vllm_says_what_it_borrowed() -> None:
    block = known(kernels.matrix_kernel("h100-sxm5-80gb", "vllm", "fp8_block128"))
    plain = known(kernels.matrix_kernel("h100-sxm5-80gb", "vllm", "fp8"))
    assert (block.borrowed, plain.borrowed) == ("fp8", "")
    assert block.kernel.start == plain.kernel.start
    assert block.kernel.bandwidth_share == plain.kernel.bandwidth_share


def test_the_file_is_small_and_says_where_it_is_from() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert len(text.encode()) < 60_000
    document = json.loads(text)
    rows = [json.dumps(entry, separators=(",", ":")) for entry in document["entries"].values()]
    assert document["digest"] == hashlib.sha256("\n".join(rows).encode()).hexdigest()
    assert document["package"] == "aiconfigurator-core 0.12.0"
    assert "Apache-2.0" in document["attribution"]
