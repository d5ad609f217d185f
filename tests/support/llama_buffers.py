"""What llama.cpp allocates for a setting: its server from package xllamacpp is started, and its log is read.

`python llama_buffers.py MODEL CONTEXT SLOTS UBATCH KV FLASH [unified] [swa-full]` is the server's start; `buffers` runs
that and reads the sizes.
"""

import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

LOG_DETAIL = 4
BUFFER = re.compile(r"(\S+) +(?:model |KV |RS |output |compute )?buffer size = +([\d.]+) MiB")
KINDS = ("model", "KV", "RS", "output", "compute")
SECONDS = 120


class Case(NamedTuple):
    """A server's setting: `context` of all slots together, as `-c` takes it."""

    model: str
    context: int
    slots: int = 1
    ubatch: int = 512
    kv: str = "f16"
    flash: str = "enabled"
    unified: bool = False
    whole_windows: bool = False


class Buffers(NamedTuple):
    """Logged sizes in MiB, in the order of the log."""

    model: dict[str, float]
    kv: tuple[float, ...]
    output: float
    compute: float


def _await_model(health: str) -> None:
    """Wait until the model is loaded: the server may listen before."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(health, timeout=SECONDS):  # noqa: S310 - our own server
                return
        except urllib.error.HTTPError:  # "loading model"
            time.sleep(0.05)


def serve(words: list[str]) -> None:
    """Start the server of a setting and end at once; its log goes to standard error."""
    import xllamacpp

    model, context, slots, ubatch, kv, flash, *flags = words
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx, params.n_parallel, params.n_ubatch = int(context), int(slots), int(ubatch)
    params.n_batch = max(2048, int(ubatch))
    params.cache_type_k = params.cache_type_v = getattr(xllamacpp.ggml_type, f"GGML_TYPE_{kv.upper()}")
    params.flash_attn_type = getattr(xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{flash.upper()}")
    params.kv_unified, params.swa_full = "unified" in flags, "swa-full" in flags
    params.verbosity, params.warmup, params.fit_params, params.port = LOG_DETAIL, False, False, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)  # kept: without a name it would be stopped, and its threads waited for
    _await_model(f"{server.listening_address}/health")
    sys.stderr.flush()
    os._exit(0)


def buffers(case: Case, path: Path) -> Buffers:
    """The buffers that the server logs.

    Raises:
        RuntimeError: it did not start; the text is its log.
    """
    flags = [name for name, wanted in (("unified", case.unified), ("swa-full", case.whole_windows)) if wanted]
    words = [str(path), str(case.context), str(case.slots), str(case.ubatch), case.kv, case.flash, *flags]
    done = subprocess.run(
        [sys.executable, __file__, *words], capture_output=True, text=True, check=False, timeout=SECONDS
    )
    found: dict[str, list[tuple[str, float]]] = {kind: [] for kind in KINDS}
    for line in done.stderr.splitlines():
        match = BUFFER.search(line)
        if match is not None:
            kind = next(kind for kind in KINDS if f"{kind} buffer" in line)
            found[kind].append((match[1], float(match[2])))
    if not found["compute"]:
        raise RuntimeError(done.stderr)
    return Buffers(
        dict(found["model"]),
        tuple(size for _, size in found["KV"]),
        found["output"][-1][1],
        found["compute"][-1][1],
    )


if __name__ == "__main__":
    serve(sys.argv[1:])
