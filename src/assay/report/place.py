"""Which file, field and byte an error means: said in one place, whatever the words of the error are."""

import re
from pathlib import Path

from assay.errors import AssayError
from assay.report.numbers import Language
from assay.report.words import say
from assay.types.message import message

MAX_SHOWN = 120
"""Characters of a field: a hostile file has names of a million."""


def placed(said: str, error: AssayError, language: Language) -> str:
    """The words of an error with what they leave out of its place: `x.gguf is not aligned (field t, byte 4)`.

    Args:
        said: its message in this language.
        error: what carries the file, the field and the offset, as far as they are known.
        language: of the additions.
    """
    name = None if error.file is None else Path(error.file).name
    if name and name not in said:
        said = say(message("error.place.file", file=name, said=said), language)
    place = []
    if error.field is not None:
        shown = error.field[:MAX_SHOWN] + "…" * (len(error.field) > MAX_SHOWN) or '""'
        if not re.search(rf"(?<![\w.]){re.escape(shown)}(?!\w)", said):
            place.append(say(message("error.place.field", field=shown), language))
    if error.offset is not None:
        place.append(say(message("error.place.offset", offset=error.offset), language))
    return say(message("error.place", said=said, place=", ".join(place)), language) if place else said
