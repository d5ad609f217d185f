"""AMD's probes: the table, what is asked of LLVM, how its assembly is read and judged, and what it says of each target.

The assembly in `fixtures/proof/amd` is what LLVM wrote (`ASSAY_UPDATE_GOLDEN=1` records it again), so that parser and
judge are tested without it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from assay.errors import MissingExtra, MissingKnowledge, ToolFailed
from assay.knowledge.catalog import amd_probes
from assay.knowledge.catalog.instruction_sets import number_formats
from assay.observe.proof import amd, llvm_ir
from assay.observe.proof.amd_judge import Answer, judge
from assay.observe.proof.amdgcn import Instruction, Operation, instructions, operation
from assay.types.proof import Finding, Probe, Record

FIXTURES = Path(__file__).parents[1] / "fixtures" / "proof" / "amd"
CALLS = {call.probe.id: call for call in amd_probes.calls()}
needs_llvm = pytest.mark.skipif(amd.tool() is None, reason="llvmlite is not installed")

E4M3_SCALES = "matrix_a_scale_fmt:MATRIX_SCALE_FMT_E4M3 matrix_b_scale_fmt:MATRIX_SCALE_FMT_E4M3"
FP8 = {"fp8_e4m3", "fp8_e5m2"}
FP6 = {"fp6_e3m2", "fp6_e2m3"}
MX = {"mxfp8", "mxfp6", "mxfp4"}
GFX908 = {"fp32", "fp16", "bf16", "int8"}
GFX942 = GFX908 | FP8 | {"fp64", "tf32"}
GFX950 = (GFX942 - {"tf32"}) | FP6 | MX | {"fp4_e2m1"}
SPARSE = FP8 | {"fp16", "bf16", "int8"}
GFX11 = {"fp16", "bf16", "int8", "int4"}
GFX12 = GFX11 | FP8
GFX1250 = GFX908 | FP8 | FP6 | MX | {"fp4_e2m1", "nvfp4"}
MATRIX: dict[str, tuple[set[str], set[str]]] = {
    "gfx900": (set(), set()),
    "gfx906": (set(), set()),
    "gfx908": (GFX908, set()),
    "gfx90a": (GFX908 | {"fp64"}, set()),
    "gfx942": (GFX942, SPARSE),
    "gfx950": (GFX950, SPARSE),
    "gfx1011": (set(), set()),
    "gfx1030": (set(), set()),
    "gfx1100": (GFX11, set()),
    "gfx1151": (GFX11, set()),
    "gfx1201": (GFX12, GFX12),
    "gfx1250": (GFX1250, SPARSE),
}
"""What LLVM multiplies as matrices, dense and 2:4."""
DOT = {
    "gfx900": set(),
    "gfx906": {"fp16", "int8", "int4"},
    "gfx908": {"fp16", "int8", "int4"},
    "gfx90a": {"fp16", "int8", "int4"},
    "gfx942": {"fp16", "int8", "int4"},
    "gfx950": {"fp16", "bf16", "int8", "int4"},
    "gfx1011": {"fp16", "int8", "int4"},
    "gfx1030": {"fp16", "int8", "int4"},
    "gfx1100": {"fp16", "bf16", "int8", "int4"},
    "gfx1151": {"fp16", "bf16", "int8", "int4"},
    "gfx1201": {"fp16", "bf16", "int8", "int4"} | FP8,
    "gfx1250": {"int8", "int4"},
}
SIBLINGS = {
    **dict.fromkeys(("gfx1101", "gfx1102", "gfx1103", "gfx1150", "gfx1152", "gfx1153"), GFX11),
    "gfx1200": GFX12,
    "gfx1251": GFX1250,
}


@cache
def _records() -> dict[str, Record]:
    return {record.target: record for record in amd.prove_all(tuple(MATRIX))}


def _native(record: Record, keep: Callable[[Probe], bool]) -> set[str]:
    probes = [CALLS[finding.probe].probe for finding in record.findings if finding.verdict == "native"]
    return {probe.format for probe in probes if keep(probe)}


def _finding(target: str, probe: str) -> Finding:
    return next(finding for finding in _records()[target].findings if finding.probe == probe)


# --- The table ---


def test_every_probe_has_an_id_of_its_own_and_a_format_of_the_catalogue() -> None:
    assert len(CALLS) == len(amd_probes.calls()) > 180
    assert {call.probe.format for call in amd_probes.calls()} <= {one.id for one in number_formats()}


@pytest.mark.parametrize("call", amd_probes.calls(), ids=lambda call: call.probe.id)
def test_a_probe_asks_for_what_it_says(call: amd_probes.Call) -> None:
    probe = call.probe
    assert (probe.shape is None) == (probe.kind == "unpack")
    if probe.shape is not None:
        assert "x".join(map(str, probe.shape)) in call.text
        assert f"llvm.amdgcn.{probe.door}." in call.text
        assert (probe.sparsity == "2:4") == (probe.door in ("smfmac", "swmmac"))


def test_a_digest_is_of_what_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    before = amd_probes.digest()
    changed = (amd_probes.calls()[0]._replace(text="i32 @llvm.other()"), *amd_probes.calls()[1:])
    monkeypatch.setattr(amd_probes, "calls", lambda: changed)
    assert amd_probes.digest.__wrapped__() != before == amd_probes.digest()


# --- What is asked ---


def test_a_function_takes_the_operands_and_keeps_the_result() -> None:
    assert llvm_ir.function("i32 @llvm.amdgcn.sudot4(i1 true, i32 %a, i1 true, i32 %b, <2 x i32> %c, i1 false)") == (
        "define amdgpu_ps void @probe(ptr addrspace(1) %out, i32 %a, i32 %b, <2 x i32> %c) {\n"
        "  %result = call i32 @llvm.amdgcn.sudot4(i1 true, i32 %a, i1 true, i32 %b, <2 x i32> %c, i1 false)\n"
        "  store i32 %result, ptr addrspace(1) %out\n"
        "  ret void\n"
        "}\n"
    )


@pytest.mark.parametrize("call", ["", "i32 @abort()", "i32 @llvm.x(i32 %a) unreachable", "i32 @llvm.x(i32 %a)\n}"])
def test_what_is_no_call_of_an_intrinsic_is_not_written(call: str) -> None:
    with pytest.raises(ValueError, match="^" if not call else call[:3]):
        llvm_ir.function(call)


# --- The assembly ---


@pytest.mark.parametrize(
    ("opcode", "operands", "expected"),
    [
        ("v_mfma_f32_32x32x8f16", "", Operation("mfma", "f32", ("f16", "f16"), (32, 32, 8))),
        ("v_mfma_f32_16x16x16bf16_1k", "", Operation("mfma", "f32", ("bf16", "bf16"), (16, 16, 16))),
        ("v_mfma_f64_16x16x4f64", "", Operation("mfma", "f64", ("f64", "f64"), (16, 16, 4))),
        ("v_mfma_f32_4x4x4_16b_f16", "", Operation("mfma", "f32", ("f16", "f16"), (4, 4, 4))),
        ("v_mfma_f32_16x16x8_xf32", "", Operation("mfma", "f32", ("xf32", "xf32"), (16, 16, 8))),
        ("v_mfma_f32_16x16x32_fp8_bf8", "", Operation("mfma", "f32", ("fp8", "bf8"), (16, 16, 32))),
        ("v_mfma_f32_16x16x128_f8f6f4", "a[0:3]", Operation("mfma", "f32", ("fp8", "fp8"), (16, 16, 128))),
        ("v_mfma_f32_16x16x128_f8f6f4", "cbsz:2 blgp:4", Operation("mfma", "f32", ("fp6", "fp4"), (16, 16, 128))),
        ("v_mfma_f32_16x16x128_f8f6f4", "blgp:7", Operation("mfma", "f32", ("fp8", "code7"), (16, 16, 128))),
        (
            "v_mfma_scale_f32_32x32x64_f8f6f4",
            "op_sel_hi:[0,0,0] cbsz:3 blgp:3",
            Operation("mfma", "f32", ("bf6", "bf6"), (32, 32, 64), (32, "e8")),
        ),
        ("v_smfmac_i32_16x16x128_i8", "", Operation("smfmac", "i32", ("i8", "i8"), (16, 16, 128))),
        ("v_wmma_f32_16x16x16_f16", "", Operation("wmma", "f32", ("f16", "f16"), (16, 16, 16))),
        ("v_wmma_i32_16x16x16_iu4", "neg_lo:[1,1,0]", Operation("wmma", "i32", ("iu4", "iu4"), (16, 16, 16))),
        (
            "v_wmma_f32_16x16x128_f8f6f4",
            "matrix_a_fmt:MATRIX_FMT_BF8 matrix_b_fmt:MATRIX_FMT_FP4",
            Operation("wmma", "f32", ("bf8", "fp4"), (16, 16, 128)),
        ),
        (
            "v_wmma_scale16_f32_32x16x128_f4",
            E4M3_SCALES,
            Operation("wmma", "f32", ("fp4", "fp4"), (32, 16, 128), (16, "e4m3")),
        ),
        (
            "v_wmma_scale_f32_32x16x128_f4",
            "matrix_a_scale_fmt:MATRIX_SCALE_FMT_E5M3",
            Operation("wmma", "f32", ("fp4", "fp4"), (32, 16, 128), (32, "e5m3/e8")),
        ),
        ("v_swmmac_bf16_16x16x32_bf16", "", Operation("swmmac", "bf16", ("bf16", "bf16"), (16, 16, 32))),
        ("v_dot2_f32_f16", "", Operation("dot", "f32", ("f16", "f16"))),
        ("v_dot2acc_f32_f16", "", Operation("dot", "f32", ("f16", "f16"))),
        ("v_dual_dot2acc_f32_f16", "", Operation("dot", "f32", ("f16", "f16"))),
        ("v_dot4_f32_fp8_fp8", "", Operation("dot", "f32", ("fp8", "fp8"))),
        ("v_dot8c_i32_i4", "", Operation("dot", "i32", ("i4", "i4"))),
        ("v_pk_fma_bf16", "", Operation("packed", "bf16", ("bf16", "bf16"))),
        ("v_cvt_pk_f32_fp8", "", Operation("cvt", "f32", ("fp8",))),
        ("v_cvt_scale_pk16_bf16_bf6", "", Operation("cvt", "bf16", ("bf6",))),
        ("v_cvt_off_f32_i4", "", Operation("cvt", "f32", ("i4",))),
        ("v_fma_f32", "", None),
        ("v_cvt_pk_fp8_f32", "", None),
        ("s_endpgm", "", None),
    ],
)
def test_a_mnemonic_says_what_is_computed(opcode: str, operands: str, expected: Operation | None) -> None:
    assert operation(Instruction(opcode, operands)) == expected


def test_only_the_function_asked_for_is_read() -> None:
    other, after = "other:\n\tv_nop\n.Lfunc_end0:\n", ".Lfunc_end1:\n\tv_nop\n"
    text = f"{other}probe:\n\ts_nop 1 ; wait\n\t.p2align 4\n.LBB0_1:\n\ts_endpgm\n{after}"
    assert instructions(text, "probe") == (Instruction("s_nop", "1"), Instruction("s_endpgm", ""))


def test_two_instructions_issued_as_one_are_two() -> None:
    line = "probe:\n\tv_dual_dot2acc_f32_f16 v4, v2, v3 :: v_dual_mov_b32 v5, v6\n"
    assert [one.opcode for one in instructions(line, "probe")] == ["v_dual_dot2acc_f32_f16", "v_dual_mov_b32"]


@pytest.mark.parametrize("suffix", ["_e32", "_e64", "_dpp", "_e64_dpp", "_sdwa"])
def test_how_an_instruction_is_encoded_is_no_part_of_its_name(suffix: str) -> None:
    assert instructions(f"probe:\n\tv_dot2c_f32_f16{suffix} v4, v2, v3\n", "probe")[0].opcode == "v_dot2c_f32_f16"


# --- The judge ---


def _judged(probe: str, *opcodes: str, target: str = "gfx942") -> Finding:
    code = tuple(Instruction(*opcode.split(" ", 1)) if " " in opcode else Instruction(opcode, "") for opcode in opcodes)
    return judge(CALLS[probe].probe, target, Answer(code))


F16 = "mfma.f16.16x16x16.f16.fp32"
NATIVE = "v_mfma_f32_16x16x16_f16"


def test_one_instruction_of_the_type_asked_for_is_native() -> None:
    found = _judged(F16, "v_accvgpr_write_b32", "v_accvgpr_write_b32", NATIVE, "global_store_dwordx4", "s_endpgm")
    assert (found.verdict, found.volume_ratio, found.instructions, found.notes) == ("native", 1.0, 5, ())
    assert found.opcodes == ((NATIVE, 1),)  # moves and stores belong to the entry


@pytest.mark.parametrize(
    ("opcodes", "ratio", "verdict", "note"),
    [
        (("v_mfma_f32_16x16x8_f16",) * 2, 1.0, "native", "split"),
        (("v_mfma_f32_16x16x32_f16",), 2.0, "native", "padded"),
        (("v_mfma_f32_16x16x8_f16",), 0.5, "emulated", "part"),
        (("v_mfma_f32_16x16x16_bf16",), None, "emulated", "converted"),
        (("v_mfma_f64_16x16x16_f16",), None, "emulated", "converted"),
        (("v_wmma_f32_16x16x16_f16",), None, "emulated", "converted"),
        (("v_smfmac_f32_16x16x16_f16",), None, "emulated", "converted"),
        (("v_mfma_scale_f32_16x16x16_f16",), None, "emulated", "converted"),
        (("v_mfma_f32_16x16x16_f16", "v_mfma_f32_16x16x16_f32"), None, "emulated", "converted"),
        (("v_fma_f32",) * 64, None, "emulated", "software"),
        (("v_mfma_f32_16x16x16_f16", "v_lshlrev_b32"), 1.0, "native", "operands_arranged"),
    ],
)
def test_the_multiplications_are_compared_with_those_asked_for(
    opcodes: tuple[str, ...], ratio: float | None, verdict: str, note: str
) -> None:
    found = _judged(F16, *opcodes, "s_endpgm")
    assert (found.verdict, found.volume_ratio, found.notes) == (verdict, ratio, (f"proof.note.{note}",))


@pytest.mark.parametrize(
    ("probe", "code", "verdict"),
    [
        ("mfma.scale.16x16x128.fp4.fp32", "v_mfma_scale_f32_16x16x128_f8f6f4 cbsz:4 blgp:4", "native"),
        ("mfma.scale.16x16x128.fp4.fp32", "v_mfma_f32_16x16x128_f8f6f4 cbsz:4 blgp:4", "emulated"),
        ("mfma.f8f6f4.16x16x128.fp4.fp32", "v_mfma_f32_16x16x128_f8f6f4 cbsz:4 blgp:2", "emulated"),
        (
            "wmma.gfx1250.scale16.32x16x128.fp4.fp32",
            f"v_wmma_scale16_f32_32x16x128_f4 {E4M3_SCALES}",
            "native",
        ),
        ("wmma.gfx1250.scale16.32x16x128.fp4.fp32", "v_wmma_scale16_f32_32x16x128_f4", "emulated"),
        ("wmma.gfx1250.scale.f4.32x16x128.fp4.fp32", "v_wmma_scale16_f32_32x16x128_f4", "emulated"),
        ("dot.int.i8.int32", "v_dot4_i32_iu8", "native"),
        ("dot.int.i8.int32", "v_dot4_u32_u8", "emulated"),
        ("dot.int.u8.int32", "v_dot4_u32_u8", "native"),
        ("dot.int.i4.int32", "v_dot4_i32_i8", "emulated"),
    ],
)
def test_types_and_scales_are_those_asked_for(probe: str, code: str, verdict: str) -> None:
    assert _judged(probe, code, "s_endpgm").verdict == verdict


@pytest.mark.parametrize(
    "words",
    ["LLVM ERROR: Cannot select: intrinsic %llvm.x\n", "LLVM ERROR: Do not know how to split this operator's operand!"],
)
def test_a_refusal_is_absent_in_the_tools_own_words(words: str) -> None:
    found = judge(CALLS[F16].probe, "gfx942", Answer(refusal=words))
    assert (found.verdict, found.refusal, found.instructions) == ("absent", words.strip(), 0)


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (Answer(), "not_understood"),
        (Answer(refusal="Assertion `Opcode < NumOpcodes' failed."), "not_understood"),
        (Answer(refusal="ended with status 9"), "not_understood"),
        (Answer(refusal="LLVM ERROR: out of memory"), "not_understood"),
        (Answer((Instruction("s_swappc_b64", ""), Instruction(NATIVE, ""))), "not_understood"),
        (Answer(misunderstood="error: unknown intrinsic 'llvm.amdgcn.x'"), "tool_too_old"),
        (Answer(misunderstood="error: invalid intrinsic signature"), "tool_too_old"),
    ],
)
def test_what_is_no_refusal_is_unknown_and_never_absent(answer: Answer, note: str) -> None:
    found = judge(CALLS[F16].probe, "gfx942", answer)
    assert (found.verdict, found.notes) == ("unknown", (f"proof.note.{note}",))


@pytest.mark.parametrize(("target", "note"), [("gfx942", "fp8_fnuz"), ("gfx950", "fp8_ocp"), ("gfx1200", "fp8_ocp")])
def test_a_finding_says_which_fp8_it_is(target: str, note: str) -> None:
    found = _judged("mfma.fp8.16x16x32.fp8.fp32", "v_mfma_f32_16x16x32_fp8_fp8", target=target)
    assert found.notes == (f"proof.note.{note}",)


# --- What LLVM wrote ---

RECORDED = {
    "gfx906/dot.int.i4.int32": ("native", "v_dot8_i32_i4"),
    "gfx906/dot2.f16.f16.fp32": ("native", "v_dot2_f32_f16"),
    "gfx908/mfma.bf16.16x16x8.bf16.fp32": ("native", "v_mfma_f32_16x16x8bf16"),
    "gfx90a/mfma.f64.16x16x4.f64.fp64": ("native", "v_mfma_f64_16x16x4f64"),
    "gfx90a/mfma.bf16_1k.16x16x16.bf16.fp32": ("native", "v_mfma_f32_16x16x16bf16_1k"),
    "gfx90a/packed.fma.bf16.bf16": ("emulated", None),
    "gfx942/mfma.f16.4x4x4.f16.fp32": ("native", "v_mfma_f32_4x4x4_16b_f16"),
    "gfx942/mfma.xf32.16x16x8.xf32.fp32": ("native", "v_mfma_f32_16x16x8_xf32"),
    "gfx942/mfma.fp8.16x16x32.bf8.fp32": ("native", "v_mfma_f32_16x16x32_bf8_bf8"),
    "gfx942/smfmac.i8.16x16x64.i8.int32": ("native", "v_smfmac_i32_16x16x64_i8"),
    "gfx950/mfma.f8f6f4.16x16x128.bf6.fp32": ("native", "v_mfma_f32_16x16x128_f8f6f4"),
    "gfx950/mfma.scale.16x16x128.fp4.fp32": ("native", "v_mfma_scale_f32_16x16x128_f8f6f4"),
    "gfx950/cvt.scale.many.fp6.bf16": ("native", "v_cvt_scalef32_pk32_bf16_fp6"),
    "gfx1030/packed.fma.f32.fp32": ("emulated", None),
    "gfx1100/wmma.gfx11.int.16x16x16.iu4.int32": ("native", "v_wmma_i32_16x16x16_iu4"),
    "gfx1100/dot2.f16.f16.fp32": ("native", "v_dot2acc_f32_f16"),
    "gfx1201/wmma.gfx12.fp8.16x16x16.fp8.fp32": ("native", "v_wmma_f32_16x16x16_fp8_fp8"),
    "gfx1201/swmmac.gfx12.int.16x16x64.iu4.int32": ("native", "v_swmmac_i32_16x16x64_iu4"),
    "gfx1250/wmma.gfx1250.f8f6f4.16x16x128.fp6.fp32": ("native", "v_wmma_f32_16x16x128_f8f6f4"),
    "gfx1250/wmma.gfx1250.scale16.16x16x128.fp4.fp32": ("native", "v_wmma_scale16_f32_16x16x128_f8f6f4"),
}
"""Target/probe: verdict, and the instruction that decides."""


def _assembly(target: str, modules: list[str]) -> list[str]:
    """What LLVM writes for modules, up to the end of the function."""
    answers = amd._asked(target, modules)[1:]
    return [answer["assembly"].partition(".Lfunc_end0:")[0] + ".Lfunc_end0:\n" for answer in answers]


@needs_llvm
@pytest.mark.parametrize("name", RECORDED)
def test_what_is_recorded_is_what_llvm_writes(name: str) -> None:
    target, _, probe = name.partition("/")
    path = FIXTURES / f"{target}.{probe}.s"
    written = _assembly(target, [llvm_ir.function(CALLS[probe].text)])[0]
    if os.environ.get("ASSAY_UPDATE_GOLDEN"):
        path.write_text(written, encoding="utf-8")
    recorded = path.read_text(encoding="utf-8")
    assert instructions(written, llvm_ir.ENTRY) == instructions(recorded, llvm_ir.ENTRY)


@pytest.mark.parametrize(("name", "expected"), RECORDED.items())
def test_recorded_assembly_is_judged(name: str, expected: tuple[str, str | None]) -> None:
    target, _, probe = name.partition("/")
    text = (FIXTURES / f"{target}.{probe}.s").read_text(encoding="utf-8")
    found = judge(CALLS[probe].probe, target, Answer(instructions(text, llvm_ir.ENTRY)))
    verdict, decisive = expected
    assert found.verdict == verdict
    if decisive is not None:
        assert found.opcodes[0] == (decisive, 1)
        assert found.volume_ratio in (None, 1.0)
    else:
        assert found.notes == ("proof.note.software",)


# --- What LLVM says of each target ---


@needs_llvm
@pytest.mark.parametrize("target", MATRIX)
def test_every_probe_is_decided(target: str) -> None:
    record = _records()[target]
    assert [finding.probe for finding in record.findings] == list(CALLS)
    assert not [finding for finding in record.findings if finding.verdict == "unknown"]
    assert all((finding.refusal is not None) == (finding.verdict == "absent") for finding in record.findings)
    assert record.probes == amd_probes.digest()
    assert [tool.name for tool in record.tools] == ["LLVM", "llvmlite"]


@needs_llvm
def test_every_probe_is_in_hardware_somewhere() -> None:
    """A probe that is absent everywhere is more likely a mistake of the table than a fact."""
    found = {
        finding.probe for record in _records().values() for finding in record.findings if finding.verdict == "native"
    }
    assert set(CALLS) == found


@needs_llvm
@pytest.mark.parametrize("target", MATRIX)
def test_the_matrix_formats_of_a_target(target: str) -> None:
    record = _records()[target]
    dense, sparse = MATRIX[target]
    assert _native(record, lambda probe: probe.kind == "matrix" and probe.sparsity == "dense") == dense
    assert _native(record, lambda probe: probe.sparsity == "2:4") == sparse


@needs_llvm
@pytest.mark.parametrize("target", MATRIX)
def test_the_dot_products_of_a_target(target: str) -> None:
    assert _native(_records()[target], lambda probe: probe.door == "dot") == DOT[target]


@needs_llvm
@pytest.mark.parametrize("target", SIBLINGS)
def test_processors_of_a_generation_multiply_the_same(target: str) -> None:
    calls = [call for call in amd_probes.calls() if call.probe.door == "wmma"]
    answers = amd._asked(target, [llvm_ir.function(call.text) for call in calls])[1:]
    findings = [judge(call.probe, target, amd._answer(answer)) for call, answer in zip(calls, answers, strict=True)]
    native = {call.probe.format for call, one in zip(calls, findings, strict=True) if one.verdict == "native"}
    assert native == SIBLINGS[target]


@needs_llvm
@pytest.mark.parametrize("target", ["gfx900", "gfx1011"])
def test_nothing_that_is_newer_is_accepted_for_an_old_processor(target: str) -> None:
    """LLVM selects some instructions without looking at the processor; such a probe proves nothing anywhere."""
    doors = {CALLS[one.probe].probe.door for one in _records()[target].findings if one.verdict == "native"}
    assert doors <= {"packed", "cvt", "dot"}
    assert [one.probe for one in _records()[target].findings if one.verdict == "native" and "cvt" in one.probe] == []


@needs_llvm
@pytest.mark.parametrize(
    ("target", "probe", "verdict"),
    [
        ("gfx908", "mfma.bf16_1k.16x16x16.bf16.fp32", "absent"),
        ("gfx908", "mfma.f64.16x16x4.f64.fp64", "absent"),
        ("gfx942", "mfma.bf16.16x16x8.bf16.fp32", "absent"),
        ("gfx942", "mfma.i8.16x16x16.i8.int32", "absent"),
        ("gfx950", "mfma.xf32.16x16x8.xf32.fp32", "absent"),
        ("gfx1250", "wmma.gfx12.16x16x16.f16.fp32", "absent"),
        ("gfx1250", "wmma.gfx12.int.16x16x16.iu4.int32", "absent"),
        ("gfx1250", "swmmac.gfx12.int.16x16x64.iu4.int32", "absent"),
        ("gfx1250", "dot.int.i4.int32", "native"),
    ],
)
def test_hard_cases(target: str, probe: str, verdict: str) -> None:
    """What an assembler accepts by its syntax and code generation does not select, and what went with a generation."""
    found = _finding(target, probe)
    assert found.verdict == verdict
    if verdict == "absent":
        assert (found.refusal or "").startswith("LLVM ERROR: Cannot select: intrinsic %llvm.amdgcn.")


@needs_llvm
def test_what_unpacking_costs_is_counted() -> None:
    assert _finding("gfx942", "cvt.two.fp8.fp32").opcodes[0] == ("v_cvt_pk_f32_fp8", 1)
    assert _finding("gfx90a", "packed.fma.f32.fp32").opcodes[0] == ("v_pk_fma_f32", 1)
    emulated = _finding("gfx942", "packed.fma.bf16.bf16")
    assert (emulated.verdict, dict(emulated.opcodes)["v_fmac_f32"]) == ("emulated", 2)
    assert emulated.instructions > 10


# --- The tool ---


def _alive(group: int) -> list[str]:
    """The processes of a group that are not dead; a dead one may wait for whoever adopted it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _parent, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(path.parent.name)
    return found


@needs_llvm
def test_llvm_never_enters_this_process() -> None:
    program = (
        "import sys; from assay.observe.proof import amd; amd.prove('gfx906'); "
        "print([name for name in sys.modules if 'llvm' in name and name != 'assay.observe.proof.llvm_ir'])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


@needs_llvm
def test_a_death_costs_the_module_it_happened_at_alone() -> None:
    good, bad = CALLS["packed.fma.f16.fp16"].text, CALLS[F16].text
    texts = [llvm_ir.function(text) for text in (bad, good, bad, bad, good)]
    kinds = [next(iter(answer)) for answer in amd._asked("gfx1100", texts)[1:]]
    assert kinds == ["refusal", "assembly", "refusal", "refusal", "assembly"]


@needs_llvm
def test_a_name_or_a_signature_that_llvm_does_not_know_is_unknown() -> None:
    texts = [
        CALLS[F16].text.replace(*change) for change in (("16x16x16f16", "16x16x17f16"), ("<4 x half>", "<8 x half>"))
    ]
    answers = amd._asked("gfx942", [llvm_ir.function(text) for text in texts])[1:]
    findings = [judge(CALLS[F16].probe, "gfx942", amd._answer(answer)) for answer in answers]
    assert [finding.verdict for finding in findings] == ["unknown", "unknown"]
    assert [finding.refusal for finding in findings] == [
        "unknown intrinsic 'llvm.amdgcn.mfma.f32.16x16x17f16'",
        "invalid intrinsic signature",
    ]


@needs_llvm
def test_the_call_of_a_function_is_unknown() -> None:
    name = "llvm.amdgcn.mfma.f32.16x16x17f16"
    text = llvm_ir.function(CALLS[F16].text.replace("llvm.amdgcn.mfma.f32.16x16x16f16", name))
    declared = f"declare <4 x float> @{name}(<4 x half>, <4 x half>, <4 x float>, i32, i32, i32)\n{text}"
    answer = amd._answer(amd._asked("gfx942", [declared])[1])
    assert "s_swappc_b64" in [one.opcode for one in answer.instructions]
    assert judge(CALLS[F16].probe, "gfx942", answer).verdict == "unknown"


@pytest.mark.parametrize("ask", [amd.prove, amd.examine])
def test_without_llvmlite_the_install_line_is_given(
    ask: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amd, "_installed", lambda: False)
    with pytest.raises(MissingExtra) as error:
        ask("gfx942")
    assert dict(error.value.hint.parameters) == {"command": "pip install 'gpu-assay[prove-amd]'"}
    assert amd.tool.__wrapped__() is None


@needs_llvm
@pytest.mark.parametrize("target", ["gfx9999", "sm_120a", "gfx942 -x"])
def test_a_target_that_is_not_known_is_refused(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingKnowledge):
        amd.prove(target)
    monkeypatch.setattr(amd, "TARGETS", (target,))
    with pytest.raises(MissingKnowledge):
        amd.prove(target)


def test_a_child_that_takes_too_long_is_killed_with_all_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []
    real = subprocess.Popen

    def hanging(_command: list[str], **more: Any) -> subprocess.Popen[str]:
        started.append(real([sys.executable, "-c", "import os, time; os.fork(); time.sleep(60)"], **more))
        return started[-1]

    monkeypatch.setattr(amd, "_installed", lambda: True)
    monkeypatch.setattr(amd, "SECONDS", 0.5)
    monkeypatch.setattr(subprocess, "Popen", hanging)
    with pytest.raises(ToolFailed):
        amd.prove("gfx1250")
    assert not _alive(started[0].pid)


@needs_llvm
def test_nothing_is_left_in_the_folder_of_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    amd._asked("gfx906", [llvm_ir.function(CALLS[F16].text)])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("program", ["import sys; sys.exit(3)", "print('no JSON')", "print('{}')", ""])
def test_a_tool_that_answers_nonsense_has_failed(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = subprocess.Popen
    monkeypatch.setattr(amd, "_installed", lambda: True)
    monkeypatch.setattr(subprocess, "Popen", lambda _command, **more: real([sys.executable, "-c", program], **more))
    with pytest.raises(ToolFailed):
        amd.prove("gfx942")


@needs_llvm
def test_the_tool_says_its_version() -> None:
    tool = amd.tool()
    assert tool is not None
    assert tool.name == "LLVM"
    assert int(tool.version.partition(".")[0]) >= 20


def test_nothing_imports_the_module_that_runs_llvm() -> None:
    source = Path(amd.__file__).parents[2]
    importers = [path.name for path in source.rglob("*.py") if "import llvm_child" in path.read_text(encoding="utf-8")]
    assert importers == []
    assert amd.CHILD.exists()
    assert json.dumps(amd.targets()) == json.dumps(amd.TARGETS)
