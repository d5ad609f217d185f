"""Reads the keys of a configuration: each checked for type and range, each error naming its key."""

from pathlib import Path
from typing import Any

from assay.errors import MalformedFile, UnsupportedArchitecture
from assay.observe.checkpoint.files import malformed
from assay.types.message import Message, Parameter, message

MAX_DIMENSION = 2**26
MAX_LAYERS = 10_000
MAX_PREDICTION = 8
"""Layers of multi-token prediction: published models have up to 3. What they hold is not counted as loaded."""
MAX_EXPERTS = 2**16


class Fields:
    """The keys of one configuration object, checked as they are read; it remembers which were asked for.

    Attributes:
        file: what errors name.
        path: where this object lies in the file (`text_config.`), for errors.
        used: full names of the keys that were read, shared with nested objects.
    """

    __slots__ = ("_values", "file", "path", "used")

    def __init__(self, values: dict[str, Any], file: str, path: str = "", used: set[str] | None = None) -> None:
        self._values = values
        self.file = file
        self.path = path
        self.used: set[str] = set() if used is None else used

    def raw(self, key: str) -> Any:
        """The value as it stands, or None."""
        value = self._values.get(key)
        if value is not None:
            self.used.add(self.path + key)
        return value

    def broken(self, key: str, reason: str) -> MalformedFile:
        """The error that names this key and where it stands."""
        from assay.observe.checkpoint import places  # noqa: PLC0415 - wanted for errors only

        field = self.path + key
        return malformed(self.file, reason, field, places.of_field(self.file, field))

    def refused(self, key: str, code: str, **parameters: Parameter) -> UnsupportedArchitecture:
        """The error for what this key asks for and Assay does not know; the file's name is among its parameters."""
        from assay.observe.checkpoint import places  # noqa: PLC0415 - same

        field = self.path + key
        return UnsupportedArchitecture(
            Message(code, (("file", Path(self.file).name), *parameters.items())),
            message("hint.unsupported_architecture"),
            file=self.file,
            field=field,
            offset=places.of_field(self.file, field),
        )

    def count(self, key: str, default: int | None = None, *, low: int = 1, high: int = MAX_DIMENSION) -> int:
        """An integer in low..high; missing or null takes the default.

        Raises:
            MalformedFile: missing without a default, not an integer, or out of range.
        """
        value = self.raw(key)
        if value is None:
            if default is None:
                raise self.broken(key, "missing_key")
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # some writers print 4096.0
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.broken(key, "not_integer")
        if not low <= value <= high:
            raise self.broken(key, "out_of_range")
        return value

    def first(self, keys: str | list[str], default: int | None = None, **bounds: int) -> int:
        """`count` of the first of several spellings that is present."""
        names = [keys] if isinstance(keys, str) else keys
        for name in names:
            if self._values.get(name) is not None:
                return self.count(name, **bounds)
        return self.count(names[0], default, **bounds)

    def flag(self, key: str, *, default: bool = False) -> bool:
        """A boolean; missing or null takes the default."""
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.broken(key, "not_boolean")
        return value

    def word(self, key: str, default: str | None = None) -> str | None:
        """A string, or the default."""
        value = self.raw(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.broken(key, "not_text")
        return value

    def words(self, key: str, length: int | None = None) -> list[str] | None:
        """A list of strings of this length, or None."""
        value = self.raw(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.broken(key, "not_text_list")
        if length is not None and len(value) != length:
            raise self.broken(key, "wrong_length")
        return value

    def counts(self, key: str, length: int | None = None) -> list[int] | None:
        """A list of non-negative integers of this length, or None."""
        value = self.raw(key)
        if value is None:
            return None
        if not isinstance(value, list) or not all(type(item) is int and item >= 0 for item in value):
            raise self.broken(key, "not_integer_list")
        if length is not None and len(value) != length:
            raise self.broken(key, "wrong_length")
        return value

    def has(self, key: str) -> bool:
        """Whether the key is there and not null; does not count as reading it."""
        return self._values.get(key) is not None

    def nested(self, key: str) -> "Fields | None":
        """The object below a key, or None.

        Raises:
            MalformedFile: it is no object.
        """
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.broken(key, "not_object")
        return Fields(value, self.file, f"{self.path}{key}.", self.used)

    def with_defaults(self, defaults: dict[str, Any]) -> "Fields":
        """The same object with these values where it has none: what the model's class fills in."""
        present = {key: value for key, value in self._values.items() if value is not None}
        return Fields({**defaults, **present}, self.file, self.path, self.used)

    def names(self) -> list[str]:
        """The keys of this object, sorted; does not count as reading them."""
        return sorted(self._values)

    def layers(self, key: str = "num_hidden_layers") -> int:
        """A number of layers."""
        return self.count(key, high=MAX_LAYERS)

    def prediction(self, key: str, layers: int) -> int:
        """A number of multi-token prediction layers behind `layers` ordinary ones, of which there are as many."""
        return self.count(key, 0, low=0, high=min(MAX_PREDICTION, layers))
