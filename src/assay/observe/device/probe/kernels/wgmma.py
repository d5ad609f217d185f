"""Kernels of wgmma: two warpgroups of a block multiply what lies in shared memory, again and again.

A turn multiplies a tile of 64 rows with one of 256 columns, four instructions deep; both tiles stay in shared memory,
every row 128 bytes long and swizzled as the descriptor says. One group of instructions is always under way. The
second half of the depth can be the negative of the first, so that accumulators do not grow.

Descriptors and layouts are those of NVIDIA's PTX ISA. Every kernel was assembled for sm_90a, the only target that has
these instructions, and its machine code read; none was ever run.
"""

from assay.knowledge.catalog.nvidia_probes import Spelling
from assay.observe.device.probe.kernels import fragments, matrices, numbers
from assay.observe.device.probe.kernels.program import KNOWN_TURNS, Program, rounds
from assay.observe.proof import ptx
from assay.types.probe import Fill

WARPGROUPS = 2
LANES = 128
"""Of a warpgroup."""
BLOCKS_PER_SM = 1
"""Two blocks would need more than the 65,536 registers of a multiprocessor."""
STEPS = 4
"""Instructions that reach through a row."""
STEP_BYTES = 32
"""The depth of every instruction, whatever the format."""
ROW_BYTES = STEPS * STEP_BYTES
CHUNK_BYTES = 16
SWIZZLED_ROWS = 8
"""Rows after which the swizzle repeats: the stride of the descriptor."""
SWIZZLE_128 = 1
MOVED_BYTES = 16
"""Of one lane at a time, when the tiles are copied into shared memory."""


def descriptor(address: int) -> int:
    """What wgmma takes for a tile at an address of shared memory: rows of 128 bytes, swizzled, along the depth.

    Bits 0-13 the address, 16-29 the leading offset (not used with a swizzle), 32-45 the offset between groups of
    eight rows, 62-63 the swizzle; addresses and offsets in units of 16 bytes.
    """
    stride = SWIZZLED_ROWS * ROW_BYTES
    return (address >> 4 & 0x3FFF) | 1 << 16 | stride >> 4 << 32 | SWIZZLE_128 << 62


def _extents(spelling: Spelling) -> tuple[int, int, int]:
    assert spelling.probe.shape is not None  # noqa: S101 - matrix probes have one
    return spelling.probe.shape


def _depth(spelling: Spelling) -> int:
    """Elements of a row."""
    return STEPS * _extents(spelling)[2]


def image(spelling: Spelling, matrix: matrices.Matrix) -> bytes:
    """A tile as it lies in shared memory: of row r, chunk c of 16 bytes stands at place c xor (r mod 8)."""
    size = spelling.container // 8
    tile = bytearray(len(matrix) * ROW_BYTES)
    for place, row in enumerate(matrix):
        content = b"".join(code.to_bytes(size, "little") for code in row)
        for chunk in range(ROW_BYTES // CHUNK_BYTES):
            at = place * ROW_BYTES + (chunk ^ place % SWIZZLED_ROWS) * CHUNK_BYTES
            tile[at : at + CHUNK_BYTES] = content[chunk * CHUNK_BYTES : (chunk + 1) * CHUNK_BYTES]
    return bytes(tile)


def known_tiles(spelling: Spelling, seed: int) -> tuple[matrices.Matrix, matrices.Matrix]:
    """Both factors, rows x depth and columns x depth, whose products are exact."""
    rows, columns, _ = _extents(spelling)
    code = matrices.known_code(spelling, matrices.dice_of(seed, "known"))
    depth = _depth(spelling)
    return matrices.matrix(rows, depth, code), matrices.matrix(columns, depth, code)


def measured_tiles(spelling: Spelling, fill: Fill, seed: int) -> tuple[matrices.Matrix, matrices.Matrix]:
    """Both factors of a measurement; the second half of the depth takes away what the first adds."""
    rows, columns, _ = _extents(spelling)
    kind, dice, half = spelling.probe.operand, matrices.dice_of(seed, "measured"), _depth(spelling) // 2
    if fill == "zeros":
        return matrices.matrix(rows, 2 * half, int), matrices.matrix(columns, 2 * half, int)
    left = matrices.matrix(rows, half, lambda: numbers.drawn(kind, dice))
    right = matrices.matrix(columns, half, lambda: numbers.drawn(kind, dice))
    return [row + row for row in left], [row + [numbers.negated(kind, code) for code in row] for row in right]


def _content(spelling: Spelling, tiles: tuple[matrices.Matrix, matrices.Matrix]) -> bytes:
    return b"".join(image(spelling, tile) for tile in tiles)


def _reads(size: int) -> list[str]:
    """What copies both tiles into shared memory, once nobody reads what is there, and shows them to wgmma."""
    lanes = WARPGROUPS * LANES
    lines = ["bar.sync 0;", f"mad.wide.u32 mine, lane, {MOVED_BYTES}, source;", "mov.u32 low, tiles;"]
    lines.append(f"mad.lo.u32 low, lane, {MOVED_BYTES}, low;")
    for position in range(0, size, lanes * MOVED_BYTES):
        lines += [
            f"ld.global.v4.b32 {{m0,m1,m2,m3}}, [mine+{position}];",
            f"st.shared.v4.b32 [low+{position}], {{m0,m1,m2,m3}};",
        ]
    return [*lines, "fence.proxy.async.shared::cta;", "bar.sync 0;"]


def _descriptors(first_bytes: int) -> list[str]:
    """The descriptors of both tiles, for each step along the depth."""
    lines = ["mov.u32 low, tiles;", "cvt.u64.u32 mine, low;", "shr.u64 mine, mine, 4;"]
    for name, offset in (("a", 0), ("b", first_bytes)):
        places = [descriptor(offset + step * STEP_BYTES) for step in range(STEPS)]
        lines += [f"add.u64 {name}{step}, mine, {place};" for step, place in enumerate(places)]
    return lines


def _turn(spelling: Spelling, registers: int) -> list[str]:
    sums = "{" + ",".join(f"d{index}" for index in range(registers)) + "}"
    after = ["1", *ptx.wgmma_immediates(spelling)]
    return [
        "wgmma.fence.sync.aligned;",
        *(f"{ptx.wgmma_name(spelling)} {', '.join([sums, f'a{step}', f'b{step}', *after])};" for step in range(STEPS)),
        "wgmma.commit_group.sync.aligned;",
        "wgmma.wait_group.sync.aligned 1;",
    ]


def program(spelling: Spelling, fill: Fill, *, seed: int = 0) -> Program:
    """The program of an instruction of the door wgmma; both warpgroups have the same factors.

    Args:
        spelling: a dense instruction.
        fill: what the factors of the measurement are.
        seed: of what is drawn.
    """
    rows, columns, depth = _extents(spelling)
    registers = ptx.warpgroup_accumulators(spelling)
    size = (rows + columns) * ROW_BYTES
    declared = [
        f".reg .b32 d<{registers}>;",
        ".reg .b32 m<4>;",
        f".reg .b64 a<{STEPS}>, b<{STEPS}>;",
        f".shared .align {SWIZZLED_ROWS * ROW_BYTES} .b8 tiles[{size}];",
    ]
    kept = [(f"d{index}", 32) for index in range(registers)]
    cleared = [f"mov.b32 {name}, 0;" for name, _ in kept]
    body = rounds(_reads(size), cleared, _turn(spelling, registers), kept, ["wgmma.wait_group.sync.aligned 0;"])
    return Program(
        spelling=spelling,
        body=(*declared, *_descriptors(rows * ROW_BYTES), *body),
        known=_content(spelling, known_tiles(spelling, seed)),
        factors=_content(spelling, measured_tiles(spelling, fill, seed)),
        threads=WARPGROUPS * LANES,
        blocks_per_sm=BLOCKS_PER_SM,
        products=STEPS,
        operations=2 * rows * columns * depth * STEPS * WARPGROUPS,
        proof_bytes=WARPGROUPS * LANES * registers * 4,
    )


def results(spelling: Spelling, *, seed: int = 0) -> tuple[float, ...]:
    """What the first block stores of its accumulators, in order of the addresses."""
    rows, columns, _ = _extents(spelling)
    left, right = (matrices.worth(spelling, tile) for tile in known_tiles(spelling, seed))
    total = [[KNOWN_TURNS * sum(map(float.__mul__, row, column)) for column in right] for row in left]
    lanes: list[list[float]] = [[] for _ in range(LANES)]
    for place in fragments.warpgroup_product(rows, columns, 2 if spelling.accumulator == "f16" else 1):
        lanes[place.lane].append(total[place.row][place.column])
    return tuple(value for lane in lanes for value in lane) * WARPGROUPS
