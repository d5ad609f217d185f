"""Which element of a matrix lies in which register of which lane, as NVIDIA's PTX ISA lays fragments out.

mma.sync: the 32 lanes of a warp are eight groups of four. A group holds a row of the first factor (and the row eight
below), a column of the second, and of the product a row's pairs of columns. wgmma: each of the four warps of a
warpgroup holds 16 rows of the product, in the same manner.
"""

from collections.abc import Iterator
from typing import NamedTuple

LANES = 32
GROUP = 4
"""Lanes that hold a row together."""
HALF_ROWS = 8
"""Rows of a fragment that one register of all lanes covers."""


class Place(NamedTuple):
    """An element of a matrix in a lane's registers."""

    lane: int
    register: int
    position: int
    row: int
    column: int


def first_factor(rows: int, depth: int, packed: int) -> Iterator[Place]:
    """The places of a factor of `rows` x `depth`, `packed` elements in a register; `column` runs along the depth."""
    halves = rows // HALF_ROWS
    registers = halves * depth // (GROUP * packed)
    for lane in range(LANES):
        group, member = divmod(lane, GROUP)
        for register in range(registers):
            step, half = divmod(register, halves)
            for position in range(packed):
                column = (step * GROUP + member) * packed + position
                yield Place(lane, register, position, group + HALF_ROWS * half, column)


def second_factor(columns: int, depth: int, packed: int) -> Iterator[Place]:
    """The places of a factor of `depth` x `columns`; `row` runs along the depth."""
    for place in first_factor(columns, depth, packed):
        yield place._replace(row=place.column, column=place.row)


def product(rows: int, columns: int, packed: int) -> Iterator[Place]:
    """The places of a product of mma.sync, `packed` elements in a register (two of 16 bits, else one)."""
    halves = rows // HALF_ROWS
    blocks = columns // HALF_ROWS
    pairs = 2 // packed
    for lane in range(LANES):
        group, member = divmod(lane, GROUP)
        for register in range(blocks * halves * pairs):
            block, rest = divmod(register, halves * pairs)
            half, pair = divmod(rest, pairs)
            for position in range(packed):
                column = HALF_ROWS * block + 2 * member + pair * packed + position
                yield Place(lane, register, position, group + HALF_ROWS * half, column)


def warpgroup_product(rows: int, columns: int, packed: int) -> Iterator[Place]:
    """The places of a product of wgmma; lanes are counted through the warpgroup, 0 to 127."""
    for warp in range(rows // 16):
        for place in product(16, columns, packed):
            yield place._replace(lane=warp * LANES + place.lane, row=warp * 16 + place.row)
