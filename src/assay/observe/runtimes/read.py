"""Opens a start-up log and finds out which runtime wrote it. No line is trusted, and none is kept."""

import codecs
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from assay.errors import MalformedFile, MissingKnowledge
from assay.observe.checkpoint import files
from assay.observe.runtimes.llama_cpp_log import LlamaCpp
from assay.observe.runtimes.sglang_log import Sglang
from assay.observe.runtimes.vllm_log import Vllm
from assay.types.log import LogLine, ServerLog
from assay.types.message import message

MAX_BYTES = 8 * 2**20
"""A start takes some 100 KB; what follows are requests."""
MAX_LINE = 2**14
"""Characters of a line that are read; engine configurations have some 5,000."""
CHUNK = 2**16
STANDARD_INPUT = "-"
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What moves a terminal's cursor without an escape."""
MARKS = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be", codecs.BOM_UTF8: "utf-8"}
"""What a file begins with where a shell on Windows wrote it."""


def _malformed(reason: str, file: str) -> MalformedFile:
    name = Path(file).name
    return MalformedFile(message(f"error.log.{reason}", file=name, limit=MAX_BYTES), message("hint.log"), file=file)


def _decoded(stream: BinaryIO, file: str) -> Iterator[str]:
    """The text in chunks; what is not in the encoding is replaced.

    Raises:
        MalformedFile: it is empty, no text, or longer than is read.
    """
    first = stream.read(CHUNK)
    if not first.strip():
        raise _malformed("empty", file)
    mark = next((mark for mark in MARKS if first.startswith(mark)), b"")
    if not mark and b"\0" in first:
        raise _malformed("binary", file)
    decoder = codecs.getincrementaldecoder(MARKS.get(mark, "utf-8"))("replace")
    chunk, total = first.removeprefix(mark), 0
    while chunk:
        total += len(chunk)
        if total > MAX_BYTES:
            raise _malformed("long", file)
        yield decoder.decode(chunk)
        chunk = stream.read(CHUNK)
    yield decoder.decode(b"", final=True)


def _lines(chunks: Iterator[str]) -> Iterator[LogLine]:
    """The lines with their numbers; of a longer one its beginning; a progress bar's turns are lines of one number."""
    number, rest = 1, ""
    for chunk in chunks:
        *whole, last = chunk.split("\n")
        for text in whole:
            yield LogLine(number, (rest + text)[:MAX_LINE])
            number, rest = number + 1, ""
        rest = (rest + last)[:MAX_LINE]
    yield LogLine(number, rest)


def _clean(lines: Iterator[LogLine]) -> Iterator[LogLine]:
    for number, text in lines:
        bare = ESCAPES.sub("", text) if "\x1b" in text else text
        for part in bare.split("\r"):
            yield LogLine(number, part if part.isprintable() else CONTROLS.sub("", part))


def parse(lines: Iterator[LogLine]) -> ServerLog | None:
    """The log of the runtime that most lines speak of, or None where none does."""
    readers = (Vllm(), LlamaCpp(), Sglang())
    for line in lines:
        for reader in readers:
            reader.feed(line)
    draft = max((reader.close() for reader in readers), key=lambda found: found.marks)
    return draft.freeze() if draft.marks else None


def _parsed(stream: BinaryIO, file: str) -> ServerLog:
    found = parse(_clean(_lines(_decoded(stream, file))))
    if found is None:
        raise MissingKnowledge(
            message("error.log.runtime", file=Path(file).name), message("hint.log_runtime"), file=file
        )
    return found


def read(file: str) -> ServerLog:
    """What a server's start-up log tells.

    Args:
        file: its path, or `-` for standard input.

    Raises:
        UnreadableFile: it cannot be opened, or is no regular file.
        MalformedFile: it is empty, binary, or longer than a log of a start.
        MissingKnowledge: no known runtime wrote it.
    """
    if file == STANDARD_INPUT:
        return _parsed(sys.stdin.buffer, file)
    path = Path(os.path.expanduser(file))  # noqa: PTH111 - Path's own raises for a user that does not exist
    descriptor, size = files.open_regular(path)
    with os.fdopen(descriptor, "rb") as stream:
        if size > MAX_BYTES:
            raise _malformed("long", file)
        try:
            return _parsed(stream, file)
        except OSError as error:
            raise files.unreadable(path, error) from error
