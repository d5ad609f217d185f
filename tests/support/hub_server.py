"""A Hub on this machine for the tests: the few addresses that huggingface-hub asks for, and every way to fail."""

import hashlib
import json
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import huggingface_hub
import pytest
from huggingface_hub import constants

from assay.observe.checkpoint import hub_transfer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ADDRESS = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")


class Stored(NamedTuple):
    """A file: what is written at its beginning, and how long it is; what follows are weights, served as zeros."""

    head: bytes
    size: int

    def part(self, begin: int, end: int) -> bytes:
        return (self.head[begin:end] + bytes(end - begin))[: end - begin]


def whole(content: bytes) -> Stored:
    return Stored(content, len(content))


class Request(NamedTuple):
    method: str
    path: str
    range: str | None
    token: str | None


class Hub:
    """Repositories, what goes wrong with them, and what was asked for."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, Stored]] = {}
        self.faults: dict[str, str] = {}
        self.requests: list[Request] = []
        self.weight_bytes = 0
        self.active = 0
        self.most_active = 0
        self.delay_seconds = 0.0
        self.url = self.cdn = ""
        self.lock = threading.Lock()

    def fault(self, name: str) -> str:
        """What goes wrong with a file, a repository, or everything."""
        return next((self.faults[key] for key in (name, name.rpartition("/")[2], "*") if key in self.faults), "")

    def ranges(self) -> list[str]:
        """Parts that the store of large files was asked for."""
        return [request.range or "" for request in self.requests if request.path.startswith("/cdn/")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub
    is_cdn = False

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.hub
        path = unquote(urlsplit(self.path).path)
        with hub.lock:
            token = self.headers.get("Authorization")
            hub.requests.append(Request(self.command, path, self.headers.get("Range"), token))
            hub.active += 1
            hub.most_active = max(hub.most_active, hub.active)
        try:
            time.sleep(hub.delay_seconds)
            with hub.lock:
                hub.active -= 1  # before the client hears of it and asks again
            self._route(path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _send(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _refuse(self, status: int, code: str, text: str = "no") -> None:
        self._send(status, b"", **{"X-Error-Code": code, "X-Error-Message": text})

    def _route(self, path: str) -> None:
        fault = self.hub.fault("*")
        if fault == "html":
            self._send(200, b"<html>please log in</html>", Content_Type="text/html")
        elif fault == "503":
            self._send(503)
        elif fault == "silent":
            time.sleep(5)
        elif path.startswith("/api/models/"):
            self._describe(path.removeprefix("/api/models/"))
        elif self.is_cdn:
            repo, _, name = path.removeprefix("/cdn/").partition("/files/")
            self._body(self.hub.repos[repo][name], name)
        elif (found := ADDRESS.fullmatch(path)) is not None:
            self._resolve(found["repo"], found["revision"], found["name"])
        else:
            self._send(404)

    def _describe(self, asked: str) -> None:
        repo, _, revision = asked.partition("/revision/")
        fault = self.hub.fault(repo)
        if fault.isdigit():
            self._send(int(fault))
        elif fault == "odd":
            self._send(500, b'{"error": "\xff"}', Content_Type="application/json")
        elif fault == "bad_token":
            self._refuse(401, "", "Invalid credentials in Authorization header")
        elif repo not in self.hub.repos:
            # What the real one says to a stranger of missing and of private repositories.
            self._refuse(401, "RepoNotFound", "Invalid username or password.")
        elif revision not in ("", "main", COMMIT):
            self._refuse(404, "RevisionNotFound", "Invalid rev id: " + revision)
        else:
            files = self.hub.repos[repo].items()
            siblings = [{"rfilename": name, "size": stored.size} for name, stored in files]
            body = {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False}
            self._send(200, json.dumps(body).encode(), Content_Type="application/json")

    def _resolve(self, repo: str, revision: str, name: str) -> None:
        stored = self.hub.repos.get(repo, {}).get(name)
        fault = self.hub.fault(f"{repo}/{name}")
        if self.hub.fault(repo) == "gated":
            self._refuse(
                403 if self.headers.get("Authorization") else 401, "GatedRepo", "Access to model is restricted"
            )
        elif fault == "loop":
            self._send(302, Location=f"{self.hub.url}/{repo}/resolve/{revision}/{name}")
        elif stored is None:
            self._refuse(404, "EntryNotFound")
        else:
            headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(name.encode()).hexdigest()}"'}  # noqa: S324
            if name.endswith(".json"):
                self._send(200, stored.head, **headers)
            else:
                headers |= {"X-Linked-Size": str(stored.size), "Location": f"{self.hub.cdn}/cdn/{repo}/files/{name}"}
                self._send(302, **headers)

    def _body(self, stored: Stored, name: str) -> None:
        hub, fault = self.hub, self.hub.fault(name)
        if fault.isdigit():
            self._send(int(fault))
            return
        if fault == "once":
            with hub.lock:
                hub.faults.pop(name, None)
            self.close_connection = True
            return
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if found is None or fault == "whole":
            self.send_response(200)
            self.send_header("Content-Length", str(stored.size))
            self.end_headers()
            self._pour(stored)
            return
        begin, end = int(found[1]), min(int(found[2]) + 1, stored.size)
        total = stored.size + (fault == "size")
        content = stored.part(begin, end)
        shown = f"bytes {begin + (fault == 'shift')}-{end - 1}/{total}"
        headers = {"Content-Range": "lies" if fault == "words" else shown}
        if fault == "gzip":
            headers["Content-Encoding"] = "gzip"
        if fault == "cut":
            headers["Content-Length"] = str(len(content))
            content = content[: len(content) // 2]
            self.close_connection = True
        if fault == "short":
            content = content[:-1]
        if fault == "long":
            content += bytes(1 << 20)
        with hub.lock:
            hub.weight_bytes += max(0, end - max(begin, len(stored.head)))
        self._send(206, content, **headers)

    def _pour(self, stored: Stored) -> None:
        """The whole file, as a server does that knows no ranges."""
        for begin in range(0, stored.size, 1 << 16):
            part = stored.part(begin, min(begin + (1 << 16), stored.size))
            self.wfile.write(part)
            with self.hub.lock:
                self.hub.weight_bytes += len(part)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """A client that leaves is part of the tests."""


@contextmanager
def running() -> Iterator[Hub]:
    """A Hub and, at another origin, the store of its large files."""
    hub = Hub()
    servers = []
    for is_cdn in (False, True):
        handler = type("Handler", (_Handler,), {"hub": hub, "is_cdn": is_cdn})
        server = _Server(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
    hub.url, hub.cdn = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def safetensors_file(tensors: dict[str, tuple[str, list[int]]]) -> Stored:
    """A safetensors file of these tensors (dtype, shape) whose data is not there."""
    bits = {"BF16": 16, "F32": 32, "U8": 8, "F8_E4M3": 8}
    header: dict[str, Any] = {}
    offset = 0
    for name, (dtype, shape) in tensors.items():
        elements = 1
        for extent in shape:
            elements *= extent
        size = elements * bits[dtype] // 8
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    head = len(text).to_bytes(8, "little") + text
    return Stored(head, len(head) + offset)


CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 1000,
    "max_position_embeddings": 2048, "torch_dtype": "bfloat16", "tie_word_embeddings": False, "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
}  # fmt: skip


def llama_tensors(dtype: str = "BF16") -> dict[str, tuple[str, list[int]]]:
    """The tensors of a small model of two layers, as published files name them."""
    found: dict[str, tuple[str, list[int]]] = {"model.embed_tokens.weight": (dtype, [1000, 64])}
    for layer in range(2):
        place = f"model.layers.{layer}."
        found[place + "self_attn.q_proj.weight"] = (dtype, [64, 64])
        found[place + "self_attn.k_proj.weight"] = (dtype, [32, 64])
        found[place + "self_attn.v_proj.weight"] = (dtype, [32, 64])
        found[place + "self_attn.o_proj.weight"] = (dtype, [64, 64])
        found[place + "mlp.gate_proj.weight"] = (dtype, [128, 64])
        found[place + "mlp.up_proj.weight"] = (dtype, [128, 64])
        found[place + "mlp.down_proj.weight"] = (dtype, [64, 128])
        found[place + "input_layernorm.weight"] = (dtype, [64])
        found[place + "post_attention_layernorm.weight"] = (dtype, [64])
    return found | {"model.norm.weight": (dtype, [64]), "lm_head.weight": (dtype, [1000, 64])}


def single(config: dict[str, Any] | None = None) -> dict[str, Stored]:
    """A repository of one safetensors file."""
    text = json.dumps(CONFIG | (config or {})).encode()
    return {"config.json": whole(text), "model.safetensors": safetensors_file(llama_tensors())}


def sharded(number: int, filler_elements: int = 0) -> dict[str, Stored]:
    """The same model in several files with an index; `filler_elements` of weights make its files long."""
    tensors = llama_tensors()
    names = list(tensors)
    files: dict[str, Stored] = {"config.json": whole(json.dumps(CONFIG).encode())}
    mapping = {}
    for part in range(number):
        name = f"model-{part + 1:05d}-of-{number:05d}.safetensors"
        chosen = {key: tensors[key] for key in names[part::number]}
        if filler_elements:
            chosen[f"model.filler.{part}.weight"] = ("BF16", [filler_elements, 1])
        files[name] = safetensors_file(chosen)
        mapping |= dict.fromkeys(chosen, name)
    files["model.safetensors.index.json"] = whole(json.dumps({"weight_map": mapping}).encode())
    return files


def gguf_file(path: Any, *, tokens: int = 1000, part: int = 0, parts: int = 1) -> Stored:
    """A GGUF file of the same model by the `gguf` package, only its header kept; `part` counts from 0."""
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(path, "llama")
    if part == 0:
        writer.add_block_count(2)
        writer.add_context_length(2048)
        writer.add_embedding_length(64)
        writer.add_feed_forward_length(128)
        writer.add_head_count(4)
        writer.add_head_count_kv(2)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_vocab_size(1000)
        writer.add_token_list([f"token-{index:09d}" for index in range(tokens)])
    if parts > 1:
        writer.add_uint16("split.no", part)
        writer.add_uint16("split.count", parts)
        writer.add_int32("split.tensors.count", 11)
    tensors = {"token_embd.weight": (1000, 64), "output.weight": (1000, 64), "output_norm.weight": (64,)}
    for layer in range(2):
        for name, shape in (("attn_q", (64, 64)), ("attn_k", (32, 64)), ("ffn_up", (128, 64)), ("attn_norm", (64,))):
            tensors[f"blk.{layer}.{name}.weight"] = shape
    data = 0
    for name in list(tensors)[part::parts]:
        data += writer.ggml_pad(int(np.prod(tensors[name])) * 4, 32)
        writer.add_tensor(name, np.zeros(tensors[name], dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    content = path.read_bytes()
    return Stored(content[: len(content) - data], len(content))


def use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, timeout_seconds: float) -> None:
    """Let the library ask this address, with a cache and a temporary folder of its own and no token."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", timeout_seconds)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(hub_transfer, "RETRY_SECONDS", 0.01)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


@contextmanager
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, timeout_seconds: float) -> Iterator["Hub"]:
    """A running Hub that the library asks; afterwards nothing temporary may be left."""
    with running() as hub:
        use(monkeypatch, tmp_path, hub.url, timeout_seconds)
        yield hub
        huggingface_hub.close_session()
        assert not list((tmp_path / "temporary").iterdir())
