"""The kernels of a probe as CUDA C++ through NVRTC, where it is installed: the same loops as from PTX."""

import ctypes
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sass_loops import loop

from assay.observe.device.probe.kernels import memory, micro
from assay.observe.proof import sass, toolchain
from assay.types.probe import Kernel, Limits

TOO_OLD = 5
"""NVRTC's status for an option it does not know: a target that is newer than it, or older than it still takes."""


def libraries() -> list[Path]:
    return [path for root in sys.path if root for path in sorted(Path(root).glob("nvidia/*/lib/libnvrtc.so.*"))]


@pytest.fixture(scope="module")
def nvrtc() -> Any:
    found = libraries()
    if not found:
        pytest.skip("NVRTC is not installed")
    return ctypes.CDLL(str(found[0]))


def compiled(nvrtc: Any, made: Kernel) -> tuple[bytes, str]:
    """(cubin, log) of a kernel; no cubin where NVRTC refuses it."""
    handle, size = ctypes.c_void_p(), ctypes.c_size_t()
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(handle), made.source.encode(), b"kernel.cu", 0, None, None) == 0
    options = (ctypes.c_char_p * 1)(f"--gpu-architecture={made.target}".encode())
    status = nvrtc.nvrtcCompileProgram(handle, 1, options)
    if status == TOO_OLD:
        pytest.skip(f"this NVRTC does not know {made.target}")
    nvrtc.nvrtcGetProgramLogSize(handle, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(handle, log)
    cubin = b""
    if status == 0:
        nvrtc.nvrtcGetCUBINSize(handle, ctypes.byref(size))
        held = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetCUBIN(handle, held)
        cubin = held.raw
    return cubin, log.value.decode("utf-8", "replace")


@pytest.mark.parametrize("target", ["sm_90a", "sm_120a"])
def test_nvrtc_makes_the_same_loop(nvrtc: Any, target: str) -> None:
    tools = toolchain.find()
    limits = Limits(target, 4, 50 << 20, 8 << 30)
    verdicts = {micro.workload(one.spelling).name: one.verdict for one in micro.choices(target)}
    both = zip(micro.kernels(limits), micro.kernels(limits, language="ptx"), strict=True)
    for cuda, plain in both:
        cubin, log = compiled(nvrtc, cuda)
        if verdicts[cuda.workload.name] == "absent":
            assert not cubin
            assert "not supported on .target" in log or "requires .target" in log, log[:300]
            continue
        assert cubin, log[:300]
        if verdicts[cuda.workload.name] != "native":
            continue
        other = tools.assemble(target, plain.source).cubin
        assert other is not None
        made = [
            Counter(
                one.name
                for one in loop(toolchain.disassembled(tools, one_cubin), cuda.entry)
                if sass.is_matrix(one.name)
            )
            for one_cubin in (cubin, other)
        ]
        assert made[0] == made[1] != Counter()


@pytest.mark.parametrize("target", ["sm_75", "sm_90a", "sm_120a"])
def test_nvrtc_takes_what_moves_memory(nvrtc: Any, target: str) -> None:
    for made in memory.kernels(Limits(target, 4, 50 << 20, 8 << 30)):
        cubin, log = compiled(nvrtc, made)
        assert cubin, log[:300]
