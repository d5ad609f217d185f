"""Kernels of mma.sync: every warp multiplies a square of fragments again and again, all of them in registers.

A turn of the loop multiplies each first factor with each second factor into an accumulator of its own, then again with
another set of second factors. Independent accumulators hide the latency of an instruction; the second set can be the
negative of the first, so that accumulators of 16 bits do not overflow however long the loop runs.

Every kernel was assembled, and its machine code read, for every target; none was ever run.
"""

from assay.knowledge.catalog.nvidia_probes import Spelling
from assay.observe.device.probe.kernels import matrices
from assay.observe.device.probe.kernels.program import KNOWN_TURNS, Program, rounds
from assay.observe.device.probe.kernels.squares import BLOCKS_PER_SM, HALVES, WARPS, Square, square
from assay.observe.proof import ptx
from assay.types.probe import Fill


def _reads(shape: Square) -> list[str]:
    """What reads a lane's registers from the address of its own factors."""
    lane_bytes = sum(group.lane_bytes for group in shape.read)
    lines = [f"and.b32 word, lane, {ptx.LANES - 1};", f"mad.wide.u32 mine, word, {lane_bytes}, source;"]
    position = 0
    for group in shape.read:
        for index in range(group.matrices * group.registers):
            lines.append(f"ld.global.b{group.width} {group.name}{index}, [mine+{position}];")
            position += group.width // 8
    return lines


def _products(shape: Square) -> list[str]:
    """The instructions of one turn."""
    name = ptx.mma_name(shape.spelling)
    lines = []
    for half in range(HALVES):
        for row in range(shape.first.matrices):
            for column in range(shape.columns):
                other = half * shape.columns + column
                result = shape.sums.matrix(row * shape.columns + column)
                operands = [result, shape.first.matrix(row), shape.second.matrix(other), result]
                if shape.scales:
                    left, right = shape.scales
                    operands += [left.matrix(row), "{0,0}", right.matrix(other), "{0,0}"]
                lines.append(f"{name} {', '.join(operands)};")
    return lines


def _varied(shape: Square) -> list[str]:
    """What makes an assembler believe that factors change from turn to turn: exclusive-or with a zero it cannot see."""
    lines = ["shr.u32 low, turns, 31;", "cvt.u64.u32 mine, low;"]
    for group in (shape.first, shape.second):
        zero = "mine" if group.width == 64 else "low"
        names = [f"{group.name}{index}" for index in range(group.matrices * group.registers)]
        lines += [f"xor.b{group.width} {name}, {name}, {zero};" for name in names]
    return lines


def program(spelling: Spelling, fill: Fill, *, emulated: bool = False, seed: int = 0) -> Program:
    """The program of an instruction of the door mma.sync; every warp has the same factors.

    Args:
        spelling: a dense instruction.
        fill: what the factors of the measurement are.
        emulated: the target converts the factors first. An assembler would convert them once, before the loop, and
            the loop would then measure another instruction: the factors are made to look new in every turn.
        seed: of what is drawn.
    """
    assert spelling.probe.shape is not None  # noqa: S101 - matrix probes have one
    shape = square(spelling, emulated=emulated)
    rows, columns, depth = spelling.probe.shape
    kept = [(f"d{index}", shape.sums.width) for index in range(shape.sums.matrices * shape.sums.registers)]
    declared = [f".reg .b{one.width} {one.name}<{one.matrices * one.registers}>;" for one in (*shape.read, shape.sums)]
    cleared = [f"mov.b{width} {name}, 0;" for name, width in kept]
    loop = [*(_varied(shape) if emulated else ()), *_products(shape)]
    products = HALVES * shape.sums.matrices
    return Program(
        spelling=spelling,
        body=(*declared, *rounds(_reads(shape), cleared, loop, kept)),
        known=matrices.known(shape, seed),
        factors=matrices.measured(shape, fill, seed),
        threads=WARPS * ptx.LANES,
        blocks_per_sm=BLOCKS_PER_SM,
        products=products,
        operations=2 * rows * columns * depth * products * WARPS,
        proof_bytes=WARPS * ptx.LANES * shape.sums.lane_bytes,
    )


def results(spelling: Spelling, *, emulated: bool = False, seed: int = 0) -> tuple[float, ...]:
    """What the first block stores of its accumulators, in order of the addresses."""
    return matrices.expected(square(spelling, emulated=emulated), KNOWN_TURNS, seed) * WARPS
