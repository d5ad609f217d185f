"""A repository of the Hub through its own library: a listing, small files into its cache, ranges of large ones.

Nothing here reads a file whole unless it is a small JSON file. Every request is bounded in bytes and in seconds; the
caller's thread only waits, so an interrupt is answered at once.
"""

import errno
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from assay.errors import MissingExtra, NetworkFailure
from assay.observe.checkpoint import files
from assay.observe.checkpoint.hub_errors import Place, explained, network, offline
from assay.types.message import message

T = TypeVar("T")

INSTALL = "pip install 'gpu-assay[hub]'"
MAX_THREADS = 8
MAX_TOTAL_BYTES = 256 * 2**20
"""Headers of the largest published checkpoint (163 files, 92,000 tensors) come to about 12 MB."""
REQUEST_SECONDS = 120.0
"""One range, however slowly it drips; a silence is ended earlier, by the library's own time limit."""
STALL_SECONDS = 60.0
"""Seconds without a byte or a finished request after which all is given up."""
RETRY_SECONDS = 0.5
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


class Listing(NamedTuple):
    """The files of a repository at one commit: name -> bytes (None where the Hub does not say)."""

    repo: str
    commit: str
    sizes: Mapping[str, int | None]
    folder: Path | None = None
    """Where all of them lie, in offline mode."""


def library(query: str, near: Sequence[str]) -> Any:
    """The module huggingface_hub.

    Raises:
        MissingExtra: it is not installed, or too old.
    """
    # Read at its import: without it a request names the installed packages beside the library's own version.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import huggingface_hub  # noqa: PLC0415 - half a second, for a hub id only
        from huggingface_hub import get_session  # noqa: F401, PLC0415 - since 1.0: older ones speak through requests
    except ImportError as error:
        raise MissingExtra(
            message("error.hub.extra", query=query),
            message("hint.install_extra", command=INSTALL),
            candidates=near,
        ) from error
    return huggingface_hub


class Traffic:
    """Bytes received so far, when the last came, and whether to go on; shared by all threads."""

    __slots__ = ("_lock", "last", "limit_bytes", "received_bytes", "stopped")

    def __init__(self, limit_bytes: int = MAX_TOTAL_BYTES) -> None:
        self._lock = threading.Lock()
        self.limit_bytes = limit_bytes
        self.received_bytes = 0
        self.last = time.monotonic()
        self.stopped = False

    def count(self, size: int) -> bool:
        """Add `size` bytes; whether the sum is still within the limit."""
        with self._lock:
            self.received_bytes += size
            self.last = time.monotonic()
            return self.received_bytes <= self.limit_bytes


def together(
    jobs: Sequence[Callable[[], T]], place: Place, traffic: Traffic, step: Callable[[int], None] | None = None
) -> list[T]:
    """Results of all jobs in their order, at most `MAX_THREADS` at once.

    The threads are daemons: neither an interrupt nor a silent server keeps the program from ending.

    Args:
        jobs: what to run.
        place: what errors name.
        traffic: bytes of the jobs; a silence of `STALL_SECONDS` ends the wait.
        step: called by this thread with the number of finished jobs, at least ten times a second.

    Raises:
        AssayError: the first failure of a job; the others are told to stop.
    """
    todo: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[tuple[int, T | None, BaseException | None]] = SimpleQueue()
    for index in range(len(jobs)):
        todo.put(index)

    def work() -> None:
        while not traffic.stopped:
            try:
                index = todo.get_nowait()
            except Empty:
                return
            try:
                done.put((index, jobs[index](), None))
            except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
                done.put((index, None, error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(MAX_THREADS, len(jobs)))]
    traffic.last = time.monotonic()
    try:
        for thread in threads:
            thread.start()
        return _gathered(len(jobs), done, place, traffic, step)
    except BaseException:
        traffic.stopped = True
        raise
    finally:
        for thread in threads:
            if thread.is_alive():  # an interrupt may come between two starts
                thread.join(0.1)


def _gathered(
    number: int,
    done: "SimpleQueue[tuple[int, T | None, BaseException | None]]",
    place: Place,
    traffic: Traffic,
    step: Callable[[int], None] | None,
) -> list[T]:
    results: dict[int, Any] = {}
    while len(results) < number:
        if step is not None:
            step(len(results))
        try:
            index, result, error = done.get(timeout=0.1)
        except Empty:
            if time.monotonic() - traffic.last > STALL_SECONDS:
                raise network(place, "error.hub.timeout") from None
            continue
        if error is not None:
            raise explained(error, place) or error from error
        traffic.last = time.monotonic()
        results[index] = result
    return [results[index] for index in range(number)]


@contextmanager
def _understood(place: Place) -> Iterator[None]:
    """The library's own trouble with an answer, be it of a status, a header or half a JSON, as what it is.

    Raises:
        AssayError: see `hub_errors.explained`; an answer that is none of a Hub is a `NetworkFailure`.
    """
    try:
        yield
    except (AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise explained(error, place) or network(place, "error.hub.not_a_hub") from error


class Remote:
    """One repository, spoken to through the library."""

    def __init__(self, module: Any, place: Place, traffic: Traffic) -> None:
        self.module = module
        self.place = place
        self.traffic = traffic
        self.cache: Path | None = None
        """Where small files go when the library's own cache cannot be written; None: into that cache."""
        self.seconds = float(module.constants.HF_HUB_DOWNLOAD_TIMEOUT)
        self.commit = ""

    @property
    def offline(self) -> bool:
        """Whether the library was told to make no request."""
        return bool(self.module.constants.HF_HUB_OFFLINE)

    def listing(self) -> Listing:
        """The repository's files at the commit that the revision names now.

        Raises:
            AssayError: see `hub_errors.explained`.
        """
        found = self._cached_listing() if self.offline else self._listed()
        self.commit = found.commit
        return found

    def _listed(self) -> Listing:
        place = self.place
        with _understood(self.place):
            info = self.module.HfApi(endpoint=place.endpoint, library_name="assay").model_info(
                place.repo, revision=place.revision, files_metadata=True, timeout=self.seconds
            )
            sizes = {item.rfilename: item.size for item in info.siblings or ()}
        if not isinstance(info.sha, str) or not re.fullmatch(r"[0-9a-f]{40}", info.sha):
            raise network(place, "error.hub.not_a_hub")
        if any(size is not None and (type(size) is not int or size < 0) for size in sizes.values()):
            raise network(place, "error.hub.not_a_hub")
        known = {name: size for name, size in sizes.items() if isinstance(name, str) and _inside(name)}
        return Listing(str(info.id or place.repo), info.sha, known)

    def _cached_listing(self) -> Listing:
        """The files that the library's cache has of the revision."""
        module, place = self.module, self.place
        found = module.try_to_load_from_cache(place.repo, "config.json", revision=place.revision)
        if isinstance(found, str):
            folder = Path(found).parent
        else:
            try:
                folder = Path(module.snapshot_download(place.repo, revision=place.revision, local_files_only=True))
            except module.errors.LocalEntryNotFoundError as error:
                path = getattr(error, "snapshot_path", None)  # a part of the repository is there
                if path is None:
                    raise offline(place) from error
                folder = Path(path)
        sizes = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
        return Listing(place.repo, folder.name, sizes, folder)

    def cached(self, name: str) -> Path | None:
        """Where the library's cache holds this file, or None."""
        found = self.module.try_to_load_from_cache(self.place.repo, name, revision=self.commit)
        return Path(found) if isinstance(found, str) else None

    def small(self, name: str, size: int | None) -> Path:
        """A small file, from the library's cache or into it.

        Raises:
            UnsupportedFile: it is longer than any configuration.
            AssayError: see `hub_errors.explained`.
        """
        there = self.cached(name)
        if there is not None:
            return there
        if size is None or size > files.MAX_JSON_BYTES:
            raise files.beyond(name, "bytes", files.MAX_JSON_BYTES)
        try:
            path = self._downloaded(name)
        except OSError as error:
            if self.cache is None or error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC):
                raise
            path = self._downloaded(name, self.cache)  # a cache that many share is often closed to writing
        self.traffic.count(path.stat().st_size)
        return path

    def _downloaded(self, name: str, cache: Path | None = None) -> Path:
        """The file by the library's own download; by the branch's name first, so that its cache knows the branch."""
        for revision in (self.place.revision, self.commit):
            with _understood(self.place):
                found = self.module.hf_hub_download(
                    self.place.repo,
                    name,
                    revision=revision,
                    cache_dir=cache,
                    endpoint=self.place.endpoint,
                    etag_timeout=self.seconds,
                    library_name="assay",
                )
            if f"/snapshots/{self.commit}/" in str(found):
                break  # else the branch moved since it was listed: then the commit itself
        return Path(found)

    def range(self, name: str, begin: int, end: int) -> tuple[bytes, int]:
        """(bytes `begin` to `end` of a file or to its end, bytes of the whole file); tried twice.

        Raises:
            NetworkFailure: the server ignores the range, answers with another one, or breaks off.
        """
        try:
            return self._range(name, begin, end)
        except Exception as error:
            found = explained(error, self.place)
            if not isinstance(found, NetworkFailure) or found.message.code not in _PASSING or self.traffic.stopped:
                raise
        time.sleep(RETRY_SECONDS)
        return self._range(name, begin, end)

    def _range(self, name: str, begin: int, end: int) -> tuple[bytes, int]:
        module, place = self.module, self.place
        url = module.hf_hub_url(place.repo, name, revision=self.commit, endpoint=place.endpoint)
        headers = module.utils.build_hf_headers(library_name="assay")
        headers |= {"Range": f"bytes={begin}-{end - 1}", "Accept-Encoding": "identity"}
        give_up = time.monotonic() + REQUEST_SECONDS
        session = module.get_session()
        with (
            _understood(place),
            session.stream("GET", url, headers=headers, timeout=self.seconds, follow_redirects=True) as response,
        ):
            module.utils.hf_raise_for_status(response)
            length, total = _announced(response, name, begin, end, place)
            content = bytearray()
            for chunk in response.iter_raw():
                content += chunk
                if not self.traffic.count(len(chunk)):
                    raise network(place, "error.hub.too_much", limit=self.traffic.limit_bytes)
                if len(content) > length:
                    raise network(place, "error.hub.range_wrong", file=name)
                if self.traffic.stopped or time.monotonic() > give_up:
                    raise network(place, "error.hub.timeout")
        if len(content) < length:
            raise network(place, "error.hub.broken_off")
        return bytes(content), total


_PASSING = frozenset({"error.hub.timeout", "error.hub.broken_off", "error.hub.status"})
"""What a second attempt may mend."""


def _announced(response: Any, name: str, begin: int, end: int, place: Place) -> tuple[int, int]:
    """(bytes that follow, bytes of the file) as the answer's head gives them; a whole file is refused, not read."""
    if response.status_code != 206:
        raise NetworkFailure(
            message("error.hub.range_ignored", host=place.host, file=name), message("hint.hub.download"), file=name
        )
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if found is None or encoding != "identity":
        raise network(place, "error.hub.range_wrong", file=name)
    first, last, total = (int(part) for part in found.groups())
    if first != begin or last != min(end, total) - 1:
        raise network(place, "error.hub.range_wrong", file=name)
    return last + 1 - first, total


def _inside(name: str) -> bool:
    """Whether a listed name stays inside the repository."""
    parts = name.split("/")
    return not any(part in ("", ".", "..") for part in parts) and "\\" not in name and name.isprintable()
