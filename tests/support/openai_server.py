"""A server of the OpenAI protocol that behaves as a test wants it to, and remembers what it was asked."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "Qwen/Qwen3-8B"


@dataclass
class Behaviour:
    """How the server answers.

    `before` is called for every completion with its number from 1 and may answer by itself: then it returns True.
    `event` may change the text of an event before it is sent, by the number of the token; None ends the connection.
    """

    models: tuple[str, ...] = (MODEL,)
    owner: str = "vllm"
    version: str | None = "0.11.0"
    usage: bool = True
    chat_only: bool = False
    refuses: tuple[str, ...] = ()
    token_seconds: float = 0.002
    first_seconds: float = 0.0
    tokens_in_a_chunk: int = 1
    before: Callable[["Handler", int], bool] = lambda _handler, _number: False
    event: Callable[[int, int, str], str | None] = lambda _number, _token, text: text
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    most_at_once: int = 0
    at_once: int = 0


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    @property
    def behaviour(self) -> Behaviour:
        found: Behaviour = self.server.behaviour  # type: ignore[attr-defined]
        return found

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""

    def answer(self, status: int, body: object, kind: str = "application/json") -> None:
        """A whole answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def refuse(self, status: int, words: str) -> bool:
        """An error object; True, so that a `before` can end with it."""
        self.answer(status, {"error": {"message": words, "type": "x"}})
        return True

    def begin_stream(self, kind: str = "text/event-stream") -> None:
        """The head of an event stream that ends with the connection."""
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def do_GET(self) -> None:
        """Models and version."""
        behaviour = self.behaviour
        if self.path == "/v1/models":
            data = [{"id": name, "object": "model", "owned_by": behaviour.owner} for name in behaviour.models]
            self.answer(200, {"object": "list", "data": data})
        elif self.path in {"/version", "/get_server_info"} and behaviour.version:
            self.answer(200, {"version": behaviour.version})
        else:
            self.refuse(404, "no such path")

    def do_POST(self) -> None:
        """A completion."""
        behaviour = self.behaviour
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:  # type: ignore[attr-defined]
            behaviour.asked.append({"path": self.path, **body})
            behaviour.headers.append(dict(self.headers))
            number = len(behaviour.asked)
            behaviour.at_once += 1
            behaviour.most_at_once = max(behaviour.most_at_once, behaviour.at_once)
        try:
            self._complete(body, number)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with self.server.lock:  # type: ignore[attr-defined]
                behaviour.at_once -= 1

    def _complete(self, body: dict[str, Any], number: int) -> None:
        behaviour = self.behaviour
        chat = self.path == "/v1/chat/completions"
        if behaviour.chat_only and not chat:
            self.refuse(404, "no such path")
            return
        unknown = [name for name in behaviour.refuses if name in body]
        if unknown:
            self.refuse(400, f"unknown field {unknown[0]}")
            return
        if behaviour.before(self, number):
            return
        self.begin_stream()
        self._stream(body, number, chat=chat)

    def _stream(self, body: dict[str, Any], number: int, *, chat: bool) -> None:
        behaviour = self.behaviour
        time.sleep(behaviour.first_seconds)
        if chat:
            self._event(number, 0, {"choices": [{"delta": {"role": "assistant"}, "finish_reason": None}]})
        tokens = body["max_tokens"]
        for token in range(1, tokens + 1, behaviour.tokens_in_a_chunk):
            choice = {"delta": {"content": " a"}} if chat else {"text": " a"}
            if not self._event(number, token, {"choices": [{**choice, "finish_reason": None}]}):
                return
            time.sleep(behaviour.token_seconds)
        last = {"delta": {}} if chat else {"text": ""}
        self._event(number, tokens + 1, {"choices": [{**last, "finish_reason": "length"}]})
        if behaviour.usage and body.get("stream_options", {}).get("include_usage"):
            text = body["messages"][0]["content"] if chat else body["prompt"]
            usage = {"prompt_tokens": len(text.split()) + 3, "completion_tokens": tokens}
            self._event(number, tokens + 2, {"choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, number: int, token: int, body: dict[str, Any]) -> bool:
        text = self.behaviour.event(number, token, f"data: {json.dumps(body)}\n\n")
        if text is None:
            return False
        self.wfile.write(text.encode())
        self.wfile.flush()
        return True


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what some tests are about."""


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """The address of a server that behaves so, until the block ends."""
    server = _Quiet(("127.0.0.1", 0), Handler)
    server.behaviour = behaviour  # type: ignore[attr-defined]
    server.lock = threading.Lock()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
