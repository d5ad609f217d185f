"""A picture into a file or onto standard output."""

import os
import secrets
import stat
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from assay.cli.door import Door
from assay.errors import PermissionRefused, UsageError
from assay.report.numbers import Language
from assay.types.chart import Chart
from assay.types.message import message
from assay.types.report import Report

STANDARD_OUTPUT = "-"


def refuse_unusable(file: str, door: Door) -> None:
    """What can be known to go wrong before anything is computed.

    Raises:
        UsageError: there is no such folder, the file is a folder, or standard output is promised to a document.
        PermissionRefused: the system refuses to say.
    """
    if file == STANDARD_OUTPUT:
        if door.as_json:
            raise UsageError(
                message("error.two_outputs", first="--json", second=f"--svg {file}"), message("hint.two_outputs")
            )
        return
    path = Path(file)
    try:
        is_folder, has_folder = path.is_dir(), path.parent.is_dir()
    except OSError as error:  # a name too long, a folder that may not be looked into
        raise _refused(file, error) from error
    if is_folder:
        raise UsageError(message("error.svg_is_folder", file=file), message("hint.svg_write"))
    if not has_folder:
        raise UsageError(
            message("error.svg_folder", folder=str(path.parent), file=path.name), message("hint.svg_folder")
        )


def write(file: str, room: str, answer: object, language: Language) -> None:
    """The charts of an answer's report as SVG, by the module that `report.layout` has for its room.

    Raises:
        PermissionRefused: the file cannot be written.
    """
    from assay.report.chart.svg import svg

    report: Report = import_module(f"assay.report.layout.{room}").layout(answer)
    charts = [block for block in report.blocks if isinstance(block, Chart)]
    picture = svg(report.headline, charts, language).encode("utf-8")
    if file == STANDARD_OUTPUT:
        if sys.stdout is not None:
            sys.stdout.buffer.write(picture)
        return
    try:
        _replace(Path(file).resolve(), picture)
    except OSError as error:
        raise _refused(file, error) from error


def _refused(file: str, error: OSError) -> PermissionRefused:
    reason = error.strerror or type(error).__name__
    return PermissionRefused(message("error.svg_write", file=file, reason=reason), message("hint.svg_write"), file=file)


def _replace(path: Path, content: bytes) -> None:
    """Write in one step: whoever reads meanwhile sees the old file or the new one, and a full disk leaves the old."""
    if path.exists() and not path.is_file():  # a device or a pipe is written to, never replaced
        path.write_bytes(content)
        return
    temporary = path.with_name(f".assay-{secrets.token_hex(8)}")
    try:
        with open(temporary, "xb") as file:  # noqa: PTH123 -- as any program makes a file, its mode left to the umask
            file.write(content)
        if path.exists():
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)  # noqa: PTH105 -- the standard name of the step
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
