"""What a lower floor says: a code and its parameters; the words live in `assay.report`."""

from typing import Literal, NamedTuple

Level = Literal["info", "warning", "error"]
Parameter = str | int | float | tuple["Message", ...] | None


class Message(NamedTuple):
    """One thing to say, without its words.

    `code` names a template of the translation catalogues; `parameters` fills it. A parameter that is itself
    data of the catalogue (a source's note) is passed through untranslated. One that
    is several messages is a list in words.
    """

    code: str
    parameters: tuple[tuple[str, Parameter], ...] = ()
    level: Level = "info"


def message(code: str, level: Level = "info", **parameters: Parameter) -> Message:
    """A `Message` from keyword parameters."""
    return Message(code, tuple(parameters.items()), level)
