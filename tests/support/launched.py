"""Runs what `assay launch` printed: a shell starts it, with stand-ins for the programs it names on the PATH."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

SUPPORT = Path(__file__).parent
START_SECONDS = 120


class Running(NamedTuple):
    """A server that answers, and the file its log is written to."""

    address: str
    log: Path


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def install(folder: Path) -> None:
    """The program `llama-server` in a folder for the PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "llama-server"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {SUPPORT / "llama_server.py"} "$@"\n', encoding="utf-8")
    program.chmod(0o755)


def asked(address: str, body: dict[str, Any] | None = None, timeout: float = 60) -> dict[str, Any]:
    """The JSON that an address answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=timeout) as reply:  # noqa: S310 - same
        found: dict[str, Any] = json.load(reply)
        return found


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Wait until the server is healthy.

    Raises:
        RuntimeError: it ended, or did not answer in time; the text is its log.
    """
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            asked(address, timeout=2)
        except (urllib.error.URLError, OSError, json.JSONDecodeError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(log.read_text(encoding="utf-8", errors="replace"))


@contextmanager
def running(command: str, health: str, folder: Path) -> Iterator[Running]:
    """The server of a printed command, until the block ends.

    Args:
        command: shell text, as printed.
        health: address that answers once the server is ready.
        folder: for the programs and the log.
    """
    install(folder / "bin")
    log = folder / "server.log"
    environment = os.environ | {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command], stdout=out, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        try:
            _wait(process, health, log)
            yield Running(health.rpartition("/")[0], log)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
