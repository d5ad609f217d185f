"""What a compiler's output shows of an instruction set: probes, findings, records."""

from typing import Literal, NamedTuple

Verdict = Literal["native", "emulated", "absent", "unknown"]
Sparsity = Literal["dense", "2:4"]


class Probe(NamedTuple):
    """One instruction to assemble alone.

    Attributes:
        id: unique among the probes of a vendor (`mma.sync.m16n8k64.s4.s32`).
        kind: `matrix` multiplies matrices; `unpack` converts a narrow format or multiplies it on the vector units.
        format: number-format id of the operands (`int4`, `nvfp4`).
        operand: the operands' type as the source language writes it (`s4`, `e2m1`).
        accumulate: number-format id of the accumulator (`fp32`, `fp16`, `fp64`, `int32`), or of what a conversion
            makes.
        sparsity: `2:4` where two of four operands are left out.
        door: the family of instructions (`mma.sync`, `wgmma`, `tcgen05`, `mfma`, `wmma`).
        shape: (rows, columns, depth) of the product; None where there is none.
    """

    id: str
    kind: Literal["matrix", "unpack"]
    format: str
    operand: str
    accumulate: str
    sparsity: Sparsity
    door: str
    shape: tuple[int, int, int] | None


class Finding(NamedTuple):
    """What came out of one probe for one target.

    Attributes:
        probe: id of the probe.
        target: what it was compiled for (`sm_120a`, `gfx942`).
        verdict: `native` (one matrix instruction of the operands' type does it), `emulated` (expanded into others),
            `absent` (the tool refuses it) or `unknown` (the tool is too old, or its answer is not understood).
        opcodes: (instruction, how many of them), those that multiply first; of the whole entry.
        instructions: machine instructions of the entry and its helpers, fillers that never execute left out.
        volume_ratio: multiplications that the matrix instructions make / those asked for; None without any.
        notes: codes of what to know (`proof.note.split`, `proof.note.operand_fix`, …).
        refusal: the tool's own words where it refused.
    """

    probe: str
    target: str
    verdict: Verdict
    opcodes: tuple[tuple[str, int], ...]
    instructions: int
    volume_ratio: float | None
    notes: tuple[str, ...] = ()
    refusal: str | None = None


class Tool(NamedTuple):
    """A tool that made a proof: its name and its version as it says it."""

    name: str
    version: str


class Record(NamedTuple):
    """All findings for one target, with what they rest on.

    Attributes:
        target: `sm_120a`, `gfx942`.
        tools: what assembled and what disassembled.
        probes: digest of the probes asked.
        findings: one for each probe.
    """

    target: str
    tools: tuple[Tool, ...]
    probes: str
    findings: tuple[Finding, ...]
