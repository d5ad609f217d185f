"""The profile file: one TOML file of the user's own, read whole and written atomically."""

import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from assay.errors import MalformedFile, PermissionRefused, UnreadableFile
from assay.types.message import message

LARGEST_BYTES = 2**20
"""A profile is a few lines; what is larger is some other file."""


def user_folder(variable: str, fallback: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder of the user's files that `variable` names, else `fallback` below the home folder.

    The XDG specification says that a relative path in its variables is to be ignored.
    """
    chosen = environment.get(variable, "")
    if os.path.isabs(chosen):  # noqa: PTH117 -- an empty string is no path yet
        return Path(chosen)
    home = environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 -- Path.home() raises without one
    return Path(home) / fallback


def store_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where measurements lie: `assay/measurements.sqlite` below XDG_DATA_HOME, else below `~/.local/share`."""
    return user_folder("XDG_DATA_HOME", ".local/share", environment) / "assay" / "measurements.sqlite"


def profile_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the profile lies: `assay/profile.toml` below XDG_CONFIG_HOME, else below `~/.config`."""
    return user_folder("XDG_CONFIG_HOME", ".config", environment) / "assay" / "profile.toml"


def _read_bytes(path: Path) -> bytes:
    """The content of a regular file; a FIFO or a device in its place is never waited for.

    Raises:
        OSError: the system's refusal.
        UnreadableFile: no regular file.
        MalformedFile: longer than `LARGEST_BYTES`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnreadableFile(
                message("error.unreadable.not_regular", file=str(path)),
                message("hint.profile_unreadable", file=str(path)),
                file=str(path),
            )
        content = b""
        while len(content) <= LARGEST_BYTES and (piece := os.read(descriptor, LARGEST_BYTES + 1 - len(content))):
            content += piece
    finally:
        os.close(descriptor)
    if len(content) > LARGEST_BYTES:
        raise MalformedFile(
            message("error.limit.bytes", file=str(path), limit=LARGEST_BYTES),
            message("hint.malformed_file"),
            file=str(path),
        )
    return content


def read_text(path: Path) -> str:
    """The file's text; empty when there is no such file.

    Raises:
        UnreadableFile: it exists and is no regular file, or cannot be read as UTF-8 text.
        MalformedFile: it is far too long for a profile.
    """
    try:
        return _read_bytes(path).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise UnreadableFile(
            message("error.profile_unreadable", file=str(path), reason=reason),
            message("hint.profile_unreadable", file=str(path)),
            file=str(path),
        ) from error


def parse(text: str, path: Path) -> dict[str, Any]:
    """The settings in a profile's text.

    Raises:
        MalformedFile: not TOML; the message names the line.
    """
    if not text.strip():
        return {}
    import tomllib  # noqa: PLC0415 -- most users have no profile, and 10 ms are a tenth of the start-up budget

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        words = str(error)
        where = re.search(r"at line (\d+)", words)
        line = int(where[1]) if where else text.count("\n") + 1
        reason = re.sub(r"\s*\(at .*\)$", "", words)
        raise MalformedFile(
            message("error.profile_toml", file=str(path), line=line, reason=reason),
            message("hint.profile_edit", file=str(path)),
            file=str(path),
            field=f"line {line}",
        ) from error


def write_text(path: Path, text: str) -> None:
    """Replace the file by `text` in one step, so that a crash leaves the old one or the new one.

    Raises:
        PermissionRefused: the folder or the file cannot be written.
    """
    import tempfile  # noqa: PLC0415 -- 5 ms that only writing needs

    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A profile that is a link into a folder of dotfiles stays one.
        target = path.resolve()
        handle, temporary = tempfile.mkstemp(prefix=".profile-", dir=target.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).replace(target)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()
        raise PermissionRefused(
            message("error.profile_write", file=str(path), reason=error.strerror or type(error).__name__),
            message("hint.profile_write", file=str(path)),
            file=str(path),
        ) from error
