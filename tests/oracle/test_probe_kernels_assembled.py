"""The kernels of a probe, assembled for every target and read as machine code; no card is needed, and none was run."""

import platform
import re
from collections import Counter
from functools import cache

import pytest
from sass_loops import loop

from assay.knowledge.catalog import proofs
from assay.knowledge.catalog.nvidia_probes import version
from assay.observe.device.probe.kernels import isa, memory, micro, program
from assay.observe.proof import judge, sass, toolchain
from assay.observe.proof.sass import Instruction
from assay.observe.proof.toolchain import Toolchain
from assay.types.probe import Limits

pytestmark = pytest.mark.skipif(platform.system() != "Linux", reason="the tools' packages are for Linux")
TARGETS = tuple(name for name in proofs.targets() if name.startswith("sm_"))
HEADER = 3
SPILLS = frozenset({"STL", "LDL"})


@pytest.fixture(scope="module")
def tools() -> Toolchain:
    return toolchain.find()


def limits(target: str) -> Limits:
    return Limits(target, 4, 50 << 20, 8 << 30)


@cache
def texts(target: str) -> dict[str, str]:
    """The PTX of the kernels of a target, by entry."""
    return {one.entry: one.source for one in micro.kernels(limits(target), language="ptx")}


def joined(target: str, entries: list[str]) -> str:
    """Several kernels as one file, of the newest version that one of them asks for."""
    held = texts(target)
    newest = max((held[name].partition("\n")[0].split()[1] for name in entries), key=version)
    parts = [f".version {newest}\n.target {target}\n.address_size 64"]
    for name in entries:
        body = held[name].split("\n", HEADER)[HEADER]
        parts.append(re.sub(r"\b(known|factors)_words\b", rf"\1_{name}", body))
    return "\n".join(parts)


def assembled(tools: Toolchain, target: str, entries: list[str]) -> str:
    made = tools.assemble(target, joined(target, entries))
    assert made.cubin is not None, made.log[:1000]
    return toolchain.disassembled(tools, made.cubin)


def expected_opcodes(target: str, choice: micro.Choice) -> Counter[str]:
    """The matrix instructions of one turn: those of the recorded proof, as often as the kernel multiplies."""
    record = proofs.record(target)
    assert record is not None
    found = next(one for one in record.findings if one.probe == choice.spelling.probe.id)
    products = micro.program(choice, "random").products
    return Counter({name: number * products for name, number in found.opcodes if sass.is_matrix(name)})


def operands(instruction: Instruction) -> list[str]:
    return [word.strip().partition(".")[0] for word in instruction.operands.split(",")]


@pytest.mark.parametrize("target", TARGETS)
def test_the_loop_of_a_native_kernel_is_its_instruction_and_nothing_else(tools: Toolchain, target: str) -> None:
    native = {program.entry_name(one.spelling): one for one in micro.choices(target) if one.verdict == "native"}
    assert len(native) >= 5
    text = assembled(tools, target, list(native))
    functions = sass.functions(text)
    for entry, choice in native.items():
        body = loop(text, entry)
        made = Counter(one.name for one in body if sass.is_matrix(one.name))
        assert made == expected_opcodes(target, choice), (target, entry)
        assert not SPILLS & {one.family for one in functions[entry]}, (target, entry)
        beside = Counter(one.family for one in body if not sass.is_matrix(one.name))
        assert sum(beside.values()) <= 24, (target, entry, beside)  # the counter, the branch, what steers
        assert not {"LDG", "STG", "LDS"} & beside.keys(), (target, entry)
        if choice.spelling.probe.door == "wgmma":  # its products follow one another in one set of registers
            continue
        sums = {operands(one)[0] for one in body if sass.is_matrix(one.name)}
        assert len(sums) >= micro.program(choice, "random").products // 2, (target, entry)  # each its own register


@pytest.mark.parametrize("target", ["sm_90a", "sm_100a", "sm_120a"])
def test_an_emulated_kernel_converts_within_its_loop(tools: Toolchain, target: str) -> None:
    emulated = [program.entry_name(one.spelling) for one in micro.choices(target) if one.verdict == "emulated"]
    assert emulated
    text = assembled(tools, target, emulated)
    for entry in emulated:
        families = {one.family for one in loop(text, entry)}
        assert families & {"F2FP", "CALL"}, (target, entry)
        assert not SPILLS & {one.family for one in sass.functions(text)[entry]}, (target, entry)


@pytest.mark.parametrize("target", ["sm_75", "sm_89", "sm_90a", "sm_110a", "sm_120"])
def test_a_format_without_an_instruction_is_the_assembler_s_refusal(tools: Toolchain, target: str) -> None:
    for choice in micro.choices(target):
        if choice.verdict != "absent":
            continue
        made = tools.assemble(target, texts(target)[program.entry_name(choice.spelling)])
        assert made.cubin is None
        words = [said for _, said in re.findall(r"line (\d+); error\s*: (.*)", made.log)]
        assert judge.refused(choice.spelling, target, words).verdict == "absent", (target, made.log[:300])


def test_targets_are_known_from_their_first_version_on(tools: Toolchain) -> None:
    assert set(isa.INTRODUCED) == set(TARGETS)
    for target, first in isa.INTRODUCED.items():
        empty = f".target {target}\n.address_size 64\n.visible .entry e() {{ ret; }}\n"
        assert tools.assemble(target, f".version {first}\n{empty}").cubin is not None, target


def test_a_group_of_wgmma_is_always_under_way(tools: Toolchain) -> None:
    """Where an assembler must serialise these instructions, it waits after each of them, until none is left."""
    chosen = [program.entry_name(one.spelling) for one in micro.choices("sm_90a") if one.spelling.probe.door == "wgmma"]
    assert len(chosen) == 9
    text = assembled(tools, "sm_90a", chosen)
    for entry in chosen:
        waits = [one.operands.split() for one in loop(text, entry) if one.name == "WARPGROUP.DEPBAR.LE"]
        assert waits == [["gsb0,", "0x1"]], entry


@pytest.mark.parametrize(
    "target", ["sm_75", "sm_80", "sm_86", "sm_89", "sm_90a", "sm_100a", "sm_103a", "sm_110a", "sm_120a", "sm_121a"]
)
def test_memory_is_moved_16_bytes_at_a_time_and_all_of_a_turn_at_once(tools: Toolchain, target: str) -> None:
    expected = {"memory_read": (8, 0), "memory_copy": (8, 8), "memory_triad": (8, 4), "memory_l2_read": (8, 0)}
    for made in memory.kernels(limits(target), language="ptx"):
        cubin = tools.assemble(target, made.source)
        assert cubin.cubin is not None, cubin.log[:500]
        body = loop(toolchain.disassembled(tools, cubin.cubin), made.entry)
        wide = Counter(one.family for one in body if ".128" in one.name)
        assert (wide["LDG"], wide["STG"]) == expected[made.entry], (target, made.entry)
        assert wide.total() == sum(one.family in ("LDG", "STG") for one in body)
        if wide["STG"]:
            order = [one.family for one in body if one.family in ("LDG", "STG")]
            assert order == sorted(order), (target, made.entry)  # loads first
        if made.entry == "memory_l2_read":
            assert all("STRONG.GPU" in one.name for one in body if one.family == "LDG"), target
