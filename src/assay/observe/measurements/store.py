"""The owner's measurements in one SQLite file: what was committed survives whatever ends the process.

Write-ahead logging with full synchronisation; a row is committed as soon as it is known. `user_version` counts the
migrations that a file has had, and each runs in one transaction with its number.
"""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

from assay.errors import MalformedFile, PermissionRefused, UnreadableFile, UnsupportedFile
from assay.observe.measurements.record import dumped, loaded
from assay.types.measurement import Measurement
from assay.types.message import message

APPLICATION_ID = 0x41535359
"""`ASSY`: tells this file from any other SQLite database."""
MIGRATIONS = (
    """
    CREATE TABLE measurement (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        digest TEXT NOT NULL,
        place INTEGER NOT NULL,
        gpu TEXT,
        runtime TEXT,
        model TEXT,
        body TEXT NOT NULL,
        UNIQUE (digest, place)
    );
    CREATE INDEX measurement_concerns ON measurement (gpu, runtime, model);
    """,
)
"""What each version adds to the one before it; a change is a new entry, never an edit of an old one."""
WAIT_SECONDS = 5.0
"""How long another process may hold the file."""


def _malformed(path: Path, reason: str) -> MalformedFile:
    return MalformedFile(
        message("error.store_malformed", file=str(path), reason=reason),
        message("hint.store_malformed", file=str(path)),
        file=str(path),
    )


def _refused(path: Path, error: Exception) -> PermissionRefused:
    return PermissionRefused(
        message("error.store_refused", file=str(path), reason=str(error)),
        message("hint.store_refused", file=str(path)),
        file=str(path),
    )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """SQLite's errors as Assay's.

    Raises:
        MalformedFile: the file is no database, or a broken one.
        PermissionRefused: it is locked, cannot be written or opened, or the disk is full.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise PermissionRefused(
                message("error.store_locked", file=str(path)),
                message("hint.store_locked"),
                file=str(path),
            ) from error
        raise _refused(path, error) from error
    except sqlite3.DatabaseError as error:
        raise _malformed(path, str(error)) from error
    except OSError as error:
        raise _refused(path, OSError(error.strerror or type(error).__name__)) from error


def _checked(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        UnreadableFile: something else has its name: SQLite would wait for a FIFO.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(mode):
        raise UnreadableFile(
            message("error.unreadable.not_regular", file=str(path)),
            message("hint.store_malformed", file=str(path)),
            file=str(path),
        )
    return True


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """How many migrations the file has had.

    Raises:
        MalformedFile: it is a database of something else.
        UnsupportedFile: a newer Assay wrote it.
    """
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if owner not in {0, APPLICATION_ID} or (owner == 0 and _has_tables(connection)):
        raise _malformed(path, "application_id")
    if version > len(MIGRATIONS):
        raise UnsupportedFile(
            message("error.store_newer", file=str(path), version=version, known=len(MIGRATIONS)),
            message("hint.store_newer", file=str(path)),
            file=str(path),
            field="user_version",
        )
    return int(version)


def _has_tables(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the file to the newest version; two processes that start together do it once."""
    if _version(connection, path) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        done = _version(connection, path)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for script in MIGRATIONS[done:]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _address(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"


class Store:
    """The store opened for writing; made where there is none. Use it in one thread, and `close` it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _checked(path)
            self._connection = sqlite3.connect(
                _address(path, "rwc"), uri=True, isolation_level=None, timeout=WAIT_SECONDS
            )
        try:
            with _explained(path):
                # What is not ours is told before anything is changed.
                _version(self._connection, path)
                self._connection.execute("PRAGMA journal_mode = WAL")
                self._connection.execute("PRAGMA synchronous = FULL")
                _migrate(self._connection, path)
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def put(self, measurement: Measurement) -> Measurement:
        """Store a measurement, in the place of what the same file and row, or run and rung, said before.

        Raises:
            PermissionRefused: it cannot be written; what was stored before is as it was.
        """
        origin = measurement.origin
        row = (origin.digest, origin.row, measurement.gpu, measurement.runtime, measurement.model.id)
        with _explained(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                number = self._put((*row, dumped(measurement)))
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        return measurement._replace(id=number)

    def _put(self, row: tuple[str | int | None, ...]) -> int:
        """The number of the row, which is the old one where the place was taken: an upsert would use up a new one."""
        before = self._connection.execute("SELECT id FROM measurement WHERE digest = ? AND place = ?", row[:2])
        found = before.fetchone()
        if found is None:
            added = self._connection.execute(
                "INSERT INTO measurement (digest, place, gpu, runtime, model, body) VALUES (?, ?, ?, ?, ?, ?)", row
            )
            return int(added.lastrowid or 0)
        self._connection.execute(
            "UPDATE measurement SET gpu = ?, runtime = ?, model = ?, body = ? WHERE id = ?", (*row[2:], *found)
        )
        return int(found[0])

    def forget(self, number: int) -> bool:
        """Remove one measurement; whether there was one."""
        with _explained(self.path):
            return self._connection.execute("DELETE FROM measurement WHERE id = ?", (number,)).rowcount > 0

    def close(self) -> None:
        """Close the file; nothing is lost without it."""
        self._connection.close()


def _open_to_read(path: Path) -> sqlite3.Connection:
    """The file opened to read; one on a medium that cannot be written, where no journal is left to replay, as it lies.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    connection = sqlite3.connect(_address(path, "ro"), uri=True, isolation_level=None, timeout=WAIT_SECONDS)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        journal = Path(f"{path}-wal")
        if "CANTOPEN" not in getattr(error, "sqlite_errorname", "") or (journal.exists() and journal.stat().st_size):
            raise
        return sqlite3.connect(f"{_address(path, 'ro')}&immutable=1", uri=True, isolation_level=None)
    except BaseException:
        connection.close()
        raise
    return connection


def _read(path: Path, condition: str, values: tuple[object, ...]) -> tuple[Measurement, ...]:
    if not _checked(path):
        return ()
    with _explained(path), closing(_open_to_read(path)) as connection:
        if _version(connection, path) == 0:
            return ()
        rows = connection.execute(f"SELECT id, body FROM measurement {condition} ORDER BY id", values).fetchall()  # noqa: S608 -- our own words
    try:
        return tuple(loaded(body, number) for number, body in rows)
    except ValueError as error:
        raise _malformed(path, str(error)) from error


def everything(path: Path) -> tuple[Measurement, ...]:
    """All measurements, oldest first; none where there is no file.

    Raises:
        UnreadableFile, MalformedFile, UnsupportedFile, PermissionRefused: the file cannot be used.
    """
    return _read(path, "", ())


def one(path: Path, number: int) -> Measurement | None:
    """The measurement with this number.

    Raises:
        UnreadableFile, MalformedFile, UnsupportedFile, PermissionRefused: the file cannot be used.
    """
    found = _read(path, "WHERE id = ?", (number,))
    return found[0] if found else None


def concerning(path: Path, gpu: str, runtime: str, model: str | None = None) -> tuple[Measurement, ...]:
    """The complete measurements on this card by this runtime, of one model or of all; none where there is no file.

    What was cut short is left out, because its figures may be of the warm-up, and so is what ran from host memory.

    Args:
        path: the store.
        gpu: id of the card; any number of it.
        runtime: id of the runtime.
        model: id of the model in the catalogue, None for every model.

    Raises:
        UnreadableFile, MalformedFile, UnsupportedFile, PermissionRefused: the file cannot be used.
    """
    found = _read(path, "WHERE gpu = ? AND runtime = ? AND (?3 IS NULL OR model = ?3)", (gpu, runtime, model))
    return tuple(measurement for measurement in found if measurement.partial is None and measurement.host != "yes")
