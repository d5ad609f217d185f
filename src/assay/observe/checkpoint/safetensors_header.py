"""The JSON object at the beginning of a safetensors file, entry by entry: no tree of a long one is ever built.

A header may have 100 MB, and as a tree of Python's objects 3 GB. Of a long one a window is held, each tensor is handed
over as soon as it stands, the free text of `__metadata__` is stepped over, and the number of tensors has an end.
Positions are offsets in the file.
"""

import json
import os
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from pathlib import Path
from sys import getsizeof
from typing import Any

from assay.errors import MalformedFile
from assay.observe.checkpoint import files, places

METADATA = "__metadata__"
LENGTH_BYTES = 8
"""Before the header."""
SMALL_BYTES = 2**20
"""A header of this length is a tree of at most 35 MB, and built faster than it is walked."""
WINDOW_BYTES = 2**20
MAX_TENSORS = 100_000
"""In one file, and notes in its metadata: a bound of our own, so that a hostile header ends in two seconds."""
MAX_ENTRY_BYTES = 1024
MAX_VALUES = 10 * MAX_TENSORS
"""In all entries: a tensor of 5 dimensions has 8 commas."""
MAX_LISTS = 8
"""In one entry, which has two."""
MAX_NAME_BYTES = 2**16
MAX_NAMES_BYTES = 40 * 10**6
"""Of memory; 100,000 names of 90 letters take 14 MB."""
PIECE_BYTES = 256
"""Of a long text at first; then twice as much each time."""
_SPACE = re.compile(rb"[ \t\n\r]*+")
_KEY = re.compile(rb'"([^"\\\x00-\x1f]*+)"[ \t\n\r]*+:[ \t\n\r]*+')
_PLAIN = re.compile(rb'"[^"\\\x00-\x1f]*+"')
_QUOTED = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_MORE = re.compile(rb"[ \t\n\r]*+([,}])[ \t\n\r]*+")
_DECODER = json.JSONDecoder(object_pairs_hook=files.once)
_value = _DECODER.raw_decode


class Entries:
    """The entries of one header.

    Attributes:
        path: the file.
        end: offset behind the header, where the data begin.
    """

    def __init__(self, path: Path, length: int) -> None:
        self.path = path
        self.end = LENGTH_BYTES + length
        self._at: int | None = None
        self._values = 0
        self._descriptor = -1
        self._window = b""
        self._base = 0

    def _broken(self, reason: str, position: int, field: str = "header") -> MalformedFile:
        return files.malformed(str(self.path), reason, field, position)

    def place(self, field: str) -> int:
        """The offset of a field of the tensor that was handed over last."""
        return self._base + places.of_key(self._window, field) if self._at is None else self._at

    def _ahead(self, position: int, count: int) -> int:
        """Where in the window a place is, with the next `count` bytes behind it if the header has so many."""
        index = position - self._base
        if index + count > len(self._window) and self._base + len(self._window) < self.end:
            wanted = min(max(count, WINDOW_BYTES), self.end - position)
            try:
                self._window = os.pread(self._descriptor, wanted, position)
            except OSError as error:
                raise files.unreadable(self.path, error) from error
            self._base, index = position, 0
            if len(self._window) < wanted:  # the file shrinks meanwhile
                raise self._broken("truncated", position)
        return index

    def _sign(self, position: int) -> bytes:
        """The byte at a place; empty behind the header."""
        index = self._ahead(position, 1)
        return self._window[index : index + 1]

    def _next(self, position: int) -> int:
        """The next place that is no white space."""
        while True:
            index = self._ahead(position, 1)  # first: it may change the window
            found = _SPACE.match(self._window, index)
            position = self._base + (found.end() if found is not None else 0)
            if position < self._base + len(self._window) or position >= self.end:
                return position

    def _text(self, content: bytes, position: int) -> str:
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self._broken("json", position + error.start) from error

    def _name(self, position: int) -> tuple[str, int]:
        """(a key, the place of its value)."""
        index = self._ahead(position, MAX_NAME_BYTES)
        usual = _KEY.match(self._window, index)
        if usual is not None and usual.end() < len(self._window):
            return self._text(usual[1], position + 1), self._base + usual.end()
        if self._window[index : index + 1] != b'"':
            raise self._broken("json", position)
        quoted = _QUOTED.match(self._window, index, index + MAX_NAME_BYTES)
        if quoted is None:
            if self.end - position < MAX_NAME_BYTES:
                raise self._broken("json", position)
            raise files.beyond(str(self.path), "name", MAX_NAME_BYTES, "header", position)
        name, _ = _value(self._text(quoted[0], position))
        behind = self._next(self._base + quoted.end())
        if self._sign(behind) != b":":
            raise self._broken("json", behind)
        return name, self._next(behind + 1)

    def _more(self, position: int) -> tuple[bool, int]:
        """(whether another key follows a value, the place of that key or behind the object)."""
        index = self._ahead(position, PIECE_BYTES)
        found = _MORE.match(self._window, index)
        if found is not None and found.end() < len(self._window):
            return found[1] == b",", self._base + found.end()
        position = self._next(position)
        sign = self._sign(position)
        if sign not in (b",", b"}"):
            raise self._broken("json", position)
        return sign == b",", self._next(position + 1)

    def _behind_text(self, position: int) -> int:
        """The place behind a text, which may be longer than the window and is not kept."""
        index = self._ahead(position, MAX_ENTRY_BYTES)
        usual = _PLAIN.match(self._window, index)
        if usual is not None:
            self._text(usual[0], position)
            return self._base + usual.end()
        decoder = getincrementaldecoder("utf-8")()
        position += 1
        length = PIECE_BYTES
        while True:
            index = self._ahead(position, length)
            piece = self._window[index : index + length]
            hidden = piece.replace(b"\\\\", b"  ").replace(b'\\"', b"  ")
            end = hidden.find(b'"')
            # An escape is not cut in two; at the end of the header nothing completes it.
            escape = hidden.rfind(b"\\", max(len(piece) - 5, 0)) if end < 0 else -1
            piece = piece[:end] if end >= 0 else piece[:escape] if escape >= 0 else piece
            if end < 0 and not piece:
                raise self._broken("json", position)
            try:
                _value(f'"{decoder.decode(piece, end >= 0)}"')
            except ValueError as error:
                raise self._broken("json", position) from error
            position += len(piece)
            if end >= 0:
                return position + 1
            length = min(2 * length, WINDOW_BYTES)

    def _metadata(self, position: int) -> int:
        """The place behind an object of texts."""
        if self._sign(position) != b"{":
            raise self._broken("not_object", position, METADATA)
        position = self._next(position + 1)
        if self._sign(position) == b"}":
            return position + 1
        more, notes = True, 0
        while more:
            notes += 1
            if notes > MAX_TENSORS:
                raise files.beyond(str(self.path), "notes", MAX_TENSORS, METADATA, position)
            key, position = self._name(position)
            if self._sign(position) != b'"':
                raise self._broken("not_text", position, f"{METADATA}.{key}")
            more, position = self._more(self._behind_text(position))
        return position

    def _entry(self, name: str, position: int) -> tuple[Any, int]:
        """(what is said of a tensor, the place behind it): an object without objects in it."""
        index = self._ahead(position, MAX_ENTRY_BYTES)
        window = self._window
        if window[index : index + 1] != b"{":
            raise self._broken("not_object", position, name)
        brace = window.find(b"}", index, index + MAX_ENTRY_BYTES)
        if window.find(b"{", index + 1, brace if brace >= 0 else index + MAX_ENTRY_BYTES) >= 0:
            raise self._broken("nesting", position, name)
        if brace < 0 and self.end - position > MAX_ENTRY_BYTES:
            raise files.beyond(str(self.path), "entry", MAX_ENTRY_BYTES, name, position)
        if brace < 0:
            raise self._broken("json", position, name)
        if window.count(b"[", index, brace) > MAX_LISTS:
            raise self._broken("nesting", position, name)
        self._values += window.count(b",", index, brace)
        if self._values > MAX_VALUES:
            raise files.beyond(str(self.path), "values", MAX_VALUES, name, position)
        try:
            entry, _ = _value(self._text(window[index : brace + 1], position))
        except json.JSONDecodeError as error:
            raise self._broken("json", position + error.pos, name) from error
        return entry, self._base + brace + 1

    def _tree(self) -> Iterator[tuple[str, Any]]:
        self._ahead(LENGTH_BYTES, self.end - LENGTH_BYTES)
        try:
            document = files.parse_object(self._window, str(self.path))
        except MalformedFile as error:
            error.field = "header" if error.field == files.DOCUMENT else error.field
            error.offset = None if error.offset is None else LENGTH_BYTES + error.offset
            raise
        notes = document.pop(METADATA, {})
        if not isinstance(notes, dict):
            raise self._broken("not_object", self.place(METADATA), METADATA)
        wrong = next((key for key, value in notes.items() if not isinstance(value, str)), None)
        if wrong is not None:
            field = f"{METADATA}.{wrong}"
            raise self._broken("not_text", self.place(field), field)
        yield from document.items()

    def tensors(self) -> Iterator[tuple[str, Any]]:
        """(name, what is said of it) of every tensor, in the order of the header.

        Raises:
            UnreadableFile: the file cannot be opened any more.
            MalformedFile: it is no JSON object of objects, or names a tensor twice.
            UnsupportedFile: it holds more tensors or notes than any published one.
        """
        self._descriptor, _ = files.open_regular(self.path)
        try:
            yield from self._tree() if self.end - LENGTH_BYTES <= SMALL_BYTES else self._walked()
        except json.JSONDecodeError as error:
            raise self._broken("json", self._at or LENGTH_BYTES) from error
        except files.RepeatedKeyError as error:
            raise self._broken("repeated_key", self._at or LENGTH_BYTES, str(error)) from error
        except RecursionError as error:
            raise self._broken("nesting", self._at or LENGTH_BYTES) from error
        except ValueError as error:  # an integer of thousands of digits
            raise self._broken("out_of_range", self._at or LENGTH_BYTES) from error
        finally:
            os.close(self._descriptor)

    def _walked(self) -> Iterator[tuple[str, Any]]:
        position = self._next(LENGTH_BYTES + 1)  # the caller has seen the brace
        more = self._sign(position) != b"}"
        end = position + 1
        kept = 0
        seen: set[str] = set()
        while more:
            self._at = position
            name, position = self._name(position)
            if name in seen:
                raise self._broken("repeated_key", self._at, name)
            if len(seen) > MAX_TENSORS:
                raise files.beyond(str(self.path), "tensors", MAX_TENSORS, name, self._at)
            seen.add(name)
            kept += getsizeof(name)
            if kept > MAX_NAMES_BYTES:
                raise files.beyond(str(self.path), "names", MAX_NAMES_BYTES, "header", self._at)
            if name == METADATA:
                position = self._metadata(position)
            else:
                entry, position = self._entry(name, position)
                yield name, entry
            more, position = self._more(position)
            end = position
        if self._next(end) != self.end:
            raise self._broken("json", end)
