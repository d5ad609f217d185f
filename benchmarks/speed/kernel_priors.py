"""What the fitted kernel tables say of the speed model's coefficients: a row for each share that was measured.

A kernel in a loop reads a share of the bandwidth and multiplies at a share of the peak; the same kernel between others,
in a runtime, reaches another, which differs by runtime and not by card: that difference is a coefficient of its own
(`kernels/...`). So a card whose kernels were measured and whose servers were not is placed by its kernels.
"""

from collections.abc import Iterator
from functools import cache
from math import log
from typing import NamedTuple

from assay.answers.cards import Card, card
from assay.answers.places import multiplies_of, place_of
from assay.knowledge.catalog import kernels
from assay.knowledge.catalog.runtimes import runtime
from assay.reason.speed.shape import Matrix, Shape
from assay.reason.speed.step import Keys, Prepared, prepare

WEIGHTS = ("bf16", "fp8", "fp8_block128", "nvfp4", "mxfp4", "int4_w4a16", "int8_w8a16", "int8_w8a8")
NAMED = {"mxfp4_w4a16": "mxfp4"}
"""What the tables call a format -> Assay's weight format of checkpoints that are run so."""
NOISE = 0.15
"""Standard deviation of the logarithm: kernels of other sizes, and other releases."""
HEAD_SIZE = 128
COUNTS = (2, 4, 8)


class Linear(NamedTuple):
    """A measured sum of coefficients: sum(times x coefficient) = value, with this standard deviation."""

    keys: Keys
    value: float
    noise: float


def _bare(kind: str, weights: str, card_: Card, engine: str, cards: int = 1) -> Prepared:
    """A place with one matrix, for the names of its coefficients."""
    found = runtime(engine)
    matrix = Matrix(kind, weights, 1.0, 1.0, 1.0)
    shape = Shape((matrix,), (), 0.0, 1, 0, 0, 0, 1)
    return prepare(shape, place_of(card_, cards, found), [multiplies_of(matrix, engine, card_)])


def _row(term: str, engine: str, keys: Keys, share: float) -> Linear:
    apart = ((f"kernels/{term}", 1.0), (f"kernels/{term}/{engine}", 1.0))
    return Linear((*keys, *apart), -log(share), NOISE)


def _matrices(card_: Card, engine: str) -> Iterator[Linear]:
    for weights in (*WEIGHTS, *NAMED):
        named = NAMED.get(weights, weights)
        dense = kernels.matrix_kernel(card_.gpu.id, engine, weights)
        experts = kernels.experts_kernel(card_.gpu.id, engine, weights)
        for kind, found in (("dense", dense), ("experts", experts)):
            if found is None:
                continue
            prepared = _bare(kind, named, card_, engine)
            term = prepared.terms[0]
            kernel = found.kernel
            yield _row(f"read/{kind}", engine, prepared.keys[term.read], kernel.bandwidth_share)
            if term.regimes[-1].known:
                keys = prepared.keys[term.regimes[-1].multiply]
                yield _row(f"multiply/{kind}", engine, keys, kernel.peak_share)


def _attention(card_: Card, engine: str) -> Iterator[Linear]:
    prepared = _bare("dense", "bf16", card_, engine)
    decode = kernels.decode_kernel(card_.gpu.id, engine, "bf16", HEAD_SIZE)
    if decode is not None:
        yield _row("cache", engine, prepared.keys[prepared.cache], decode.kernel.bandwidth_share)
    prefill = kernels.prefill_kernel(card_.gpu.id, engine, ("bf16", "bf16"), HEAD_SIZE)
    if prefill is not None:
        yield _row("attend", engine, prepared.keys[prepared.attend], prefill.kernel.peak_share)


def _sums(card_: Card, engine: str) -> Iterator[Linear]:
    for cards in COUNTS:
        found = kernels.all_reduce(card_.gpu.id, engine, cards)
        if found is None:
            continue
        prepared = _bare("dense", "bf16", card_, engine, cards)
        apart = (("kernels/reduce", 1.0), (f"kernels/reduce/{engine}", 1.0))
        yield Linear((*prepared.keys[prepared.reduce], *apart), log(found.kernel.start), NOISE * 2)
        # The message is sent once and received once, less the card's own part.
        share = found.kernel.bandwidth * 2.0 * (cards - 1) / cards / prepared.place.link_bandwidth
        yield _row("ring", engine, prepared.keys[prepared.ring], share)


@cache
def kernel_rows() -> list[Linear]:
    """One row for each share of every table."""
    found: list[Linear] = []
    for gpu, engine in kernels.places():
        if engine == kernels.NCCL:
            continue
        device = card(gpu)
        found += [*_matrices(device, engine), *_attention(device, engine), *_sums(device, engine)]
    return found
