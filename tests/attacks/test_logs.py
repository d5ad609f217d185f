"""Hostile logs: whatever a file holds, one line of error or an answer, in 2 s and 100 MB."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assay.cli.main import main
from assay.errors import MalformedFile, MissingKnowledge, UnreadableFile
from assay.observe.runtimes import read as reading
from assay.observe.runtimes.read import read

SOURCE = Path(__file__).parents[2] / "src"
LOGS = Path(__file__).parents[1] / "fixtures" / "logs"
GOOD = "INFO 01-01 00:00:00 [gpu_worker.py:1] Available KV cache memory: 1.00 GiB\n"
PROGRAM = """
import sys, time
from assay.cli.main import main
started = time.process_time()
code = main(["diagnose", "--log", sys.argv[1]])
used = time.process_time() - started
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(code, used, int(peak) / 1024, file=sys.stderr)
"""


def cost(path: Path) -> tuple[int, float, float, list[str]]:
    """(exit code, seconds of processor time, MiB, lines of standard error) of the whole command."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PYTHONPATH": str(SOURCE), "PATH": os.environ["PATH"]},
    )
    *said, last = done.stderr.splitlines()
    code, seconds, mebibytes = last.split()
    return int(code), float(seconds), float(mebibytes), said


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as stream:
        stream.write(GOOD.encode())
        stream.truncate(size)


def one_line_of_a_hundred_megabytes(path: Path) -> None:
    with path.open("wb") as stream:
        for _ in range(100):
            stream.write(b"x" * 10**6)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: sparse(path, 2**30), 2),
        (one_line_of_a_hundred_megabytes, 2),
        (lambda path: path.write_bytes(b""), 2),
        (lambda path: path.write_bytes(b" \n\n"), 2),
        (lambda path: path.write_bytes(os.urandom(2**20) + b"\0"), 2),
        (os.mkfifo, 2),
        (lambda path: path.mkdir(), 2),
        (lambda path: path.write_bytes(b"GET / HTTP/1.1\n" * 1000), 3),
    ],
    ids=["1 GB", "one line", "empty", "blank", "binary", "fifo", "folder", "another log"],
)
def test_one_line_of_error_in_bounds(tmp_path: Path, make: object, code: int) -> None:
    path = tmp_path / "server.log"
    make(path)  # type: ignore[operator]
    found, seconds, mebibytes, said = cost(path)
    assert found == code
    assert [line for line in said if line.startswith("error: ")] == said[:1]
    assert len(said) <= 2
    assert seconds < 2
    assert mebibytes < 100


def test_the_longest_log_that_is_read_costs_little(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    line = (
        "INFO 01-01 00:00:00 [loggers.py:1] Engine 000: Avg prompt throughput: 1.0 tokens/s, GPU KV cache usage: 1%\n"
    )
    path.write_text(GOOD + line * ((reading.MAX_BYTES - 1000) // len(line)), encoding="utf-8")
    assert read(str(path)).kv_memory is not None
    code, seconds, mebibytes, _ = cost(path)
    assert code == 0
    assert seconds < 4
    assert mebibytes < 100


def test_patterns_do_not_run_away(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    starts = (
        "Using ",
        "Actual usage is 1",
        "max seq len (1), (1",
        "non-default args: {",
        "x" * 100,
        "Selected for ",
        "KV buffer",
        "compute buffer ",
        "load_tensors: ",
    )
    for start in starts:
        words = (start.strip() + "x" * 16_000 + "\n") * 100
        text = GOOD + words + (start + "1" * 60_000) + "\n" + start * 5000 + "\n" + (start * 1000 + "\n") * 50
        path.write_text(text, encoding="utf-8")
        begun = time.process_time()
        read(str(path))
        assert time.process_time() - begun < 2, start


@pytest.mark.parametrize(
    "text",
    [
        "Model loading took 1.2.3 GiB\n",
        "Model loading took 9" + "9" * 400 + " GiB\n",
        "GPU KV cache size: ,,, tokens\n",
        "Maximum concurrency for 0 tokens per request: 0x\n",
        "max seq len (9999999999), (. GiB KV cache is needed, which is larger than the available KV cache memory (.",
        "llama_context: n_ctx = 99999999999999999999999\nload_tensors: CUDA0 model buffer size = ..... MiB\n",
        "KV Cache is allocated. #tokens: 0, K size: . GB, V size: 1.. GB\n",
        "GPU KV cache size: 0 tokens\n",
        "server_args=" + "(" * 10_000 + "\n",
    ],
)  # fmt: skip
def test_figures_that_are_none(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "server.log"
    path.write_text(GOOD + text, encoding="utf-8")
    assert main(["diagnose", "--log", str(path), "--model", "Qwen3-14B", "--gpu", "5090"]) in {0, 1}
    assert "internal error" not in capsys.readouterr().err


def test_no_escape_reaches_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "server.log"
    path.write_bytes(
        GOOD.encode() + b"\x1b[31mSelected \x1b]0;owned\x07Evil\x9b2JKernel\x08 for Fp8\x1b[0m\n"
        b"Selected Evil\xc2\x9b2JKernel\x08 for Fp8LinearMethod\n"
    )
    for more in ((), ("--json",)):
        main(["diagnose", "--log", str(path), *more])
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", capsys.readouterr().out)


def test_a_path_that_a_log_names_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A FIFO would be waited for, a folder read; a name like a hub's id would be fetched."""
    from assay.observe.checkpoint import hub
    from assay.observe.checkpoint import read as checkpoint

    opened: list[object] = []
    monkeypatch.setattr(hub, "read_model", lambda *names: opened.append(names))
    monkeypatch.setattr(checkpoint, "_from_path", opened.append)
    os.mkfifo(tmp_path / "model.gguf")
    for name in (str(tmp_path / "model.gguf"), "owner/no-such-model", "hf:owner/name", "/etc/passwd", "~root/x"):
        path = tmp_path / "server.log"
        loaded = f"loaded meta data with 1 key-value pairs and 1 tensors from {name} (version"
        buffers = "load_tensors: CUDA0 model buffer size = 1.00 MiB"
        engine = f"Initializing a V1 LLM engine (v0.30.0) with config: model='{name}', dtype=torch.bfloat16"
        for text in (f"llama_model_loader: {loaded}\n{buffers}\n", f"{engine}\n{GOOD}"):
            path.write_text(text, encoding="utf-8")
            assert main(["diagnose", "--log", str(path)]) == 0
    assert not opened


def test_a_cyrillic_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "журнал запуска.log"
    path.write_bytes((LOGS / "vllm-nemotron-3-nano-gb10.log").read_bytes())
    assert main(["diagnose", "--log", str(path), "--lang", "ru"]) == 0
    assert "журнал запуска.log" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", sorted(path.stem for path in LOGS.glob("*.log")))
def test_every_log_cut_anywhere_is_read_or_refused(name: str, tmp_path: Path) -> None:
    content = (LOGS / f"{name}.log").read_bytes()
    path = tmp_path / "server.log"
    runtimes: list[str | None] = []
    for length in (*range(0, len(content), max(1, len(content) // 60)), len(content)):
        path.write_bytes(content[:length])
        try:
            runtimes.append(read(str(path)).runtime)
        except (MalformedFile, MissingKnowledge):
            runtimes.append(None)
    assert runtimes[0] is None
    assert any(runtimes)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(UnreadableFile):
        read("/no/such/server.log")
