"""The kernels of a probe without a tool: formats, layouts, references, choices, checks."""

import math
import random
import struct
from functools import cache

import ml_dtypes
import numpy as np
import pytest

from assay.knowledge.catalog import proofs
from assay.knowledge.catalog.nvidia_probes import Spelling, spellings
from assay.observe.device.probe.kernels import fragments, matrices, micro, mma, numbers, program, squares, wgmma
from assay.types.probe import Array, Kernel, Limits, Scalar

BY_ID = {one.probe.id: one for one in spellings()}
TARGETS = tuple(name for name in proofs.targets() if name.startswith("sm_"))
TYPES = {
    "e5m2": ml_dtypes.float8_e5m2, "e4m3": ml_dtypes.float8_e4m3fn, "e3m2": ml_dtypes.float6_e3m2fn,
    "e2m3": ml_dtypes.float6_e2m3fn, "e2m1": ml_dtypes.float4_e2m1fn, "ue8m0": ml_dtypes.float8_e8m0fnu,
    "bf16": ml_dtypes.bfloat16, "f16": np.float16, "s4": ml_dtypes.int4, "u4": ml_dtypes.uint4,
}  # fmt: skip
MMA = [
    one
    for one in spellings()
    if one.probe.door == "mma.sync"
    and one.probe.sparsity == "dense"
    and (one.probe.door, one.probe.operand, one.probe.shape) not in micro.LEFT_OUT
]
IDS = [one.probe.id for one in MMA]


def dice_of(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - operands, no secrets


def limits(isa: str) -> Limits:
    return Limits(isa, 10, 50 << 20, 8 << 30)


@cache
def kernels(isa: str) -> dict[str, Kernel]:
    return {one.workload.name: one for one in micro.kernels(limits(isa), language="ptx")}


def kernel(isa: str, name: str) -> Kernel:
    return kernels(isa)[f"micro.{name}"]


@pytest.mark.parametrize("form", TYPES)
def test_a_code_is_worth_what_ml_dtypes_says(form: str) -> None:
    bits = numbers.width(form)
    size = np.uint16 if bits > 8 else np.uint8
    codes = np.arange(1 << bits, dtype=size)
    if form in ("s4", "u4"):
        theirs = codes.astype(TYPES[form]).astype(np.float64)
    else:
        with np.errstate(invalid="ignore"):  # signalling NaN
            theirs = codes.view(TYPES[form]).astype(np.float64)
    ours = [numbers.decode(form, int(code)) for code in codes]
    assert np.array_equal(theirs, np.array(ours), equal_nan=True)


@pytest.mark.parametrize("form", ["bf16", "f16", "e5m2", "e4m3", "e3m2", "e2m3", "e2m1"])
def test_the_nearest_code_is_that_of_ml_dtypes(form: str) -> None:
    dice = dice_of(1)
    values = [dice.uniform(-5, 5) for _ in range(500)]
    theirs = np.array(values, np.float32).astype(TYPES[form]).astype(np.float64)
    ours = [numbers.decode(form, numbers.encode(form, float(np.float32(value)))) for value in values]
    assert np.allclose(theirs, ours, rtol=0, atol=0)


def test_wide_formats_keep_the_bits_that_they_have() -> None:
    assert numbers.encode("tf32", 1.5) == struct.unpack("<I", struct.pack("<f", 1.5))[0]
    assert numbers.encode("tf32", 1 + 2**-12) == numbers.encode("tf32", 1.0)
    assert numbers.decode("tf32", numbers.encode("tf32", -1.25)) == -1.25
    assert numbers.decode("f64", numbers.encode("f64", math.pi)) == math.pi
    assert math.isnan(numbers.decode("ue8m0", 255))
    assert numbers.decode("ue4m3", numbers.encode("ue4m3", 2.0)) == 2.0


@pytest.mark.parametrize("form", ["f64", "tf32", "bf16", "f16", "e5m2", "e4m3", "e3m2", "e2m3", "e2m1", "s8", "s4"])
def test_every_drawn_code_has_a_negative(form: str) -> None:
    dice = dice_of(2)
    for _ in range(300):
        code = numbers.drawn(form, dice)
        value = numbers.decode(form, code)
        assert math.isfinite(value)
        assert numbers.decode(form, numbers.negated(form, code)) == -value


@pytest.mark.parametrize(
    ("rows", "depth", "packed", "places"),
    [
        # As the PTX ISA draws them: (lane, register, position) -> (row, depth).
        (16, 16, 2, {(0, 0, 0): (0, 0), (0, 1, 0): (8, 0), (0, 2, 1): (0, 9), (5, 3, 0): (9, 10)}),
        (16, 32, 4, {(0, 0, 3): (0, 3), (1, 0, 0): (0, 4), (0, 2, 0): (0, 16), (31, 3, 3): (15, 31)}),
        (16, 64, 8, {(0, 2, 0): (0, 32), (2, 1, 7): (8, 23)}),
        (16, 8, 1, {(3, 0, 0): (0, 3), (3, 2, 0): (0, 7), (4, 1, 0): (9, 0)}),
        (8, 16, 4, {(4, 0, 0): (1, 0), (31, 0, 3): (7, 15)}),
        (16, 16, 1, {(1, 7, 0): (8, 13), (1, 2, 0): (0, 5)}),
    ],
)  # fmt: skip
def test_a_factor_lies_as_the_document_draws_it(
    rows: int, depth: int, packed: int, places: dict[tuple[int, int, int], tuple[int, int]]
) -> None:
    found = {
        (one.lane, one.register, one.position): (one.row, one.column)
        for one in fragments.first_factor(rows, depth, packed)
    }
    assert {key: found[key] for key in places} == places
    assert sorted(found.values()) == [(row, column) for row in range(rows) for column in range(depth)]


def test_a_product_lies_as_the_document_draws_it() -> None:
    found = {(one.lane, one.register): (one.row, one.column) for one in fragments.product(16, 8, 1)}
    assert (found[0, 0], found[0, 1], found[0, 2], found[31, 3]) == ((0, 0), (0, 1), (8, 0), (15, 7))
    halves = {(one.lane, one.register, one.position): (one.row, one.column) for one in fragments.product(16, 8, 2)}
    assert (halves[0, 0, 1], halves[0, 1, 0], halves[5, 1, 1]) == ((0, 1), (8, 0), (9, 3))


@pytest.mark.parametrize("spelling", MMA, ids=IDS)
def test_known_factors_have_sums_that_every_accumulator_holds(spelling: Spelling) -> None:
    """Within eleven bits (FP16), thirteen (the narrowest adders known) and 32 of integers, whatever the order."""
    shape = squares.square(spelling)
    values = matrices.expected(shape, program.KNOWN_TURNS)
    step = 1.0 if spelling.probe.operand in numbers.INTEGERS else 0.25 * (0.25 if shape.scales else 1)
    assert all(value / step == round(value / step) for value in values)
    most = {"f16": 2**11, "f32": 2**13, "f64": 2**53, "s32": 2**31}[spelling.accumulator]
    assert max(abs(value) / step for value in values) < most
    assert len(set(values)) > 20


@pytest.mark.parametrize("spelling", MMA, ids=IDS)
def test_measured_factors_cancel_in_every_turn_unless_integers_wrap(spelling: Spelling) -> None:
    shape = squares.square(spelling)
    made = matrices.random_factors(shape, dice_of(3))
    first = matrices.multiplied(spelling, made, 0, 0)
    second = matrices.multiplied(spelling, made, 0, shape.columns)
    if spelling.probe.operand in ("u8", "u4", "b1"):
        assert first == second
    else:
        assert first == [[-value for value in row] for row in second]
    assert len({value for row in first for value in row}) > 20


def test_the_reference_is_what_numpy_multiplies() -> None:
    spelling = BY_ID["mma.sync.mxf4nvf4.m16n8k64.e2m1.f32"]
    shape = squares.square(spelling)
    made = matrices.known_factors(shape, dice_of(4))

    def worth(codes: matrices.Matrix, scales: matrices.Matrix) -> np.ndarray:
        values = np.array(codes, np.uint8).view(ml_dtypes.float4_e2m1fn).astype(np.float64)
        factors = np.array(scales, np.uint8).view(ml_dtypes.float8_e4m3fn).astype(np.float64)
        return values * np.repeat(factors, 16, axis=1)

    left, right = worth(made.first[1], made.first_scales[1]), worth(made.second[2], made.second_scales[2])
    assert np.array_equal(left @ right.T, np.array(matrices.multiplied(spelling, made, 1, 2)))


def test_four_bits_stand_in_the_middle_of_eight() -> None:
    spelling = BY_ID["mma.sync.f8f6f4.m16n8k32.e2m1.f32"]
    content = matrices.known(squares.square(spelling))
    assert all(byte & 0b11000011 == 0 for byte in content)
    assert any(content)


def test_lanes_read_what_the_kernel_loads() -> None:
    for spelling in MMA:
        shape = squares.square(spelling)
        size = 32 * sum(group.lane_bytes for group in shape.read)
        assert len(matrices.known(shape)) == len(matrices.measured(shape, "zeros")) == size, spelling.probe.id


def test_zeros_are_zeros_with_scales_of_one() -> None:
    plain = squares.square(BY_ID["mma.sync.m16n8k16.bf16.f32"])
    assert not any(matrices.measured(plain, "zeros"))
    scaled = squares.square(BY_ID["mma.sync.mxf4.m16n8k64.e2m1.f32"])
    assert set(matrices.measured(scaled, "zeros")) == {0, 127}


@pytest.mark.parametrize(
    ("target", "chosen"),
    [
        ("sm_75", {"fp16": "mma.sync.m16n8k8.f16.f32", "int8": "mma.sync.m8n8k16.s8.s32"}),
        ("sm_75", {"int4": "mma.sync.m8n8k32.s4.s32"}),
        ("sm_86", {"bf16": "mma.sync.m16n8k16.bf16.f32", "int4": "mma.sync.m16n8k64.s4.s32"}),
        ("sm_89", {"fp8_e4m3": "mma.sync.m16n8k32.e4m3.f32"}),
        ("sm_120a", {"nvfp4": "mma.sync.mxf4nvf4.m16n8k64.e2m1.f32", "mxfp8": "mma.sync.mxf8f6f4.m16n8k32.e4m3.f32",
                     "fp4_e2m1": "mma.sync.f8f6f4.m16n8k32.e2m1.f32"}),
    ],
)  # fmt: skip
def test_the_largest_native_instruction_stands_for_a_format(target: str, chosen: dict[str, str]) -> None:
    found = {
        one.spelling.probe.format: one.spelling.probe.id
        for one in micro.choices(target)
        if one.verdict == "native" and one.spelling.probe.accumulate != "fp16"
    }
    assert {name: found[name] for name in chosen} == chosen


def refusals(target: str) -> set[str]:
    return {one.spelling.probe.format for one in micro.choices(target) if one.verdict == "absent"}


def test_refusals_are_asked_for_formats_that_nothing_takes() -> None:
    four = {"fp6_e3m2", "fp6_e2m3", "fp4_e2m1", "mxfp8", "mxfp6", "mxfp4", "nvfp4"}
    assert refusals("sm_89") == refusals("sm_90a") == four
    assert refusals("sm_75") == four | {"fp64", "tf32", "bf16", "fp8_e4m3", "fp8_e5m2"}
    assert refusals("sm_120a") == set()
    assert refusals("sm_100a") == set()  # tcgen05 takes them, and it has no kernel here


def test_int4_is_emulated_from_hopper_on() -> None:
    for target in ("sm_90a", "sm_100a", "sm_120a"):
        (one,) = [one for one in micro.choices(target) if one.spelling.probe.format == "int4"]
        assert one.verdict == "emulated"


def test_a_target_without_a_record_is_asked_nothing() -> None:
    assert micro.kernels(limits("sm_999a")) == ()


def test_a_kernel_says_what_it_computes() -> None:
    made = kernel("sm_89", "mma.sync.m16n8k16.bf16.f32")
    assert (made.grid, made.block, made.iterations) == (20, 256, 2)
    assert made.work == 20 * 8 * 32 * 2 * 16 * 8 * 16
    assert made.arguments == (
        Array(65536, "zeros", written=True),
        Array(20 * 256 * 4, "zeros", written=True),
        Scalar(256),
    )
    assert (made.workload.unit, made.workload.door, made.workload.scaling) == ("FLOP/s", "mma.sync", "")
    assert kernel("sm_89", "mma.sync.m16n8k32.s8.s32").workload.unit == "OP/s"
    assert kernel("sm_120a", "mma.sync.mxf4nvf4.m16n8k64.e2m1.f32").workload.scaling == "nv"
    assert kernel("sm_120a", "mma.sync.mxf4.m16n8k64.e2m1.f32").workload.scaling == "mx"


@pytest.mark.parametrize("target", TARGETS)
def test_names_are_unique(target: str) -> None:
    names = [micro.workload(one.spelling).name for one in micro.choices(target)]
    assert len(names) == len(set(names)) > 8


def written(made: Kernel) -> list[bytes]:
    """What a card that computes rightly leaves."""
    choice = next(one for one in micro.choices(made.target) if made.workload.name.endswith(one.spelling.probe.id))
    letter = matrices.PACK[choice.spelling.accumulator]
    values = micro.expected(choice)
    proof = b"".join(struct.pack(f"<{letter}", int(value) if letter == "i" else value) for value in values)
    assert len(proof) == next(one.bytes for one in made.arguments if isinstance(one, Array))
    return [proof[: 1 << 16], dice_of(5).randbytes(128) * 100]


@pytest.mark.parametrize("name", [one.spelling.probe.id for one in micro.choices("sm_120a")])
def test_what_a_right_card_leaves_passes(name: str) -> None:
    made = kernel("sm_120a", name)
    assert micro.check(made, written(made)) is None


def test_a_wrong_result_is_named() -> None:
    made = kernel("sm_120a", "mma.sync.m16n8k16.bf16.f32")
    proof, folded = written(made)
    spoiled = bytearray(proof)
    spoiled[4 * 77 : 4 * 78] = struct.pack("<f", 1e6)
    said = micro.check(made, [bytes(spoiled), folded])
    assert said is not None
    assert said.startswith("1 of 16384 results differ; number 77 is 1000000.0, not ")


def test_a_warp_that_differs_is_counted() -> None:
    made = kernel("sm_120a", "mma.sync.m16n8k16.bf16.f32")
    proof, folded = written(made)
    spoiled = bytearray(folded)
    spoiled[128 * 7] ^= 1
    assert micro.check(made, [proof, bytes(spoiled)]) == "1 of 100 groups of warps differ from the first"


def test_nothing_written_is_wrong() -> None:
    made = kernel("sm_120a", "mma.sync.m16n8k32.e4m3.f32")
    proof, folded = written(made)
    assert micro.check(made, [bytes(len(proof)), bytes(len(folded))]) is not None


def test_the_text_in_cuda_is_the_same_statements() -> None:
    choice = next(one for one in micro.choices("sm_89") if one.spelling.probe.format == "bf16")
    made = micro.program(choice, "random")
    text = program.text(made, "sm_89", "cuda")
    assert 'extern "C" __global__ void __launch_bounds__(256, 2)\nmma_sync_m16n8k16_bf16_f32(' in text
    assert text.count("mma.sync.aligned.m16n8k16") == made.products == 32
    assert "%%tid.x" in text
    assert all(f'"{line}\\n"' in text for line in made.body if "%" not in line and '"' not in line)


def test_emulated_factors_look_new_in_every_turn() -> None:
    spelling = BY_ID["mma.sync.m16n8k64.s4.s32"]
    plain, emulated = mma.program(spelling, "random"), mma.program(spelling, "random", emulated=True)
    again = emulated.body.index("again:")
    assert any(line.startswith("xor.b32 a0, a0, low") for line in emulated.body[again:])
    assert not any(line.startswith("xor.b32 a0") for line in plain.body)


WGMMA = [one.spelling for one in micro.choices("sm_90a") if one.spelling.probe.door == "wgmma"]


def test_hopper_s_own_instructions_come_first() -> None:
    doors = [one.spelling.probe.door for one in micro.choices("sm_90a")]
    assert doors[: len(WGMMA)] == ["wgmma"] * 9
    assert {one.spelling.probe.door for target in ("sm_89", "sm_100a") for one in micro.choices(target)} == {"mma.sync"}


def test_a_descriptor_has_its_fields_where_the_document_puts_them() -> None:
    made = wgmma.descriptor(0x400 + 32)
    assert made & 0x3FFF == 0x42
    assert made >> 16 & 0x3FFF == 1
    assert made >> 32 & 0x3FFF == 1024 // 16
    assert (made >> 46 & 0xFFFF, made >> 62) == (0, 1)


def unswizzled(tile: bytes) -> bytes:
    """Rows of 128 bytes in order: of an address, bits 4-6 are xor-ed with bits 7-9."""
    return bytes(tile[at ^ (at >> 7 & 7) << 4] for at in range(len(tile)))


@pytest.mark.parametrize("spelling", WGMMA, ids=[one.probe.id for one in WGMMA])
def test_what_wgmma_reads_multiplies_to_the_reference(spelling: Spelling) -> None:
    """The image in shared memory, read as the hardware addresses it and with ml_dtypes' types, by numpy."""
    types = {"tf32": np.float32, "s8": np.int8, **TYPES}
    rows = [np.frombuffer(unswizzled(tile), types[spelling.probe.operand]) for tile in halves(spelling)]
    left, right = (row.astype(np.float64).reshape(count, -1) for row, count in zip(rows, (64, 256), strict=True))
    product = program.KNOWN_TURNS * (left @ right.T)
    stored = wgmma.results(spelling)
    packed = 2 if spelling.accumulator == "f16" else 1
    registers = 256 // 2 // packed
    assert len(stored) == 2 * 64 * 256
    dice = dice_of(6)
    for _ in range(500):
        group, lane, register, half = dice.randrange(2), dice.randrange(128), dice.randrange(registers), packed - 1
        row = lane // 32 * 16 + lane % 32 // 4 + 8 * (register // (2 // packed) % 2)
        column = register // (4 // packed) * 8 + lane % 4 * 2 + (half if packed == 2 else register % 2)
        found = stored[((group * 128 + lane) * registers + register) * packed + half]
        assert found == product[row][column]


def halves(spelling: Spelling) -> tuple[bytes, bytes]:
    content = wgmma.program(spelling, "random").known
    assert len(content) == (64 + 256) * 128
    return content[: 64 * 128], content[64 * 128 :]


@pytest.mark.parametrize("spelling", WGMMA, ids=[one.probe.id for one in WGMMA])
def test_known_tiles_have_sums_that_every_accumulator_holds(spelling: Spelling) -> None:
    values = wgmma.results(spelling)
    step = 1.0 if spelling.probe.operand == "s8" else 0.25
    most = {"f16": 2**11, "f32": 2**13, "s32": 2**31}[spelling.accumulator]
    assert all(value / step == round(value / step) for value in values)
    assert max(map(abs, values)) / step < most


def test_measured_tiles_cancel_along_the_depth() -> None:
    left, right = wgmma.measured_tiles(BY_ID["wgmma.m64n256k32.e4m3.f32"], "random", 7)
    for row, column in zip(left, right, strict=False):
        worth = [
            numbers.decode("e4m3", one) * numbers.decode("e4m3", two) for one, two in zip(row, column, strict=True)
        ]
        assert sum(worth[:64]) == -sum(worth[64:])
        assert any(worth)


@pytest.mark.parametrize("name", [one.probe.id for one in WGMMA])
def test_what_a_right_hopper_leaves_passes(name: str) -> None:
    made = kernel("sm_90a", name)
    values = wgmma.results(BY_ID[name])
    letter = matrices.PACK[BY_ID[name].accumulator]
    proof = b"".join(struct.pack(f"<{letter}", int(value) if letter == "i" else value) for value in values)
    assert len(proof) == next(one.bytes for one in made.arguments if isinstance(one, Array))
    folded = dice_of(8).randbytes(512) * 20
    assert micro.check(made, [proof[: 1 << 16], folded]) is None
    assert micro.check(made, [proof[4 : (1 << 16) + 4], folded]) is not None
    assert micro.check(made, [proof[: 1 << 16], folded[:512] + folded[4:512] * 2]) is not None
    assert made.work == 10 * 2 * 4 * 2 * 64 * 256 * (BY_ID[name].probe.shape or (0, 0, 0))[2]
