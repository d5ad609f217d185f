"""A proof of one NVIDIA target: all probes in one file, refused ones dropped, the rest disassembled and judged."""

import hashlib
import re

from assay.errors import ToolFailed
from assay.knowledge.catalog.nvidia_probes import Spelling, spellings, version
from assay.observe.proof import judge, ptx, sass, toolchain
from assay.observe.proof.made import Line, Proof, Shown
from assay.observe.proof.sass import Instruction
from assay.observe.proof.toolchain import Toolchain
from assay.types.message import message
from assay.types.proof import Finding, Record

COMPLAINT = re.compile(r"line (\d+); (?:error|fatal)\s*: (.*)")
MAX_CALLS = 8
"""Two are the rule: the assembler names every line it refuses at once."""


def digest() -> str:
    """A digest of what is asked: of every entry as it is written, whatever the tool."""
    asked = ptx.source("target", "0.0", dict(enumerate(spellings()))).text
    names = "\n".join(spelling.probe.id for spelling in spellings())
    return hashlib.sha256((asked + names).encode()).hexdigest()


def _refusals(log: str, source: ptx.Source, asked: dict[int, Spelling]) -> dict[int, list[str]]:
    """The assembler's words by the place of the probe they are about."""
    found: dict[int, list[str]] = {}
    places = list(asked)
    for line, words in COMPLAINT.findall(log):
        number = int(line)
        place = next(
            (place for place, (first, last) in zip(places, source.lines, strict=True) if first <= number <= last), None
        )
        if place is not None:
            said = found.setdefault(place, [])
            if words not in said:
                said.append(words)
    return found


def _assembled(tools: Toolchain, target: str, asked: dict[int, Spelling]) -> tuple[bytes, dict[int, list[str]]]:
    """The cubin of all probes that the assembler takes, and its words about the others.

    Raises:
        ToolFailed: it refuses the target, or something that is no probe.
    """
    refused: dict[int, list[str]] = {}
    left = dict(asked)
    for _ in range(MAX_CALLS):
        source = ptx.source(target, tools.isa, left)
        made = tools.assemble(target, source.text)
        if made.cubin is not None:
            return made.cubin, refused
        more = _refusals(made.log, source, left)
        if not more:
            break
        refused |= more
        left = {place: spelling for place, spelling in left.items() if place not in more}
    detail = made.log.strip().partition("\n")[0] or "it does not know this target"
    raise ToolFailed(
        message("error.tool_target", tool=tools.tools[0].name, target=target, detail=detail[:200]),
        message("hint.tool_failed"),
        field=target,
    )


def _bodies(tools: Toolchain, functions: dict[str, list[Instruction]], entry: str) -> dict[str, list[Instruction]]:
    """See `sass.bodies`; a disassembly that lacks what was assembled is the tool's fault."""
    try:
        return sass.bodies(functions, entry)
    except KeyError as error:
        raise toolchain.failed(tools.tools[-1].name, f"its output lacks {error.args[0]}") from error


def _lines(bodies: dict[str, list[Instruction]]) -> tuple[Line, ...]:
    """The machine code for people: each helper under its name."""
    lines: list[Line] = []
    for place, (name, body) in enumerate(bodies.items()):
        lines += [Line("", f"{name}:")] if place else []
        lines += [Line(one.name, one.text) for one in body]
    return tuple(lines)


def prove(tools: Toolchain, target: str, chosen: tuple[Spelling, ...] | None = None) -> Proof:
    """What the tools make of the probes for one target.

    Args:
        tools: see `toolchain.find`.
        target: `sm_120a`.
        chosen: the probes to ask; None for all.

    Raises:
        ToolFailed: they refuse the target, or fail.
    """
    every = spellings() if chosen is None else chosen
    known = {place: one for place, one in enumerate(every) if one.ptx <= version(tools.isa)}
    cubin, refused = _assembled(tools, target, known)
    functions = sass.functions(toolchain.disassembled(tools, cubin))
    findings: list[Finding] = []
    shown: dict[str, Shown] = {}
    for place, spelling in enumerate(every):
        bodies: dict[str, list[Instruction]] = {}
        if place not in known:
            findings.append(judge.too_old(spelling, target))
        elif place in refused:
            findings.append(judge.refused(spelling, target, refused[place]))
        else:
            bodies = _bodies(tools, functions, ptx.entry_name(place))
            instructions = [one for body in bodies.values() for one in body]
            findings.append(judge.judge(spelling, target, instructions))
        shown[spelling.probe.id] = Shown(ptx.instruction(spelling), _lines(bodies))
    return Proof(Record(target, tools.tools, digest(), tuple(findings)), shown)
