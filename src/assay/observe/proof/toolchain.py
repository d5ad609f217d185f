"""The tools that make a proof for NVIDIA's instruction sets: an assembler and a disassembler of the same release.

The assembler is nvJitLink of the extra `prove`, run in a process of its own, else ptxas on PATH; the disassembler is
nvdisasm, from the same place. They get generated text only, in a private folder that is removed, with a time limit.
"""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from assay.errors import MissingExtra, ToolFailed
from assay.types.message import message
from assay.types.proof import Tool

INSTALL = "pip install 'gpu-assay[prove]'"
SECONDS = 90
"""Longer than any target takes on a slow machine; a tool that needs more hangs."""
MAX_OUTPUT_BYTES = 2**26
"""Of one tool: all probes of a target disassemble to 2 MB."""
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 0.005, 0.1
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


def failed(tool: str, detail: str) -> ToolFailed:
    """The error for a tool that does not do its work."""
    return ToolFailed(message("error.tool_failed", tool=tool, detail=detail[:200]), message("hint.tool_failed"))


class Done(NamedTuple):
    """What a tool left: its exit status (negative: a signal), what it printed, and its complaints."""

    status: int
    out: str
    complaints: str

    @property
    def end(self) -> str:
        """How it ended, for people."""
        return f"ended by signal {-self.status}" if self.status < 0 else f"exit {self.status}"


def _run(command: list[str], given: str = "") -> Done:
    """Run a tool without the caller's environment; what it prints and how long it takes have an end.

    Raises:
        ToolFailed: it cannot be started, prints without end, or does not end in time.
    """
    name = Path(command[-1] if command[0] == sys.executable else command[0]).stem
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as complaints:
        source.write(given.encode())
        source.seek(0)
        try:
            child = subprocess.Popen(  # noqa: S603 - known programs with generated input
                command, stdin=source, stdout=out, stderr=complaints, env={}, start_new_session=True
            )
        except OSError as error:
            raise failed(name, error.strerror or str(error)) from error
        try:
            _wait(child, name, out.fileno())
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)  # whatever it started goes with it
            child.wait()
        return Done(child.returncode, _read(out), _read(complaints))


def _wait(child: subprocess.Popen[bytes], name: str, out: int) -> None:
    """Wait for a tool to end, with an eye on the clock and on what it prints."""
    deadline = time.monotonic() + SECONDS
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            child.wait(pause)
        except subprocess.TimeoutExpired:
            pause = min(2 * pause, LAST_PAUSE_SECONDS)
        else:
            return
        if time.monotonic() > deadline:
            raise failed(name, f"no answer within {SECONDS} s")
        if os.fstat(out).st_size > MAX_OUTPUT_BYTES:
            raise failed(name, f"it prints more than {MAX_OUTPUT_BYTES >> 20} MiB")


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(MAX_OUTPUT_BYTES).decode("utf-8", "replace")


class JitLink:
    """nvJitLink, called in a process of its own."""

    def __init__(self, library: Path) -> None:
        self.library = library

    def __call__(self, target: str, source: str) -> Assembled:
        """The cubin of a PTX text, or the words of the refusal."""
        request = json.dumps({"library": str(self.library), "target": target, "source": source})
        done = _run([sys.executable, "-I", "-S", str(CHILD)], request)
        if done.status:
            raise failed("nvJitLink", done.complaints.strip().rpartition("\n")[2] or done.end)
        try:
            answer = json.loads(done.out)
        except ValueError as error:
            raise failed("nvJitLink", "its answer is cut short") from error
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
            if done.status < 0:
                raise failed("ptxas", done.end)
            cubin = result.read_bytes() if done.status == 0 and result.exists() else None
            return Assembled(cubin, (done.complaints + done.out).replace(str(text), "probes"))


def _version(program: Path) -> str | None:
    """The version that a program of the CUDA toolkit says it is."""
    match = RELEASE.search(_run([str(program), "--version"]).out)
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


def _on_path() -> tuple[Path, Path]:
    """(ptxas, nvdisasm) on PATH, of one release.

    Raises:
        MissingExtra: they are not both there, or differ.
    """
    found = {name: shutil.which(name) for name in ("ptxas", "nvdisasm")}
    install = message("hint.install_extra", command=INSTALL)
    present = {name: Path(path) for name, path in found.items() if path is not None}
    if not present:
        raise MissingExtra(message("error.prove_extra"), install)
    if len(present) == 1:
        (there,) = present
        lacking = next(name for name in found if name not in present)
        raise MissingExtra(message("error.prove_half", there=there, lacking=lacking), install)
    said = {name: _version(path) or "?" for name, path in present.items()}
    if len(set(said.values())) > 1 or "?" in said.values():
        raise MissingExtra(message("error.prove_mismatch", ptxas=said["ptxas"], nvdisasm=said["nvdisasm"]), install)
    return present["ptxas"], present["nvdisasm"]


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
        raise failed(name if match is None else "nvdisasm", "its version is not understood")
    release = version or _assembled_by(assemble, match[1]) or match[1]
    if _numbers(release)[:2] > _numbers(own)[:2]:
        raise failed("nvdisasm", f"{own} is older than {name} {release}")
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
    return of_ptxas(*_on_path())


def targets(tools: Toolchain) -> tuple[str, ...]:
    """The targets that the disassembler reads, in its order of numbers."""
    found = set(TARGET.findall(_run([str(tools.disassembler), "--help"]).out))
    if not found:
        raise failed("nvdisasm", "its list of targets is not understood")
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
    if done.status:
        raise failed("nvdisasm", done.complaints.strip() or done.end)
    return done.out
