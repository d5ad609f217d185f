"""Writes PTX: one entry for each probe, operands read from memory and results stored, so that nothing is dropped.

Instructions are those of NVIDIA's PTX ISA document. An entry spans known lines: an assembler names the line it refuses.
"""

from typing import NamedTuple

from assay.knowledge.catalog.nvidia_probes import Spelling

LANES = 32
REGISTER_BITS = 32


class Source(NamedTuple):
    """A PTX file.

    Attributes:
        text: its text.
        lines: for each probe, by its place, the first and the last line of its entry, counted from 1.
    """

    text: str
    lines: tuple[tuple[int, int], ...]


class _Body:
    """The statements of one entry: what reads its registers, what it does, what stores them."""

    def __init__(self) -> None:
        self.registers: list[str] = [".reg .b64 memory;"]
        self.reads: list[str] = []
        self.writes: list[str] = []
        self.position = 0

    def fragment(self, name: str, count: int, width: int, *, result: bool = False) -> str:
        """`{a0,a1,…}`: registers of `width` bits that are read from memory, or stored there."""
        self.registers.append(f".reg .b{width} {name}<{count}>;")
        for index in range(count):
            place = f"[memory+{self.position}]"
            self.position += width // 8
            if result:
                self.writes.append(f"st.global.b{width} {place}, {name}{index};")
            else:
                self.reads.append(f"ld.global.b{width} {name}{index}, {place};")
        return "{" + ",".join(f"{name}{index}" for index in range(count)) + "}"

    def value(self, name: str, width: int, *, result: bool = False) -> str:
        """One register."""
        return self.fragment(name, 1, width, result=result).strip("{}")

    def lines(self, statements: list[str]) -> list[str]:
        """All statements, a line each."""
        return [*self.registers, "ld.param.b64 memory, [where];", *self.reads, *statements, *self.writes, "ret;"]


def lane_registers(elements: int, bits: int) -> tuple[int, int]:
    """(registers of a lane, their width) of a matrix that the 32 lanes of a warp hold together."""
    width = 64 if bits == 64 else REGISTER_BITS
    return elements * bits // LANES // width, width


def lane_accumulators(spelling: Spelling, elements: int) -> tuple[int, int]:
    """(registers of a lane, their width) of a warp's accumulator of so many elements."""
    return lane_registers(elements, {"f16": 16, "f64": 64}.get(spelling.accumulator, 32))


def mma_name(spelling: Spelling) -> str:
    """`mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32`: an instruction of the door mma.sync with all its parts."""
    sparse = spelling.probe.sparsity == "2:4"
    name = f"mma.sp::ordered_metadata.sync.aligned.{_shape(spelling)}" if sparse else (
        f"mma.sync.aligned.{_shape(spelling)}"
    )  # fmt: skip
    parts = [name, "row", "col"]
    if spelling.kind:
        parts.append(f"kind::{spelling.kind}")
    vector, scales = spelling.scale
    if vector:
        parts.append(f"block_scale.scale_vec::{vector}")
    kind = spelling.probe.operand
    parts += [spelling.accumulator, kind, kind, spelling.accumulator]
    if spelling.qualifier:
        parts.append(spelling.qualifier)
    if vector:
        parts.append(scales)
    return ".".join(parts)


def _mma(spelling: Spelling, body: _Body) -> list[str]:
    probe = spelling.probe
    assert probe.shape is not None  # noqa: S101 - matrix probes have one
    rows, columns, depth = probe.shape
    sparse = probe.sparsity == "2:4"
    copies = 4 if probe.shape == (8, 8, 4) and probe.operand == "f16" else 1  # Volta's: one product a quarter warp
    number, width = lane_accumulators(spelling, rows * columns * copies)
    result = body.fragment("d", number, width, result=True)
    first = body.fragment("a", *lane_registers(rows * depth * copies // (2 if sparse else 1), spelling.container))
    second = body.fragment("b", *lane_registers(columns * depth * copies, spelling.container))
    third = body.fragment("c", number, width)
    operands = [result, first, second, third]
    if sparse:
        operands += [body.value("e", 32), "0"]
    if spelling.scale[0]:
        operands += ["{" + body.value("s", 32) + "}", "{0,0}", "{" + body.value("t", 32) + "}", "{0,0}"]
    return [f"{mma_name(spelling)} {', '.join(operands)};"]


def _shape(spelling: Spelling) -> str:
    rows, columns, depth = spelling.probe.shape or (0, 0, 0)
    return f"m{rows}n{columns}k{depth}"


def wgmma_name(spelling: Spelling) -> str:
    """`wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16`: an instruction of the door wgmma with all its parts."""
    probe = spelling.probe
    name = ["wgmma.mma_async", "sp.sync.aligned" if probe.sparsity == "2:4" else "sync.aligned", _shape(spelling)]
    name += [spelling.accumulator, probe.operand, probe.operand]
    if spelling.qualifier:
        name.append(spelling.qualifier)
    return ".".join(name)


def wgmma_immediates(spelling: Spelling) -> list[str]:
    """What an instruction of the door wgmma takes after its scale: signs of its factors, and how they lie."""
    if spelling.probe.operand in ("f16", "bf16"):
        return ["1", "1", "0", "0"]  # signs of both operands, neither transposed
    return ["1", "1"] if spelling.accumulator in ("f16", "f32") else []


def warpgroup_accumulators(spelling: Spelling) -> int:
    """Registers of 32 bits that each of a warpgroup's 128 lanes holds of the accumulator."""
    rows, columns, _ = spelling.probe.shape or (0, 0, 0)
    return rows * columns // 128 // (2 if spelling.accumulator == "f16" else 1)


def _wgmma(spelling: Spelling, body: _Body) -> list[str]:
    sparse = spelling.probe.sparsity == "2:4"
    number = warpgroup_accumulators(spelling)
    result = body.fragment("d", number, 32, result=True)
    body.reads += [f"mov.b32 d{index}, 0;" for index in range(number)]
    operands = [result, body.value("a", 64), body.value("b", 64)]
    if sparse:
        operands += [body.value("e", 32), "0"]
    operands += ["1", *wgmma_immediates(spelling)]
    return [
        "wgmma.fence.sync.aligned;",
        f"{wgmma_name(spelling)} {', '.join(operands)};",
        "wgmma.commit_group.sync.aligned;",
        "wgmma.wait_group.sync.aligned 0;",
    ]


def _tcgen05(spelling: Spelling, body: _Body) -> list[str]:
    sparse = spelling.probe.sparsity == "2:4"
    name = ["tcgen05.mma.sp" if sparse else "tcgen05.mma", "cta_group::1", f"kind::{spelling.kind}"]
    place = body.value("d", 32)
    operands = [f"[{place}]", body.value("a", 64), body.value("b", 64)]
    if sparse:
        operands.append(f"[{body.value('e', 32)}]")
    operands.append(body.value("i", 32))
    if spelling.blocks:
        name.append(f"block_scale.{spelling.blocks}")
        operands += [f"[{body.value('s', 32)}]", f"[{body.value('t', 32)}]"]
    body.registers.append(".reg .pred p;")
    operands.append("p")
    return [f"setp.ne.b32 p, {place}, 0;", f"{'.'.join(name)} {', '.join(operands)};"]


def _cvt(spelling: Spelling, body: _Body) -> list[str]:
    operand = spelling.probe.operand
    result = body.value("d", 32, result=True)
    name = f"cvt.rn.{spelling.accumulator}.{operand} {result},"
    if operand == "e2m1x2":  # two elements in a byte, and no register is as narrow as one
        body.registers.append(".reg .b8 low, high;")
        return [f"mov.b16 {{low, high}}, {body.value('a', 16)};", f"{name} low;"]
    return [f"{name} {body.value('a', 16)};"]


def _dp4a(spelling: Spelling, body: _Body) -> list[str]:
    kind = spelling.probe.operand
    operands = [body.value("d", 32, result=True), *(body.value(name, 32) for name in "abc")]
    return [f"dp4a.{kind}.{kind} {', '.join(operands)};"]


def _fma(spelling: Spelling, body: _Body) -> list[str]:
    kind = spelling.probe.operand
    width = 64 if kind == "f32x2" else 32
    operands = [body.value("d", width, result=True), *(body.value(name, width) for name in "abc")]
    return [f"fma.rn.{kind} {', '.join(operands)};"]


_DOORS = {"mma.sync": _mma, "wgmma": _wgmma, "tcgen05": _tcgen05, "cvt": _cvt, "dp4a": _dp4a, "fma": _fma}


def instruction(spelling: Spelling) -> str:
    """The instruction that a probe asks for, as PTX writes it."""
    statements = _DOORS[spelling.probe.door](spelling, _Body())
    return next(line for line in statements if line.startswith(spelling.probe.door.split(".")[0]))


def entry_name(index: int) -> str:
    """The name of the entry of the probe at this place of the table."""
    return f"probe_{index}"


def source(target: str, isa: str, chosen: dict[int, Spelling]) -> Source:
    """The PTX of these probes for one target.

    Args:
        target: `sm_120a`.
        isa: version of PTX, `9.5`.
        chosen: probes by their place in the table.
    """
    lines = [f".version {isa}", f".target {target}", ".address_size 64"]
    spans = []
    for index, spelling in chosen.items():
        first = len(lines) + 1
        body = _Body()
        statements = _DOORS[spelling.probe.door](spelling, body)
        lines += [f".visible .entry {entry_name(index)}(.param .b64 where) {{", *body.lines(statements), "}"]
        spans.append((first, len(lines)))
    return Source("\n".join(lines) + "\n", tuple(spans))
