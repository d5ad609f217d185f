"""Opens a benchmark's file and finds out which tool wrote it; nothing in it is trusted."""

import codecs
import csv
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

from assay.observe.checkpoint import files
from assay.observe.measurements import llama_bench, serving_bench
from assay.observe.measurements.fields import Fields, malformed
from assay.types.measurement import Measurement

MAX_BYTES = 16 * 2**20
"""A result has some 2 KB; one that keeps every token's time, some MB."""
MAX_ROWS = 10_000


def _content(path: Path) -> bytes:
    descriptor, size = files.open_regular(path)
    with os.fdopen(descriptor, "rb") as stream:
        try:
            content = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise files.unreadable(path, error) from error
    if max(len(content), size) > MAX_BYTES:
        raise files.beyond(str(path), "bytes", MAX_BYTES)
    return content


def _text(content: bytes, file: str) -> str:
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if b"\0" in content and not wide:
        raise malformed(file, "binary")
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise malformed(file, "binary") from error
    if not text.strip():
        raise malformed(file, "empty")
    return text


def _parsed(text: str, file: str, line: int = 1) -> Any:
    try:
        return json.loads(text, object_pairs_hook=files.once)
    except json.JSONDecodeError as error:
        raise malformed(file, "json", line=line + error.lineno - 1) from error
    except (ValueError, RecursionError) as error:
        raise malformed(file, "json", line=line) from error


def _json_lines(text: str, file: str) -> list[Any]:
    numbered = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if len(numbered) > MAX_ROWS:
        raise malformed(file, "rows")
    return [_parsed(line, file, number) for number, line in numbered]


def _json(text: str, file: str) -> list[Any]:
    """The values of a JSON text: an array's, a whole object, or one of each line.

    Raises:
        MalformedFile: it breaks off, or is no JSON.
    """
    if text.lstrip().startswith("["):
        found = _parsed(text, file)
        return found if isinstance(found, list) else [found]
    lines = text.strip().splitlines()
    if len(lines) > 1 and lines[0].strip().endswith("}"):
        return _json_lines(text, file)
    return [_parsed(text, file)]


def _csv(text: str, file: str) -> list[Any]:
    """The rows of llama-bench's CSV by the names in its head.

    Raises:
        MalformedFile: a quote that does not end, or a row of another length than the head.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head, *rows = [row for row in reader if row]
    except csv.Error as error:
        raise malformed(file, "csv", line=reader.line_num) from error
    for number, row in enumerate(rows, 2):
        if len(row) != len(head) or not row[-1]:  # cut behind a comma, a row has its length and no last value
            raise malformed(file, "csv", line=number)
    if not rows:
        raise malformed(file, "empty" if set(llama_bench.MARKS) <= set(head) else "kind")
    return [dict(zip(head, row, strict=True)) for row in rows]


def _rows(text: str, file: str) -> list[Any]:
    start = text.lstrip()[:1]
    rows = _json(text, file) if start in ("{", "[") else _csv(text, file)
    if not rows:
        raise malformed(file, "empty")
    if len(rows) > MAX_ROWS:
        raise malformed(file, "rows")
    return rows


def _measurement(row: Fields, digest: str) -> Measurement:
    if llama_bench.is_row(row.body):
        return llama_bench.measurement(row, digest)
    return serving_bench.measurement(row, digest)


def read(file: str) -> tuple[Measurement, ...]:
    """The measurements in a benchmark's file: all of them, or an error about the first that cannot be believed.

    Raises:
        UnreadableFile: it cannot be opened, or is no regular file.
        UnsupportedFile: it is larger than what is read.
        MalformedFile: it breaks off, is of no known tool, or a field cannot be what it says.
    """
    path = Path(os.path.expanduser(file))  # noqa: PTH111 - Path's own raises for a user that does not exist
    content = _content(path)
    rows = _rows(_text(content, file), file)
    for body in rows:
        if not (llama_bench.is_row(body) or serving_bench.is_row(body)):
            raise malformed(file, "kind")
    digest = hashlib.sha256(content).hexdigest()
    return tuple(
        _measurement(Fields(body, file, number, alone=len(rows) == 1), digest) for number, body in enumerate(rows)
    )
