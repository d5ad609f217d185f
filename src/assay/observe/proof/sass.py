"""Reads what nvdisasm prints: functions of instructions, and what a matrix instruction's name says. Pure."""

import re
from typing import NamedTuple

FUNCTION = re.compile(r"([$\w][$\w.]*):")
LINE = re.compile(r"\s*/\*[0-9a-f]{4,}\*/\s+(?:@(!?U?P\w+)\s+)?([A-Z][\w.]*)(.*?)\s*;")
TARGET = re.compile(r"`\(([\w.$]+)\)")
NEVER = frozenset({"!PT", "!UPT"})
"""Guards that are constantly false: the instruction pads, it never runs."""
MATRIX = re.compile(r"(?:UTC)?[A-Z]G?MMA(?:\.|\Z)")
EXTENTS = re.compile(r"(\d+)x(\d+)x(\d+)\Z")
DIGITS = re.compile(r"(16|8)8(\d+)\Z")
ACCUMULATORS = frozenset({"F16", "F32"})
OPERANDS = frozenset({"BF16", "TF32", "E4M3", "E5M2", "E3M2", "E2M3", "E2M1", "S8", "U8", "S4", "U4"})
MOVING = frozenset({
    "LDG", "LD", "LDC", "LDCU", "ULDC", "LDL", "STG", "ST", "STL", "MOV", "UMOV", "IMAD", "S2R", "S2UR", "R2UR",
    "UR2R", "CS2R", "BMOV", "RPCMOV", "R2P", "EXIT", "BRA", "CALL", "RET", "BREAK", "YIELD", "LEPC", "WARPSYNC",
    "WARPGROUP", "BSSY", "BSYNC", "BAR", "MEMBAR", "FENCE", "DEPBAR", "ELECT", "VOTEU", "PLOP3", "UPLOP3", "ISETP",
    "UISETP", "IADD3", "UIADD3", "CREDUX", "ACQBULK", "UTCBAR", "HFMA2",
})  # fmt: skip
"""Instructions that load, move, store, or steer; IMAD and HFMA2 with constants are how a compiler writes a move."""


class Instruction(NamedTuple):
    """One machine instruction: its guard, its name with all modifiers, its operands, its text."""

    guard: str
    name: str
    operands: str

    @property
    def family(self) -> str:
        """The name without modifiers."""
        return self.name.partition(".")[0]

    @property
    def text(self) -> str:
        """As the disassembler prints it."""
        guard = f"@{self.guard} " if self.guard else ""
        return f"{guard}{self.name}{self.operands}"


class MatrixOperation(NamedTuple):
    """What the name of a matrix instruction says.

    Attributes:
        family: `HMMA`, `QGMMA`, `UTCOMMA`, …
        shape: (rows, columns, depth); None where the name has none.
        accumulator: `F16`, `F32` or "".
        operands: types of the factors, each once; empty for FP16 and FP64, which have no tag.
        scaled: whether factors are scaled by blocks; sparse: whether two of four are left out.
        others: all further modifiers (`E8`, `UE4M3`, `4X`, `XOR`, `STEP1`).
    """

    family: str
    shape: tuple[int, int, int] | None
    accumulator: str
    operands: tuple[str, ...]
    scaled: bool
    sparse: bool
    others: tuple[str, ...]


def is_matrix(name: str) -> bool:
    """Whether an instruction multiplies matrices; `HFMA2.MMA` does not."""
    return MATRIX.match(name) is not None


def _shape(word: str) -> tuple[int, int, int] | None:
    match = EXTENTS.fullmatch(word)
    if match is not None:
        return int(match[1]), int(match[2]), int(match[3])
    match = DIGITS.fullmatch(word)
    return None if match is None else (int(match[1]), 8, int(match[2]))


def matrix_operation(name: str) -> MatrixOperation:
    """The name of a matrix instruction in its parts."""
    family, *words = name.split(".")
    shape, accumulator = None, ""
    operands: dict[str, None] = {}
    others = []
    for word in words:
        extents = _shape(word)
        if extents is not None:
            shape = extents
        elif word in ACCUMULATORS:
            accumulator = accumulator or word
        elif word in OPERANDS:
            operands[word] = None
        elif word not in ("SF", "SP"):
            others.append(word)
    return MatrixOperation(family, shape, accumulator, tuple(operands), "SF" in words, "SP" in words, tuple(others))


def functions(text: str) -> dict[str, list[Instruction]]:
    """The instructions of each function, in order, by its name."""
    found: dict[str, list[Instruction]] = {}
    current: list[Instruction] | None = None
    for line in text.splitlines():
        match = FUNCTION.fullmatch(line)
        if match is not None:
            current = found.setdefault(match[1], [])
            continue
        match = LINE.match(line)
        if match is not None and current is not None:
            current.append(Instruction(match[1] or "", match[2], match[3]))
    return found


def called(instruction: Instruction) -> str | None:
    """The function that an instruction calls, or None."""
    if instruction.family != "CALL":
        return None
    match = TARGET.search(instruction.operands)
    return None if match is None else match[1]


def _runs(instruction: Instruction) -> bool:
    return instruction.guard not in NEVER and instruction.family != "NOP"


def bodies(held: dict[str, list[Instruction]], entry: str) -> dict[str, list[Instruction]]:
    """An entry and every function that it calls, by name, each once and without padding, the entry first.

    The branch to itself that ends every function is padding as well.

    Raises:
        KeyError: a function is called that the text does not hold.
    """
    found: dict[str, list[Instruction]] = {}
    seen = [entry]
    for name in seen:
        body = [instruction for instruction in held[name] if _runs(instruction)]
        if body and body[-1].family == "BRA":
            body.pop()
        found[name] = body
        for instruction in body:
            other = called(instruction)
            if other is not None and other not in seen:
                seen.append(other)
    return found


def reached(held: dict[str, list[Instruction]], entry: str) -> list[Instruction]:
    """The instructions of an entry and of every function that it calls; see `bodies`."""
    return [instruction for body in bodies(held, entry).values() for instruction in body]


def computes(instruction: Instruction) -> bool:
    """Whether an instruction computes on data: neither a matrix instruction nor one that moves, loads or steers."""
    return instruction.family not in MOVING and not is_matrix(instruction.name)
