"""The tools that make a proof for NVIDIA's instruction sets: an assembler and a disassembler of the same release.

The assembler is nvJitLink of the extra `prove`, run in a process of its own, else ptxas on PATH; the disassembler is
nvdisasm, from the same place. They get generated text only, in a private folder that is removed, with a time limit.
"""

import base64
import json
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import NamedTuple, Protocol

from assay.errors import MissingExtra, ToolFailed
from assay.types.message import message
from assay.types.proof import Tool

INSTALL = "pip install 'gpu-assay[prove]'"
SECONDS = 90
"""Longer than any target takes on a slow machine; a tool that needs more hangs."""
RELEASE = re.compile(r"release \d+\.\d+, V(\d+\.\d+\.\d+)")
NEWEST_ISA = re.compile(r"current version is '(\d+\.\d+)'")
TOO_NEW = ".version 99.9\n.target sm_80\n.address_size 64\n"
TARGET = re.compile(r"'SM(\d+[af]?)'")
RENAMED = "101"
"""CUDA 13 calls this target 110; its disassembler still reads what CUDA 12 made, its assembler refuses the name."""
CHILD = Path(__file__).with_name("nvjitlink_child.py")


class Assembled(NamedTuple):
    """What an assembler made of a text: a cubin, or None and its words."""

    cubin: bytes | None
    log: str


class Assembler(Protocol):
    """Something that turns PTX into a cubin for one target."""

    def __call__(self, target: str, source: str) -> Assembled:
        """The cubin of a PTX text, or the words of the refusal."""


class Toolchain(NamedTuple):
    """An assembler and a disassembler that belong together.

    Attributes:
        tools: name and version of both.
        assemble: the assembler.
        disassembler: path of nvdisasm.
        isa: newest version of PTX that the assembler knows.
    """

    tools: tuple[Tool, ...]
    assemble: Assembler
    disassembler: Path
    isa: str


def _failed(tool: str, detail: str) -> ToolFailed:
    return ToolFailed(message("error.tool_failed", tool=tool, detail=detail[:200]), message("hint.tool_failed"))


def _run(command: list[str], given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool without the caller's environment.

    Raises:
        ToolFailed: it cannot be started, or does not end in time.
    """
    name = Path(command[-1] if command[0] == sys.executable else command[0]).stem
    try:
        return subprocess.run(  # noqa: S603 - known programs with generated input
            command, input=given, capture_output=True, text=True, timeout=SECONDS, check=False, env={}, errors="replace"
        )
    except subprocess.TimeoutExpired as error:
        raise _failed(name, f"no answer within {SECONDS} s") from error
    except OSError as error:
        raise _failed(name, error.strerror or str(error)) from error


class JitLink:
    """nvJitLink, called in a process of its own."""

    def __init__(self, library: Path) -> None:
        self.library = library

    def __call__(self, target: str, source: str) -> Assembled:
        """The cubin of a PTX text, or the words of the refusal."""
        request = json.dumps({"library": str(self.library), "target": target, "source": source})
        done = _run([sys.executable, "-I", "-S", str(CHILD)], request)
        if done.returncode:
            raise _failed("nvJitLink", done.stderr.strip().rpartition("\n")[2] or f"exit {done.returncode}")
        answer = json.loads(done.stdout)
        return Assembled(base64.b64decode(answer["cubin"]) if answer["code"] == 0 else None, answer["log"])


class Ptxas:
    """ptxas as a program."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def __call__(self, target: str, source: str) -> Assembled:
        """The cubin of a PTX text, or the words of the refusal."""
        with tempfile.TemporaryDirectory(prefix="assay-") as folder:
            text, result = Path(folder) / "probes.ptx", Path(folder) / "probes.cubin"
            text.write_text(source, encoding="ascii")
            done = _run([str(self.program), "-arch", target, "-o", str(result), str(text)])
            cubin = result.read_bytes() if done.returncode == 0 and result.exists() else None
            return Assembled(cubin, (done.stderr + done.stdout).replace(str(text), "probes"))


def _version(program: Path) -> str | None:
    """The version that a program of the CUDA toolkit says it is."""
    match = RELEASE.search(_run([str(program), "--version"]).stdout)
    return None if match is None else match[1]


def _packaged() -> tuple[Path, Path] | None:
    """(nvJitLink, nvdisasm) as their packages lay them down in this environment."""
    for root in dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *sys.path)):
        base = Path(root) / "nvidia"
        libraries = sorted(base.glob("*/lib/libnvJitLink.so.*"), reverse=True)
        programs = sorted(base.glob("*/bin/nvdisasm"), reverse=True)
        if libraries and programs:
            return libraries[0], programs[0]
    return None


def _on_path() -> tuple[Path, Path] | None:
    """(ptxas, nvdisasm) on PATH, if both are there and of one release."""
    found = [shutil.which(name) for name in ("ptxas", "nvdisasm")]
    if found[0] is None or found[1] is None:
        return None
    pair = Path(found[0]), Path(found[1])
    versions = {_version(program) for program in pair}
    return pair if len(versions) == 1 and None not in versions else None


def of_library(library: Path, disassembler: Path) -> Toolchain:
    """The toolchain of this nvJitLink and this nvdisasm."""
    return _completed("nvJitLink", JitLink(library), disassembler)


def of_ptxas(program: Path, disassembler: Path) -> Toolchain:
    """The toolchain of these two programs."""
    return _completed("ptxas", Ptxas(program), disassembler, _version(program))


def _completed(name: str, assemble: Assembler, disassembler: Path, version: str | None = None) -> Toolchain:
    """A toolchain with the versions that its tools say they are.

    Raises:
        ToolFailed: one of them says nothing that is understood.
    """
    match = NEWEST_ISA.search(assemble("sm_80", TOO_NEW).log)
    own = _version(disassembler)
    if match is None or own is None:
        raise _failed(name if match is None else "nvdisasm", "its version is not understood")
    release = version or _assembled_by(assemble, match[1]) or match[1]
    if _numbers(release)[:2] > _numbers(own)[:2]:
        raise _failed("nvdisasm", f"{own} is older than {name} {release}")
    return Toolchain((Tool(name, release), Tool("nvdisasm", own)), assemble, disassembler, match[1])


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(word) for word in release.split("."))


def _assembled_by(assemble: Assembler, isa: str) -> str | None:
    """The release that an assembler writes into what it makes."""
    made = assemble("sm_80", f".version {isa}\n.target sm_80\n.address_size 64\n.visible .entry empty() {{ ret; }}\n")
    match = RELEASE.search((made.cubin or b"").decode("latin-1"))
    return None if match is None else match[1]


def find() -> Toolchain:
    """The tools of this machine.

    Raises:
        MissingExtra: there are none, or not two of one release.
        ToolFailed: they do not run.
    """
    packaged = _packaged()
    if packaged is not None:
        return of_library(*packaged)
    programs = _on_path()
    if programs is not None:
        return of_ptxas(*programs)
    raise MissingExtra(message("error.prove_extra"), message("hint.install_extra", command=INSTALL))


def targets(tools: Toolchain) -> tuple[str, ...]:
    """The targets that the disassembler reads, in its order of numbers."""
    found = set(TARGET.findall(_run([str(tools.disassembler), "--help"]).stdout))
    known = sorted(
        (name for name in found if not name.startswith(RENAMED)), key=lambda name: (int(name.rstrip("af")), name)
    )
    return tuple(f"sm_{name}" for name in known)


def disassembled(tools: Toolchain, cubin: bytes) -> str:
    """What nvdisasm prints of a cubin.

    Raises:
        ToolFailed: it refuses the file.
    """
    with tempfile.TemporaryDirectory(prefix="assay-") as folder:
        path = Path(folder) / "probes.cubin"
        path.write_bytes(cubin)
        done = _run([str(tools.disassembler), "-c", "-ndf", str(path)])
    if done.returncode:
        raise _failed("nvdisasm", done.stderr.strip())
    return done.stdout
