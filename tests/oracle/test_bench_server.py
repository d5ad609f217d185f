"""`assay bench run` against a real server: llama.cpp's, from package xllamacpp, with SmolLM2."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import launched
import pytest
from packages import SMOLLM2, real_file

from assay.observe.measurements.store import Store, everything

pytest.importorskip("xllamacpp")
RUN = "import sys; from assay.cli.main import main; sys.exit(main(sys.argv[1:]))"
CARD = "RTX PRO 6000 Blackwell Workstation Edition"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launched.Running]:
    """A server with two slots of 512 tokens; threads of one more would wait for each other on a busy machine."""
    port = launched.free_port()
    command = f"llama-server -m '{real_file(SMOLLM2)}' --host 127.0.0.1 --port {port} -np 2 -c 1024 -t 1 -tb 1"
    with launched.running(command, f"http://127.0.0.1:{port}/health", tmp_path_factory.mktemp("served")) as found:
        yield found


def started(served: launched.Running, folder: Path, *options: str) -> subprocess.Popen[str]:
    environment = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    words = ["bench", "run", "--url", served.address, "--gpu", CARD, "--prompt", "24", "--output", "6", *options]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, *words, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def document(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    found: dict[str, Any] = json.loads(out)
    return found


def test_a_ladder_against_llama_cpps_server(served: launched.Running, tmp_path: Path) -> None:
    with started(served, tmp_path, "--concurrency", "1,2", "--max-requests", "3", "--weights", "gguf:q4_1") as process:
        rungs = document(process)["measurements"]
    assert [(rung["concurrency"], rung["complete"], rung["samples"]) for rung in rungs] == [(1, True, 3), (2, True, 3)]
    for rung in rungs:
        assert (rung["runtime"], rung["kind"]) == ("llama.cpp", "serving")
        assert rung["version"]
        assert rung["model"]["weights"] == "gguf:Q4_1"
        # The server's own counts: the answer has the length that was asked for, the prompt about it.
        assert rung["output"]["value"] == 6
        assert rung["prompt"]["value"] == pytest.approx(24, abs=4)
        assert 0 < rung["ttft"]["p50"]["value"] <= rung["ttft"]["p99"]["value"]
        assert rung["throughput"]["value"] > 0
        assert rung["decode_per_sequence"]["basis"] == "measured"
    assert rungs[0]["prefill"]["value"] > 0
    assert rungs[1]["prefill"]["value"] is None


def test_a_context_that_is_too_long_is_told_in_the_servers_words(served: launched.Running, tmp_path: Path) -> None:
    with started(served, tmp_path, "--prompt", "4000") as process:
        out, error = process.communicate(timeout=120)
    assert process.returncode == 2
    assert json.loads(out)["error"]["kind"] == "usage"
    assert "context" in error


def test_killed_in_the_middle_nothing_that_was_stored_is_lost(served: launched.Running, tmp_path: Path) -> None:
    path = tmp_path / "assay" / "measurements.sqlite"
    options = ("--concurrency", "1,2,1,2", "--max-requests", "2", "--seconds", "60")
    with started(served, tmp_path, *options) as process:
        end = time.monotonic() + 100
        while len(before := everything(path)) < 2 or before[0].partial is not None:
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    after = everything(path)
    assert after[0] == before[0]
    assert len(after) >= len(before)
    assert all(each.partial is None for each in after[:-1])
    with Store(path) as store:
        assert store.put(after[0]) == after[0]
