"""Reads the assembly text that LLVM's AMDGPU code generation writes. Pure.

A mnemonic says what is multiplied: `v_mfma_f32_16x16x32_fp8_bf8` has the result's type, rows x columns x depth, and the
types of the two operands; gfx908 and gfx90a write `v_mfma_f32_32x32x8f16`. Where one instruction takes several types
(`f8f6f4`), modifiers say which. Spelling after LLVM's AMDGPU documentation (AMDGPUOperandSyntax, AMDGPUModifierSyntax).
"""

import re
from typing import NamedTuple


class Instruction(NamedTuple):
    """A machine instruction: its mnemonic without the suffix of its encoding, and its operands with modifiers."""

    opcode: str
    operands: str


class Operation(NamedTuple):
    """What an instruction that multiplies or converts does.

    Attributes:
        door: `mfma`, `smfmac`, `wmma`, `swmmac`, `dot`, `packed` or `cvt`.
        result: type of the result (`f32`).
        operands: types of the operands (`fp8`, `bf8`); one for a conversion.
        shape: (rows, columns, depth) of the product; None where there is none.
        scale: (elements that share a scale, its type) (`(32, "e8m0")`); None without scales.
    """

    door: str
    result: str
    operands: tuple[str, ...]
    shape: tuple[int, int, int] | None = None
    scale: tuple[int, str] | None = None


LABEL = re.compile(r"([A-Za-z_][\w.$]*):")
MNEMONIC = re.compile(r"[a-z][a-z0-9]*_\w+")
ENCODING = re.compile(r"_(?:e32|e64|dpp|sdwa|e64_dpp)$")
MATRIX = re.compile(
    r"v_(?P<door>mfma|smfmac|wmma|swmmac)_(?:(?P<scale>scale|scale16)_)?(?P<result>[a-z]+\d+)_"
    r"(?P<rows>\d+)x(?P<columns>\d+)x(?P<depth>\d+)(?:_\d+b)?_?(?P<types>[a-z]\w*?)(?:_1k)?"
)
DOT = re.compile(r"v_(?:dual_)?dot[248](?:c|acc)?_(?P<result>[a-z]+\d+)_(?P<types>\w+)")
PACKED = re.compile(r"v_pk_fmac?_(?P<types>[a-z]+\d+)")
CONVERSION = re.compile(r"v_cvt_(?:\w+_)??(?P<result>f32|f16|bf16)_(?P<types>fp8|bf8|fp6|bf6|fp4|i4|f16|bf16)")
MIXED_TYPES = ("fp8", "bf8", "fp6", "bf6", "fp4")
"""The types of `f8f6f4` in the order of their codes (`cbsz`, `blgp`); gfx125x writes their names."""
SELECTORS = ((r"\bcbsz:(\d)", r"\bmatrix_a_fmt:MATRIX_FMT_(\w+)"), (r"\bblgp:(\d)", r"\bmatrix_b_fmt:MATRIX_FMT_(\w+)"))
SCALE_TYPE = re.compile(r"\bmatrix_([ab])_scale_fmt:MATRIX_SCALE_FMT_(\w+)")
BLOCKS = {"scale": 32, "scale16": 16}


def instructions(text: str, entry: str) -> tuple[Instruction, ...]:
    """The machine instructions of a function, in order; those that are issued as a pair, one by one.

    The function starts at its label and ends at the first `.Lfunc_end`. Empty where there is no such function.
    """
    found: list[Instruction] = []
    inside = False
    for line in text.splitlines():
        label = LABEL.match(line)
        if label is not None:
            inside = label[1] == entry
        elif line.startswith(".Lfunc_end"):
            inside = False
        elif inside:
            found += _issued(line)
    return tuple(found)


def _issued(line: str) -> list[Instruction]:
    """The instructions of a line: none, one, or the two of `v_dual_… :: v_dual_…`."""
    found = []
    for part in line.partition(";")[0].split(" :: "):
        opcode, _, operands = part.strip().partition(" ")
        if MNEMONIC.fullmatch(opcode):
            found.append(Instruction(ENCODING.sub("", opcode), operands.strip()))
    return found


def operation(instruction: Instruction) -> Operation | None:
    """What an instruction multiplies or converts; None for every other instruction."""
    if match := MATRIX.fullmatch(instruction.opcode):
        shape = (int(match["rows"]), int(match["columns"]), int(match["depth"]))
        return Operation(
            match["door"],
            match["result"],
            _types(match["types"], instruction.operands),
            shape,
            _scale(match, instruction),
        )
    if match := DOT.fullmatch(instruction.opcode):
        return Operation("dot", match["result"], _types(match["types"], instruction.operands))
    if match := PACKED.fullmatch(instruction.opcode):
        return Operation("packed", match["types"], (match["types"], match["types"]))
    if match := CONVERSION.fullmatch(instruction.opcode):
        return Operation("cvt", match["result"], (match["types"],))
    return None


def _types(text: str, operands: str) -> tuple[str, str]:
    if text == "f8f6f4":
        left, right = (_selected(patterns, operands) for patterns in SELECTORS)
        return left, right
    if text == "f4":
        return "fp4", "fp4"
    left, _, right = text.partition("_")
    return left, right or left


def _selected(patterns: tuple[str, str], operands: str) -> str:
    """One operand's type of `f8f6f4`; its modifier is left out for the first type."""
    number, name = (re.search(pattern, operands) for pattern in patterns)
    if name is not None:
        return name[1].lower()
    code = int(number[1]) if number is not None else 0
    return MIXED_TYPES[code] if code < len(MIXED_TYPES) else f"code{code}"


def _scale(match: re.Match[str], instruction: Instruction) -> tuple[int, str] | None:
    if match["scale"] is None:
        return None
    types = dict(SCALE_TYPE.findall(instruction.operands))
    left, right = (types.get(side, "E8").lower() for side in "ab")
    return BLOCKS[match["scale"]], left if left == right else f"{left}/{right}"
