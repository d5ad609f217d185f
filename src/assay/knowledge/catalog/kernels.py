"""What runtimes' kernels reach on cards: fitted parameters by card, runtime, kind of kernel and format.

`benchmarks/speed/fit_kernels.py` writes them from published measurements. A card or format that nobody measured has
no entry: None, never a neighbour's figures.
"""

from functools import cache
from typing import Any, TypeVar

from assay.knowledge import store
from assay.types.kernels import (
    Collective,
    DecodeKernel,
    ExpertsKernel,
    Fitted,
    MatrixKernel,
    PrefillKernel,
    Rates,
)

KIND = "kernel_speed"
NCCL = "nccl"
"""Stands for a runtime in the entries of NCCL's own all-reduce."""
PICO = 1e-12
"""Entries hold times in picoseconds and bandwidths in bytes a picosecond."""

MILLE = 1e-3
"""Entries hold errors in thousandths."""

Kernel = TypeVar("Kernel", MatrixKernel, ExpertsKernel, DecodeKernel, PrefillKernel, Collective)


def units_of(kernel: type[Kernel]) -> tuple[float, ...]:
    """What each parameter of an entry is multiplied with to be in base units; a share is a share."""
    scales = {"bandwidth_share": 1.0, "peak_share": 1.0, "bandwidth": 1.0 / PICO}
    return tuple(scales.get(name, PICO) for name in kernel._fields)


@cache
def _entry(card: str, runtime: str) -> dict[str, Any]:
    return store.entry(KIND, f"{card}:{runtime}") or {"fits": {}, "peaks": {}}


def _fitted(kernel: type[Kernel], place: tuple[str, str], kind: str, name: str) -> Fitted[Kernel] | None:
    body = _entry(*place)
    found = body["fits"].get(kind, {"of": {}})
    if name not in found["of"]:
        return None
    values, (mean, median, rows), *borrowed = found["of"][name]
    parameters = [value * unit for value, unit in zip(values, units_of(kernel), strict=True)]
    errors = (mean * MILLE, median * MILLE, rows)
    return Fitted(kernel(*parameters), *errors, found["version"], body["source"], *borrowed)


def places() -> tuple[tuple[str, str], ...]:
    """The (card, runtime) pairs that have entries."""
    pairs = (name.split(":") for name in store.names(KIND))
    return tuple((card, runtime) for card, runtime in pairs)


def rates(card: str, runtime: str, number_format: str) -> Rates | None:
    """What the shares of an entry are shares of, in the number format that its kernels multiply in.

    The card's bandwidth and dense peak as the catalogue had them when the parameters were fitted.
    """
    body = _entry(card, runtime)
    if number_format not in body["peaks"]:
        return None
    return Rates(body["bandwidth"], body["peaks"][number_format])


def matrix_kernel(card: str, runtime: str, weights: str) -> Fitted[MatrixKernel] | None:
    """Products with a weight of this format."""
    return _fitted(MatrixKernel, (card, runtime), "matrix", weights)


def experts_kernel(card: str, runtime: str, weights: str) -> Fitted[ExpertsKernel] | None:
    """Routed experts whose weights are of this format."""
    return _fitted(ExpertsKernel, (card, runtime), "experts", weights)


def decode_kernel(card: str, runtime: str, kv: str, head_size: int) -> Fitted[DecodeKernel] | None:
    """Decode attention over a cache of this format, with heads of this many elements.

    Fitted where 2 to 16 query heads share a key-value head, without a sliding window.
    """
    return _fitted(DecodeKernel, (card, runtime), "decode", f"{kv}:{head_size}")


def prefill_kernel(card: str, runtime: str, formats: tuple[str, str], head_size: int) -> Fitted[PrefillKernel] | None:
    """Prefill attention that multiplies in the first format (bf16 or fp8) and caches in the second."""
    return _fitted(PrefillKernel, (card, runtime), "prefill", f"{formats[0]}:{formats[1]}:{head_size}")


def latent_decode_kernel(card: str, runtime: str, kv: str) -> Fitted[DecodeKernel] | None:
    """Decode attention over a latent cache (MLA, 512 + 64 elements) of this format."""
    return _fitted(DecodeKernel, (card, runtime), "latent_decode", kv)


def latent_prefill_kernel(card: str, runtime: str, kv: str) -> Fitted[PrefillKernel] | None:
    """Prefill attention of latent attention's full heads (192 and 128 elements), the cache of this format."""
    return _fitted(PrefillKernel, (card, runtime), "latent_prefill", kv)


def all_reduce(card: str, runtime: str, cards: int) -> Fitted[Collective] | None:
    """All-reduce among this many cards by the runtime's own kernel, or by NCCL's (`NCCL` for the runtime).

    Measured over NVLink where the card's server has it, over PCIe where it has none.
    """
    return _fitted(Collective, (card, runtime), "all_reduce", str(cards))
