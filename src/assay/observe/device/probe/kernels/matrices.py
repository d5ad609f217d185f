"""Factors for kernels of mma.sync, in the order in which lanes read them, and what comes out of known ones."""

import random
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from assay.knowledge.catalog.nvidia_probes import Spelling
from assay.observe.device.probe.kernels import fragments, numbers
from assay.observe.device.probe.kernels.squares import HALVES, Square
from assay.types.probe import Fill

Matrix = list[list[int]]
"""Codes, by row."""
KNOWN = (0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5, 2.0, -2.0)
"""Values of known factors: their sums are exact in every accumulator, of 14 bits too. Formats take those they have."""
KNOWN_SCALES = (0.5, 1.0, 2.0)
ONE = 1.0
FOUR_BITS_IN_EIGHT = 2
"""Where the four bits of E2M1 begin in a container of eight, as the kind f8f6f4 wants them."""
PACK = {"f16": "e", "f32": "f", "f64": "d", "s32": "i"}


class Factors(NamedTuple):
    """The matrices of one warp: all first and all second factors, and the scales of their blocks.

    A first factor is rows x depth, a second one columns x depth. Scales stand by row and block along the depth.
    """

    first: list[Matrix]
    second: list[Matrix]
    first_scales: list[Matrix]
    second_scales: list[Matrix]


def _extents(spelling: Spelling) -> tuple[int, int, int]:
    assert spelling.probe.shape is not None  # noqa: S101 - matrix probes have one
    return spelling.probe.shape


def blocks(spelling: Spelling) -> int:
    """Blocks along the depth of one instruction that have a scale each (`4X`: four); 0 without scales."""
    return int(spelling.scale[0].rstrip("X") or 0)


def matrix(rows: int, columns: int, code: Callable[[], int]) -> Matrix:
    """A matrix of what `code` draws, row by row."""
    return [[code() for _ in range(columns)] for _ in range(rows)]


def _made(shape: Square, code: Callable[[], int], scale: Callable[[], int]) -> Factors:
    rows, columns, depth = _extents(shape.spelling)
    number = blocks(shape.spelling)
    return Factors(
        [matrix(rows, depth, code) for _ in range(shape.first.matrices)],
        [matrix(columns, depth, code) for _ in range(shape.second.matrices)],
        [matrix(rows, number, scale) for _ in range(shape.first.matrices)],
        [matrix(columns, number, scale) for _ in range(shape.second.matrices)],
    )


def _balanced(shape: Square, factors: Factors) -> Factors:
    """The second set of second factors as the negative of the first, so that every turn ends where it began."""
    kind = shape.spelling.probe.operand
    plain = factors.second[: shape.columns]
    opposite = [[[numbers.negated(kind, code) for code in row] for row in matrix] for matrix in plain]
    scales = factors.second_scales[: shape.columns]
    return factors._replace(second=plain + opposite, second_scales=scales * HALVES)


def random_factors(shape: Square, dice: random.Random) -> Factors:
    """Factors that look like a model's: normally distributed, integers evenly spread; scales around one."""
    kind, scales = shape.spelling.probe.operand, shape.spelling.scale[1]
    made = _made(shape, lambda: numbers.drawn(kind, dice), lambda: numbers.encode(scales, dice.choice(KNOWN_SCALES)))
    return _balanced(shape, made)


def zero_factors(shape: Square) -> Factors:
    """Zeros, with scales of one."""
    one = numbers.encode(shape.spelling.scale[1], ONE) if blocks(shape.spelling) else 0
    return _made(shape, lambda: 0, lambda: one)


def known_code(spelling: Spelling, dice: random.Random) -> Callable[[], int]:
    """What draws codes whose products are exact: of the few values of `KNOWN`, integers and bits of all their codes."""
    kind = spelling.probe.operand
    if kind in numbers.INTEGERS:
        width = numbers.width(kind)
        return lambda: dice.getrandbits(width)
    chosen = [numbers.encode(kind, value) for value in KNOWN]
    return lambda: dice.choice(chosen)


def known_factors(shape: Square, dice: random.Random) -> Factors:
    """Factors whose products are exact, with scales whose products are."""
    scales = shape.spelling.scale[1]
    code = known_code(shape.spelling, dice)
    return _made(shape, code, lambda: numbers.encode(scales, dice.choice(KNOWN_SCALES)))


def _registers(places: Iterator[fragments.Place], matrix: Matrix, element: int, shift: int) -> list[list[int]]:
    """Registers of each lane: the codes of a matrix, `element` bits apart."""
    lanes: list[list[int]] = [[] for _ in range(fragments.LANES)]
    for place in places:
        words = lanes[place.lane]
        while len(words) <= place.register:
            words.append(0)
        words[place.register] |= matrix[place.row][place.column] << (place.position * element + shift)
    return lanes


def _transposed(matrix: Matrix) -> Matrix:
    return [list(column) for column in zip(*matrix, strict=True)]


def _scale_registers(matrices: list[Matrix], *, second: bool) -> list[list[int]]:
    """For each lane, a register with a row's scales for each matrix.

    Of the four lanes that hold a row, PTX reads the first (of a first factor also the second, for the row eight
    below); the others get the same.
    """
    lanes: list[list[int]] = []
    for lane in range(fragments.LANES):
        group, member = divmod(lane, fragments.GROUP)
        row = group if second else group + fragments.HALF_ROWS * (member % 2)
        lanes.append([int.from_bytes(bytes(matrix[row]), "little") for matrix in matrices])
    return lanes


def packed(shape: Square, factors: Factors) -> bytes:
    """The bytes that the lanes of a warp read."""
    spelling = shape.spelling
    rows, columns, depth = _extents(spelling)
    element, width = spelling.container, shape.first.width
    count = width // element
    shift = FOUR_BITS_IN_EIGHT if element > numbers.width(spelling.probe.operand) == 4 else 0
    lanes: list[bytes] = [b""] * fragments.LANES

    def append(registers: list[list[int]], size: int) -> None:
        for lane, words in enumerate(registers):
            lanes[lane] += b"".join(word.to_bytes(size // 8, "little") for word in words)

    for matrix in factors.first:
        append(_registers(fragments.first_factor(rows, depth, count), matrix, element, shift), width)
    for matrix in factors.second:
        places = fragments.second_factor(columns, depth, count)
        append(_registers(places, _transposed(matrix), element, shift), width)
    if shape.scales:
        append(_scale_registers(factors.first_scales, second=False), 32)
        append(_scale_registers(factors.second_scales, second=True), 32)
    return b"".join(lanes)


def worth(spelling: Spelling, codes: Matrix) -> list[list[float]]:
    """What the codes of a factor are worth, their scales left out."""
    kind = spelling.probe.operand
    values = {code: numbers.decode(kind, code) for row in codes for code in row}
    return [[values[code] for code in row] for row in codes]


def _scaled(spelling: Spelling, codes: Matrix, scales: Matrix) -> list[list[float]]:
    """What the codes of a factor are worth, times the scales of their blocks."""
    number = blocks(spelling)
    plain = worth(spelling, codes)
    if not number:
        return plain
    kind, size = spelling.scale[1], len(codes[0]) // number
    return [
        [value * numbers.decode(kind, scales[place][index // size]) for index, value in enumerate(row)]
        for place, row in enumerate(plain)
    ]


def _bit_products(qualifier: str, left: Matrix, right: Matrix) -> list[list[float]]:
    """Equal or differing bits of two rows, counted, as the instructions of single bits do."""
    combined: Callable[[int, int], int] = int.__xor__ if qualifier.startswith("xor") else int.__and__
    return [[float(sum(map(combined, row, column))) for column in right] for row in left]


def multiplied(spelling: Spelling, factors: Factors, first: int, second: int) -> list[list[float]]:
    """The product of one first and one second factor, exact where every sum is."""
    left, right = factors.first[first], factors.second[second]
    if spelling.probe.operand == "b1":
        return _bit_products(spelling.qualifier, left, right)
    rows = _scaled(spelling, left, factors.first_scales[first])
    columns = _scaled(spelling, right, factors.second_scales[second])
    return [[sum(map(float.__mul__, row, column)) for column in columns] for row in rows]


def _sum(matrices: list[list[list[float]]], turns: int) -> list[list[float]]:
    return [[turns * sum(values) for values in zip(*rows, strict=True)] for rows in zip(*matrices, strict=True)]


def results(shape: Square, factors: Factors, turns: int) -> tuple[float, ...]:
    """What the lanes of one warp hold after so many turns, lane by lane."""
    spelling = shape.spelling
    rows, columns, _ = _extents(spelling)
    count = 2 if spelling.accumulator == "f16" else 1
    lanes: list[list[float]] = [[] for _ in range(fragments.LANES)]
    for first in range(shape.first.matrices):
        for second in range(shape.columns):
            parts = [multiplied(spelling, factors, first, half * shape.columns + second) for half in range(HALVES)]
            total = _sum(parts, turns)
            for place in fragments.product(rows, columns, count):
                lanes[place.lane].append(total[place.row][place.column])
    return tuple(value for lane in lanes for value in lane)


def unpacked(form: str, stored: bytes) -> tuple[float, ...]:
    """The values of accumulators as they lie in memory."""
    letter = PACK[form]
    size = struct.calcsize(f"<{letter}")
    return tuple(float(value) for value in struct.unpack(f"<{len(stored) // size}{letter}", stored))


def dice_of(seed: int, purpose: str) -> random.Random:
    """What draws factors for a purpose: the same for the same seed."""
    return random.Random(f"{seed} {purpose}")  # noqa: S311 - operands, no secrets


def known(shape: Square, seed: int = 0) -> bytes:
    """The known factors, as lanes read them."""
    return packed(shape, known_factors(shape, dice_of(seed, "known")))


def measured(shape: Square, fill: Fill, seed: int = 0) -> bytes:
    """The factors of a measurement, as lanes read them."""
    return packed(shape, zero_factors(shape) if fill == "zeros" else random_factors(shape, dice_of(seed, "measured")))


def expected(shape: Square, turns: int, seed: int = 0) -> tuple[float, ...]:
    """What known factors make, lane by lane."""
    return results(shape, known_factors(shape, dice_of(seed, "known")), turns)
