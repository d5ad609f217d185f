"""The JSON object at the beginning of a safetensors file, entry by entry: no tree of a long one is ever built.

A header may have 100 MB, and as a tree of Python's objects 3 GB. Here each tensor of a long one is handed over as soon
as it stands, the free text of `__metadata__` is stepped over, and both length and number of tensors have an end.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from assay.errors import MalformedFile
from assay.observe.checkpoint import files, places

METADATA = "__metadata__"
LENGTH_BYTES = 8
"""Before the header."""
SMALL_BYTES = 2**20
"""A header of this length is a tree of at most 35 MB, and built faster than it is walked."""
MAX_BYTES = 24 * 2**20
MAX_WIDE_BYTES = 6 * 2**20
"""Text that is not ASCII takes up to four bytes for each of its own."""
MAX_TENSORS = 100_000
"""In one file, and notes in its metadata: a bound of our own, so that a hostile header ends in two seconds."""
MAX_ENTRY = 4096
_SPACE = re.compile(r"[ \t\n\r]*")
_KEY = re.compile(r'"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*')
_MORE = re.compile(r"[ \t\n\r]*([,}])[ \t\n\r]*")
_DECODER = json.JSONDecoder(object_pairs_hook=files.once)
_value = _DECODER.raw_decode


class Entries:
    """The entries of one header.

    Attributes:
        file: what errors name.
        text: the header.
        end: offset behind it in the file, where the data begin.
    """

    def __init__(self, content: bytes, file: str) -> None:
        self.file = file
        self.end = LENGTH_BYTES + len(content)
        self._at: int | None = None
        if len(content) > MAX_WIDE_BYTES and not content.isascii():
            raise files.beyond(file, "header_wide", MAX_WIDE_BYTES, field="header_size", offset=0)
        try:
            self.text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise files.malformed(file, "json", "header", LENGTH_BYTES + error.start) from error

    def _broken(self, reason: str, position: int, field: str = "header") -> MalformedFile:
        return files.malformed(self.file, reason, field, self._offset(position))

    def _offset(self, position: int) -> int:
        """The offset in the file of a place in the text."""
        return LENGTH_BYTES + (position if self.text.isascii() else len(self.text[:position].encode()))

    def place(self, field: str) -> int:
        """The offset of a field of the tensor that was handed over last."""
        return LENGTH_BYTES + places.of_key(self.text.encode(), field) if self._at is None else self._offset(self._at)

    def _next(self, position: int) -> int:
        """The next place that is no white space."""
        found = _SPACE.match(self.text, position)
        return position if found is None else found.end()

    def _name(self, position: int) -> tuple[str, int]:
        """(a key, the place of its value)."""
        usual = _KEY.match(self.text, position)
        if usual is not None:
            return usual[1], usual.end()
        if self.text[position : position + 1] != '"':
            raise self._broken("json", position)
        name, position = _value(self.text, position)
        position = self._next(position)
        if self.text[position : position + 1] != ":":
            raise self._broken("json", position)
        return name, self._next(position + 1)

    def _more(self, position: int) -> tuple[bool, int]:
        """(whether another key follows a value, the place of that key or behind the object)."""
        found = _MORE.match(self.text, position)
        if found is None:
            raise self._broken("json", position)
        return found[1] == ",", found.end()

    def _metadata(self, position: int) -> int:
        """The place behind an object of texts."""
        if self.text[position : position + 1] != "{":
            raise self._broken("not_object", position, METADATA)
        position = self._next(position + 1)
        if self.text[position : position + 1] == "}":
            return position + 1
        more, notes = True, 0
        while more:
            notes += 1
            if notes > MAX_TENSORS:
                raise files.beyond(self.file, "notes", MAX_TENSORS, METADATA, self._offset(position))
            key, position = self._name(position)
            if self.text[position : position + 1] != '"':
                raise self._broken("not_text", position, f"{METADATA}.{key[:64]}")
            _, position = _value(self.text, position)
            more, position = self._more(position)
        return position

    def _entry(self, name: str, position: int) -> tuple[Any, int]:
        """(what is said of a tensor, the place behind it): an object without objects in it."""
        if self.text[position : position + 1] != "{":
            raise self._broken("not_object", position, name)
        brace = self.text.find("}", position, position + MAX_ENTRY)
        if self.text.find("{", position + 1, brace if brace >= 0 else position + MAX_ENTRY) >= 0:
            raise self._broken("nesting", position, name)
        if brace < 0:
            raise self._broken("json", position, name)
        try:
            return _value(self.text, position)
        except json.JSONDecodeError as error:
            raise self._broken("json", error.pos, name) from error

    def _tree(self) -> Iterator[tuple[str, Any]]:
        try:
            document = files.parse_object(self.text.encode(), self.file)
        except MalformedFile as error:
            error.field = "header" if error.field == files.DOCUMENT else error.field
            error.offset = None if error.offset is None else LENGTH_BYTES + error.offset
            raise
        notes = document.pop(METADATA, {})
        if not isinstance(notes, dict):
            raise files.malformed(self.file, "not_object", METADATA, self.place(METADATA))
        wrong = next((key for key, value in notes.items() if not isinstance(value, str)), None)
        if wrong is not None:
            field = f"{METADATA}.{wrong}"
            raise files.malformed(self.file, "not_text", field, self.place(field))
        yield from document.items()

    def tensors(self) -> Iterator[tuple[str, Any]]:
        """(name, what is said of it) of every tensor, in the order of the header.

        Raises:
            MalformedFile: it is no JSON object of objects, names a tensor twice, or holds more than any published one.
        """
        if len(self.text) <= SMALL_BYTES:
            yield from self._tree()
            return
        try:
            yield from self._walked()
        except json.JSONDecodeError as error:
            raise self._broken("json", error.pos) from error
        except files.RepeatedKeyError as error:
            raise self._broken("repeated_key", self._at or 0, str(error)) from error
        except RecursionError as error:
            raise self._broken("nesting", self._at or 0) from error
        except ValueError as error:  # an integer of thousands of digits
            raise self._broken("json", self._at or 0) from error

    def _walked(self) -> Iterator[tuple[str, Any]]:
        position = self._next(1)  # the caller has seen the brace
        more = self.text[position : position + 1] != "}"
        end = position + 1
        seen: set[str] = set()
        while more:
            name, position = self._name(position)
            if name in seen:
                raise self._broken("repeated_key", position, name)
            if len(seen) > MAX_TENSORS:
                raise files.beyond(self.file, "tensors", MAX_TENSORS, name, self._offset(position))
            seen.add(name)
            if name == METADATA:
                position = self._metadata(position)
            else:
                self._at = position
                entry, position = self._entry(name, position)
                yield name, entry
            more, end = self._more(position)
            position = end
        if self._next(end) != len(self.text):
            raise self._broken("json", end)
