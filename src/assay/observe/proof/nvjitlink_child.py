"""Runs nvJitLink in a process of its own: a fault of the library, or a hang, is not Assay's.

Started as a file with `python -I -S`, so that it imports nothing but the standard library. It reads one JSON object
from standard input (`library`, `target`, `source`) and writes one to standard output: `code` (0: assembled), `log`
(its words), `cubin` (base64). The calls are those of NVIDIA's nvJitLink document.
"""

import base64
import ctypes
import json
import resource
import sys
from typing import Any

PTX_INPUT = 2
SECONDS = 60
MAX_MINOR = 20


def _suffix(loaded: ctypes.CDLL, path: str) -> str:
    """The newest version of the names that a library exports (`13_5`); it exports those of its older releases too."""
    major = path.rpartition(".")[2]
    for minor in range(MAX_MINOR, -1, -1):
        if hasattr(loaded, f"__nvJitLinkCreate_{major}_{minor}"):
            return f"{major}_{minor}"
    raise OSError(path)


def _log(call: Any, handle: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    call("GetErrorLogSize")(handle, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value + 1)
    call("GetErrorLog")(handle, buffer)
    return buffer.value.decode("utf-8", "replace")


def assembled(library: str, target: str, source: str) -> dict[str, Any]:
    """What the library makes of a PTX text for one target."""
    loaded = ctypes.CDLL(library)
    suffix = _suffix(loaded, library)

    def call(name: str) -> Any:
        return getattr(loaded, f"__nvJitLink{name}_{suffix}")

    handle = ctypes.c_void_p()
    options = (ctypes.c_char_p * 1)(f"-arch={target}".encode())
    code = call("Create")(ctypes.byref(handle), 1, options)
    if code:
        return {"code": code, "log": "", "cubin": ""}
    text = source.encode()
    code = call("AddData")(handle, PTX_INPUT, text, ctypes.c_size_t(len(text)), b"probes")
    code = code or call("Complete")(handle)
    log = _log(call, handle)
    cubin = b""
    if not code:
        size = ctypes.c_size_t()
        call("GetLinkedCubinSize")(handle, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        call("GetLinkedCubin")(handle, buffer)
        cubin = buffer.raw
    return {"code": code, "log": log, "cubin": base64.b64encode(cubin).decode()}


def main() -> None:
    """Answer one request."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = json.load(sys.stdin)
    json.dump(assembled(request["library"], request["target"], request["source"]), sys.stdout)


if __name__ == "__main__":
    main()
