"""A model from whatever names it: a file, a folder, or a name of the catalogue."""

import errno
import gc
import os
from dataclasses import replace
from pathlib import Path

from assay.errors import MalformedFile, UnknownModel, UsageError
from assay.knowledge.catalog import models
from assay.knowledge.catalog.described import described
from assay.observe.checkpoint import files
from assay.types.message import message
from assay.types.model import Model

GGUF = b"GGUF"
LENGTH_BYTES = 8
LONGEST_HEADER = 100_000_000
"""What a file of safetensors begins with: the length of its header in 8 bytes, at most 100 MB, then the header."""
LOOKED_AT = 64
WHITE = b" \t\r\n\xef\xbb\xbf"


def from_catalogue(name: str) -> Model:
    """The model with this name in the catalogue.

    Raises:
        UnknownModel: there is none, or several; the error's candidates name what was near.
    """
    identity = models.resolve(name)
    found = described(identity)
    if found is None:
        from assay.observe.checkpoint.catalogue import laid_out  # noqa: PLC0415 -- a described model needs no reader

        found = laid_out(models.entry(identity))
    if models.is_named(name):
        return found
    return replace(found, notes=(*found.notes, message("note.taken_as", query=name, name=identity)))


def _exists(path: Path) -> bool:
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except ValueError:  # a NUL in the name
        return False
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise files.unreadable(path, error) from error
    return True


def _looks_like_path(source: str) -> bool:
    return (
        source.startswith((".", "/", "~"))
        or source.count("/") > 1
        or source.endswith((".gguf", ".json", ".safetensors", ".onnx", ".bin", ".pt", ".pth"))
    )


def read(source: str | Path) -> Model:
    """The model that a source names.

    Args:
        source: a config.json, a folder, a .safetensors, .gguf, .onnx or torch file, or a name of the catalogue
            (`Qwen3-30B-A3B`, `qwen/qwen3-30b-a3b`), or a hub id (`owner/name[@revision]`,
            `hf:owner/name[@revision][/file.gguf]`). What exists on disk is read, then the catalogue, then the Hub; a
            name is never matched in part.

    Raises:
        UsageError: an empty text.
        UnknownModel: nothing of that name exists.
        UnreadableFile, MalformedFile: the file cannot be read, or breaks its format.
        UnsupportedArchitecture, UnsupportedFile: it is understood as far as the error says, and no further.
        MissingExtra, NetworkFailure, PermissionRefused: the Hub cannot be read.
    """
    text = os.fspath(source)
    if isinstance(source, str) and not text.strip():
        raise UsageError(message("error.empty_model"), message("hint.unknown_model"))
    if isinstance(source, str) and text.startswith("hf:"):
        from assay.observe.checkpoint import hub  # noqa: PLC0415 - threads and the library, for a hub id only

        return hub.read_model(text)
    path = Path(os.path.expanduser(text))  # noqa: PTH111 - Path's own raises for a user that does not exist
    if _exists(path):
        return _from_path(path)
    if isinstance(source, Path) or _looks_like_path(text):
        raise UnknownModel(message("error.no_such_file", file=text), message("hint.unknown_model"), file=text)
    try:
        return from_catalogue(text)
    except UnknownModel as unknown:
        if "/" not in text or unknown.message.code != "error.unknown_model":
            raise
        from assay.observe.checkpoint import hub  # noqa: PLC0415 - same

        return hub.read_model(text, unknown)


def _from_path(path: Path) -> Model:
    """The model of a path that exists.

    The collector of cycles rests meanwhile: a header of 100,000 tensors has none, and searching it for them takes a
    fifth of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _from_file_or_folder(path)
    finally:
        if collecting:
            gc.enable()


def _from_file_or_folder(path: Path) -> Model:
    try:
        is_folder = path.is_dir()
    except OSError as error:  # a link into a folder that is closed
        raise files.unreadable(path, error) from error
    from assay.observe.checkpoint import (  # noqa: PLC0415 - a name of the catalogue needs none of it
        containers,
        folder,
        shard_index,
    )

    if is_folder:
        return containers.from_folder(path) or folder.from_folder(path)
    if shard_index.is_index(path):
        return _from_index(path)
    if _is_gguf(path):
        from assay.observe.checkpoint import gguf_model  # noqa: PLC0415 - same

        return gguf_model.read(path)
    found = containers.from_file(path)
    if found is not None:
        return found
    if _is_safetensors(path):
        return folder.from_safetensors(path)
    if path.suffix != ".json" and not files.beginning(path, LOOKED_AT).lstrip(WHITE).startswith(b"{"):
        raise MalformedFile(message("error.not_a_model", file=path.name), message("hint.model_files"), file=str(path))
    return folder.from_config(path)


def _from_index(path: Path) -> Model:
    """The model of an index: what its folder is, or of the files it lists where the folder is read by another one."""
    from assay.observe.checkpoint import containers, folder, torch_zip  # noqa: PLC0415 - as below

    inside = path.parent
    configured = files.present(inside / folder.CONFIG)
    if path.name == folder.INDEX and configured:
        return containers.from_folder(inside) or folder.from_folder(inside)
    if path.name != torch_zip.INDEX:
        return folder.from_index(path)
    found = torch_zip.from_folder(inside, folder.display_name(inside.absolute())) if configured else None
    if found is None:
        raise folder.no_config_beside(path)
    return folder.with_adapter(found, inside)


def _is_gguf(path: Path) -> bool:
    """By its name, or by its first bytes whatever it is called: caches name files by their hash."""
    return path.suffix == ".gguf" or files.beginning(path, len(GGUF)) == GGUF


def _is_safetensors(path: Path) -> bool:
    """By its name, or because a header of JSON follows its own length."""
    if path.suffix == ".safetensors":
        return True
    begun = files.beginning(path, LENGTH_BYTES + 1)
    length = int.from_bytes(begun[:LENGTH_BYTES], "little")
    return begun[LENGTH_BYTES:] == b"{" and 2 <= length <= LONGEST_HEADER
