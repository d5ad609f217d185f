"""The square of fragments that one warp of a mma.sync kernel keeps in its registers."""

from typing import NamedTuple

from assay.knowledge.catalog.nvidia_probes import Spelling
from assay.observe.proof import ptx

WARPS = 8
BLOCKS_PER_SM = 2
MOST_REGISTERS = 128
"""65,536 registers of a multiprocessor / (2 blocks x 256 lanes)."""
OTHER_REGISTERS = 20
"""Addresses, the counter, and what an assembler takes besides."""
SQUARES = ((4, 4), (4, 2), (2, 2), (2, 1), (1, 1))
"""(first factors, second factors) of a warp, the largest that fits into the registers is taken."""
EMULATED = ((2, 2), (2, 1), (1, 1))
HALVES = 2
"""Sets of second factors."""


class Group(NamedTuple):
    """Registers of a lane that belong together: `matrices`, each of `registers` registers of `width` bits."""

    name: str
    matrices: int
    registers: int
    width: int

    @property
    def lane_bytes(self) -> int:
        """Bytes of a lane."""
        return self.matrices * self.registers * self.width // 8

    def matrix(self, place: int) -> str:
        """`{a4,a5,a6,a7}`: the registers of one matrix."""
        first = place * self.registers
        return "{" + ",".join(f"{self.name}{first + index}" for index in range(self.registers)) + "}"


class Square(NamedTuple):
    """What one warp multiplies.

    Attributes:
        spelling: the instruction.
        first, second, sums: registers of both factors (the second twice) and of the accumulators.
        scales: registers of the block scales of the first and of the second factors; none without scales.
    """

    spelling: Spelling
    first: Group
    second: Group
    sums: Group
    scales: tuple[Group, ...]

    @property
    def columns(self) -> int:
        """Second factors of one set."""
        return self.second.matrices // HALVES

    @property
    def read(self) -> tuple[Group, ...]:
        """What a lane reads before the loop, in this order."""
        return (self.first, self.second, *self.scales)

    @property
    def registers(self) -> int:
        """Registers of 32 bits that all groups take."""
        return sum(group.lane_bytes for group in (*self.read, self.sums)) // 4


def _of_size(spelling: Spelling, rows: int, columns: int) -> Square:
    assert spelling.probe.shape is not None  # noqa: S101 - matrix probes have one
    height, breadth, depth = spelling.probe.shape
    first = Group("a", rows, *ptx.lane_registers(height * depth, spelling.container))
    second = Group("b", HALVES * columns, *ptx.lane_registers(breadth * depth, spelling.container))
    sums = Group("d", rows * columns, *ptx.lane_accumulators(spelling, height * breadth))
    scales = (Group("s", rows, 1, 32), Group("t", HALVES * columns, 1, 32)) if spelling.scale[0] else ()
    return Square(spelling, first, second, sums, scales)


def square(spelling: Spelling, *, emulated: bool = False) -> Square:
    """The largest square of fragments whose registers leave room for two blocks on a multiprocessor.

    An emulated instruction needs registers for what it converts factors into.
    """
    sizes = (_of_size(spelling, rows, columns) for rows, columns in (EMULATED if emulated else SQUARES))
    return next(one for one in sizes if one.registers + OTHER_REGISTERS <= MOST_REGISTERS)
