"""The judge of NVIDIA's proofs on recorded disassembly: the hard cases, without any tool."""

from pathlib import Path

import pytest

from assay.knowledge.catalog.nvidia_probes import Spelling, spellings, version
from assay.observe.proof import judge, ptx, sass
from assay.types.proof import Finding

FIXTURES = Path(__file__).parents[1] / "fixtures" / "proof"
BY_ID = {spelling.probe.id: spelling for spelling in spellings()}


def found(target: str, probe: str) -> Finding:
    text = (FIXTURES / f"{target}.{probe}.sass").read_text(encoding="ascii")
    return judge.judge(BY_ID[probe], target, sass.reached(sass.functions(text), "probe_0"))


@pytest.mark.parametrize(
    ("target", "probe", "verdict", "opcode", "count", "ratio", "notes"),
    [
        # INT4 is native up to Ada, then unpacked into INT8.
        ("sm_75", "mma.sync.m8n8k32.s4.s32", "native", "IMMA.8832.S4.S4", 1, 1, ()),
        ("sm_89", "mma.sync.m16n8k64.s4.s32", "native", "IMMA.16864.S4.S4", 1, 1, ()),
        ("sm_120a", "mma.sync.m16n8k64.s4.s32", "emulated", "IMMA.16832.S8.S8", 2, 1, ("converted",)),
        # INT1: XOR made of AND is another operation; later eight products of bytes.
        ("sm_90", "mma.sync.m16n8k256.b1.s32.xor.popc", "emulated", "BMMA.168256.AND.POPC", 2, 2, ("converted",)),
        ("sm_90a", "wgmma.m64n8k256.b1.s32.and.popc", "native", "BGMMA.64x8x256.AND.POPC", 1, 1, ()),
        ("sm_100", "mma.sync.m16n8k256.b1.s32.and.popc", "emulated", "IMMA.16832.U8.U8", 8, 1, ("converted",)),
        # FP8: native on Ada, unpacked by mma.sync on Hopper, whose door is wgmma.
        ("sm_89", "mma.sync.m16n8k32.e4m3.f32", "native", "QMMA.16832.F32.E4M3.E4M3", 1, 1, ()),
        ("sm_90", "mma.sync.m16n8k32.e4m3.f32", "emulated", "HMMA.16816.F32", 2, 1, ("converted",)),
        ("sm_90a", "wgmma.m64n8k32.e4m3.f32", "native", "QGMMA.64x8x32.F32.E4M3.E4M3", 1, 1, ()),
        # Block-scaled formats name their scales.
        ("sm_120a", "mma.sync.mxf4nvf4.m16n8k64.e2m1.f32", "native", "OMMA.SF.16864.F32.E2M1.E2M1.UE4M3.4X", 1, 1, ()),
        ("sm_120a", "mma.sync.mxf4.m16n8k64.e2m1.f32", "native", "OMMA.SF.16864.F32.E2M1.E2M1.E8", 1, 1, ()),
        ("sm_120a", "mma.sync.mxf8f6f4.m16n8k32.e4m3.f32", "native", "QMMA.SF.16832.F32.E4M3.E4M3.E8", 1, 1, ()),
        ("sm_120a", "mma.sync.f8f6f4.m16n8k32.e2m1.f32", "native", "QMMA.16832.F32.E2M1.E2M1", 1, 1, ()),
        # tcgen05 proves a kind: its name has neither shape nor element type.
        ("sm_100a", "tcgen05.mxf4nvf4.m128n8k64.e2m1.f32", "native", "UTCOMMA.4X", 1, None, ("kind",)),
        ("sm_103a", "tcgen05.mxf4nvf4.m128n8k64.e2m1.f32", "native", "UTCOMMA.BLOCK16", 1, None, ("kind",)),
        ("sm_100a", "tcgen05.i8.m128n8k32.s8.s32", "native", "UTCIMMA", 1, None, ("kind",)),
        ("sm_103a", "mma.sync.m16n8k32.s8.s32", "native", "IMMA.16832.S8.S8", 1, 1, ()),
        # FP64: one instruction on Hopper, split since, between them fillers that never run.
        ("sm_80", "mma.sync.m8n8k4.f64.f64", "native", "DMMA.884", 1, 1, ()),
        ("sm_90", "mma.sync.m16n8k16.f64.f64", "native", "DMMA.16x8x16", 1, 1, ()),
        ("sm_103a", "mma.sync.m16n8k16.f64.f64", "native", "DMMA.8x8x4", 8, 1, ("split",)),
        ("sm_120a", "mma.sync.m16n8k16.f64.f64", "native", "DMMA.8x8x4", 8, 1, ("split",)),
        # Half of the instruction is unused.
        ("sm_120a", "mma.sync.m8n8k16.s8.s32", "native", "IMMA.16816.S8.S8", 1, 2, ("padded",)),
        # Volta's product takes steps, which together are one.
        ("sm_75", "mma.sync.m8n8k4.f16.f32", "native", "HMMA.884.F32.F32.STEP0", 1, 1, ("split",)),
        ("sm_75", "mma.sync.m8n8k4.f16.f16", "native", "HMMA.884.F16.F16.STEP0", 1, 1, ("split",)),
    ],
)
def test_a_hard_case(  # noqa: PLR0917 - a row of the table
    target: str, probe: str, verdict: str, opcode: str, count: int, ratio: float | None, notes: tuple[str, ...]
) -> None:
    finding = found(target, probe)
    assert (finding.verdict, finding.opcodes[0], finding.volume_ratio) == (verdict, (opcode, count), ratio)
    assert finding.notes == tuple(f"proof.note.{note}" for note in notes)


def test_padding_and_the_last_branch_are_not_counted() -> None:
    assert found("sm_120a", "mma.sync.m16n8k64.s4.s32").instructions == 210  # 21 of the entry, 189 of the helper


def test_what_no_matrix_instruction_does_is_software() -> None:
    finding = found("sm_80", "mma.sync.m8n8k4.f16.f32")
    assert (finding.verdict, finding.notes) == ("emulated", ("proof.note.software",))
    assert not any(sass.is_matrix(name) for name, _ in finding.opcodes)


def test_rearranged_metadata_keeps_a_product_native() -> None:
    assert found("sm_120a", "mma.sync.m16n8k64.s8.s32.sp").verdict == "native"


@pytest.mark.parametrize(
    ("target", "probe", "verdict", "opcode"),
    [
        ("sm_120a", "cvt.e4m3x2.f16x2", "native", "F2FP.F16.E4M3.UNPACK_B"),
        ("sm_120a", "dp4a.s32.s32", "native", "IDP.4A.S8.S8"),
        ("sm_100a", "fma.f32x2.f32x2", "native", "FFMA2"),
        ("sm_120a", "fma.f32x2.f32x2", "emulated", "FFMA"),
    ],
)
def test_what_unpacking_costs(target: str, probe: str, verdict: str, opcode: str) -> None:
    finding = found(target, probe)
    assert (finding.verdict, finding.opcodes[0][0]) == (verdict, opcode)


def test_instructions_that_never_run_are_not_counted() -> None:
    text = (FIXTURES / "sm_120a.mma.sync.m16n8k16.f64.f64.sass").read_text(encoding="ascii")
    (entry,) = sass.functions(text).values()
    fillers = sum(one.guard == "!UPT" for one in entry)
    assert fillers == 364  # seven gaps of 52
    assert found("sm_120a", "mma.sync.m16n8k16.f64.f64").instructions < 40


def test_a_helper_is_counted_once_however_often_it_is_called() -> None:
    text = "helper:\n  /*0000*/ IMMA.16832.S8.S8 R0 ;\n  /*0010*/ RET.ABS ;\nprobe_0:\n"
    text += "  /*0000*/ CALL.ABS.NOINC `(helper) ;\n  /*0010*/ CALL.ABS.NOINC `(helper) ;\n  /*0020*/ EXIT ;\n"
    names = [one.name for one in sass.reached(sass.functions(text), "probe_0")]
    assert names == ["CALL.ABS.NOINC", "CALL.ABS.NOINC", "EXIT", "IMMA.16832.S8.S8", "RET.ABS"]


def test_a_helper_that_is_not_there_is_no_native_verdict() -> None:
    with pytest.raises(KeyError):
        sass.reached(sass.functions("probe_0:\n  /*0000*/ CALL.ABS.NOINC `(gone) ;\n"), "probe_0")


@pytest.mark.parametrize(
    ("name", "shape", "accumulator", "operands", "others"),
    [
        ("HMMA.1688.F32.TF32", (16, 8, 8), "F32", ("TF32",), ()),
        ("IMMA.8816.S8.S8", (8, 8, 16), "", ("S8",), ()),
        ("BMMA.88128.XOR.POPC", (8, 8, 128), "", (), ("XOR", "POPC")),
        ("OMMA.SF.SP.168128.F32.E2M1.E2M1.E8", (16, 8, 128), "F32", ("E2M1",), ("E8",)),
        ("HGMMA.64x256x16.F32.BF16", (64, 256, 16), "F32", ("BF16",), ()),
        ("UTCOMMA.4X", None, "", (), ("4X",)),
    ],
)
def test_names_of_matrix_instructions(
    name: str,
    shape: tuple[int, int, int] | None,
    accumulator: str,
    operands: tuple[str, ...],
    others: tuple[str, ...],
) -> None:
    read = sass.matrix_operation(name)
    assert (read.shape, read.accumulator, read.operands, read.others) == (shape, accumulator, operands, others)
    assert read.scaled == ("SF" in name)
    assert read.sparse == (".SP." in name)


@pytest.mark.parametrize("name", ["HFMA2.MMA", "HFMA2", "IMAD", "MMA", "UTCBAR", "WARPGROUP.ARRIVE"])
def test_what_multiplies_no_matrices(name: str) -> None:
    assert not sass.is_matrix(name)


def judged(probe: str, *names: str) -> Finding:
    return judge.judge(BY_ID[probe], "sm_120a", [sass.Instruction("", name, "") for name in names])


INT8 = "mma.sync.m16n8k32.s8.s32"


def test_the_rule() -> None:
    """Each clause on its own, on made-up output."""
    assert judged(INT8, "IMMA.16832.S8.S8").verdict == "native"
    assert judged(INT8, "IMMA.16816.S8.S8").verdict == "emulated"  # half of the work
    assert judged(INT8, "IMMA.16816.S8.S8", "IMMA.16816.S8.S8").notes == ("proof.note.split",)
    assert judged(INT8, "IMMA.16832.U8.U8").verdict == "emulated"  # another type
    assert judged(INT8, "IMMA.SP.16832.S8.S8").verdict == "emulated"  # a sparse product is not a dense one
    assert judged(INT8, "HMMA.16832.F32").verdict == "emulated"
    assert judged(INT8, "IMMA.16832.S8.S8", "HMMA.16816.F32").verdict == "emulated"  # every one must be of the type
    assert judged(INT8, "IMMA.16832.S8.S8", "LOP3.LUT").notes == ("proof.note.operands_arranged",)
    assert judged(INT8, "LOP3.LUT").notes == ("proof.note.software",)
    assert judged(INT8, "XMMA.16832.S8.S8").verdict == "unknown"  # a family that is not known yet
    assert judged(INT8, "IMMA.S8.S8").verdict == "unknown"  # no shape to compare
    fp8 = "mma.sync.m16n8k32.e4m3.f16"
    assert judged(fp8, "QMMA.16832.F32.E4M3.E4M3").verdict == "emulated"  # another accumulator
    nvfp4 = "mma.sync.mxf4nvf4.m16n8k64.e2m1.f32"
    assert judged(nvfp4, "OMMA.SF.16864.F32.E2M1.E2M1.E8").verdict == "emulated"  # another scale
    assert judged(nvfp4, "OMMA.16864.F32.E2M1.E2M1.UE4M3.4X").verdict == "emulated"  # no scale
    kind = "tcgen05.mxf4nvf4.m128n8k64.e2m1.f32"
    assert judged(kind, "UTCOMMA").verdict == "emulated"  # the kind of MXFP4, whose blocks are of 32
    assert judged(kind, "UTCOMMA.4X", "UTCOMMA.4X").verdict == "unknown"  # without shapes two are not compared
    assert judged("tcgen05.f8f6f4.m128n8k32.e4m3.f32", "UTCHMMA").verdict == "emulated"
    assert judged(INT8, "QMMA.16832.S8.S8").verdict == "emulated"
    assert judged("tcgen05.mxf4.m128n8k64.e2m1.f32", "UTCOMMA.4X").verdict == "emulated"
    assert judged("dp4a.s32.s32", "IDP.4A.S8.S8", "IDP.4A.S8.S8").verdict == "emulated"
    assert judged("dp4a.s32.s32", "IDP.4A.S8.S8", "LOP3.LUT").verdict == "emulated"
    assert judged("dp4a.s32.s32", "IDP.2A.S16.S8").verdict == "emulated"  # half of the products
    assert judged("dp4a.s32.s32", "IDP.4A.S8.S8", "IADD3").verdict == "emulated"
    assert judged("dp4a.s32.s32", "IDP.4A.S8.S8", "IMAD.MOV.U32").verdict == "native"  # a move
    convert = "cvt.e4m3x2.bf16x2"
    assert judged(convert, "F2FP.BF16.E4M3.UNPACK_B").verdict == "native"
    assert judged(convert, "F2FP.F16.E4M3.UNPACK_B", "HFMA2.BF16_V2").verdict == "emulated"  # through FP16
    assert judged(convert, "F2FP.BF16.E5M2.UNPACK_B").verdict == "emulated"  # another type
    assert judged("fma.bf16x2.bf16x2", "HFMA2").verdict == "emulated"
    assert judged("fma.f16x2.f16x2", "HFMA2").verdict == "native"
    assert judged("fma.f16x2.f16x2", "HFMA2.BF16_V2").verdict == "emulated"


def test_a_refusal_proves_absence_only_in_known_words() -> None:
    spelling = BY_ID[INT8]
    for words in (
        "Instruction 'mma with block scale' not supported on .target 'sm_89'",
        "Feature '.bf16' requires .target sm_80 or higher",
        "Unexpected instruction types specified for 'wgmma.mma_async'",
    ):
        assert judge.refused(spelling, "sm_89", [words]).verdict == "absent"
    lacking = "Feature '.x' not supported on .target 'sm_89'"
    for words in (["Parsing error near 'x': syntax error", lacking], [lacking, "Unknown modifier '.m16n8k17'"], []):
        assert judge.refused(spelling, "sm_89", words).verdict == "unknown", words
    wrong = judge.refused(spelling, "sm_89", ["Arguments mismatch for instruction 'mma'"])
    assert (wrong.verdict, wrong.notes) == ("unknown", ("proof.note.not_understood",))
    assert wrong.refusal == "Arguments mismatch for instruction 'mma'"


def test_every_probe_is_written_on_one_line_of_its_entry() -> None:
    source = ptx.source("sm_120a", "9.5", dict(enumerate(spellings())))
    lines = source.text.splitlines()
    assert len(source.lines) == len(spellings())
    for index, (spelling, (first, last)) in enumerate(zip(spellings(), source.lines, strict=True)):
        assert lines[first - 1].startswith(f".visible .entry {ptx.entry_name(index)}(")
        assert lines[last - 1] == "}"
        written = [line for line in lines[first:last] if line.startswith(spelling.probe.door.split(".")[0] + ".")]
        assert ptx.instruction(spelling) in written


def test_ids_are_unique_and_formats_known() -> None:
    from assay.knowledge.catalog.instruction_sets import number_formats

    assert len(BY_ID) == len(spellings())
    known = {one.id for one in number_formats()}
    assert {spelling.probe.format for spelling in spellings()} <= known


def test_all_formats_of_the_catalogue_but_fp32_are_asked_as_matrix_products() -> None:
    from assay.knowledge.catalog.instruction_sets import number_formats

    asked = {spelling.probe.format for spelling in spellings() if spelling.probe.kind == "matrix"}
    assert {one.id for one in number_formats()} - asked == {"fp32"}  # no matrix instruction of PTX takes it


def test_versions_compare_as_numbers() -> None:
    assert version("9.2") < version("9.10") < version("10.0")


def test_spellings_have_what_their_door_needs() -> None:
    for spelling in spellings():
        assert (spelling.probe.shape is None) == (spelling.probe.kind == "unpack")
        assert bool(spelling.expect) == (spelling.probe.kind == "unpack")
    assert isinstance(spellings()[0], Spelling)
