"""Probes of this machine in one SQLite file: each is its recording, from which everything else follows again."""

import os
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from assay.errors import MalformedFile, PermissionRefused
from assay.observe.device.probe.recording import LARGEST_BYTES, Recording, from_text, to_text
from assay.types.message import message

APPLICATION_ID = 0x41535350
MIGRATIONS = (
    """
    CREATE TABLE probe (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        made TEXT NOT NULL,
        name TEXT,
        uuid TEXT,
        recording BLOB NOT NULL
    )
    """,
)
"""What each version adds to the one before it; a change is a new entry, never an edit of an old one."""


class Listed(NamedTuple):
    """A stored probe: its number, date (ISO 8601), and what it was of."""

    number: int
    made: str
    name: str | None
    uuid: str | None


def store_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where probes lie: `assay/probes.sqlite` below XDG_DATA_HOME, else below `~/.local/share`."""
    chosen = environment.get("XDG_DATA_HOME", "")
    if os.path.isabs(chosen):  # noqa: PTH117 -- an empty string is no path yet
        return Path(chosen) / "assay" / "probes.sqlite"
    home = environment.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 -- Path.home() raises without one
    return Path(home) / ".local" / "share" / "assay" / "probes.sqlite"


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """SQLite's errors as Assay's.

    Raises:
        PermissionRefused: it cannot be opened or written.
        MalformedFile: it is no store of probes.
    """
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        raise PermissionRefused(
            message("error.probes_refused", file=str(path), reason=str(error)),
            message("hint.probes", file=str(path)),
            file=str(path),
        ) from error
    except (sqlite3.DatabaseError, zlib.error) as error:
        raise _malformed(path, str(error)) from error


def _malformed(path: Path, reason: str) -> MalformedFile:
    return MalformedFile(
        message("error.probes_malformed", file=str(path), reason=reason),
        message("hint.probes", file=str(path)),
        file=str(path),
    )


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None, timeout=5.0)) as connection:
            _migrate(connection, path)
            yield connection


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (done,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner not in {0, APPLICATION_ID} or (owner == 0 and tables) or done > len(MIGRATIONS):
        raise _malformed(path, "application_id")
    if done == len(MIGRATIONS):
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        (done,) = connection.execute("PRAGMA user_version").fetchone()  # another process may have been first
        for script in MIGRATIONS[done:]:
            connection.execute(script)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def put(path: Path, recording: Recording) -> int:
    """Store a probe; returns its number.

    Raises:
        PermissionRefused, MalformedFile: the file cannot be used.
    """
    identity = recording.identity
    content = zlib.compress(to_text(recording).encode())
    row = (recording.made, identity and identity.name, identity and identity.uuid, content)
    with _opened(path) as connection:
        done = connection.execute("INSERT INTO probe (made, name, uuid, recording) VALUES (?, ?, ?, ?)", row)
        return int(done.lastrowid or 0)


def get(path: Path, number: int) -> Recording | None:
    """The probe with this number, or None.

    Raises:
        PermissionRefused, MalformedFile: the file cannot be used.
    """
    if not path.exists():
        return None
    with _opened(path) as connection:
        row = connection.execute("SELECT recording FROM probe WHERE id = ?", (number,)).fetchone()
        if row is None:
            return None
        text = zlib.decompressobj().decompress(row[0], LARGEST_BYTES).decode("utf-8", "replace")
    return from_text(text, str(path))


def listed(path: Path) -> tuple[Listed, ...]:
    """All stored probes, oldest first; none where there is no file.

    Raises:
        PermissionRefused, MalformedFile: the file cannot be used.
    """
    if not path.exists():
        return ()
    with _opened(path) as connection:
        rows = connection.execute("SELECT id, made, name, uuid FROM probe ORDER BY id").fetchall()
    return tuple(Listed(*row) for row in rows)
