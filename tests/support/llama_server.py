"""A stand-in for the program `llama-server`: its arguments mapped onto package xllamacpp, which holds the whole server.

Started as a program; an argument that it does not know ends it with exit code 2, as the real one would. SIGTERM and
SIGINT end it.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import xllamacpp

ALL_LAYERS = -2
"""What llama.cpp's own parser makes of `-ngl all`."""
UNKNOWN_ARGUMENT = 2


def _type(name: str) -> object:
    return getattr(xllamacpp.ggml_type, f"GGML_TYPE_{name.upper()}")


def _flash(name: str) -> object:
    spelled = {"on": "ENABLED", "off": "DISABLED", "auto": "AUTO"}[name]
    return getattr(xllamacpp.llama_flash_attn_type, f"LLAMA_FLASH_ATTN_TYPE_{spelled}")


def _model(params: xllamacpp.CommonParams, path: str) -> None:
    if not Path(path).is_file():
        sys.exit(f"error: no such file: {path}")
    params.model.path = path


def _adapters(params: xllamacpp.CommonParams, paths: str) -> None:
    found = []
    for path in paths.split(","):
        one = xllamacpp.CommonAdapterLoraInfo()
        one.path, one.scale = path, 1.0
        found.append(one)
    params.lora_adapters = found


def _set(name: str, read: Callable[[str], object]) -> Callable[[xllamacpp.CommonParams, str], None]:
    return lambda params, text: setattr(params, name, read(text))


def _threads(name: str) -> Callable[[xllamacpp.CommonParams, str], None]:
    def assign(params: xllamacpp.CommonParams, text: str) -> None:
        getattr(params, name).n_threads = int(text)

    return assign


ARGUMENTS: dict[str, Callable[[xllamacpp.CommonParams, str], None]] = {
    "-m": _model,
    "-c": _set("n_ctx", int),
    "-np": _set("n_parallel", int),
    "-ngl": _set("n_gpu_layers", lambda text: ALL_LAYERS if text == "all" else int(text)),
    "-sm": _set("split_mode", lambda text: getattr(xllamacpp.llama_split_mode, f"LLAMA_SPLIT_MODE_{text.upper()}")),
    "-ctk": _set("cache_type_k", _type),
    "-ctv": _set("cache_type_v", _type),
    "-fa": _set("flash_attn_type", _flash),
    "--host": _set("hostnames", lambda text: [text]),
    "--port": _set("port", int),
    "--alias": _set("model_alias", lambda text: {text}),
    "--lora": _adapters,
    "-t": _threads("cpuparams"),
    "-tb": _threads("cpuparams_batch"),
    "-lv": _set("verbosity", int),
}


def _refuse(reason: str) -> NoReturn:
    sys.stderr.write(f"error: {reason}\n")
    sys.exit(UNKNOWN_ARGUMENT)


def parameters(arguments: list[str]) -> xllamacpp.CommonParams:
    """The server's parameters; an argument without a mapping, or without a value, ends the program."""
    params = xllamacpp.CommonParams()
    rest = iter(arguments)
    for name in rest:
        if name not in ARGUMENTS:
            _refuse(f"invalid argument: {name}")
        value = next(rest, None)
        if value is None:
            _refuse(f"expected value for argument: {name}")
        ARGUMENTS[name](params, value)
    return params


def main() -> None:
    """Serve until a signal comes."""
    params = parameters(sys.argv[1:])
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)  # before the server's threads are made: they inherit it
    server = xllamacpp.Server(params)
    sys.stderr.write(f"listening on {server.listening_address}\n")
    sys.stderr.flush()
    signal.sigwait(ending)
    os._exit(0)  # its threads would be waited for


if __name__ == "__main__":
    main()
