"""What `assay launch` prints for a real model is run: the server starts, answers, and says what it allocated.

llama.cpp's server comes from package xllamacpp behind a program named `llama-server` (tests/support/llama_server.py),
which refuses every argument that it does not know.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import launched
import pytest
from packages import SMOLLM2, real_file

from assay.answers.asked import CheckRequest
from assay.answers.check import answer as check
from assay.cli.main import main

pytest.importorskip("xllamacpp")
CARD = "RTX PRO 6000 Blackwell Workstation Edition"


def _printed(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    code = main(["launch", str(real_file(SMOLLM2)), "--gpu", CARD, *options, "--json"])
    assert code == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    (stack,) = result["stacks"]
    (server,) = stack["servers"]
    found: dict[str, Any] = server
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launched.Running]:
    """The server that was printed for SmolLM2 with two slots and a quantized cache."""
    options = ["--context", "2048", "--concurrency", "2", "--kv", "q8_0", "--name", "small"]
    model, port = str(real_file(SMOLLM2)), str(launched.free_port())
    done = subprocess.run(
        [sys.executable, "-m", "assay", "launch", model, "--gpu", CARD, *options, "--port", port, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (server,) = json.loads(done.stdout)["results"][0]["stacks"][0]["servers"]
    health = f"http://{server['host']}:{server['port']}{server['health']}"
    with launched.running(server["command"], health, tmp_path_factory.mktemp("served")) as found:
        yield found


def test_the_server_is_healthy_and_completes(served: launched.Running) -> None:
    assert launched.asked(f"{served.address}/health")["status"] == "ok"
    asked = {"model": "small", "prompt": "The capital of France is", "max_tokens": 8, "temperature": 0}
    (choice,) = launched.asked(f"{served.address}/v1/completions", asked)["choices"]
    assert choice["text"].strip()


def test_the_server_was_told_what_the_plan_says(served: launched.Running) -> None:
    slots = launched.asked(f"{served.address}/slots")
    assert [slot["n_ctx"] for slot in slots] == [2048, 2048]  # type: ignore[index]
    (model,) = launched.asked(f"{served.address}/v1/models")["data"]
    assert model["id"] == "small"


def test_its_log_says_the_cache_that_the_plan_counted(served: launched.Running) -> None:
    """The log says MiB with two digits; the plan's bytes are the same to that digit."""
    log = served.log.read_text(encoding="utf-8", errors="replace")
    sizes = re.findall(r"llama_kv_cache: size = +([0-9.]+) MiB .* K \(q8_0\).* V \(q8_0\)", log)
    assert len(sizes) == 1
    asked = CheckRequest(str(real_file(SMOLLM2)), (CARD,), kv="q8_0", context=2048, concurrency=2)
    planned = check(asked).results[0].fit.memory.kv.value or 0
    assert f"{planned / 2**20:.2f}" == sizes[0]


def test_the_stand_in_refuses_an_argument_that_it_does_not_know(tmp_path: Path) -> None:
    launched.install(tmp_path)
    done = subprocess.run(
        [str(tmp_path / "llama-server"), "-m", str(real_file(SMOLLM2)), "--no-such-flag", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--no-such-flag" in done.stderr


def test_the_shown_command_is_the_one_in_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    server = _printed(capsys)
    assert main(["launch", str(real_file(SMOLLM2)), "--gpu", CARD]) == 0
    page = capsys.readouterr().out
    assert all(line.strip() in page for line in server["command"].splitlines())


def test_the_diagnosis_of_its_log_finds_what_was_planned(
    served: launched.Running, capsys: pytest.CaptureFixture[str]
) -> None:
    """The live log against the prediction for the model and the workload that the log itself tells."""
    arguments = ["--log", str(served.log), "--model", str(real_file(SMOLLM2)), "--gpu", CARD, "--json"]
    assert main(["diagnose", *arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["log"]["runtime"] == "llama.cpp"
    (result,) = found["results"]
    assert result["workload"]["concurrency"] == 2
    assert len(result["rows"]) == 3
    assert {row["outcome"] for row in result["rows"]} == {"inside"}
