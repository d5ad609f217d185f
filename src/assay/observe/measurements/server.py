"""A server of the OpenAI protocol: its models, its name, and one streamed completion with the time of every chunk.

Nothing that it answers is trusted: lines, bodies and times are bounded, and every failure is a `Trouble`.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import SHUT_RDWR, socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from assay.errors import UsageError
from assay.observe.measurements.trouble import Trouble
from assay.types.message import message

KEY_VARIABLE = "ASSAY_API_KEY"
"""The only place a key is read from; it is sent to the server that is measured and stored nowhere."""
MAX_LINE = 2**20
MAX_BODY = 4 * 2**20
MAX_WORDS = 200
"""Characters of a server's own words that a message repeats."""
DONE = "[DONE]"
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
DENIED, MISSING, REDIRECTS, BUSY = (401, 403), (404, 405, 501), range(300, 400), (429, 503)


class Address(NamedTuple):
    """Where a server listens; `base` is the path that everything else follows."""

    secure: bool
    host: str
    port: int | None
    base: str

    @property
    def text(self) -> str:
        """The address as it is shown and stored: without names, keys and questions."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{'https' if self.secure else 'http'}://{host}{port}{self.base}"

    @property
    def local(self) -> bool:
        """Whether it is this machine."""
        return self.host.lower() in {"localhost", "::1", "0.0.0.0"} or self.host.startswith("127.")  # noqa: S104 -- compared, not bound


class Stream(NamedTuple):
    """One finished completion; times are of the monotonic clock, in seconds.

    Attributes:
        started: when the request was sent.
        chunks: when each chunk with new tokens arrived.
        prompt, output: tokens as the server counted them, None where it does not say.
    """

    started: float
    chunks: tuple[float, ...]
    prompt: int | None
    output: int | None

    @property
    def tokens(self) -> int:
        """Generated tokens; a chunk counts as one where the server does not say."""
        return self.output or len(self.chunks)


class Question(NamedTuple):
    """How to ask this server: by which of its two ways, and with which words that not every server knows."""

    chat: bool = False
    usage: bool = True
    forced: bool = True

    @property
    def path(self) -> str:
        """The path of the endpoint."""
        return "/v1/chat/completions" if self.chat else "/v1/completions"

    def body(self, model: str, prompt: str, output: int) -> dict[str, Any]:
        """The request: greedy, streamed, of exactly `output` tokens where the server can be told so."""
        found: dict[str, Any] = {"model": model, "max_tokens": output, "temperature": 0, "stream": True}
        found |= {"messages": [{"role": "user", "content": prompt}]} if self.chat else {"prompt": prompt}
        if self.usage:
            found["stream_options"] = {"include_usage": True}
        if self.forced:
            found["ignore_eos"] = True
        return found


def address_of(url: str) -> Address:
    """The address in a URL; `/v1` at its end is the protocol's and not the server's.

    Raises:
        UsageError: no http or https address, or one with a name and a password in it.
    """
    try:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or parts.username or parts.query or parts.fragment:
        raise UsageError(message("error.bench.url"), message("hint.bench.url"))
    base = parts.path.rstrip("/").removesuffix("/v1")
    return Address(parts.scheme == "https", host, port, base)


class Server:
    """A server and how long it may be silent, in seconds. Threads may ask it at once."""

    def __init__(self, address: Address, silence: float) -> None:
        self.address = address
        self.silence = silence
        self._key = os.environ.get(KEY_VARIABLE, "").strip()
        self._open: set[socket] = set()

    def _words(self, text: str) -> str:
        """A server's own words in one line, without the key that it may repeat."""
        said = CONTROLS.sub(" ", text.replace(self._key, "…") if self._key else text).strip()
        return said if len(said) <= MAX_WORDS else f"{said[:MAX_WORDS]}…"

    def hang_up(self) -> None:
        """End every request that is under way; called by the thread that waits for the others."""
        for talk in tuple(self._open):
            with suppress(OSError):
                talk.shutdown(SHUT_RDWR)

    @contextmanager
    def _asked(self, path: str, body: dict[str, Any] | None = None) -> Iterator[tuple[HTTPResponse, float]]:
        """The answer to a request, a success, and when it was asked; what fails until the block ends is a `Trouble`.

        Raises:
            Trouble: nobody listens, the server refuses, or the talk breaks off.
        """
        kind = HTTPSConnection if self.address.secure else HTTPConnection
        connection = kind(self.address.host, self.address.port, timeout=self.silence)
        with ExitStack() as stack, self._told():
            stack.callback(connection.close)
            connection.connect()
            # An answer that ends with its connection takes the socket from it.
            talk = connection.sock
            stack.callback(talk.close)
            self._open.add(talk)
            stack.callback(self._open.discard, talk)
            sent = time.monotonic()
            self._send(connection, path, body)
            response = stack.enter_context(closing(connection.getresponse()))
            self._refuse(response, path)
            yield response, sent

    @contextmanager
    def _told(self) -> Iterator[None]:
        """The network's errors as `Trouble`."""
        try:
            yield
        except TimeoutError as error:
            raise Trouble("stalled", seconds=self.silence) from error
        except ConnectionRefusedError as error:
            raise Trouble("refused", url=self.address.text) from error
        except (ConnectionError, HTTPException) as error:
            raise Trouble("closed") from error
        except OSError as error:
            raise Trouble("unreachable", url=self.address.text, reason=self._words(str(error))) from error

    def _send(self, connection: HTTPConnection, path: str, body: dict[str, Any] | None) -> None:
        headers = {"Accept": "application/json" if body is None else "text/event-stream"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request("GET" if body is None else "POST", self.address.base + path, data, headers)
        except (ValueError, UnicodeError) as error:  # a path or a key that no header can hold
            reason = type(error).__name__
            raise Trouble("unreachable", url=self.address.text, reason=reason) from error

    def _refuse(self, response: HTTPResponse, path: str) -> None:
        """Turn an answer that is no success into words.

        Raises:
            Trouble: it is none.
        """
        status = response.status
        if 200 <= status < 300:
            return
        if status in DENIED:
            raise Trouble("key", status=status)
        if status in REDIRECTS:
            raise Trouble("redirect", where=self._words(response.getheader("Location") or "?"))
        words = self._said(response.read(MAX_BODY))
        if status in MISSING:
            raise Trouble("missing", path=path, words=words)
        if status in BUSY:
            raise Trouble("busy", status=status, words=words)
        raise Trouble("rejected" if status < 500 else "status", status=status, words=words)

    def _said(self, body: bytes) -> str:
        """The message in an error object, else the beginning of whatever was answered."""
        text = body.decode("utf-8", "replace")
        try:
            return self._words(_error_words(json.loads(text)) or text)
        except (ValueError, RecursionError):
            return self._words(text)

    def document(self, path: str) -> dict[str, Any]:
        """The JSON object that a path answers.

        Raises:
            Trouble: it answers none.
        """
        with self._asked(path) as (response, _):
            body = response.read(MAX_BODY + 1)
        try:
            found = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise Trouble("garbage", words=self._said(body)) from error
        if len(body) > MAX_BODY or not isinstance(found, dict):
            raise Trouble("garbage", words=self._said(body))
        return found

    def stream(self, question: Question, body: dict[str, Any], arrived: Callable[[float], None]) -> Stream:
        """One completion to its end; `arrived` hears of every chunk with tokens.

        Raises:
            Trouble: the server refuses, breaks off, is silent for too long, or answers something else.
        """
        with self._asked(question.path, body) as (response, sent):
            if "event-stream" not in (response.getheader("Content-Type") or "").lower():
                words = self._said(response.read(MAX_WORDS))
                raise Trouble("no_stream", words=words)
            return self._collected(response, question, sent, arrived)

    def _collected(
        self, response: HTTPResponse, question: Question, started: float, arrived: Callable[[float], None]
    ) -> Stream:
        chunks: list[float] = []
        prompt = output = None
        finished = False
        for event in self._events(response):
            now = time.monotonic()
            choice = _choice(event)
            if choice is not None:
                finished = finished or choice.get("finish_reason") is not None
                if _has_tokens(choice, question):
                    chunks.append(now)
                    arrived(now)
            usage = event.get("usage")
            if isinstance(usage, dict):
                prompt, output = _count(usage, "prompt_tokens", prompt), _count(usage, "completion_tokens", output)
        if not finished:
            raise Trouble("closed")
        if not chunks:
            raise Trouble("no_tokens")
        return Stream(started, tuple(chunks), prompt, output)

    def _events(self, response: HTTPResponse) -> Iterator[dict[str, Any]]:
        """The JSON objects of an event stream.

        Raises:
            Trouble: an event that is none, an error object, or the end of the connection before the stream's.
        """
        while line := response.readline(MAX_LINE):
            if not line.endswith(b"\n") and len(line) >= MAX_LINE:
                raise Trouble("garbage", words=self._said(line[:MAX_WORDS]))
            text = line.strip()
            if not text.startswith(b"data:"):
                if text and not text.startswith((b":", b"event:", b"id:", b"retry:")):
                    raise Trouble("garbage", words=self._said(text))
                continue
            data = text[5:].strip()
            if data == DONE.encode():
                return
            try:
                event = json.loads(data)
            except (ValueError, RecursionError) as error:
                raise Trouble("garbage", words=self._said(data)) from error
            if not isinstance(event, dict):
                raise Trouble("garbage", words=self._said(data))
            words = _error_words(event)
            if words is not None:
                raise Trouble("error", words=self._words(words))
            yield event


def _error_words(body: Any) -> str | None:
    """The words of an error object, as OpenAI's protocol and its servers write them."""
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    if isinstance(error, dict):
        return str(error.get("message") or error)
    if error:
        return str(error)
    if body.get("object") == "error" or ("detail" in body and "choices" not in body):
        return str(body.get("message") or body.get("detail"))
    return None


def _choice(event: dict[str, Any]) -> dict[str, Any] | None:
    choices = event.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else None


def _has_tokens(choice: dict[str, Any], question: Question) -> bool:
    """Whether a chunk brought tokens; a plain completion's may be one without letters, but not the last one."""
    if question.chat:
        delta = choice.get("delta")
        parts = ("content", "reasoning_content", "reasoning", "tool_calls")
        return isinstance(delta, dict) and any(delta.get(name) for name in parts)
    return bool(choice.get("text")) or ("text" in choice and choice.get("finish_reason") is None)


def _count(usage: dict[str, Any], name: str, before: int | None) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else before
