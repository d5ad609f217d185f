"""Opens the compiled catalogue: point queries on one read-only SQLite file.

A wheel carries the compiled file and no TOML, and is trusted. A checkout compares a stored stamp of its TOML files and
rebuilds when it differs; where the folder cannot be written it compiles into memory. The compiler is imported only to
compile: a fresh file costs neither tomllib nor hashing.
"""

import json
import os
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any

from assay.errors import CorruptCatalogue
from assay.types.message import message

SCHEMA = 1
"""The layout of the compiled file that this module reads (`compiler.SCHEMA`)."""
DATA = Path(__file__).parent / "data"
COMPILED = DATA / "compiled.sqlite"
COMPILER = Path(__file__).parent / "compiler.py"


def stamp_of(data: Path) -> str:
    """(relative path, size, mtime in ns) of every file below `data` and of the compiler, sorted, as JSON.

    Deletions show as well, and so does a compiler that would read the same files differently.
    """
    own = os.stat(COMPILER)  # noqa: PTH116 -- the start-up path counts microseconds
    found: list[tuple[str, int, int]] = [("", own.st_size, own.st_mtime_ns)]
    root = len(str(data)) + 1
    pending = [str(data)]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                elif entry.name.endswith((".toml", ".json")):
                    stat = entry.stat()
                    found.append((entry.path[root:], stat.st_size, stat.st_mtime_ns))
    return json.dumps(sorted(found))


def _connect(path: Path) -> sqlite3.Connection:
    # Path.as_uri would import urllib for these three characters.
    quoted = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(f"file:{quoted}?mode=ro&immutable=1", uri=True)


def _meta(connection: sqlite3.Connection, key: str) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _fresh(path: Path, stamp: str) -> sqlite3.Connection | None:
    """A connection to the file if it is of this schema and stamp."""
    if not path.is_file():  # a named pipe in its place would be waited for
        return None
    try:
        connection = _connect(path)
    except sqlite3.Error:
        return None
    try:
        if _meta(connection, "schema") == str(SCHEMA) and _meta(connection, "stamp") == stamp:
            return connection
    except sqlite3.DatabaseError:
        pass
    connection.close()
    return None


def _rebuilt(data: Path, compiled: Path, stamp: str) -> sqlite3.Connection:
    from assay.knowledge import compiler  # noqa: PLC0415 -- only a stale file needs it

    try:
        try:
            compiler.compile_catalogue(data, compiled, stamp)
        except OSError:
            return compiler.compile_in_memory(data)
    except compiler.CatalogueError as error:
        raise CorruptCatalogue(
            message("error.catalogue_toml", reason=str(error)), message("hint.catalogue_toml")
        ) from error
    return _connect(compiled)


def open_catalogue(data: Path = DATA, compiled: Path = COMPILED) -> sqlite3.Connection:
    """A read-only connection to a catalogue that agrees with the TOML beside it, if there is any.

    Raises:
        CorruptCatalogue: the compiled file cannot be read and there is no TOML to rebuild it from, or the TOML itself
            breaks a rule.
    """
    if (data / "gpus").is_dir():
        stamp = stamp_of(data)
        return _fresh(compiled, stamp) or _rebuilt(data, compiled, stamp)
    try:
        if not compiled.is_file():
            raise sqlite3.OperationalError("no such file")
        connection = _connect(compiled)
        if _meta(connection, "schema") == str(SCHEMA):
            return connection
        reason = "schema"
    except sqlite3.DatabaseError as error:
        reason = str(error)
    raise CorruptCatalogue(
        message("error.catalogue_corrupt", file=compiled.name, reason=reason), message("hint.reinstall")
    )


@cache
def _catalogue() -> sqlite3.Connection:
    return open_catalogue()


def entry(kind: str, name: str) -> dict[str, Any] | None:
    """The body of one entry, or None."""
    rows = _rows("SELECT body FROM entry WHERE kind = ? AND id = ?", kind, name)
    return json.loads(rows[0][0]) if rows else None


def entries(kind: str) -> dict[str, dict[str, Any]]:
    """All entries of a kind, in the order of the files."""
    rows = _rows("SELECT id, body FROM entry WHERE kind = ? ORDER BY position", kind)
    return {name: json.loads(body) for name, body in rows}


def fields(kind: str, wanted: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Some fields of every entry of a kind, by id, bodies left unparsed; what is missing is left out."""
    marks = ", ".join("?" for _ in wanted)
    sql = f"SELECT id, json_extract(body, '$.id', {marks}) FROM entry WHERE kind = ? ORDER BY position"  # noqa: S608 -- marks
    rows = _rows(sql, *(f"$.{name}" for name in wanted), kind)
    return {
        name: {key: value for key, value in zip(wanted, json.loads(values)[1:], strict=True) if value is not None}
        for name, values in rows
    }


def names(kind: str) -> list[str]:
    """The ids of a kind, in the order of the files."""
    return [row[0] for row in _rows("SELECT id FROM entry WHERE kind = ? ORDER BY position", kind)]


def digest() -> str:
    """A digest of everything the catalogue says."""
    return str(_rows("SELECT value FROM meta WHERE key = 'digest'")[0][0])


def _rows(sql: str, *arguments: str) -> list[tuple[Any, ...]]:
    """All rows of a query. A file that proves damaged is built again once, where there is TOML to build it from."""
    try:
        return _catalogue().execute(sql, arguments).fetchall()
    except UnicodeEncodeError:  # half a character names nothing
        return []
    except sqlite3.DatabaseError as error:
        if not (DATA / "gpus").is_dir():
            raise CorruptCatalogue(
                message("error.catalogue_corrupt", file=COMPILED.name, reason=str(error)), message("hint.reinstall")
            ) from error
    _catalogue.cache_clear()
    COMPILED.unlink(missing_ok=True)
    return _catalogue().execute(sql, arguments).fetchall()
