"""Products of matrices that a library is asked for: shapes, formats, operands, and what their results must be.

The product is Y = X W^T: X has M rows (tokens), W has N rows (a layer's outputs), both K long, both row by row.
"""

import math
import random
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import NamedTuple

from assay.observe.device.probe.kernels import numbers
from assay.types.probe import Fill, RateUnit, Workload

SQUARE = (8192, 8192, 8192)
SHAPES = (
    (3072, 2816, 20480), (1536, 2816, 6144), (1536, 2816, 10240), (1536, 2816, 20480), (1024, 9216, 14336),
)  # fmt: skip
"""(M, N, K) at which published searches found the best rates of data-centre cards; see `Workload.shape`."""
TOKENS = (1, 16, 64, 256)
DECODE = (8192, 8192)
"""(N, K) of a layer that decodes. Narrow weights may fit into L2: several copies take turns."""
INT4 = "int4_w4a16"
GROUP = 128
"""Weights of four bits that share a scale."""
PATTERN = 65521
"""Operands repeat after so many elements: a prime, so that no two rows of a matrix are alike."""
PROVED = 16
"""Results that a check computes."""


class Format(NamedTuple):
    """A format that libraries multiply.

    Attributes:
        name: number-format id.
        operand: the element as PTX writes it; two of four bits share a byte.
        result: number format of the results: `f32`, `bf16`, `f16`, `s32`.
        accumulate: number-format id of the accumulator.
        unit: of the rate.
        scaling: as in `Workload`.
        block: elements that share a scale; 0 for none or one for all.
        scale: element of the block scales, or "".
    """

    name: str
    operand: str
    result: str
    accumulate: str
    unit: RateUnit = "FLOP/s"
    scaling: str = ""
    block: int = 0
    scale: str = ""

    @property
    def bits(self) -> int:
        """Bits of an element."""
        return numbers.width(self.operand)


FORMATS = {
    one.name: one
    for one in (
        Format("bf16", "bf16", "bf16", "fp32"),
        Format("fp16", "f16", "f16", "fp32"),
        Format("tf32", "f32", "f32", "fp32"),
        Format("fp32", "f32", "f32", "fp32"),
        Format("fp8_e4m3", "e4m3", "bf16", "fp32", scaling="tensor"),
        Format("int8", "s8", "s32", "int32", "OP/s"),
        Format("mxfp8", "e4m3", "bf16", "fp32", scaling="mx", block=32, scale="ue8m0"),
        Format("nvfp4", "e2m1", "bf16", "fp32", scaling="nv", block=16, scale="ue4m3"),
    )
}
SEARCHED = ("bf16", "fp8_e4m3")
"""Formats that are asked for all of `SHAPES`."""
DECODED = ("bf16", "fp8_e4m3")


def bytes_of(form: Format, rows: int, depth: int) -> int:
    """Bytes of a factor, its block scales left out."""
    return rows * depth * form.bits // 8


def scale_bytes(form: Format, rows: int, depth: int) -> int:
    """Bytes of a factor's block scales, in the tiles of 128 x 4 that libraries want; 0 without."""
    if not form.block:
        return 0
    return math.ceil(rows / 128) * 128 * math.ceil(depth / form.block / 4) * 4


def result_bytes(form: Format) -> int:
    """Bytes of one result."""
    return numbers.width(form.result) // 8


def needed_bytes(form: Format, shape: tuple[int, int, int]) -> int:
    """Device memory for both factors, their scales, and the results."""
    rows, columns, depth = shape
    factors = sum(bytes_of(form, one, depth) + scale_bytes(form, one, depth) for one in (rows, columns))
    return factors + rows * columns * result_bytes(form)


def product(door: str, form: Format, shape: tuple[int, int, int], *, fast: bool | None = None) -> Workload:
    """What a product of this shape measures."""
    extents = "x".join(map(str, shape))
    parts = ["gemm", door, form.name, form.accumulate, extents, *(["fast"] if fast else [])]
    return Workload(
        name=".".join(parts),
        kind="gemm",
        door=door,
        unit=form.unit,
        format=form.name,
        accumulate=form.accumulate,
        scaling=form.scaling,
        shape=shape,
        fast=fast,
        needed_bytes=needed_bytes(form, shape),
    )


def _both(door: str, name: str, shape: tuple[int, int, int]) -> list[Workload]:
    """A format's product; of FP8 with fast accumulation and without."""
    form = FORMATS[name]
    choices: Sequence[bool | None] = (True, False) if name == "fp8_e4m3" else (None,)
    return [product(door, form, shape, fast=fast) for fast in choices]


def weight_only(door: str, tokens: int) -> Workload:
    """What a product of so many rows in BF16 with weights of four bits measures."""
    columns, depth = DECODE
    shape = (tokens, columns, depth)
    packed = columns * depth // 2 + columns * (depth // GROUP) * 4
    plain = product(door, FORMATS["bf16"], shape)
    needed = packed + tokens * (depth + columns) * 2
    return plain._replace(name=f"gemm.{door}.{INT4}.fp32.{tokens}x{columns}x{depth}", weights=INT4, needed_bytes=needed)


def workloads(isa: str, doors: tuple[str, ...], *, quick: bool) -> tuple[Workload, ...]:
    """What to ask of libraries, in the order of interest.

    The first library is asked everything, every further one for one large product of each format. Nothing is left out
    for a card that lacks a format: what the library says is an answer.

    Args:
        isa: of the card; targets before sm_80 have neither BF16 nor TF32 and are not asked for them.
        doors: libraries that are there, the preferred first: `torch`, `cublasLt`.
        quick: one large product of each format, and decoding in BF16 and four bits only.
    """
    lacking = ("bf16", "tf32") if isa == "sm_75" else ()
    found: list[Workload] = []
    for door in doors[:1]:
        found += [one for name in FORMATS for one in _both(door, name, SQUARE)]
        for tokens in TOKENS:
            shape = (tokens, *DECODE)
            found += [_both(door, name, shape)[0] for name in (DECODED[:1] if quick else DECODED)]
            found.append(weight_only(door, tokens))
        if not quick:
            found += [_both(door, name, shape)[0] for shape in SHAPES for name in SEARCHED]
    found += [one for door in doors[1:] for name in FORMATS for one in _both(door, name, SQUARE)]
    return tuple(one for one in found if one.format not in lacking)


@lru_cache(maxsize=4)  # both factors, and those of the next workload in the same format
def codes(form: Format, fill: Fill, seed: int) -> tuple[int, ...]:
    """Codes of a factor, which repeat: normally distributed values, integers evenly spread; or zeros."""
    if fill == "zeros":
        return (0,) * PATTERN
    dice = random.Random(seed)  # noqa: S311 - operands, no secrets
    return tuple(numbers.drawn(form.operand, dice) for _ in range(PATTERN))


def packed(form: Format, drawn: Sequence[int]) -> bytes:
    """Codes as they lie in memory; an odd number of four-bit ones twice, so that they end with a byte."""
    if form.bits == 4:
        doubled = [*drawn, *drawn] if len(drawn) % 2 else drawn
        return bytes(low | high << 4 for low, high in zip(doubled[::2], doubled[1::2], strict=True))
    return b"".join(code.to_bytes(form.bits // 8, "little") for code in drawn)


def one(form: Format) -> bytes:
    """A block scale of one."""
    return numbers.encode(form.scale, 1.0).to_bytes(1, "little")


class Proof(NamedTuple):
    """Some results, and how far off they may be."""

    expected: tuple[float, ...]
    tolerance: float


def proof(form: Format, left: Sequence[int], right: Sequence[int], shape: tuple[int, int, int]) -> Proof:
    """The first results of the first row of Y, from the codes of both factors; integers are exact.

    A library may round factors to TF32, add in any order and within 14 bits (FP8 with fast accumulation), and rounds
    results to 16 bits: together within three percent of a typical result, the root of K.
    """
    _, columns, depth = shape
    worth = lru_cache(maxsize=None)(partial(numbers.decode, form.operand))
    row = [worth(left[at % len(left)]) for at in range(depth)]
    found = []
    for column in range(min(PROVED, columns)):
        start = column * depth
        found.append(math.fsum(value * worth(right[(start + at) % len(right)]) for at, value in enumerate(row)))
    return Proof(tuple(found), 0.0 if form.result == "s32" else 0.03 * math.sqrt(depth))


def compared(proof: Proof, found: Sequence[float]) -> str | None:
    """None where results are within the tolerance, else the first that is not, in words."""
    for place, (right, value) in enumerate(zip(proof.expected, found, strict=True)):
        if not abs(value - right) <= proof.tolerance:  # also where it is no number
            return f"result {place} is {value:g}, not {right:g}"
    return None


def unpacked(form: Format, content: bytes) -> tuple[float, ...]:
    """Results as they lie in memory."""
    size = result_bytes(form)
    whole = (int.from_bytes(content[at : at + size], "little") for at in range(0, len(content), size))
    return tuple(numbers.decode(form.result, code) for code in whole)
