"""Hubs that fail, lie or stall: each ends in one line, soon, and without a weight byte."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hub_server
import pytest
from hub_server import Hub, Stored, whole
from huggingface_hub import constants

from assay.errors import (
    AssayError,
    MalformedFile,
    NetworkFailure,
    PermissionRefused,
    UnknownModel,
    UnsupportedArchitecture,
    UnsupportedFile,
)
from assay.observe.checkpoint import (
    gguf,
    hub,
    hub_errors,
    hub_headers,
    hub_transfer,
    read,
    safetensors,
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with hub_server.served(monkeypatch, tmp_path, 0.5) as running:
        yield running


def _refused(text: str, kind: type[AssayError], *, seconds: float = 2) -> AssayError:
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        read.read(text)
    assert time.monotonic() - started < seconds
    assert type(caught.value) is kind
    return caught.value


def _code(error: AssayError) -> str:
    return error.message.code.rpartition(".")[2]


def test_a_gated_repository_says_where_to_accept(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    server.repos["owner/gated"] = hub_server.single()
    server.faults["owner/gated"] = "gated"
    error = _refused("owner/gated", PermissionRefused)
    assert (_code(error), error.exit_code, error.hint.code) == ("gated", 4, "hint.hub.gated")
    assert dict(error.hint.parameters)["url"] == f"{server.url}/owner/gated"
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert _refused("owner/gated", PermissionRefused).hint.code == "hint.hub.gated_token"


@pytest.mark.usefixtures("server")
def test_a_missing_repository_suggests_and_takes_nothing() -> None:
    error = _refused("Qwen/Qwen3-30B-A3C", UnknownModel)
    assert (_code(error), error.exit_code) == ("no_repository", 2)
    assert "Qwen/Qwen3-30B-A3B" in error.candidates
    assert "Qwen/Qwen3-30B-A3B" in str(dict(error.hint.parameters)["names"])
    assert _refused("hf:nobody/zzzzzzzz", UnknownModel).hint.code == "hint.hub.no_repository"


@pytest.mark.parametrize("text", ["hf:a--b/c", "hf:a/b.git", "a..b/c", "hf:name-/x-"])
def test_names_that_the_hub_forbids_are_never_asked_for(server: Hub, text: str) -> None:
    _refused(text, UnknownModel)
    assert not server.requests


@pytest.mark.parametrize("text", ["hf:", "hf:a/b/../../c@@", "hf: a", "hf:\0", "hf:a/b\nc/d", "hf:" + "a" * 5000])
def test_names_that_are_none(server: Hub, text: str) -> None:
    assert _code(_refused(text, UnknownModel)) in {"name", "no_repository"}
    assert not server.requests


def test_a_missing_revision(server: Hub) -> None:
    server.repos["owner/tiny"] = hub_server.single()
    error = _refused("owner/tiny@no-such", UnknownModel)
    assert (_code(error), dict(error.message.parameters)["revision"]) == ("no_revision", "no-such")


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("bad_token", PermissionRefused, "token"),
        ("401", UnknownModel, "no_repository"),
        ("403", PermissionRefused, "refused"),
        ("404", UnknownModel, "no_repository"),
        ("429", NetworkFailure, "rate_limit"),
        ("500", NetworkFailure, "status"),
        ("503", NetworkFailure, "status"),
        ("odd", NetworkFailure, "not_a_hub"),
    ],
)
def test_statuses(server: Hub, fault: str, kind: type[AssayError], code: str) -> None:
    server.repos["owner/tiny"] = hub_server.single()
    server.faults["owner/tiny"] = fault
    assert _code(_refused("owner/tiny", kind)) == code


def test_a_page_that_asks_to_log_in_is_no_hub(server: Hub) -> None:
    server.faults["*"] = "html"
    assert _code(_refused("owner/tiny", NetworkFailure)) == "not_a_hub"


def test_a_length_that_no_disk_has_is_said_by_assay_alone(
    server: Hub, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    server.repos["owner/tiny"] = hub_server.single()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=1, used=1, free=0))
    read.read("owner/tiny")
    assert not [warning for warning in recwarn if "disk space" in str(warning.message)]


@pytest.mark.parametrize("size", [{}, [], "9", -1, 1.5, True])
def test_a_listing_of_sizes_that_are_none(server: Hub, size: Any) -> None:
    server.repos["owner/tiny"] = hub_server.single() | {"model.safetensors": Stored(b"", size)}
    assert _code(_refused("owner/tiny", NetworkFailure)) == "not_a_hub"


def test_a_silent_server(server: Hub) -> None:
    server.faults["*"] = "silent"
    assert _code(_refused("owner/tiny", NetworkFailure)) == "timeout"


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        hub_server.use(monkeypatch, tmp_path, f"http://127.0.0.1:{unused.getsockname()[1]}", 0.5)
        error = _refused("owner/tiny", NetworkFailure)
    assert (_code(error), error.exit_code, error.kind) == ("no_connection", 4, "network")


def test_a_host_without_an_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nothing(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    hub_server.use(monkeypatch, tmp_path, "http://no-such-host.invalid", 0.5)
    error = _refused("owner/tiny", NetworkFailure)
    assert (_code(error), dict(error.message.parameters)["host"]) == ("dns", "no-such-host.invalid")


def test_a_server_that_does_not_speak_tls(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    address = server.url.replace("http:", "https:")
    monkeypatch.setattr(constants, "ENDPOINT", address)
    assert _code(_refused("owner/tiny", NetworkFailure)) == "tls"


@pytest.mark.parametrize("endpoint", ["nonsense", "ftp://127.0.0.1", "http://[::1", "http://127.0.0.1:99999"])
def test_an_endpoint_that_is_none(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub_server.use(monkeypatch, tmp_path, endpoint, 0.5)
    assert isinstance(_refused("owner/tiny", NetworkFailure), NetworkFailure)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("whole", "range_ignored"),
        ("shift", "range_wrong"),
        ("words", "range_wrong"),
        ("gzip", "range_wrong"),
        ("size", "range_wrong"),
        ("cut", "broken_off"),
        ("short", "broken_off"),
        ("500", "status"),
        ("416", "status"),
        ("302", "redirects"),
    ],
)
@pytest.mark.parametrize("name", ["model.safetensors", "model.gguf"])
def test_a_store_that_lies_about_a_range(server: Hub, tmp_path: Path, name: str, fault: str, code: str) -> None:
    if name.endswith(".gguf"):
        server.repos["owner/tiny"] = {name: hub_server.gguf_file(tmp_path / name)}
    else:
        server.repos["owner/tiny"] = hub_server.single()
    if fault == "302":
        server.faults[f"owner/tiny/{name}"] = "loop"
    else:
        server.faults[name] = fault
    error = _refused("owner/tiny", NetworkFailure, seconds=4)
    assert _code(error) == code


def test_a_server_without_ranges_does_not_get_to_send_60_gb(server: Hub) -> None:
    server.repos["owner/huge"] = hub_server.sharded(3, filler_elements=10**10)
    server.faults["model-00002-of-00003.safetensors"] = "whole"
    error = _refused("owner/huge", NetworkFailure)
    assert error.file == "model-00002-of-00003.safetensors"
    assert error.hint.code == "hint.hub.download"
    time.sleep(0.2)
    assert server.weight_bytes < 32 * 2**20  # what the sockets of this machine took before they were closed


def test_a_body_longer_than_its_announcement_is_not_taken(server: Hub) -> None:
    server.repos["owner/tiny"] = hub_server.single()
    server.faults["model.safetensors"] = "long"
    assert _code(_refused("owner/tiny", NetworkFailure)) == "range_wrong"


def test_a_connection_that_breaks_once_is_tried_again(server: Hub) -> None:
    server.repos["owner/tiny"] = hub_server.single()
    server.faults["model.safetensors"] = "once"
    assert read.read("owner/tiny").container == "safetensors"


def test_a_stall_ends_all(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_transfer, "STALL_SECONDS", 0.3)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 30)
    server.repos["owner/tiny"] = hub_server.single()
    server.faults["*"] = "silent"
    assert _code(_refused("owner/tiny", NetworkFailure)) == "timeout"


def test_a_request_that_drips_ends(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_transfer, "REQUEST_SECONDS", -1)
    server.repos["owner/tiny"] = hub_server.single()
    assert _code(_refused("owner/tiny", NetworkFailure)) == "timeout"


def test_headers_that_are_too_many_bytes_together(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_transfer, "MAX_TOTAL_BYTES", 3000)
    monkeypatch.setattr(hub, "Traffic", lambda: hub_transfer.Traffic(3000))
    server.repos["owner/tiny"] = hub_server.sharded(12)
    error = _refused("owner/tiny", NetworkFailure)
    assert (_code(error), dict(error.message.parameters)["limit"]) == ("too_much", 3000)


@pytest.mark.parametrize(
    ("length", "size", "code"),
    [
        (2**63, 1000, "header_too_long"),
        (100_000_001, 10**12, "header_too_long"),
        (5000, 1000, "truncated"),
        (993, 1000, "truncated"),
        (0, 1000, "json"),
        (992, 1000, "json"),
    ],
)
def test_a_safetensors_header_that_lies_about_its_length(server: Hub, length: int, size: int, code: str) -> None:
    head = length.to_bytes(8, "little") + b" " * (size - 8 if size == 1000 else 0)
    server.repos["owner/tiny"] = hub_server.single() | {"model.safetensors": Stored(head, size)}
    error = _refused("owner/tiny", MalformedFile)
    assert (_code(error), error.file) == (code, "owner/tiny/model.safetensors")
    assert server.weight_bytes == 0


@pytest.mark.parametrize("size", [0, 1, 7])
def test_a_tensor_file_without_a_header(server: Hub, size: int) -> None:
    server.repos["owner/tiny"] = hub_server.single() | {"model.safetensors": whole(bytes(size))}
    assert _code(_refused("owner/tiny", MalformedFile)) == "truncated"


def test_a_header_that_points_past_the_published_size(server: Hub) -> None:
    files = hub_server.single()
    stored = files["model.safetensors"]
    server.repos["owner/tiny"] = files | {"model.safetensors": stored._replace(size=stored.size - 2)}
    error = _refused("owner/tiny", MalformedFile)
    assert (_code(error), error.file) == ("offset_outside", "owner/tiny/model.safetensors")


def _gguf(tensors: int, pairs: int, rest: bytes = b"") -> bytes:
    return b"GGUF" + (3).to_bytes(4, "little") + tensors.to_bytes(8, "little") + pairs.to_bytes(8, "little") + rest


@pytest.mark.parametrize(
    ("head", "size", "code", "kind"),
    [
        (_gguf(2**63, 1), 10**10, "count_too_large", MalformedFile),
        (_gguf(1, 2**63), 10**10, "count_too_large", MalformedFile),
        (b"GGML" + bytes(40), 10**10, "magic", MalformedFile),
        (b"GGUF" + bytes(3) + b"\3" + bytes(40), 10**10, "gguf_big_endian", UnsupportedFile),
        (b"GGUF", 4, "truncated", MalformedFile),
        (b"", 0, "truncated", MalformedFile),
    ],
)
def test_a_gguf_header_that_lies(server: Hub, head: bytes, size: int, code: str, kind: type[AssayError]) -> None:
    server.repos["owner/tiny"] = {"tiny.gguf": Stored(head, size)}
    error = _refused("owner/tiny", kind)
    assert (_code(error), error.file) == (code, "owner/tiny/tiny.gguf")
    assert len(server.ranges()) <= 1


def test_a_gguf_header_that_never_ends(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_headers, "MAX_GGUF_BYTES", 4 * 2**20)
    # A string of 2 GB as the first key.
    server.repos["owner/tiny"] = {"tiny.gguf": Stored(_gguf(1, 1, (2**31).to_bytes(8, "little")), 10**10)}
    error = _refused("owner/tiny", MalformedFile)
    assert _code(error) == "header_too_long"
    assert server.weight_bytes < 5 * 2**20


@pytest.mark.parametrize("over", [0, 1])
def test_a_header_that_its_reader_would_refuse_is_not_fetched(
    server: Hub, monkeypatch: pytest.MonkeyPatch, over: int
) -> None:
    stored = hub_server.single()["model.safetensors"]
    monkeypatch.setattr(safetensors, "MAX_HEADER_BYTES", len(stored.head) - 8 - over)
    server.repos["owner/tiny"] = hub_server.single()
    if not over:
        assert read.read("owner/tiny").container == "safetensors"
        return
    _refused("owner/tiny", MalformedFile)
    assert server.ranges() == ["bytes=0-7"]


def test_a_size_that_no_file_has(server: Hub) -> None:
    server.repos["owner/tiny"] = hub_server.single() | {"model.safetensors": Stored(bytes(8), 2**50 // 2)}
    assert _refused("owner/tiny", UnsupportedFile).message.code == "error.limit.bytes"


def test_a_part_that_is_missing(server: Hub) -> None:
    files = hub_server.sharded(3)
    del files["model-00002-of-00003.safetensors"]
    server.repos["owner/tiny"] = files
    error = _refused("owner/tiny", MalformedFile)
    assert (_code(error), error.field) == ("missing_shard", "model-00002-of-00003.safetensors")


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"weight_map": 3}', b'{"weight_map": {"a": "../../etc/passwd"}}'])
def test_an_index_that_is_none(server: Hub, content: bytes) -> None:
    files = hub_server.sharded(3)
    server.repos["owner/tiny"] = files | {"model.safetensors.index.json": whole(content)}
    error = _refused("owner/tiny", MalformedFile)
    assert error.file == "owner/tiny/model.safetensors.index.json"


def test_names_that_leave_the_repository_are_not_seen(server: Hub, tmp_path: Path) -> None:
    secret = tmp_path / "secret.gguf"
    secret.write_bytes(b"x")
    server.repos["owner/tiny"] = {
        f"../../{secret.name}": whole(b"x"),
        str(secret): whole(b"x"),
        "a\\b.gguf": whole(b""),
    }
    error = _refused("owner/tiny", UnsupportedFile)
    assert _code(error) == "no_model"
    assert _code(_refused(f"hf:owner/tiny/../../{secret.name}", UnknownModel)) == "no_file"


def test_a_configuration_larger_than_any_is_not_fetched(server: Hub) -> None:
    server.repos["owner/tiny"] = hub_server.single() | {"config.json": Stored(b"{", 10**9)}
    error = _refused("owner/tiny", UnsupportedFile)
    assert (error.message.code, error.file) == ("error.limit.bytes", "config.json")
    assert not [request for request in server.requests if request.path.endswith("config.json")]


def test_an_architecture_that_is_not_known_is_named_with_the_repository(server: Hub) -> None:
    server.repos["owner/tiny"] = hub_server.single({"model_type": "no_such_type", "no_such_key": 3})
    error = _refused("owner/tiny", UnsupportedArchitecture)
    assert error.file == "owner/tiny/config.json"
    assert "/tmp" not in str(error.message.parameters)  # noqa: S108 -- the point is that it is not there


def test_a_temporary_folder_that_cannot_be(server: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server.repos["owner/tiny"] = hub_server.single()
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        assert _code(_refused("owner/tiny", PermissionRefused)) == "temporary"


def test_a_disk_that_is_full(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    server.repos["owner/tiny"] = hub_server.single()
    monkeypatch.setattr(hub_headers, "_write", full)
    error = _refused("owner/tiny", PermissionRefused)
    assert (_code(error), error.message.parameters) == ("disk", (("system", "ENOSPC"),))


def test_what_is_not_known_stays_a_bug() -> None:
    assert hub_errors.explained(KeyError("x"), hub_errors.Place("a/b", None, "http://x")) is None


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize(
    ("text", "fault", "exit_code"),
    [
        ("owner/gated", "gated", 4),
        ("nobody/nothing", "", 2),
        ("owner/tiny@none", "", 2),
        ("owner/tiny", "503", 4),
        ("owner/files", "", 2),
        ("hf:owner/", "", 2),
    ],
)
def test_the_program_says_it_in_two_lines(
    server: Hub, tmp_path: Path, language: str, text: str, fault: str, exit_code: int
) -> None:
    server.repos["owner/tiny"] = server.repos["owner/gated"] = hub_server.single()
    server.repos["owner/files"] = {"a.gguf": whole(b"x"), "b.gguf": whole(b"x")}
    if fault:
        server.faults["*" if fault == "503" else text] = fault
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "assay", "model", text, "--json", "--lang", language],
        env=kept
        | {"HOME": str(tmp_path), "HF_ENDPOINT": server.url, "LANG": "C.UTF-8", "HF_HUB_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == exit_code, done.stderr
    first, second = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert second.startswith("hint: ")
    error = json.loads(done.stdout)["error"]
    assert error["exit"] == exit_code
    assert "hub." not in first + second


def test_the_smallest_sizes_are_the_reader_s() -> None:
    # The check before the growing range must never refuse what the reader takes.
    assert not hub_headers._impossible(_gguf(4, 3), 4 * gguf.SMALLEST_TENSOR)
    assert hub_headers._impossible(_gguf(5, 3), 4 * gguf.SMALLEST_TENSOR)
