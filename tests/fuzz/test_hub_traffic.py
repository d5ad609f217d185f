"""A Hub that answers with anything: a model or one of Assay's errors, soon, and nothing left behind.

The library's client speaks to a transport inside this process, so that an answer may break every rule of HTTP that a
client lets through: the wrong range, a body of another length, a redirect anywhere, a status of any kind, half a JSON.
"""

import importlib
import json
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import hub_server
import huggingface_hub
import pytest
import torch_files
from hub_server import COMMIT, Stored
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import JUNK, NUMBERS, changed_document

from assay.errors import AssayError
from assay.observe.checkpoint import hub_transfer
from assay.observe.checkpoint.read import read
from assay.report.json import error as error_document

EXAMPLES = 60
"""For each kind of repository; raise it for a longer run."""
MOST_SECONDS = 2.0
ENDPOINT = "http://hub.invalid"
STATUSES = (200, 201, 204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 416, 418, 429, 500, 503)
PLACES = (
    "", "/", "//", "http://", "http://[::1", "file:///etc/passwd", "ftp://a/b", "http://hub.invalid:99999/x", "\\\\x",
    f"{ENDPOINT}/owner/tiny/resolve/{COMMIT}/config.json", "/cdn/owner/tiny/files/config.json",
)  # fmt: skip
HEADERS = ("Content-Range", "Content-Length", "Content-Encoding", "ETag", "X-Repo-Commit", "X-Linked-Size",
           "X-Linked-Etag", "Location", "X-Error-Code", "Content-Type", "Retry-After", "RateLimit")  # fmt: skip
RANGE = re.compile(r"bytes=([0-9]+)-([0-9]+)")


class Answer(NamedTuple):
    """A status, headers and a body."""

    status: int
    headers: dict[str, str]
    body: bytes


def _described(files: dict[str, Stored]) -> Answer:
    siblings = [{"rfilename": name, "size": stored.size} for name, stored in files.items()]
    body = {"id": "owner/tiny", "modelId": "owner/tiny", "sha": COMMIT, "siblings": siblings, "tags": []}
    return Answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode())


def true_answer(files: dict[str, Stored], path: str, wanted: str | None) -> Answer:
    """What an honest Hub says."""
    if path.startswith("/api/"):
        return _described(files)
    name = path.rpartition(f"/resolve/{COMMIT}/")[2] if "/resolve/" in path else path.partition("/files/")[2]
    name = name.rpartition("/resolve/main/")[2]
    if name not in files:
        return Answer(404, {"X-Error-Code": "EntryNotFound"}, b"")
    stored, asked = files[name], RANGE.fullmatch(wanted or "")
    headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{name.encode().hex()}"', "X-Linked-Size": str(stored.size)}
    if asked is None:
        content = stored.part(0, min(stored.size, 2**16))
        return Answer(200, headers | {"Content-Length": str(len(content))}, content)
    begin, end = int(asked[1]), min(int(asked[2]) + 1, stored.size)
    headers["Content-Range"] = f"bytes {begin}-{end - 1}/{stored.size}"
    return Answer(206, headers, stored.part(begin, end))


def _header(choose: Random, answer: Answer) -> Answer:
    """The answer with one header that is wrong."""
    name = choose.choice(HEADERS)
    number = choose.choice(NUMBERS)
    value = choose.choice((
        str(number), f"bytes {number}-{number + 7}/{choose.choice(NUMBERS)}", f"bytes */{number}", "gzip", "chunked",
        choose.choice(PLACES), "GatedRepo", "RepoNotFound", "0" * 40, '"x"', "", "x" * 70_000, "-1", "\u00ff",
    ))  # fmt: skip
    return answer._replace(headers={**answer.headers, name: value})


def _body(choose: Random, answer: Answer) -> Answer:
    """The answer with a body that is wrong."""
    body = answer.body
    kind = choose.randrange(6)
    if kind == 0:
        body = body[: choose.randrange(len(body) + 1)]
    elif kind == 1:
        body += bytes(choose.choice((1, 100, 2**20)))
    elif kind == 2 and body:
        changed = bytearray(body)
        for _ in range(choose.randrange(1, 9)):
            changed[choose.randrange(len(changed))] = choose.randrange(256)
        body = bytes(changed)
    elif kind == 3:
        body = json.dumps(choose.choice(JUNK)).encode()
    elif kind == 4:
        body = choose.choice((b"[" * 50_000, b"{" * 9, b'{"a":' * 5000, b"\xff" * 64, b"<html>", b"null", b"1" * 5000))
    else:
        body = changed_document(choose, body) or b"{}"
    return answer._replace(body=body)


def changed(choose: Random, answer: Answer) -> Answer:
    """The answer with one to three things wrong."""
    for _ in range(choose.randrange(1, 4)):
        kind = choose.randrange(4)
        if kind == 0:
            answer = answer._replace(status=choose.choice(STATUSES))
        elif kind == 1:
            status = choose.choice((301, 302, 303, 307, 308))
            answer = answer._replace(status=status, headers={**answer.headers, "Location": choose.choice(PLACES)})
        else:
            answer = (_header, _body)[kind - 2](choose, answer)
    return answer


class Liar:
    """A transport that answers truly until it does not."""

    def __init__(self, package: Any) -> None:
        self.package = package
        self.files: dict[str, Stored] = {}
        self.choose = Random(0)  # noqa: S311 - a test's choices
        self.share = 0.0

    def __call__(self, request: Any) -> Any:
        path = unquote(urlsplit(str(request.url)).path)
        answer = true_answer(self.files, path, request.headers.get("Range"))
        if self.choose.random() < self.share:
            if self.choose.randrange(6) == 0:
                raise self.choose.choice((
                    self.package.ReadTimeout("slow"), self.package.ConnectError("no"), self.package.ReadError("cut"),
                    self.package.RemoteProtocolError("odd"), self.package.TooManyRedirects("loop"), OSError(5, "io"),
                ))  # fmt: skip
            answer = changed(self.choose, answer)
        headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
        content = b"" if request.method == "HEAD" else answer.body
        return self.package.Response(answer.status, headers=headers, stream=self.package.ByteStream(content))


def _repositories(folder: Path) -> dict[str, dict[str, Stored]]:
    config = hub_server.single()["config.json"]
    shapes = {name: ("HalfStorage", tuple(shape)) for name, (_, shape) in hub_server.llama_tensors().items()}
    torch = hub_server.whole(torch_files.save(folder / "a.bin", shapes).read_bytes())
    return {
        "single": hub_server.single(),
        "sharded": hub_server.sharded(3),
        "gguf": {"tiny.gguf": hub_server.gguf_file(folder / "a.gguf")},
        "torch": {"config.json": config, "pytorch_model.bin": torch},
    }


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Liar]:
    hub_server.use(monkeypatch, tmp_path, ENDPOINT, 0.5)
    monkeypatch.setattr(hub_transfer, "RETRY_SECONDS", 0)
    monkeypatch.setattr(time, "sleep", lambda _: None)  # the library waits between its attempts
    package = importlib.import_module(type(huggingface_hub.get_session()).__module__.partition(".")[0])
    found = Liar(package)
    huggingface_hub.set_client_factory(
        lambda: package.Client(transport=package.MockTransport(found), follow_redirects=True)
    )
    yield found
    huggingface_hub.set_client_factory(huggingface_hub.utils._http.default_client_factory)


KINDS = ("single", "sharded", "gguf", "torch")


def _cleared(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("kind", KINDS)
def test_an_honest_transport_is_read(liar: Liar, tmp_path: Path, kind: str) -> None:
    liar.files = _repositories(tmp_path)[kind]
    assert read("hf:owner/tiny").weights.value


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_a_hub_answers(liar: Liar, tmp_path: Path, kind: str) -> None:
    liar.files = _repositories(tmp_path)[kind]
    said: dict[str, int] = {}

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.integers(0, 2**32), st.sampled_from((0.1, 0.3, 1.0)))
    def every(seed: int, share: float) -> None:
        liar.choose, liar.share = Random(seed), share  # noqa: S311 - same
        _cleared(tmp_path / "cache")
        started = time.process_time()
        try:
            read("hf:owner/tiny")
            code, exit_code = "read", 0
        except AssayError as error:
            json.dumps(error_document.document_of(error, "en"), allow_nan=False)
            code, exit_code = error.message.code, error.exit_code
        assert exit_code in (0, 2, 3, 4)
        said[code] = said.get(code, 0) + 1
        assert time.process_time() - started < MOST_SECONDS
        assert not list(Path(tempfile.gettempdir()).iterdir())

    every()
    assert len(said) > 3, said  # else nothing was tried
