"""Writes what llama.cpp's CUDA and HIP backends multiply for quantized weights, by running their own selection.

    python tools/llama_cpp_kernels.py FOLDER

FOLDER is ggml/src/ggml-cuda of the llama.cpp that the package llama-cpp-python 0.3.36 carries (its source archive).
The functions that choose a kernel need no GPU: they are cut out, compiled with g++ beside stand-ins for the device, and
asked for every weight type, device and batch of 1 to 1024. Needs g++. Rows of 16-bit and ternary types stay by hand.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "src" / "assay" / "knowledge" / "data" / "execution" / "llama-cpp-quantized.toml"
SOURCE = "llama-cpp-0c1e57098"
AMD = 0x1000000
DEVICES = {
    "sm_70": 700, "sm_75": 750, "sm_80": 800, "sm_86": 860, "sm_87": 870, "sm_89": 890, "sm_90a": 900,
    "sm_100a": 1000, "sm_103a": 1030, "sm_110a": 1100, "sm_120a": 1200, "sm_121a": 1210,
    "gfx90a": AMD + 0x90A, "gfx942": AMD + 0x942, "gfx950": AMD + 0x950,
    "gfx1100": AMD + 0x1100, "gfx1151": AMD + 0x1151, "gfx1200": AMD + 0x1200, "gfx1201": AMD + 0x1201,
}  # fmt: skip
"""Instruction set -> the number that the backend has for the device."""
TYPES = (
    "Q1_0", "Q2_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ1_S", "IQ1_M",
    "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS", "MXFP4", "NVFP4",
)  # fmt: skip
EXPERTS = (8, 32, 64, 128, 256, 512)
"""Experts of a layer that models have; where the choice depends on their number the cell is unknown."""
LARGEST = 1024
FUNCTIONS = {
    "common.cuh": (
        "fp16_mma_hardware_available", "amd_mfma_available", "amd_wmma_available", "turing_mma_available",
        "volta_mma_available", "blackwell_mma_available", "fast_fp16_hardware_available",
    ),
    "mmvq.cu": (
        "get_mmvq_mmid_max_batch_pascal_older", "get_mmvq_mmid_max_batch_turing_plus", "get_mmvq_mmid_max_batch_gcn",
        "get_mmvq_mmid_max_batch_cdna", "get_mmvq_mmid_max_batch_rdna1_rdna2", "get_mmvq_mmid_max_batch_rdna3",
        "get_mmvq_mmid_max_batch_rdna4", "get_mmvq_mmid_max_batch", "ggml_cuda_should_use_mmvq",
    ),
    "mmq.cu": ("ggml_cuda_should_use_mmq",),
}  # fmt: skip
STAND_INS = """
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#define __host__
#define __device__
struct device { size_t smpbo; };
struct devices_of { device devices[1]; };
static devices_of standing = {{{ 96 * 1024 }}};
static int ggml_cuda_get_device() { return 0; }
static devices_of & ggml_cuda_info() { return standing; }
static int ggml_cuda_highest_compiled_arch(const int cc) { return cc; }
"""
DRIVER = """
int main() {
    int cc, experts, type; char name[32];
    while (scanf("%31s %d %d %d", name, &type, &cc, &experts) == 4) {
        for (int batch = 1; batch <= LARGEST; batch++) {
            const ggml_type asked = (ggml_type) type;
            const bool vector = experts == 0 ? ggml_cuda_should_use_mmvq(asked, cc, batch)
                : batch <= MMVQ_MAX_BATCH_SIZE && batch <= get_mmvq_mmid_max_batch(asked, cc);
            const bool tiles = ggml_cuda_should_use_mmq(asked, cc, batch, experts);
            const char * kernel = vector ? "v" : !tiles ? "b"
                : (asked == GGML_TYPE_MXFP4 || asked == GGML_TYPE_NVFP4) && blackwell_mma_available(cc) ? "4"
                : turing_mma_available(cc) || amd_mfma_available(cc) || amd_wmma_available(cc) ? "t" : "d";
            fputs(kernel, stdout);
        }
        puts(fast_fp16_hardware_available(cc) ? " fp16" : " fp32");
    }
}
"""
"""Follows ggml_cuda_mul_mat and ggml_cuda_mul_mat_id, whose tensors are of the 32-bit type that a graph gives them."""
HEAD = """# What llama.cpp executes for quantized weights on CUDA and HIP. Generated: tools/llama_cpp_kernels.py, which
# compiles the runtime's own selection and asks it for each type, device and batch. Keys as in llama-cpp.toml.
"""


class Stretch(NamedTuple):
    """Batches `first` to `last` (None: and above) that one kernel takes."""

    first: int
    last: int | None
    kernel: str


def _function(text: str, name: str) -> str:
    """The definition of a function, whole.

    Raises:
        SystemExit: the source does not define it.
    """
    found = re.search(rf"^[\w ]*\b{name}\(", text, re.MULTILINE)
    if found is None:
        raise SystemExit(f"{name} is not where it was: read the source again")
    place, depth = text.index("{", found.start()), 0
    for end in range(place, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return text[found.start() : end + 1]
    raise SystemExit(f"{name} does not end")


def _program(folder: Path) -> str:
    """The selection of kernels as one program."""
    common = (folder / "common.cuh").read_text(encoding="utf-8")
    macros = [line for line in common.splitlines() if line.startswith("#define GGML_CUDA_CC_")]
    for name in ("mmq.cuh", "mmvq.cuh"):
        text = (folder / name).read_text(encoding="utf-8")
        macros += [line for line in text.splitlines() if re.match(r"#define (MMQ_DP4A|MMVQ)_MAX_BATCH_SIZE", line)]
    enum = (folder.parents[1] / "include" / "ggml.h").read_text(encoding="utf-8")
    types = re.search(r"enum ggml_type \{.*?\};", enum, re.DOTALL)
    if types is None:
        raise SystemExit("ggml.h has no ggml_type")
    quantized = "static bool ggml_is_quantized(ggml_type t) { return t > GGML_TYPE_F16 && t != GGML_TYPE_BF16; }"
    parts = [STAND_INS, *macros, types.group(), quantized, f"#define LARGEST {LARGEST}"]
    for name, functions in FUNCTIONS.items():
        text = (folder / name).read_text(encoding="utf-8")
        parts += [_function(text, function) for function in functions]
    return "\n".join([*parts, DRIVER])


def _numbers(folder: Path) -> dict[str, int]:
    """Weight type -> its number in ggml.h."""
    text = (folder.parents[1] / "include" / "ggml.h").read_text(encoding="utf-8")
    return {name: int(number) for name, number in re.findall(r"GGML_TYPE_(\w+)\s*=\s*(\d+)", text)}


def ask(folder: Path) -> dict[tuple[str, str, int], tuple[str, str]]:
    """(type, instruction set, experts or 0) -> (a letter for each batch, type that the fallback multiplies in)."""
    numbers = _numbers(folder)
    questions = [(name, isa, experts) for name in TYPES for isa in DEVICES for experts in (0, *EXPERTS)]
    asked = "\n".join(f"{name} {numbers[name]} {DEVICES[isa]} {experts}" for name, isa, experts in questions)
    with tempfile.TemporaryDirectory() as scratch:
        source, program = Path(scratch) / "selection.cpp", Path(scratch) / "selection"
        source.write_text(_program(folder), encoding="utf-8")
        subprocess.run(["g++", "-O1", "-w", "-o", str(program), str(source)], check=True)
        answered = subprocess.run([str(program)], input=asked, capture_output=True, text=True, check=True).stdout
    rows = [tuple(line.split()) for line in answered.splitlines()]
    return {question: (row[0], row[1]) for question, row in zip(questions, rows, strict=True)}


def _stretches(letters: str) -> Iterator[Stretch]:
    batch = 1
    for kernel, run in groupby(letters):
        length = len(list(run))
        last = batch + length - 1
        yield Stretch(batch, None if last == LARGEST else last, kernel)
        batch = last + 1


def _regime(name: str, isa: str, one: Stretch, fallback: str) -> str:
    kept = "native" if name == "Q8_0" else "converted"
    fp4 = name.lower()
    block_scaled = "mxf4" if name == "MXFP4" else "mxf4nvf4"
    instruction = "mma s8" if isa.startswith("sm_") else "MFMA i8" if isa.startswith("gfx9") else "WMMA i8"
    library = "cuBLAS" if isa.startswith("sm_") else "hipBLAS"
    path, multiplies, activations, unit, kernel = {
        "v": (kept, "int8", "q8_1", "dp4a", "mul_mat_vec_q"),
        "t": (kept, "int8", "q8_1", "tensor", f"mul_mat_q ({instruction})"),
        "d": (kept, "int8", "q8_1", "dp4a", "mul_mat_q (dp4a)"),
        "4": ("native", fp4, fp4, "tensor", f"mul_mat_q (mma kind::{block_scaled})"),
        "b": ("weight-only", fallback, fallback, "tensor", f"dequantize, then {library}"),
    }[one.kernel]
    batch = f"{one.first}.." if one.last is None else f"{one.first}..{one.last}" if one.last > one.first else "1"
    return (
        f'    {{ batch = "{batch}", path = "{path}", multiplies = "{multiplies}", activations = "{activations}", '
        f'unit = "{unit}", kernel = "{kernel}" }},'
    )


def _notes(name: str, isa: str, letters: str) -> list[str]:
    notes = []
    if name in ("MXFP4", "NVFP4") and isa.startswith("sm_"):
        major = int(re.sub(r"\D", "", isa))
        notes.append(
            "llama_fp4_activations" if "4" in letters else "llama_fp4_only_12x" if major >= 100 else "no_fp4_units"
        )
    if letters.endswith("b"):
        notes.append("llama_dequantized")
    return [f"execution.{note}" for note in notes]


def _cell(name: str, isa: str, found: list[tuple[str, str]]) -> str:
    """A cell without its instruction sets; what depends on the number of experts is unknown."""
    if len(set(found)) > 1:
        return 'path = "unknown", notes = ["execution.llama_by_experts"] },'
    letters, fallback = found[0]
    stretches = list(_stretches(letters))
    last = stretches[-1].kernel
    path = {"b": "weight-only", "4": "native"}.get(last, "native" if name == "Q8_0" else "converted")
    notes = _notes(name, isa, letters)
    told = "".join(f"notes = [{', '.join(f'{chr(34)}{note}{chr(34)}' for note in notes)}], " if notes else "")
    regimes = "\n".join(_regime(name, isa, one, fallback) for one in stretches)
    return f'path = "{path}", {told}regimes = [\n{regimes}\n  ] }},'


def rows(answers: dict[tuple[str, str, int], tuple[str, str]]) -> str:
    """The file: types that are chosen alike share a row, devices a cell."""
    text = [HEAD]
    for role, counts in (("linear", (0,)), ("experts", EXPERTS)):
        alike: dict[tuple[str, ...], list[str]] = {}
        for name in TYPES:
            cells: dict[str, list[str]] = {}
            for isa in DEVICES:
                cells.setdefault(_cell(name, isa, [answers[name, isa, one] for one in counts]), []).append(isa)
            listed = tuple(
                f"  {{ isa = [{', '.join(f'{chr(34)}{isa}{chr(34)}' for isa in sets)}], {cell}"
                for cell, sets in cells.items()
            )
            alike.setdefault(listed, []).append(name)
        for listed, names in alike.items():
            deciding = "ggml_cuda_should_use_mmvq" if role == "linear" else "get_mmvq_mmid_max_batch"
            text += [
                f'["llama-cpp-{names[0].lower().replace("_", "-")}-{role}"]',
                'runtime = "llama.cpp"',
                f"formats = [{', '.join(f'{chr(34)}gguf:{name}{chr(34)}' for name in names)}]",
                f'role = "{role}"',
                f'where = "ggml/src/ggml-cuda/mmq.cu#ggml_cuda_should_use_mmq; mmvq.cu#{deciding}"',
                f'sources = ["{SOURCE}"]',
                "executed = true",
                "cells = [",
                *listed,
                "]\n",
            ]
    return "\n".join(text)


def main(arguments: list[str]) -> int:
    """Write the rows; exit code 2 without a folder."""
    if len(arguments) != 1 or not (Path(arguments[0]) / "mmq.cu").is_file():
        sys.stderr.write((__doc__ or "") + "\n")
        return 2
    DATA.write_text(rows(ask(Path(arguments[0]))), encoding="utf-8")
    sys.stdout.write(f"{DATA.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
