"""What does this checkpoint hold?"""

from pathlib import Path

from assay.observe.checkpoint import read
from assay.types.model import Model


def answer(source: str | Path) -> Model:
    """The model that a file, a folder, a config.json or a name of the catalogue describes.

    Raises:
        UnknownModel, UnreadableFile, MalformedFile: see `observe.checkpoint.read.read`.
        UnsupportedArchitecture, UnsupportedFile: what is not understood, by name.
    """
    return read.read(source)
