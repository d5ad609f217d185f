"""An entry as a text to compile: PTX, or CUDA C++ with the same statements as inline assembly."""

from typing import Literal, NamedTuple

from assay.types.probe import Language

WORDS_A_LINE = 64
ADDRESS: Literal[64] = 64


class Parameter(NamedTuple):
    """A parameter, which the body finds in a register of its name: an address in global memory, or a number."""

    name: str
    bits: Literal[32, 64]
    address: bool


class Entry(NamedTuple):
    """One entry.

    The body also finds `lane` and `block`, its place in its block and its block's in the grid, 32 bits each.

    Attributes:
        name: of the entry.
        parameters: in order.
        tables: (name, content) of what the text itself holds; the body finds their addresses in registers.
        body: statements of PTX, without the braces around them.
        threads: lanes of a block.
        blocks_per_sm: blocks that a multiprocessor must have registers for.
    """

    name: str
    parameters: tuple[Parameter, ...]
    tables: tuple[tuple[str, bytes], ...]
    body: tuple[str, ...]
    threads: int
    blocks_per_sm: int


LOCATED = (".reg .b32 lane, block;", "mov.u32 lane, %tid.x;", "mov.u32 block, %ctaid.x;")


def address(name: str) -> Parameter:
    """A parameter that is an address."""
    return Parameter(name, ADDRESS, address=True)


def _words(content: bytes) -> str:
    """`{1,2,…}`: bytes as words of 32 bits, in lines that a compiler reads easily."""
    words = [str(int.from_bytes(content[at : at + 4], "little")) for at in range(0, len(content), 4)]
    lines = [",".join(words[at : at + WORDS_A_LINE]) for at in range(0, len(words), WORDS_A_LINE)]
    return "{" + ",\n".join(lines) + "}"


def ptx(entry: Entry, target: str, version: str) -> str:
    """The entry in this version of PTX."""
    tables = [f".global .align 16 .b32 {name}_words[{len(held) // 4}] = {_words(held)};" for name, held in entry.tables]
    given = ", ".join(f".param .b{one.bits} {one.name}_given" for one in entry.parameters)
    found = [f".reg .b64 {name};\nmov.b64 {name}, {name}_words;" for name, _ in entry.tables]
    for one in entry.parameters:
        found.append(f".reg .b{one.bits} {one.name};\nld.param.b{one.bits} {one.name}, [{one.name}_given];")
        if one.address:
            found.append(f"cvta.to.global.u64 {one.name}, {one.name};")
    return "\n".join([
        f".version {version}",
        f".target {target}",
        ".address_size 64",
        *tables,
        f".visible .entry {entry.name}({given})",
        f".reqntid {entry.threads}, 1, 1",
        f".minnctapersm {entry.blocks_per_sm}",
        "{",
        *found,
        *LOCATED,
        *entry.body,
        "ret;",
        "}",
        "",
    ])  # fmt: skip


TYPES = {(32, False): "unsigned int", (64, False): "unsigned long long", (64, True): "unsigned int *"}
CONSTRAINTS = {32: "r", 64: "l"}


def cuda(entry: Entry) -> str:
    """The entry in CUDA C++, for a compiler that takes no PTX."""
    names = [*((f"{name}_words", name, 64, True) for name, _ in entry.tables)]
    names += [(one.name, one.name, one.bits, one.address) for one in entry.parameters]
    lines = ["{"]
    for place, (_, name, bits, is_address) in enumerate(names):
        lines += [f".reg .b{bits} {name};", f"mov.b{bits} {name}, %{place};"]
        if is_address:
            lines.append(f"cvta.to.global.u64 {name}, {name};")
    lines += [line.replace("%", "%%") for line in (*LOCATED, *entry.body)]
    statements = "\n".join('    "' + line.replace('"', '\\"') + '\\n"' for line in [*lines, "}"])
    held = "".join(
        f"__device__ __align__(16) const unsigned int {name}_words[{len(content) // 4}] = {_words(content)};\n"
        for name, content in entry.tables
    )
    given = ", ".join(f"{TYPES[one.bits, one.address]} {one.name}" for one in entry.parameters)
    inputs = ", ".join(f'"{CONSTRAINTS[bits]}"({value})' for value, _, bits, _ in names)
    return (
        f'{held}extern "C" __global__ void __launch_bounds__({entry.threads}, {entry.blocks_per_sm})\n'
        f'{entry.name}({given})\n{{\n  asm volatile(\n{statements}\n    :: {inputs} : "memory");\n}}\n'
    )


def text(entry: Entry, language: Language, target: str, version: str) -> str:
    """The entry in one of both languages."""
    return ptx(entry, target, version) if language == "ptx" else cuda(entry)
