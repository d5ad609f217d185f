"""The headers of a repository's tensor files, laid as the beginnings of sparse files of the published sizes.

The readers of local files then check every offset against the real end. Of a torch archive the directory lies at the
end: the file gets that, and the entries that describe the tensors.
"""

from collections.abc import Callable
from pathlib import Path

from assay.errors import AssayError, MalformedFile
from assay.observe.checkpoint import containers, files, gguf, pickled, safetensors, zip_directory
from assay.observe.checkpoint.hub_errors import network
from assay.observe.checkpoint.hub_transfer import Listing, Remote

FIRST_BYTES = 2**20
"""A GGUF header does not say how long it is: this much first, then twice as much. Most have 2 to 10 MB."""
MAX_GGUF_BYTES = 100_000_000
LAST_BYTES = 2**17
"""Of a torch archive: a directory of 1,000 tensors, and its end."""
MAX_LAST_BYTES = zip_directory.MAX_DIRECTORY_BYTES + 2**17
HEAD_BYTES = 512
"""By which torch's older files are told apart."""
MAX_FILE_BYTES = 2**43
"""8 TiB: more than a checkpoint has, less than any file system's largest file."""
TORCH_DESCRIPTIONS = ("data.pkl", "byteorder")
_GROWS = frozenset({"error.malformed.truncated", "error.malformed.count_too_large"})
_FURTHER = frozenset({"error.malformed.truncated", "error.malformed.zip_directory", "error.malformed.zip_entry"})


class Headers:
    """Fetches headers of one repository at one commit.

    Attributes:
        remote: the repository.
        listing: its files.
        renamed: puts the name at the Hub into an error that names a laid file.
    """

    def __init__(self, remote: Remote, listing: Listing, renamed: Callable[[AssayError], AssayError]) -> None:
        self.remote = remote
        self.listing = listing
        self.renamed = renamed

    def lay(self, target: Path, path: str) -> None:
        """The header of the repository's file `path` as a sparse file.

        Raises:
            NetworkFailure: see `Remote.range`; or the listing gives another size.
            MalformedFile: the header is longer than any that its reader takes, or broken.
        """
        if self.listing.sizes[path] == 0:
            target.touch()
        elif path.endswith(".gguf"):
            self._gguf(target, path)
        elif path.endswith(containers.TORCH):
            self._torch(target, path)
        else:
            self._safetensors(target, path)

    def _range(self, path: str, begin: int, end: int) -> tuple[bytes, int]:
        """(a part of the file, the size of all of it), which the Hub's listing must confirm."""
        content, total = self.remote.range(path, begin, end)
        listed = self.listing.sizes[path]
        if listed is not None and listed != total:
            raise network(self.remote.place, "error.hub.range_wrong", file=path)
        if total > MAX_FILE_BYTES:
            raise files.beyond(path, "bytes", MAX_FILE_BYTES)
        return content, total

    def _safetensors(self, target: Path, path: str) -> None:
        size = self.listing.sizes[path]
        first, total = self._range(path, 0, 8 if size is None else min(8, size))
        length = int.from_bytes(first, "little")
        header = b""
        # A header that cannot be, or that no reader takes, is not fetched: these eight bytes refuse the file.
        if len(first) == 8 and 0 < length <= min(safetensors.MAX_HEADER_BYTES, total - 8):
            header, _ = self._range(path, 8, 8 + length)
        _write(target, total, [(0, first + header)])

    def _gguf(self, target: Path, path: str) -> None:
        """As much of the file as its header takes, found by reading it again whenever it ends too early."""
        content = b""
        wanted = FIRST_BYTES
        total = self.listing.sizes[path]
        while True:
            more, total = self._range(path, len(content), wanted if total is None else min(wanted, total))
            content += more
            if _impossible(content, total) or len(content) == total or self._is_whole(target, content):
                _write(target, total, [(0, content)])
                return
            if len(content) >= MAX_GGUF_BYTES:
                raise files.malformed(path, "header_too_long", offset=len(content))
            wanted = min(2 * wanted, MAX_GGUF_BYTES)

    def _is_whole(self, target: Path, content: bytes) -> bool:
        """Whether the header ends within these bytes.

        Raises:
            MalformedFile, UnsupportedFile: it is broken within them.
        """
        target.write_bytes(content)
        try:
            gguf.header(target)
        except MalformedFile as error:
            if error.message.code in _GROWS:
                return False
            if error.message.code != "error.malformed.offset_outside":  # the data is not there: all else was
                raise self.renamed(error) from error
        except AssayError as error:
            raise self.renamed(error) from error
        return True

    def _torch(self, target: Path, path: str) -> None:
        """The beginning, the directory at the end, and the entries that describe the tensors."""
        size = self.listing.sizes[path]
        first, total = self._range(path, 0, HEAD_BYTES if size is None else min(HEAD_BYTES, size))
        laid = [(0, first)]
        _write(target, total, laid)
        if not first.startswith(zip_directory.LOCAL) or total <= len(first):
            return  # its reader says what it is
        for entry in self._directory(target, path, total, laid):
            if entry.name.rpartition("/")[2] in TORCH_DESCRIPTIONS and entry.size <= pickled.MAX_PICKLE_BYTES:
                begin = entry.offset + zip_directory.LOCAL_BYTES
                head, _ = self._range(path, entry.offset, min(begin, total))
                end = begin + zip_directory.further(head) + entry.size
                if begin < end <= total:
                    head += self._range(path, begin, end)[0]
                laid.append((entry.offset, head))
        _write(target, total, laid)

    def _directory(
        self, target: Path, path: str, total: int, laid: list[tuple[int, bytes]]
    ) -> list[zip_directory.Entry]:
        """The entries of an archive by its directory, which is laid; none where it is broken: its reader says so."""
        begin = total
        wanted = LAST_BYTES
        while True:
            earlier = max(total - wanted, 0)
            laid.append((earlier, self._range(path, earlier, begin)[0]))
            begin = earlier
            _write(target, total, laid)
            try:
                with target.open("rb") as stream:
                    return list(zip_directory.archive(target, stream, total).entries.values())
            except MalformedFile as error:
                if error.message.code not in _FURTHER or begin == 0 or wanted >= MAX_LAST_BYTES:
                    return []
            wanted = min(8 * wanted, MAX_LAST_BYTES)


def _impossible(content: bytes, total: int) -> bool:
    """Whether a GGUF file announces more tensors or keys than its bytes can hold: its reader refuses it at once."""
    if len(content) < 24:
        return False
    tensors, pairs = (int.from_bytes(content[at : at + 8], "little") for at in (8, 16))
    return tensors > total // gguf.SMALLEST_TENSOR or pairs > total // gguf.SMALLEST_PAIR


def _write(path: Path, size: int, parts: list[tuple[int, bytes]]) -> None:
    """A file of this size with these parts at their places and holes between: it takes no more room than the parts."""
    with path.open("wb") as stream:
        for offset, content in parts:
            stream.seek(offset)
            stream.write(content)
        stream.truncate(size)
