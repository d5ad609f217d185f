"""A model of the Hub from its configuration and its tensor headers, read by range request; no weights are downloaded.

Small JSON files come through the library and its cache. Of each tensor file only the header is fetched and laid into a
private temporary folder (see `hub_headers`), where the readers of local files find it. Files that the library's cache
holds whole are read there.
"""

import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from assay.errors import AssayError, PermissionRefused, UnknownModel, UnsupportedFile
from assay.knowledge.catalog import models
from assay.observe import progress
from assay.observe.checkpoint import adapter, containers, files, folder, read, shard_index, torch_zip
from assay.observe.checkpoint.gguf_model import PARTS
from assay.observe.checkpoint.hub_errors import Place, network
from assay.observe.checkpoint.hub_headers import Headers
from assay.observe.checkpoint.hub_transfer import Listing, Remote, Traffic, library, together
from assay.types.message import Message, message
from assay.types.model import Model

PREFIX = "hf:"
SHAPE = re.compile(
    r"(?P<repo>[A-Za-z0-9_][\w.-]{0,95}(?:/[A-Za-z0-9_][\w.-]{0,95})?)"
    r"(?:@(?P<revision>refs/(?:pr|convert)/[\w.-]{1,64}|[^/@\s]{1,255}))?"
    r"(?:/(?P<file>[^@]{1,1024}))?",
    re.ASCII,
)
SMALL = (folder.CONFIG, folder.SEPARATE, folder.INDEX)
"""JSON files that readers look at, beside an index of the weights that are read."""
INDEXES = (folder.INDEX, folder.PUBLISHERS_INDEX, torch_zip.INDEX)
READABLE = (".gguf", folder.SAFETENSORS, *containers.TORCH, folder.CONFIG)
_NOT_MODELS = ("mmproj", "imatrix")
MOST_LISTED = 32
"""Files that a hint names, the smallest first."""


class Wanted(NamedTuple):
    """A hub id taken apart: repository, revision or None, file or folder in it or None."""

    repo: str
    revision: str | None
    file: str | None


def parsed(text: str) -> Wanted | None:
    """The parts of `[hf:]owner/name[@revision][/file]`, or None if it is not of that shape.

    Without `hf:` only `owner/name[@revision]` is a hub id: a longer path is a path.
    """
    forced = text.startswith(PREFIX)
    found = SHAPE.fullmatch(text.removeprefix(PREFIX).removeprefix("//") if forced else text)
    if found is None or not text.isprintable():
        return None
    if "/" not in found["repo"]:  # a name without an owner, as the oldest repositories have it
        return Wanted(found["repo"], found["revision"], None) if forced and found["file"] is None else None
    if not forced and found["file"] is not None:
        return None
    return Wanted(found["repo"], found["revision"], found["file"])


def read_model(text: str, unknown: UnknownModel | None = None) -> Model:
    """The model that a hub id names.

    Args:
        text: `owner/name`, `owner/name@revision`, `hf:owner/name[@revision][/file.gguf]`.
        unknown: the catalogue's error for the same text, raised where it is no hub id.

    Raises:
        MissingExtra: huggingface-hub is not installed.
        UnknownModel: there is no such repository, revision or file, or several models are in it.
        NetworkFailure, PermissionRefused: see `hub_errors`.
        MalformedFile, UnsupportedFile, UnsupportedArchitecture: see the readers of local files.
    """
    wanted = parsed(text)
    if wanted is None:
        raise unknown or UnknownModel(message("error.hub.name", query=text), message("hint.hub.name"))
    near = models.suggestions(wanted.repo)
    module = library(text, near)
    token = module.get_token() is not None
    place = Place(wanted.repo, wanted.revision, str(module.constants.ENDPOINT), near, token)
    traffic = Traffic()
    remote = Remote(module, place, traffic)
    with _quiet(module), _workplace() as temporary:
        try:
            return _Reading(wanted, remote, temporary).model()
        finally:
            traffic.stopped = True
            progress.tell(None)


@contextmanager
def _workplace() -> Iterator[Path]:
    """A private folder that is gone afterwards, whatever happens."""
    try:
        temporary = tempfile.TemporaryDirectory(prefix="assay-", ignore_cleanup_errors=True)
    except OSError as error:
        raise PermissionRefused(message("error.hub.temporary"), message("hint.hub.temporary")) from error
    with temporary as name:
        yield Path(name)


@contextmanager
def _quiet(module: Any) -> Iterator[None]:
    """The library without its progress bars and warnings: Assay says itself what happens. Its variables win."""
    import logging  # noqa: PLC0415 - the library has loaded it

    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    bars = module.constants.HF_HUB_DISABLE_PROGRESS_BARS is None and not module.utils.are_progress_bars_disabled()
    if bars:
        module.utils.disable_progress_bars()
    quiet = not os.environ.get("HF_HUB_VERBOSITY") and not module.constants.HF_DEBUG
    if quiet:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            if quiet:
                warnings.filterwarnings("ignore", module="huggingface_hub")
            yield
    finally:
        logger.setLevel(level)
        if bars:
            module.utils.enable_progress_bars()


class _Reading:
    """One model on its way from the Hub into the temporary folder."""

    def __init__(self, wanted: Wanted, remote: Remote, temporary: Path) -> None:
        self.wanted = wanted
        self.remote = remote
        self.place = remote.place
        self.traffic = remote.traffic
        self.temporary = temporary
        remote.cache = temporary / "cache"
        # The readers take a model's name from its folder's.
        self.room = temporary / "files" / wanted.repo.rpartition("/")[2]
        self.room.mkdir(parents=True)
        self.listing: Listing
        self.base = ""
        self.files: list[str] = []

    def model(self) -> Model:
        """Choose, fetch, read, and say where it came from."""
        (self.listing,) = together([self.remote.listing], self.place, self.traffic, self._step)
        target, self.base, self.files = self._chosen()
        small = [] if target.endswith(".gguf") else self._small(target)
        together([partial(self._lay_small, name) for name in small], self.place, self.traffic, self._step)
        if not target.endswith(".gguf"):
            self.files = self._belonging(target)
        together([partial(self._lay, name) for name in self.files], self.place, self.traffic, self._step)
        progress.tell(None)
        try:
            found = read.read(self.room / target if target else self.room)
        except AssayError as error:
            raise self._renamed(error) from error
        return self._described(found, target)

    def _step(self, done: int) -> None:
        progress.tell(
            message(
                "progress.hub",
                repo=self.place.repo,
                done=done,
                files=len(self.files),
                received=self.traffic.received_bytes,
            )
        )

    def _names(self, base: str) -> list[str]:
        """Names of the files that lie directly in a folder of the repository."""
        inside = (name.removeprefix(base) for name in self.listing.sizes if name.startswith(base))
        return sorted(name for name in inside if "/" not in name)

    def _chosen(self) -> tuple[str, str, list[str]]:
        """(file to read or "" for the folder, folder in the repository with its slash, tensor files if known).

        Raises:
            UnknownModel: there is no such file, or the repository holds several models.
            UnsupportedFile: it holds nothing that can be read.
        """
        file = self.wanted.file
        if file is not None and not any(name.startswith(f"{file}/") for name in self.listing.sizes):
            if file not in self.listing.sizes or not file.endswith(READABLE):
                raise UnknownModel(
                    message("error.hub.no_file", repo=self.place.repo, file=file),
                    message("hint.hub.no_file", url=f"{self.place.url}/tree/{self.listing.commit}"),
                )
            base, _, name = file.rpartition("/")
            base = f"{base}/" if base else ""
            return name, base, self._parts(base, name) if name.endswith(".gguf") else []
        base = "" if file is None else f"{file}/"
        names = self._names(base)
        if folder.CONFIG not in names and containers.ADAPTER in names:
            return "", base, []
        if folder.CONFIG in names and (folder.own_weights(names) or not self._ggufs(base)):
            return "", base, []
        return self._only_gguf(base)

    def _parts(self, base: str, name: str) -> list[str]:
        """The parts of a split GGUF file that are there, or the file itself."""
        match = PARTS.search(name)
        if match is None:
            return [name]
        rest = f"-of-{match[2]}.gguf"
        found = [other for other in self._names(base) if other.startswith(name[: match.start()] + "-")]
        return [other for other in found if other.endswith(rest) and PARTS.search(other)]

    def _ggufs(self, base: str) -> list[str]:
        """The GGUF models below a folder of the repository, of a split one its first part."""
        found = []
        for path in sorted(self.listing.sizes):
            name = path.rpartition("/")[2]
            match = PARTS.search(name)
            first = match is None or match[1] == "00001"
            if path.startswith(base) and name.endswith(".gguf") and first and not name.startswith(_NOT_MODELS):
                found.append(path)
        return found

    def _only_gguf(self, base: str) -> tuple[str, str, list[str]]:
        """The only GGUF model of a repository; several are named with their sizes, none is picked."""
        found = self._ggufs(base)
        if not found:
            raise UnsupportedFile(message("error.hub.no_model", repo=self.place.repo), message("hint.hub.no_model"))
        if len(found) > 1:
            raise self._several(found)
        within, _, name = found[0].rpartition("/")
        within = f"{within}/" if within else ""
        return name, within, self._parts(within, name)

    def _size(self, path: str) -> int:
        """Bytes of a GGUF model with all its parts, as far as they are known."""
        base = path[: path.rfind("/") + 1]
        return sum(self.listing.sizes[base + name] or 0 for name in self._parts(base, path.removeprefix(base)))

    def _several(self, found: list[str]) -> UnknownModel:
        revision = f"@{self.wanted.revision}" if self.wanted.revision else ""
        names = [f"{PREFIX}{self.wanted.repo}{revision}/{path}" for path in found]
        sizes = [self._size(path) for path in found]
        listed = "\n".join(f"{size} {path}" for size, path in sorted(zip(sizes, found, strict=True))[:MOST_LISTED])
        return UnknownModel(
            message("error.hub.several", repo=self.place.repo, number=len(names)),
            message("hint.hub.several", example=names[0], names=listed),
            candidates=names,
        )

    def _small(self, target: str) -> list[str]:
        """JSON files that readers look at."""
        names = self._names(self.base)
        own = folder.own_weights(names)
        wanted = [*SMALL]
        if own and own[0].startswith(folder.CONSOLIDATED):
            wanted.append(folder.PUBLISHERS_INDEX)
        if not own or target.endswith(containers.TORCH):
            wanted.append(torch_zip.INDEX)
        if folder.CONFIG not in names:
            wanted.append(containers.ADAPTER)
        return [name for name in wanted if name in names]

    def _belonging(self, target: str) -> list[str]:
        """Names of the tensor files that the readers will open, as far as the repository has them.

        Args:
            target: the one that was asked for, with which others may belong; "": those of the folder.
        """
        names = self._names(self.base)
        if target == folder.CONFIG:
            chosen = []
        elif target:
            listed = next((found for found in map(self._listed, INDEXES) if target in found), None)
            chosen = shard_index.parts(target) if listed is None else listed
        elif folder.CONFIG not in names:
            chosen = [name for name in adapter.WEIGHTS if name in names][:1]
        else:
            chosen = self._shards(names)
            for name in names:
                if name.startswith(folder.ADAPTERS):  # the folder's reader tells that one is there
                    (self.room / name).touch()
        if len(chosen) > shard_index.MAX_FILES:
            raise network(self.place, "error.hub.too_much", limit=self.traffic.limit_bytes)
        return [name for name in chosen if name in names]

    def _listed(self, index: str) -> list[str]:
        """What an index lists that was laid; nothing where it was not."""
        if not files.present(self.room / index):
            return []
        try:
            return shard_index.listed(self.room / index)
        except AssayError as error:
            raise self._renamed(error) from error

    def _shards(self, names: list[str]) -> list[str]:
        """Names of a folder's tensor files: safetensors, else torch."""
        own = folder.own_weights(names)
        for index in INDEXES:
            listed = self._listed(index)
            if not listed:
                continue
            if self.listing.folder is not None and not set(listed) <= set(names):
                # The cache has some of them, the repository may have all: the configuration alone speaks.
                (self.room / index).unlink()
                return []
            return listed
        return own or [name for name in names if name == torch_zip.ALONE]

    def _lay_small(self, name: str) -> None:
        path = self.base + name
        self._link(name, self.remote.small(path, self.listing.sizes[path]))

    def _link(self, name: str, found: Path) -> None:
        (self.room / name).symlink_to(found.resolve())

    def _lay(self, name: str) -> None:
        """The header of one tensor file, or the file itself where the library's cache has it."""
        path = self.base + name
        there = self.remote.cached(path)
        if there is not None:
            self._link(name, there)
        else:
            Headers(self.remote, self.listing, self._renamed).lay(self.room / name, path)

    def _renamed(self, error: AssayError) -> AssayError:
        """The error with the file's name at the Hub in place of the temporary one."""
        room, shown = f"{self.room}{os.sep}", f"{self.place.repo}/{self.base}"

        def named(value: Any) -> Any:
            return shown + value.removeprefix(room) if isinstance(value, str) and value.startswith(room) else value

        said = error.message
        error.message = Message(said.code, tuple((key, named(value)) for key, value in said.parameters), said.level)
        error.file = named(error.file)
        return error

    def _described(self, found: Model, target: str) -> Model:
        """The model under its name at the Hub, its sources as addresses of this very commit."""
        revision = f"@{self.wanted.revision}" if self.wanted.revision else ""
        inner = self.base + target if target else self.base.rstrip("/")
        name = f"{self.wanted.repo}{revision}" + (f"/{inner}" if inner else "")

        def addressed(sources: tuple[str, ...]) -> tuple[str, ...]:
            at = f"{self.place.endpoint}/{self.listing.repo}/blob/{self.listing.commit}/{self.base}"
            return tuple(at + source if files.reachable(self.room / source) else source for source in sources)

        notes = [
            *found.notes,
            message(
                "note.hub_read",
                repo=self.listing.repo,
                commit=self.listing.commit,
                host=self.place.host,
                received=self.traffic.received_bytes,
            ),
        ]
        if found.container == "config":
            notes.append(message("note.hub_config_only", "warning"))
        weights = replace(found.weights, sources=addressed(found.weights.sources))
        return replace(found, name=name, sources=addressed(found.sources), weights=weights, notes=tuple(notes))
