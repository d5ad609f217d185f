"""Decides what a disassembly proves of one probe. Pure: instructions in, a finding out.

The rule: refused by the assembler: absent. No matrix instruction: emulated in software. A matrix instruction of another
type than asked: emulated, converted first. Otherwise the multiplications of the matrix instructions are compared with
those asked for: fewer is emulation, as many is native (split, if there are several instructions), more is native with
a part of the instruction unused. Whatever does not fit the rule is unknown, and a test fails.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from assay.knowledge.catalog.nvidia_probes import Spelling
from assay.observe.proof.sass import Instruction, MatrixOperation, computes, is_matrix, matrix_operation
from assay.types.proof import Finding, Probe, Verdict

REFUSALS = (
    "not supported on .target",
    "requires .target",
    "cannot be compiled for architecture",
    "Unexpected instruction types",
)
"""How an assembler says that a target lacks something; other words mean that the probe itself is wrong."""
FAMILIES = {
    "mma.sync": {"f64": "DMMA", "f16": "HMMA", "bf16": "HMMA", "tf32": "HMMA", "s8": "IMMA", "u8": "IMMA",
                 "s4": "IMMA", "u4": "IMMA", "b1": "BMMA"},
    "wgmma": {"f16": "HGMMA", "bf16": "HGMMA", "tf32": "HGMMA", "s8": "IGMMA", "u8": "IGMMA", "s4": "IGMMA",
              "u4": "IGMMA", "b1": "BGMMA"},
}  # fmt: skip
QUARTER = {"mma.sync": "QMMA", "wgmma": "QGMMA"}
KINDS = {
    "f16": "UTCHMMA", "tf32": "UTCHMMA", "f8f6f4": "UTCQMMA", "mxf8f6f4": "UTCQMMA", "mxf4": "UTCOMMA",
    "mxf4nvf4": "UTCOMMA", "i8": "UTCIMMA",
}  # fmt: skip
FOUR_BIT_KINDS = frozenset({"mxf4", "mxf4nvf4"})
KNOWN_FAMILIES = frozenset(
    {*KINDS.values(), *QUARTER.values(), "OMMA", *(name for door in FAMILIES.values() for name in door.values())}
)
UNTAGGED = frozenset({"f64", "f16", "b1"})
SCALE_TAGS = {"ue8m0": ("E8",), "ue4m3": ("UE4M3", "4X")}
SOURCES = {"UE8M0": "E8"}
"""Types of conversions whose machine name differs."""
BLOCKS_OF_16 = frozenset({"4X", "BLOCK16"})


class _Asked(NamedTuple):
    """The matrix instruction that would do a probe alone."""

    family: str
    operands: tuple[str, ...]
    accumulator: str
    scaled: bool
    sparse: bool
    others: frozenset[str]


def _asked(spelling: Spelling) -> _Asked:
    """What a native instruction's name says; for tcgen05 the family is all that the name can say."""
    probe = spelling.probe
    if probe.door == "tcgen05":
        return _Asked(KINDS[spelling.kind], (), "", scaled=False, sparse=False, others=frozenset())
    family = "OMMA" if spelling.kind in FOUR_BIT_KINDS else FAMILIES[probe.door].get(probe.operand)
    operands = () if probe.operand in UNTAGGED else (probe.operand.upper(),)
    accumulator = spelling.accumulator.upper() if spelling.accumulator in ("f16", "f32") else ""
    vector, scales = spelling.scale
    others = set(SCALE_TAGS[scales]) if vector else set()
    if spelling.qualifier:
        others.add(spelling.qualifier.partition(".")[0].upper())
    return _Asked(
        family or QUARTER[probe.door],
        operands,
        accumulator,
        scaled=bool(vector),
        sparse=probe.sparsity == "2:4",
        others=frozenset(others),
    )


def _answers(asked: _Asked, spelling: Spelling, made: MatrixOperation) -> bool:
    """Whether an instruction multiplies what was asked, of that type."""
    if made.family != asked.family:
        return False
    if spelling.probe.door == "tcgen05":
        return spelling.kind not in FOUR_BIT_KINDS or (
            (spelling.kind == "mxf4nvf4") == (not BLOCKS_OF_16.isdisjoint(made.others))
        )
    return (
        made.operands == asked.operands
        and made.accumulator == asked.accumulator
        and made.scaled == asked.scaled
        and made.sparse == asked.sparse
        and asked.others <= set(made.others)
    )


def _volume(shape: tuple[int, int, int]) -> int:
    rows, columns, depth = shape
    return rows * columns * depth


def _is_volta(probe: Probe) -> bool:
    """The product of Volta, made four times, once for each quarter of a warp."""
    return probe.shape == (8, 8, 4) and probe.operand == "f16"


def _made(operations: list[MatrixOperation]) -> int | None:
    """Multiplications of all instructions together; None where a name has no shape."""
    total = 0
    for operation in operations:
        if operation.shape is None:
            return None
        steps = [word for word in operation.others if word.startswith("STEP")]
        if steps and steps != ["STEP0"]:
            continue  # Volta's product takes several steps, of which the first stands for all
        total += _volume(operation.shape) * (4 if steps else 1)
    return total


def _ratio(spelling: Spelling, operations: list[MatrixOperation]) -> float | None:
    probe = spelling.probe
    made = _made(operations)
    if made is None or probe.shape is None:
        return None
    return made / (_volume(probe.shape) * (4 if _is_volta(probe) else 1))


def _counted(instructions: list[Instruction], *, first: str = "") -> tuple[tuple[str, int], ...]:
    """(name, number): matrix instructions or those of the family `first`, then what computes beside them."""
    chief = Counter(one.name for one in instructions if is_matrix(one.name) or one.family == first)
    beside = Counter(one.family for one in instructions if computes(one) and one.family != first)
    return (*chief.most_common(), *beside.most_common())


def _finding(spelling: Spelling, target: str, instructions: list[Instruction]) -> Finding:
    return Finding(spelling.probe.id, target, "emulated", _counted(instructions), len(instructions), None)


def _matrix(spelling: Spelling, target: str, instructions: list[Instruction]) -> Finding:
    """The verdict on a matrix probe that was assembled."""
    found = _finding(spelling, target, instructions)
    operations = [matrix_operation(one.name) for one in instructions if is_matrix(one.name)]
    if not operations:
        return found._replace(notes=("proof.note.software",))
    if any(operation.family not in KNOWN_FAMILIES for operation in operations):
        return found._replace(verdict="unknown", notes=("proof.note.not_understood",))
    asked = _asked(spelling)
    found = found._replace(volume_ratio=_ratio(spelling, operations))
    if not all(_answers(asked, spelling, operation) for operation in operations):
        return found._replace(notes=("proof.note.converted",))
    if spelling.probe.door == "tcgen05":
        verdict: Verdict = "native" if len(operations) == 1 else "unknown"
        return found._replace(verdict=verdict, notes=("proof.note.kind",))
    return _by_volume(found, len(operations), arranged=any(computes(one) for one in instructions))


def _by_volume(found: Finding, number: int, *, arranged: bool) -> Finding:
    """The verdict where all matrix instructions are of the type that was asked for."""
    ratio = found.volume_ratio
    if ratio is None:
        return found._replace(verdict="unknown", notes=("proof.note.no_shape",))
    if ratio < 1:
        return found._replace(notes=("proof.note.part",))
    notes = ["proof.note.padded"] if ratio > 1 else ["proof.note.split"] if number > 1 else []
    if arranged:
        notes.append("proof.note.operands_arranged")
    return found._replace(verdict="native", notes=tuple(notes))


def _converts(spelling: Spelling, name: str) -> bool:
    """Whether an instruction's name has the types that an unpacking probe asks for."""
    words = set(name.replace("BF16_V2", "BF16").split("."))
    operand = spelling.probe.operand.removesuffix("x2").upper()
    if spelling.probe.door == "cvt":
        return {SOURCES.get(operand, operand), spelling.accumulator.removesuffix("x2").upper()} <= words
    if spelling.probe.door == "dp4a":
        return "4A" in words
    return ("BF16" in words) == (operand == "BF16")


def _beside(instruction: Instruction) -> bool:
    """Whether an instruction computes; on the vector units also what elsewhere is a way to write a move."""
    if instruction.family == "IMAD":
        return not instruction.name.startswith("IMAD.MOV")
    if instruction.family == "HFMA2":
        return "-RZ, RZ" not in instruction.operands
    return instruction.family in ("IADD3", "UIADD3") or computes(instruction)


def _unpack(spelling: Spelling, target: str, instructions: list[Instruction]) -> Finding:
    """The verdict on a conversion or a product of the vector units: native where one instruction does it."""
    counted = _counted(instructions, first=spelling.expect)
    chief = [one for one in instructions if one.family == spelling.expect and (one.family != "HFMA2" or _beside(one))]
    others = any(_beside(one) and one.family != spelling.expect for one in instructions)
    found = Finding(spelling.probe.id, target, "emulated", counted, len(instructions), None)
    if len(chief) == 1 and _converts(spelling, chief[0].name) and not others:
        return found._replace(verdict="native")
    return found._replace(notes=("proof.note.software",))


def judge(spelling: Spelling, target: str, instructions: list[Instruction]) -> Finding:
    """What these instructions prove of a probe.

    Args:
        spelling: what was asked.
        target: what it was compiled for.
        instructions: of the entry and of the functions it calls, padding left out.
    """
    decide = _matrix if spelling.probe.kind == "matrix" else _unpack
    return decide(spelling, target, instructions)


def refused(spelling: Spelling, target: str, words: Sequence[str]) -> Finding:
    """What an assembler's refusal proves: absent, if every complaint says that the target lacks something.

    Args:
        spelling: what was asked.
        target: what for.
        words: the complaints about it.
    """
    known = bool(words) and all(any(said in one for said in REFUSALS) for one in words)
    verdict: Verdict = "absent" if known else "unknown"
    notes = () if known else ("proof.note.not_understood",)
    return Finding(spelling.probe.id, target, verdict, (), 0, None, notes, "; ".join(words))


def too_old(spelling: Spelling, target: str) -> Finding:
    """A tool that does not know the instruction yet proves nothing."""
    return Finding(spelling.probe.id, target, "unknown", (), 0, None, ("proof.note.tool_too_old",))
