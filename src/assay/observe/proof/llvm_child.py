"""Runs LLVM's code generation in a process of its own: what a target lacks aborts the process ("Cannot select").

Started as a file with `python -P`; nothing imports it. It reads one JSON object from standard input (`processor`,
`modules`: texts in LLVM's language) and writes JSON lines to standard output: first `llvm` and `llvmlite` (versions)
and `known` (whether LLVM has such a processor), then for each module in order one of `assembly`, `refusal` (its last
words), `misunderstood` (its parser's words). A process is forked that compiles one module after the other; when it
dies, its last words are the answer for the module it was at, and the next process goes on behind it: one fork for a
refusal, none for a success.
"""

import json
import os
import resource
import signal
import sys
import tempfile
from typing import IO, Any, NoReturn

import llvmlite
from llvmlite import binding

TRIPLE = "amdgcn--"
UNKNOWN_PROCESSOR = "is not a recognized processor"
MEMORY_BYTES = 4 << 30
MODULE_SECONDS = 20
MAX_WORDS = 4000
REQUEST_BYTES = 4 << 20
ANY_PROCESSOR = """
define amdgpu_ps void @warm(ptr addrspace(1) %out, float %a, float %b) {
  %sum = fadd float %a, %b
  store float %sum, ptr addrspace(1) %out
  ret void
}
"""
"""Compiled once before anything is forked, so that what LLVM sets up at its first use is not set up in every fork."""


def _machine(processor: str) -> Any:
    """LLVM's code generator for a processor, and whether LLVM knows it: it warns, and takes a generic one."""
    with tempfile.TemporaryFile() as words:
        kept = os.dup(2)
        os.dup2(words.fileno(), 2)
        try:
            machine = binding.Target.from_triple(TRIPLE).create_target_machine(cpu=processor, opt=2)
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        words.seek(0)
        return machine, UNKNOWN_PROCESSOR not in words.read().decode(errors="replace")


def _compile_all(machine: Any, modules: list[str], first: int, answers: int) -> NoReturn:
    """The forked process: modules from `first` on, an answer for each, as long as it lives."""
    for text in modules[first:]:
        signal.alarm(MODULE_SECONDS)
        try:
            answer = {"assembly": machine.emit_assembly(binding.parse_assembly(text))}
        except RuntimeError as error:
            answer = {"misunderstood": str(error)[:MAX_WORDS]}
        # In pieces, because a pipe takes less than an answer may be long.
        content = (json.dumps(answer) + "\n").encode()
        while content:
            content = content[os.write(answers, content) :]
    os._exit(0)


def _until_death(machine: Any, modules: list[str], first: int, out: IO[str]) -> int:
    """Answers from `first` on, the last one that of the module the forked process died of; how many there are."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as words:
        process = os.fork()
        if process == 0:
            os.close(reading)
            os.dup2(words.fileno(), 2)
            _compile_all(machine, modules, first, writing)
        os.close(writing)
        answered = 0
        with os.fdopen(reading, encoding="utf-8") as answers:
            for line in answers:
                if line.endswith("\n"):
                    out.write(line)
                    answered += 1
        status = os.waitpid(process, 0)[1]
        if first + answered < len(modules):
            words.seek(0)
            said = words.read(MAX_WORDS).decode(errors="replace")
            out.write(json.dumps({"refusal": said or f"ended with status {status}"}) + "\n")
            answered += 1
        return answered


def main() -> None:
    """Answers the request on standard input."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    request = json.loads(sys.stdin.read(REQUEST_BYTES))
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    versions = {"llvm": ".".join(map(str, binding.llvm_version_info)), "llvmlite": llvmlite.__version__}
    machine, known = _machine(request["processor"])
    out = sys.stdout
    out.write(json.dumps({**versions, "known": known}) + "\n")
    out.flush()
    modules = request["modules"] if known else []
    if modules:
        machine.emit_assembly(binding.parse_assembly(ANY_PROCESSOR))
    done = 0
    while done < len(modules):
        done += _until_death(machine, modules, done, out)
        out.flush()


if __name__ == "__main__":
    main()
