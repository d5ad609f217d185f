"""A proof of one AMD target: every probe through LLVM's code generation, in processes of its own, then judged."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from assay.errors import MissingExtra, MissingKnowledge, ToolFailed
from assay.knowledge.catalog import amd_probes
from assay.observe.proof import amdgcn, llvm_ir
from assay.observe.proof.amd_judge import Answer, judge
from assay.observe.proof.made import Line, Proof, Shown
from assay.types.message import message
from assay.types.proof import Record, Tool

INSTALL = "pip install 'gpu-assay[prove-amd]'"
REINSTALL = "pip install --force-reinstall 'gpu-assay[prove-amd]'"
PACKAGE = "llvmlite"
CHILD = Path(__file__).with_name("llvm_child.py")
SECONDS = 120
"""For one target; it takes two on a desktop."""
TARGETS = (
    *("gfx900", "gfx906", "gfx908", "gfx90a", "gfx942", "gfx950"),
    *("gfx1010", "gfx1011", "gfx1012", "gfx1030"),
    *("gfx1100", "gfx1101", "gfx1102", "gfx1103", "gfx1150", "gfx1151", "gfx1152", "gfx1153"),
    *("gfx1200", "gfx1201", "gfx1250", "gfx1251"),
)


def targets() -> tuple[str, ...]:
    """The instruction sets that there are probes for, older ones first; an older LLVM may not know the newest."""
    return TARGETS


@cache
def tool() -> Tool | None:
    """The LLVM that would make a proof; None where llvmlite is not installed.

    Raises:
        ToolFailed: it is installed and does not run.
    """
    if not _installed():
        return None
    return Tool("LLVM", _asked(TARGETS[0], [])[0]["llvm"])


def prove(target: str) -> Record:
    """The findings for one of `targets()`.

    Raises:
        MissingExtra: llvmlite is not installed.
        MissingKnowledge: this LLVM, or this version of Assay, does not know the target.
        ToolFailed: LLVM does not run, hangs, or answers nothing that is understood.
    """
    return examine(target).record


def prove_all(names: tuple[str, ...] = TARGETS) -> tuple[Record, ...]:
    """The records of several targets, made side by side on all processors; raises as `prove` does."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return tuple(pool.map(prove, names))


def examine(target: str) -> Proof:
    """The record of a target with what there is to show; raises as `prove` does."""
    asked = amd_probes.calls() if target in TARGETS else ()
    about, *answers = _asked(target, [llvm_ir.function(call.text) for call in asked])
    if target not in TARGETS or not about["known"]:
        raise MissingKnowledge(
            message("error.target_unknown", isa=target, tool="LLVM", version=about["llvm"])
            if target in TARGETS
            else message("error.no_probes", isa=target),
            message("hint.targets", known=", ".join(TARGETS)),
            field=target,
        )
    if len(answers) != len(asked):
        raise _failed(f"{len(answers)} / {len(asked)}")
    understood = [_answer(answer) for answer in answers]
    pairs = list(zip(asked, understood, strict=True))
    return Proof(
        Record(
            target,
            (Tool("LLVM", about["llvm"]), Tool(PACKAGE, about[PACKAGE])),
            amd_probes.digest(),
            tuple(judge(call.probe, target, answer) for call, answer in pairs),
        ),
        {call.probe.id: Shown(call.text, _lines(answer)) for call, answer in pairs},
    )


def _installed() -> bool:
    """Looked for, never imported: LLVM is kept out of this process."""
    return importlib.util.find_spec(PACKAGE) is not None


def _answer(answer: dict[str, str]) -> Answer:
    return Answer(
        amdgcn.instructions(answer.get("assembly", ""), llvm_ir.ENTRY),
        answer.get("refusal", ""),
        answer.get("misunderstood", ""),
    )


def _lines(answer: Answer) -> tuple[Line, ...]:
    return tuple(Line(one.opcode, f"{one.opcode} {one.operands}".rstrip()) for one in answer.instructions)


def _failed(detail: str) -> ToolFailed:
    return ToolFailed(
        message("error.tool_failed", tool=PACKAGE, detail=detail), message("hint.install_extra", command=REINSTALL)
    )


def _asked(processor: str, modules: list[str]) -> list[dict[str, Any]]:
    """What the child process says: about itself, then an answer for each module.

    It is killed with all its own when its time is over.
    """
    if not _installed():
        raise MissingExtra(message("error.prove_amd_extra"), message("hint.install_extra", command=INSTALL))
    request = json.dumps({"processor": processor, "modules": modules})
    with subprocess.Popen(  # noqa: S603 - this very interpreter, a module of ours
        [sys.executable, "-P", str(CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            said, _ = child.communicate(request, timeout=SECONDS)
            lines = [json.loads(line) for line in said.splitlines()]
        except (subprocess.TimeoutExpired, ValueError) as error:
            raise _failed(type(error).__name__) from error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    sound = lines and all(isinstance(line, dict) for line in lines) and lines[0].keys() >= {"llvm", PACKAGE, "known"}
    if child.returncode != 0 or not sound:
        raise _failed(f"exit {child.returncode}")
    return lines
