"""One hostile input, read under watch: what it raised, what it cost, what it opened or tried to run.

An input passes when the reader gives a model or an AssayError of exit 2 or 3, within 2 s of processor time and 100 MB
more memory, opens nothing but the files of its own folder, and neither runs nor imports anything.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any, NamedTuple

from assay.errors import AssayError, MalformedFile, UnreadableFile, UnsupportedFile
from assay.observe import checkpoint
from assay.observe.checkpoint import read
from assay.report.json import error as error_document
from assay.report.json import model as model_document
from assay.report.layout import model as model_page
from assay.report.words import say
from assay.types.message import message
from assay.types.model import Model

MOST_SECONDS = 2.0
MOST_BYTES = 100 * 10**6
EXITS = frozenset({2, 3})
RUNS = (
    "compile", "exec", "import", "marshal.", "pickle.", "subprocess.", "os.system", "os.exec", "os.fork", "os.forkpty",
    "os.posix_spawn", "os.spawn", "pty.", "ctypes.", "socket.", "urllib.", "shutil.", "os.remove", "os.rename",
    "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.putenv", "os.kill",
    "tempfile.", "webbrowser.", "sqlite3.", "code.__new__",
)  # fmt: skip
"""Events of the interpreter that no reader has a reason to cause; what is imported once is imported before."""


_ASIDE: list[None] = []


@contextmanager
def aside() -> Iterator[None]:
    """What happens in here is done by the test, not by the reader."""
    _ASIDE.append(None)
    try:
        yield
    finally:
        _ASIDE.pop()


class ForbiddenError(BaseException):
    """The reader did what no reader does; no handler of the reader's catches it."""


class Outcome(NamedTuple):
    """What came of one input.

    Attributes:
        said: the code of the error, or `read`.
        seconds: processor time of the read.
        growth: bytes by which the peak of memory rose over what was resident before.
        broken: why the input does not pass, with the place in the code; None when it does.
    """

    said: str
    seconds: float
    growth: int
    broken: str | None


class Memory:
    """The peak of this process's resident memory since it was last reset (Linux; elsewhere always 0)."""

    def __init__(self) -> None:
        self._status = self._reset = -1
        with suppress(OSError):
            self._reset = os.open("/proc/self/clear_refs", os.O_WRONLY)
            self._status = os.open("/proc/self/status", os.O_RDONLY)

    def reset(self) -> None:
        """Let the peak start again at what is resident now."""
        if self._status >= 0:
            os.write(self._reset, b"5")

    def peak(self) -> int:
        """Bytes."""
        if self._status < 0:
            return 0
        lines = os.pread(self._status, 8192, 0).decode().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def imported() -> None:
    """Import and open all that readers need once, so that an import or a file under watch is one too many."""
    for name in ("fnmatch", "pickletools", "onnx", "google.protobuf.message"):
        with suppress(ImportError):
            import_module(name)
    for found in walk_packages(checkpoint.__path__, f"{checkpoint.__name__}."):
        import_module(found.name)
    say(message("error.output", reason=""), "en")  # opens the translations
    read.from_catalogue("Qwen/Qwen3-8B")  # opens the catalogue


class Watch:
    """Looks on while readers read; one for the process, since an audit hook stays for good."""

    def __init__(self) -> None:
        self._folder: str | None = None
        self._seen: list[str] = []
        self._memory = Memory()
        imported()
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        folder = self._folder
        if folder is None or _ASIDE:
            return
        if event == "open":
            path, mode, flags = arguments
            if isinstance(path, int):  # os.fdopen of what was opened by name
                return
            name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - links are not followed
            writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
            if not name.startswith(folder + os.sep) or flags & writes or set(mode or "") & set("wax+"):
                self._refuse(f"open {path!r} {mode} {flags:#x}")
        elif event in ("os.listdir", "os.scandir"):
            name = os.path.abspath(os.fsdecode(arguments[0]))  # noqa: PTH100 - same
            if name != folder and not name.startswith(folder + os.sep):
                self._refuse(f"{event} {arguments[0]!r}")
        elif event.startswith(RUNS):
            self._refuse(f"{event} {arguments!r:.200}")

    def _refuse(self, what: str) -> None:
        folder, self._folder = self._folder, None  # the error itself may be formatted freely
        self._seen.append(what)
        self._folder = folder
        raise ForbiddenError(what)

    def read(self, folder: Path, reader: Callable[[], Any]) -> Outcome:
        """Call a reader of the files in a folder; see the module."""
        self._seen.clear()
        self._memory.reset()
        resident = self._memory.peak()
        broken = None
        started = time.process_time()
        self._folder = str(folder)
        try:
            said = _said(reader())
        except AssayError as error:
            self._folder = None
            said = error.message.code
            broken = _unsaid(error)
        except (Exception, ForbiddenError) as error:  # noqa: BLE001 - whatever comes out is what is looked for
            self._folder = None
            said, broken = type(error).__name__, _placed(error)
        finally:
            self._folder = None
        seconds = time.process_time() - started
        growth = max(self._memory.peak() - resident, 0)
        if self._seen:
            broken = f"forbidden: {self._seen[0]}"
        if broken is None and seconds > MOST_SECONDS:
            broken = f"slow: {said}"
        if broken is None and growth > MOST_BYTES:
            broken = f"memory: {said}"
        return Outcome(said, seconds, growth, broken)


def _said(found: Any) -> str:
    """`read`, after the answer was put into words."""
    if isinstance(found, Model):
        json.dumps(model_document.document(found, "en"), allow_nan=False)
        model_page.layout(found)
    return "read"


def _unsaid(error: AssayError) -> str | None:
    """Why an error is not one line that names a file; None when it is."""
    if error.exit_code not in EXITS:
        return f"exit {error.exit_code}: {error.message.code}"
    try:
        json.dumps(error_document.document_of(error, "en"), allow_nan=False)
        words = say(error.message, "en") + say(error.hint, "en")
    except Exception as failure:  # noqa: BLE001 - same
        return _placed(failure)
    if isinstance(error, MalformedFile | UnreadableFile | UnsupportedFile) and error.file is None:
        return f"no file: {error.message.code}"
    return f"no words: {error.message.code}" if error.message.code in words else None


def _placed(error: BaseException) -> str:
    """The kind of an exception and the innermost place of Assay's own code it came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "assay" in frame.filename]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {place}: {error!s:.160}"
