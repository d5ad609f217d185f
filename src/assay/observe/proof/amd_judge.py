"""Decides what LLVM's code generation for AMD proves of one probe. Pure: its answer in, a finding out.

The rule: refused at instruction selection: absent, "not exposed by this LLVM", which says nothing of the silicon. No
instruction of a family that multiplies: emulated in software. One of another family, of other types or with other
scales than asked: emulated, converted first. Otherwise the multiplications of the matrix instructions are compared with
those asked for: fewer is emulation, as many is native (split, if there are several instructions), more is native with a
part of the instruction unused. Whatever fits none of this is unknown, never absent: a name that LLVM does not know, the
call of a function, words that are no refusal.
"""

import re
from collections import Counter
from math import prod
from typing import NamedTuple

from assay.observe.proof.amdgcn import Instruction, Operation, operation
from assay.types.proof import Finding, Probe


class Answer(NamedTuple):
    """What the compiler answered for one probe: one of the three, the others empty.

    Attributes:
        instructions: the function's machine instructions.
        refusal: what code generation said before it gave up.
        misunderstood: what the parser of LLVM's language said: no such intrinsic, or not with these arguments.
    """

    instructions: tuple[Instruction, ...] = ()
    refusal: str = ""
    misunderstood: str = ""


REFUSAL = re.compile(r"LLVM ERROR: (?:Cannot select: |Do not know how to )")
"""How instruction selection says that a target lacks something; other words mean that the tool itself failed."""
CALLS = ("s_swappc_b64", "s_setpc_b64", "s_call_b64")
RESULTS = {"fp64": "f64", "fp32": "f32", "fp16": "f16", "bf16": "bf16", "int32": "i32"}
OPERANDS = {"i8": {"i8", "iu8"}, "u8": {"u8", "iu8"}, "i4": {"i4", "iu4"}, "u4": {"u4", "iu4"}, "iu8": {"iu8", "i8"}}
"""Integer types by what an instruction may take them as: `iu8` takes both, one modifier for each operand."""
UNSIGNED = "u32"
SCALES = {"mxfp8": (32, "e8"), "mxfp6": (32, "e8"), "mxfp4": (32, "e8"), "nvfp4": (16, "e4m3")}
"""(elements of a block, type of its scale) of a format, as the instructions name them."""
MOVES = ("v_mov_", "v_dual_mov_", "v_accvgpr_", "v_nop")
"""They arrange operands in registers and compute nothing."""
FNUZ = frozenset({"gfx940", "gfx941", "gfx942"})
"""CDNA 3 reads FP8 as FNUZ alone, gfx950 and gfx12 as OCP (HIP's document on low-precision floating-point types)."""


def judge(probe: Probe, target: str, answer: Answer) -> Finding:
    """What an answer proves of a probe for a target."""
    found = Finding(probe.id, target, "unknown", (), 0, None)
    if answer.misunderstood:
        return found._replace(notes=("proof.note.tool_too_old",), refusal=_error(answer.misunderstood))
    if answer.refusal:
        if REFUSAL.match(answer.refusal):
            return found._replace(verdict="absent", refusal=_first_line(answer.refusal))
        return found._replace(notes=("proof.note.not_understood",), refusal=_first_line(answer.refusal))
    opcodes = Counter(instruction.opcode for instruction in answer.instructions)
    if not opcodes or any(opcode in opcodes for opcode in CALLS):
        return found._replace(notes=("proof.note.not_understood",))
    found = found._replace(opcodes=_ordered(answer.instructions, opcodes), instructions=opcodes.total())
    return _decided(probe, found, answer.instructions)


def _decided(probe: Probe, found: Finding, instructions: tuple[Instruction, ...]) -> Finding:
    """The verdict on machine code."""
    operations = [made for made in map(operation, instructions) if made is not None]
    if not operations:
        return found._replace(verdict="emulated", notes=("proof.note.software",))
    if not all(_as_asked(probe, made) for made in operations):
        return found._replace(verdict="emulated", notes=("proof.note.converted",))
    notes = []
    if probe.shape is not None:
        ratio = sum(prod(made.shape or (0,)) for made in operations) / prod(probe.shape)
        found = found._replace(volume_ratio=ratio)
        if ratio < 1:
            return found._replace(verdict="emulated", notes=("proof.note.part",))
        if ratio > 1:
            notes.append("proof.note.padded")
    if len(operations) > 1 and not notes:
        notes.append("proof.note.split")
    if any(_computes(instruction) for instruction in instructions):
        notes.append("proof.note.operands_arranged")
    if probe.format.startswith(("fp8", "mxfp8")):
        notes.append("proof.note.fp8_fnuz" if found.target in FNUZ else "proof.note.fp8_ocp")
    return found._replace(verdict="native", notes=tuple(notes))


def _as_asked(probe: Probe, made: Operation) -> bool:
    """Whether an operation is of the family, types and scales that the probe asks for."""
    accepted = OPERANDS.get(probe.operand, {probe.operand})
    result = RESULTS[probe.accumulate]
    results = {result, UNSIGNED} if probe.operand.startswith("u") else {result}
    return (
        made.door == probe.door
        and made.result in results
        and accepted.issuperset(made.operands)
        and (probe.kind == "unpack" or made.scale == SCALES.get(probe.format))
    )


def _computes(instruction: Instruction) -> bool:
    """Whether it is arithmetic beside what was asked for."""
    return (
        instruction.opcode.startswith("v_")
        and not instruction.opcode.startswith(MOVES)
        and operation(instruction) is None
    )


def _ordered(instructions: tuple[Instruction, ...], opcodes: Counter[str]) -> tuple[tuple[str, int], ...]:
    """(mnemonic, how many), those that multiply or convert first, each kind in the order of the code.

    What only loads, stores, moves or steers is left out: it belongs to the entry, not to what was asked.
    """
    made = {instruction.opcode for instruction in instructions if operation(instruction) is not None}
    work = {instruction.opcode for instruction in instructions if _computes(instruction)} | made
    return tuple(
        sorted(((name, opcodes[name]) for name in opcodes if name in work), key=lambda item: item[0] not in made)
    )


def _first_line(words: str) -> str:
    return words.strip().partition("\n")[0]


def _error(words: str) -> str:
    """What a parser complains of, without the line it quotes and where."""
    return _first_line(words.rpartition("error: ")[2])
