"""Models of the Hub by range request, against a server on this machine that speaks its protocol."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hub_server
import huggingface_hub
import pytest
import torch_files
from hub_server import COMMIT, Hub, Stored
from huggingface_hub import constants

from assay.cli.door import Door
from assay.cli.failure import report_failure
from assay.errors import MalformedFile, MissingExtra, NetworkFailure, UnknownModel, UnsupportedFile
from assay.observe import progress
from assay.observe.checkpoint import folder, hub, hub_headers, hub_transfer, read, torch_zip
from assay.observe.checkpoint.hub_errors import Place
from assay.report.words import say
from assay.types.message import Message

LLAMA_BYTES = sum(
    2 * shape[0] * (shape[1] if len(shape) > 1 else 1) for _, shape in hub_server.llama_tensors().values()
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with hub_server.served(monkeypatch, tmp_path, 1) as running:
        yield running


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def _local(path: Path, files: dict[str, Stored]) -> Path:
    """The same files as a folder of this machine."""
    path.mkdir()
    for name, stored in files.items():
        with (path / name).open("wb") as stream:
            stream.write(stored.head)
            stream.truncate(stored.size)
    return path


@pytest.mark.parametrize("number", [1, 3, 12])
def test_a_repository_reads_as_its_folder_does(server: Hub, tmp_path: Path, number: int) -> None:
    server.repos["owner/tiny"] = hub_server.single() if number == 1 else hub_server.sharded(number)
    found = read.read("owner/tiny")
    there = folder.from_folder(_local(tmp_path / "tiny", server.repos["owner/tiny"]))
    assert found.weights.value == there.weights.value == LLAMA_BYTES
    assert (found.groups, found.layers, found.doubts) == (there.groups, there.layers, there.doubts)
    assert (found.name, found.container) == ("owner/tiny", "safetensors")
    first = "model.safetensors" if number == 1 else f"model-00001-of-{number:05d}.safetensors"
    assert found.sources == found.weights.sources == (f"{server.url}/owner/tiny/blob/{COMMIT}/{first}",)


def test_no_weight_byte_is_asked_for_and_the_note_says_how_many_bytes_came(server: Hub) -> None:
    # Three files of 20 GB each.
    server.repos["owner/huge"] = hub_server.sharded(3, filler_elements=10**10)
    found = read.read("owner/huge")
    assert found.weights.value == LLAMA_BYTES + 3 * 2 * 10**10
    assert server.weight_bytes == 0
    (note,) = [note for note in found.notes if note.code == "note.hub_read"]
    expected = sum(len(stored.head) for stored in server.repos["owner/huge"].values())
    assert dict(note.parameters)["received"] == expected < 20_000
    assert dict(note.parameters)["commit"] == COMMIT


def test_at_most_eight_requests_at_once(server: Hub) -> None:
    server.repos["owner/tiny"] = hub_server.sharded(22)
    server.delay_seconds = 0.03
    read.read("owner/tiny")
    assert 4 <= server.most_active <= 8


def test_a_second_reading_takes_the_configuration_from_the_cache(server: Hub, tmp_path: Path) -> None:
    server.repos["owner/tiny"] = hub_server.sharded(2)
    read.read("owner/tiny")
    assert (tmp_path / "cache" / "models--owner--tiny" / "snapshots" / COMMIT / "config.json").exists()
    server.requests.clear()
    read.read("owner/tiny")
    assert not [request for request in server.requests if request.path.endswith(".json")]


def test_a_file_of_the_cache_is_not_fetched_again(server: Hub, tmp_path: Path) -> None:
    server.repos["owner/tiny"] = hub_server.single()
    snapshot = tmp_path / "cache" / "models--owner--tiny" / "snapshots" / COMMIT
    snapshot.parent.mkdir(parents=True)
    _local(snapshot, server.repos["owner/tiny"])
    found = read.read("owner/tiny")
    assert found.weights.value == LLAMA_BYTES
    assert not server.ranges()
    assert [note for note in found.notes if ("received", 0) in note.parameters]


def test_a_cache_that_cannot_be_written_is_worked_around(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.repos["owner/tiny"] = hub_server.single()
    real = huggingface_hub.hf_hub_download

    def closed(*arguments: Any, cache_dir: Any = None, **options: Any) -> str:
        if cache_dir is None:
            raise PermissionError(13, "no", "cache")
        return str(real(*arguments, cache_dir=cache_dir, **options))

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", closed)
    assert read.read("owner/tiny").weights.value == LLAMA_BYTES
    assert not (tmp_path / "cache").exists()


def test_offline_the_cache_is_read(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.repos["owner/tiny"] = hub_server.sharded(3)
    online = read.read("owner/tiny")
    server.requests.clear()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    found = read.read("owner/tiny")
    assert not server.requests
    # The configuration is in the cache, the headers are not: the answer says so.
    assert found.container == "config"
    assert found.weights.value == online.weights.value
    assert "note.hub_config_only" in {note.code for note in found.notes}
    with pytest.raises(NetworkFailure) as caught:
        read.read("owner/other")
    assert caught.value.message.code == "error.hub.offline"
    with pytest.raises(NetworkFailure) as caught:
        read.read("owner/tiny@other-branch")
    assert caught.value.message.code == "error.hub.offline"


def test_offline_a_whole_snapshot_is_read_by_its_headers(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "cache" / "models--owner--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    (repository / "snapshots").mkdir()
    _local(repository / "snapshots" / COMMIT, hub_server.sharded(3))
    assert read.read("owner/tiny").container == "safetensors"
    assert not server.requests


def test_a_repository_with_a_configuration_only(server: Hub) -> None:
    server.repos["owner/tiny"] = {
        "config.json": hub_server.single()["config.json"],
        "training_args.bin": Stored(b"", 9),
    }
    found = read.read("owner/tiny")
    assert found.container == "config"
    assert "note.hub_config_only" in {note.code for note in found.notes}


@pytest.mark.parametrize("tokens", [100, 60_000, 200_000])
def test_a_gguf_header_however_long(server: Hub, tmp_path: Path, tokens: int) -> None:
    stored = hub_server.gguf_file(tmp_path / "a.gguf", tokens=tokens)
    server.repos["owner/tiny-GGUF"] = {"sub/tiny-F32.gguf": stored, "mmproj-tiny.gguf": Stored(b"", 5)}
    found = read.read("owner/tiny-GGUF")
    there = read.read(tmp_path / "a.gguf")
    assert (found.groups, found.weights.value, found.vocabulary) == (there.groups, there.weights.value, tokens)
    assert found.name == "owner/tiny-GGUF/sub/tiny-F32.gguf"
    assert sum(int(part.partition("-")[2]) for part in server.ranges()[-1:]) < max(2**20, 2 * len(stored.head))


def test_a_split_gguf_is_read_with_all_its_parts(server: Hub, tmp_path: Path) -> None:
    parts = [hub_server.gguf_file(tmp_path / f"{part}.gguf", part=part, parts=3) for part in range(3)]
    whole = hub_server.gguf_file(tmp_path / "whole.gguf")
    names = [f"Q/tiny-{part + 1:05d}-of-00003.gguf" for part in range(3)]
    server.repos["owner/tiny-GGUF"] = dict(zip(names, parts, strict=True))
    server.repos["owner/whole-GGUF"] = {"whole.gguf": whole}
    found = read.read("owner/tiny-GGUF")
    assert found.weights.value == read.read("owner/whole-GGUF").weights.value
    assert found == read.read(f"hf:owner/tiny-GGUF/{names[0]}")


def test_several_models_are_named_and_none_is_picked(server: Hub, tmp_path: Path) -> None:
    stored = hub_server.gguf_file(tmp_path / "a.gguf")
    server.repos["owner/tiny-GGUF"] = {"tiny-Q4_K_M.gguf": stored, "tiny-Q8_0.gguf": stored}
    with pytest.raises(UnknownModel) as caught:
        read.read("owner/tiny-GGUF@main")
    assert caught.value.candidates == (
        "hf:owner/tiny-GGUF@main/tiny-Q4_K_M.gguf",
        "hf:owner/tiny-GGUF@main/tiny-Q8_0.gguf",
    )
    listed = dict(caught.value.hint.parameters)
    assert listed["example"] == caught.value.candidates[0]
    assert listed["names"] == f"{stored.size} tiny-Q4_K_M.gguf\n{stored.size} tiny-Q8_0.gguf"
    assert read.read(caught.value.candidates[0]).name == "owner/tiny-GGUF@main/tiny-Q4_K_M.gguf"


def test_a_configuration_beside_gguf_files_does_not_speak_for_them(server: Hub, tmp_path: Path) -> None:
    config = hub_server.single()["config.json"]
    parts = [hub_server.gguf_file(tmp_path / f"{part}.gguf", part=part, parts=2) for part in range(2)]
    names = [f"Q8_0/tiny-Q8_0-{part + 1:05d}-of-00002.gguf" for part in range(2)]
    files = {"config.json": config, "mmproj-tiny.gguf": Stored(b"", 5), **dict(zip(names, parts, strict=True))}
    server.repos["owner/tiny-GGUF"] = files
    found = read.read("owner/tiny-GGUF")
    assert (found.container, found.name) == ("gguf", f"owner/tiny-GGUF/{names[0]}")
    server.repos["owner/tiny-GGUF"] = files | {"tiny-F32.gguf": hub_server.gguf_file(tmp_path / "a.gguf")}
    with pytest.raises(UnknownModel) as caught:
        read.read("owner/tiny-GGUF")
    assert caught.value.exit_code == 2
    sizes = [line.split(" ") for line in str(dict(caught.value.hint.parameters)["names"]).splitlines()]
    assert ["tiny-F32.gguf", names[0]] == [name for _, name in sorted(sizes, key=lambda line: int(line[0]))]
    assert {name: int(size) for size, name in sizes}[names[0]] == sum(part.size for part in parts)
    server.repos["owner/tiny-GGUF"] |= {"model.safetensors": hub_server.single()["model.safetensors"]}
    assert read.read("owner/tiny-GGUF").container == "safetensors"


def test_several_models_are_said_with_their_sizes() -> None:
    hint = Message("hint.hub.several", (("example", "hf:o/r/a.gguf"), ("names", "4683073184 a.gguf\n0 b c.gguf")))
    assert say(hint, "en") == "name one, as in hf:o/r/a.gguf: a.gguf (4.36 GiB), b c.gguf"


@pytest.mark.parametrize("parts", [0, 2])
def test_the_publisher_s_own_files(server: Hub, parts: int) -> None:
    files = hub_server.sharded(parts) if parts else hub_server.single()
    text = files.pop("model.safetensors.index.json", None)
    files = {name.replace("model", "consolidated"): stored for name, stored in files.items()}
    if text is not None:
        files["consolidated.safetensors.index.json"] = hub_server.whole(
            text.head.replace(b"model-0", b"consolidated-0")
        )
    server.repos["owner/tiny"] = files
    found = read.read("owner/tiny")
    assert (found.container, found.weights.value) == ("safetensors", LLAMA_BYTES)
    server.repos["owner/tiny"] = files | hub_server.single()
    server.requests.clear()
    read.read("owner/tiny")
    assert not [request for request in server.requests if "consolidated" in request.path]


def _torch(path: Path, rows: int = 40_000) -> Stored:
    shapes = {name: ("HalfStorage", tuple(shape)) for name, (_, shape) in hub_server.llama_tensors().items()}
    shapes["model.filler.weight"] = ("HalfStorage", (rows, 100))
    return hub_server.whole(torch_files.save(path, shapes).read_bytes())


@pytest.mark.parametrize("last", [hub_headers.LAST_BYTES, 64])
def test_torch_files_are_read_by_their_directory(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: int
) -> None:
    monkeypatch.setattr(hub_headers, "LAST_BYTES", last)
    files = {"config.json": hub_server.single()["config.json"], "pytorch_model.bin": _torch(tmp_path / "a.bin")}
    server.repos["owner/tiny"] = files
    found = read.read("owner/tiny")
    there = read.read(_local(tmp_path / "tiny", files))
    assert (found.container, found.weights.value) == ("torch", LLAMA_BYTES + 2 * 4_000_000)
    assert (found.groups, found.doubts) == (there.groups, there.doubts)
    (note,) = [note for note in found.notes if note.code == "note.hub_read"]
    assert int(dict(note.parameters)["received"] or 0) < 200_000


def test_torch_files_by_their_index(server: Hub, tmp_path: Path) -> None:
    names = [f"pytorch_model-{part:05d}-of-00002.bin" for part in (1, 2)]
    shapes = {name: ("HalfStorage", tuple(shape)) for name, (_, shape) in hub_server.llama_tensors().items()}
    files = {"config.json": hub_server.single()["config.json"]}
    mapping = {}
    for part, name in enumerate(names):
        held = dict(list(shapes.items())[part::2])
        files[name] = hub_server.whole(torch_files.save(tmp_path / name, held).read_bytes())
        mapping |= dict.fromkeys(held, name)
    files["pytorch_model.bin.index.json"] = hub_server.whole(json.dumps({"weight_map": mapping}).encode())
    server.repos["owner/tiny"] = files
    assert read.read("owner/tiny").weights.value == LLAMA_BYTES
    del files[names[1]]
    with pytest.raises(MalformedFile) as caught:
        read.read("owner/tiny")
    assert caught.value.field == names[1]


def test_an_older_torch_file_is_refused_and_the_configuration_can_be_named(server: Hub) -> None:
    config = hub_server.single()["config.json"]
    legacy = Stored(b"\x80\x02" + torch_zip.LEGACY_MAGIC, 10**10)
    server.repos["owner/tiny"] = {"config.json": config, "pytorch_model.bin": legacy}
    with pytest.raises(UnsupportedFile) as caught:
        read.read("owner/tiny")
    assert caught.value.message.code == "error.torch_legacy"
    assert len(server.ranges()) == 1
    found = read.read("hf:owner/tiny/config.json")
    assert (found.container, found.weights.value) == ("config", LLAMA_BYTES)
    assert "note.hub_config_only" in {note.code for note in found.notes}


def test_one_shard_of_a_repository_stands_for_the_whole_model(server: Hub) -> None:
    server.repos["owner/tiny"] = hub_server.sharded(3)
    assert read.read("hf:owner/tiny/model-00002-of-00003.safetensors").weights.value == LLAMA_BYTES
    del server.repos["owner/tiny"]["model.safetensors.index.json"]
    assert read.read("hf:owner/tiny/model-00002-of-00003.safetensors").weights.value == LLAMA_BYTES
    del server.repos["owner/tiny"]["model-00001-of-00003.safetensors"]
    for text in ("hf:owner/tiny/model-00002-of-00003.safetensors", "owner/tiny"):
        with pytest.raises(MalformedFile) as caught:
            read.read(text)
        assert caught.value.field == "model-00001-of-00003.safetensors"


def test_a_repository_of_an_adapter(server: Hub) -> None:
    config = {"peft_type": "LORA", "r": 8, "base_model_name_or_path": "a/b", "target_modules": ["q_proj"]}
    pair = {"m.q_proj.lora_A.weight": ("F32", [8, 64]), "m.q_proj.lora_B.weight": ("F32", [64, 8])}
    adapter = {
        "adapter_config.json": hub_server.whole(json.dumps(config).encode()),
        "adapter_model.safetensors": hub_server.safetensors_file(pair),
    }
    server.repos["owner/lora"] = adapter
    found = read.read("owner/lora")
    assert (found.container, found.weights.value) == ("adapter", 2 * 8 * 64 * 4)
    server.repos["owner/both"] = hub_server.single() | adapter
    assert "note.adapter_beside" in {note.code for note in read.read("owner/both").notes}


def test_a_folder_and_a_file_inside_a_repository(server: Hub) -> None:
    server.repos["owner/tiny"] = {f"inner/{name}": stored for name, stored in hub_server.sharded(2).items()}
    assert read.read("hf:owner/tiny/inner").weights.value == LLAMA_BYTES
    with pytest.raises(UnsupportedFile) as caught:
        read.read("owner/tiny")
    assert caught.value.message.code == "error.hub.no_model"
    server.repos["owner/one"] = hub_server.single()
    assert read.read("hf:owner/one/model.safetensors").weights.value == LLAMA_BYTES
    with pytest.raises(UnknownModel) as caught:  # type: ignore[assignment]
        read.read("hf:owner/one/model-q4.gguf")
    assert caught.value.message.code == "error.hub.no_file"


def test_the_token_goes_to_the_hub_and_not_to_its_store(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    server.repos["owner/tiny"] = hub_server.single()
    read.read("owner/tiny")
    tokens = {request.path.startswith("/cdn/"): request.token for request in server.requests}
    assert tokens == {False: "Bearer hf_secret", True: None}


def test_the_catalogue_wins_unless_the_hub_is_asked_for(server: Hub) -> None:
    server.repos["Qwen/Qwen3-30B-A3B"] = hub_server.single()
    assert read.read("Qwen/Qwen3-30B-A3B").container == "catalogue"
    assert not server.requests
    assert read.read("hf:Qwen/Qwen3-30B-A3B").container == "safetensors"
    assert read.read("Qwen/Qwen3-30B-A3B@main").name == "Qwen/Qwen3-30B-A3B@main"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("owner/name", ("owner/name", None, None)),
        ("owner/name@v1.0", ("owner/name", "v1.0", None)),
        ("hf:gpt2", ("gpt2", None, None)),
        ("hf://owner/name@refs/pr/3/a/b.gguf", ("owner/name", "refs/pr/3", "a/b.gguf")),
        ("hf:owner/name@main/b.gguf", ("owner/name", "main", "b.gguf")),
        ("name", None),
        ("hf:name/", None),
        ("hf:owner/na me", None),
        ("hf:owner/name/a\nb.gguf", None),
        ("owner/name/file.gguf", None),
        ("hf:", None),
        ("hf:owner/", None),
        ("hf:/etc/passwd", None),
        ("owner/na me", None),
        ("../name", None),
        ("owner/имя", None),
    ],
)
def test_what_is_a_hub_id(text: str, parts: tuple[str, str | None, str | None] | None) -> None:
    assert hub.parsed(text) == parts


def test_without_the_extra_the_hint_is_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra) as caught:
        read.read("Qwen/Qwen3-30B-A3C")
    assert caught.value.exit_code == 3
    assert dict(caught.value.hint.parameters) == {"command": "pip install 'gpu-assay[hub]'"}
    assert "Qwen/Qwen3-30B-A3B" in caught.value.candidates


def test_a_name_spelt_like_a_known_one_is_suggested_before_the_install_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtra) as caught:
        read.read("Qwen/Qwen3-30B-A3C")
    report_failure(caught.value, Door())
    _, near, install = capsys.readouterr().err.splitlines()
    assert near.startswith("hint: did you mean: Qwen/Qwen3-30B-A3B")
    assert install == "hint: run: pip install 'gpu-assay[hub]'"


def test_steps_are_told_to_a_listener_and_end(server: Hub) -> None:
    server.repos["owner/tiny"] = hub_server.sharded(20)
    server.delay_seconds = 0.02
    steps: list[Message | None] = []
    with progress.heard_by(steps.append):
        read.read("owner/tiny")
    known = [dict(step.parameters) for step in steps if step is not None]
    assert {step["files"] for step in known} == {0, 20}
    assert steps[-1] is None
    count = len(steps)
    read.read("owner/tiny")
    assert len(steps) == count


def _environment(server: Hub, tmp_path: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "SYSTEMROOT") if name in os.environ}
    return kept | {
        "HOME": str(tmp_path),
        "HF_ENDPOINT": server.url,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "LANG": "C.UTF-8",
        "TERM": "xterm",
    }


def _assay(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "assay", *arguments],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_the_program_reads_a_hub_id_and_a_pipe_hears_nothing_of_it(server: Hub, tmp_path: Path) -> None:
    server.repos["owner/tiny"] = hub_server.sharded(4)
    done = _assay(_environment(server, tmp_path), "model", "owner/tiny", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["weights"]["value"] == LLAMA_BYTES
    assert (tmp_path / ".cache" / "huggingface" / "hub" / "models--owner--tiny").is_dir()


def test_a_terminal_shows_a_line_that_is_gone_at_the_end(server: Hub, tmp_path: Path) -> None:
    import pty

    server.repos["owner/tiny"] = hub_server.sharded(12)
    server.delay_seconds = 0.2
    master, slave = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "assay", "model", "owner/tiny"],
        env=_environment(server, tmp_path),
        stdout=subprocess.PIPE,
        stderr=slave,
        timeout=60,
        check=False,
    )
    os.close(slave)
    heard = os.read(master, 1 << 16).decode()
    os.close(master)
    assert done.returncode == 0
    assert "owner/tiny: " in heard
    assert "of 12" in heard
    assert heard.endswith("\r\x1b[K")


def test_an_interrupt_ends_it_at_once_and_leaves_nothing(server: Hub, tmp_path: Path) -> None:
    import signal
    import time

    server.repos["owner/tiny"] = hub_server.sharded(12)
    server.delay_seconds = 0.5
    environment = _environment(server, tmp_path) | {"TMPDIR": str(_made(tmp_path / "scratch"))}
    running = subprocess.Popen(
        [sys.executable, "-m", "assay", "model", "owner/tiny"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    limit = time.monotonic() + 30
    while not server.ranges() and time.monotonic() < limit:
        time.sleep(0.02)
    started = time.monotonic()
    running.send_signal(signal.SIGINT)
    _, complaint = running.communicate(timeout=30)
    assert time.monotonic() - started < 3
    assert running.returncode == 130, complaint
    assert complaint.startswith("error: ")
    assert "Traceback" not in complaint
    assert not list((tmp_path / "scratch").iterdir())


def test_an_interrupt_between_two_threads_is_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    real, started = threading.Thread.start, []

    def start(thread: threading.Thread) -> None:
        if started:
            raise KeyboardInterrupt
        started.append(thread)
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    traffic = hub_transfer.Traffic()
    with pytest.raises(KeyboardInterrupt):
        hub_transfer.together([lambda: 1, lambda: 2], Place("a/b", None, "http://127.0.0.1"), traffic)
    assert traffic.stopped


def test_the_library_is_loaded_for_a_hub_id_only() -> None:
    probe = (
        "import sys; from assay.cli.main import main; code = main(['model', 'Qwen/Qwen3-30B-A3B', '--json']);"
        "loaded = [name for name in sys.modules if 'hub' in name or name.startswith(('httpx', 'tqdm'))];"
        "print(code, loaded, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "0 []"
