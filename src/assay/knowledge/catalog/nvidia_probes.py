"""The probes of NVIDIA's instruction sets, spelled out of their families in `data/nvidia_probes.toml`."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from assay.knowledge import store
from assay.types.proof import Probe, Sparsity

KIND = "nvidia_probe"
SHAPE = re.compile(r"m(\d+)n(\d+)k(\d+)\Z")
NUMBER_FORMATS = {
    "f16": "fp16", "f32": "fp32", "f64": "fp64", "s32": "int32",
    "f16x2": "fp16", "bf16x2": "bf16", "f32x2": "fp32",
}  # fmt: skip
"""Accumulators as PTX writes them -> number-format ids."""
UNPACKING = frozenset({"cvt", "dp4a", "fma"})


class Spelling(NamedTuple):
    """What the generator needs to write a probe, and the judge to know its answer.

    Attributes:
        probe: the probe.
        accumulator: as PTX writes it.
        kind, scale, blocks, qualifier: parts of the instruction's name; "" where it has none. `scale` is the vector
            size with the type of the scales (`4X ue4m3`), `blocks` its other spelling.
        container: bits of a register that an element of the operands takes.
        expect: of an unpacking probe, the machine instruction that does it alone.
        ptx: version of PTX that introduced it, as (major, minor).
    """

    probe: Probe
    accumulator: str
    kind: str
    scale: tuple[str, str]
    blocks: str
    qualifier: str
    container: int
    expect: str
    ptx: tuple[int, int]


BITS = {"f64": 64, "tf32": 32, "f16": 16, "bf16": 16, "b1": 1}


def _bits(operand: str) -> int:
    if operand in BITS:
        return BITS[operand]
    digits = re.match(r"[a-z]+(\d+)m(\d+)", operand)
    return int(operand[1:]) if digits is None else 1 + int(digits[1]) + int(digits[2])


def version(text: str) -> tuple[int, int]:
    """`8.7` as (8, 7)."""
    major, _, minor = text.partition(".")
    return int(major), int(minor)


def _shape(text: str) -> tuple[int, int, int]:
    match = SHAPE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return int(match[1]), int(match[2]), int(match[3])


def _variants(body: dict[str, Any]) -> Iterator[tuple[str, str, str, str, Sparsity, str]]:
    """(format, operand, accumulator, qualifier, sparsity, shape) of each probe of a family."""
    shapes: list[tuple[Sparsity, str]] = [("dense", shape) for shape in body.get("shapes", [""])]
    shapes += [("2:4", shape) for shape in body.get("sparse", [])]
    for form, operands in body["formats"].items():
        for operand in operands:
            for accumulator in body["accumulate"]:
                for qualifier in body.get("qualifiers", [""]):
                    for sparsity, shape in shapes:
                        yield form, operand, accumulator, qualifier, sparsity, shape


def _spelled(body: dict[str, Any]) -> Iterator[Spelling]:
    door = body["door"]
    for form, operand, accumulator, qualifier, sparsity, shape in _variants(body):
        parts = (door, body.get("kind", ""), shape, operand, accumulator, qualifier)
        name = ".".join(part for part in parts if part) + (".sp" if sparsity == "2:4" else "")
        probe = Probe(
            id=name,
            kind="unpack" if door in UNPACKING else "matrix",
            format=form,
            operand=operand,
            accumulate=NUMBER_FORMATS[accumulator],
            sparsity=sparsity,
            door=door,
            shape=_shape(shape) if shape else None,
        )
        yield Spelling(
            probe,
            accumulator,
            body.get("kind", ""),
            tuple(body.get("scale", ("", ""))),
            body.get("blocks", ""),
            qualifier,
            body.get("container") or (0 if door in UNPACKING else _bits(operand)),
            body.get("expect", ""),
            version(body["ptx"]),
        )


@cache
def spellings() -> tuple[Spelling, ...]:
    """All probes, in the order of the table."""
    return tuple(spelling for body in store.entries(KIND).values() for spelling in _spelled(body))
