"""Writes the hard cases of the proofs as fixtures: what the disassembler printed, so that judges are tested without it.

    python tools/proof_fixtures.py

Needs the extra `prove`. Names of instructions, guards and calls are kept, operands are not: the verdict needs none, and
the helpers that an assembler adds are its maker's.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from assay.knowledge.catalog.nvidia_probes import Spelling, spellings  # noqa: E402 -- the checkout's own package
from assay.observe.proof import ptx, sass, toolchain  # noqa: E402

FOLDER = ROOT / "tests" / "fixtures" / "proof"
CASES = {
    "sm_75": ("mma.sync.m8n8k4.f16.f32", "mma.sync.m8n8k4.f16.f16", "mma.sync.m8n8k32.s4.s32"),
    "sm_80": ("mma.sync.m8n8k4.f16.f32", "mma.sync.m8n8k4.f64.f64"),
    "sm_89": ("mma.sync.m16n8k64.s4.s32", "mma.sync.m16n8k32.e4m3.f32"),
    "sm_90": ("mma.sync.m16n8k256.b1.s32.xor.popc", "mma.sync.m16n8k32.e4m3.f32", "mma.sync.m16n8k16.f64.f64"),
    "sm_90a": ("wgmma.m64n8k32.e4m3.f32", "wgmma.m64n8k256.b1.s32.and.popc"),
    "sm_100": ("mma.sync.m16n8k256.b1.s32.and.popc",),
    "sm_100a": ("tcgen05.mxf4nvf4.m128n8k64.e2m1.f32", "tcgen05.i8.m128n8k32.s8.s32", "fma.f32x2.f32x2"),
    "sm_103a": ("tcgen05.mxf4nvf4.m128n8k64.e2m1.f32", "mma.sync.m16n8k16.f64.f64", "mma.sync.m16n8k32.s8.s32"),
    "sm_120a": (
        "mma.sync.m16n8k64.s4.s32",
        "mma.sync.m16n8k16.f64.f64",
        "mma.sync.m8n8k16.s8.s32",
        "mma.sync.mxf4nvf4.m16n8k64.e2m1.f32",
        "mma.sync.mxf4.m16n8k64.e2m1.f32",
        "mma.sync.mxf8f6f4.m16n8k32.e4m3.f32",
        "mma.sync.f8f6f4.m16n8k32.e2m1.f32",
        "mma.sync.m16n8k64.s8.s32.sp",
        "cvt.e4m3x2.f16x2",
        "fma.f32x2.f32x2",
        "dp4a.s32.s32",
    ),
}


def printed(text: str) -> str:
    """The functions of a disassembly: labels, names with their guards, what is called."""
    lines = []
    for name, instructions in sass.functions(text).items():
        lines.append(f"{name}:")
        while len(instructions) > 1 and instructions[-1].family == instructions[-2].family == "NOP":
            instructions.pop()
        for place, one in enumerate(instructions):
            guard = f"@{one.guard} " if one.guard else ""
            operands = one.operands if sass.called(one) else ""
            lines.append(f"        /*{16 * place:04x}*/                   {guard}{one.name}{operands} ;")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the files."""
    tools = toolchain.find()
    known: dict[str, Spelling] = {spelling.probe.id: spelling for spelling in spellings()}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for target, names in CASES.items():
        for name in names:
            made = tools.assemble(target, ptx.source(target, tools.isa, {0: known[name]}).text)
            if made.cubin is None:
                raise SystemExit(f"{target} {name}: {made.log}")
            text = printed(toolchain.disassembled(tools, made.cubin))
            (FOLDER / f"{target}.{name}.sass").write_text(text, encoding="ascii")
    print(f"{sum(map(len, CASES.values()))} fixtures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
