"""Opens the compiled catalogue: point queries on one read-only SQLite file.

A wheel carries the compiled file and no TOML, and is trusted. A checkout compares the stored fingerprint of its TOML
files and rebuilds when it differs; where the folder cannot be written it compiles into memory.
"""

import json
import sqlite3
from functools import cache
from pathlib import Path
from typing import Any

from assay.errors import CorruptCatalogue
from assay.knowledge import compiler
from assay.types.message import message

DATA = Path(__file__).parent / "data"
COMPILED = DATA / "compiled.sqlite"


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)


def _meta(connection: sqlite3.Connection, key: str) -> str | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _is_fresh(path: Path, data: Path) -> bool:
    if not path.exists():
        return False
    try:
        connection = _connect(path)
        try:
            stored = _meta(connection, "fingerprint")
            schema = _meta(connection, "schema")
        finally:
            connection.close()
    except sqlite3.DatabaseError:
        return False
    if stored is None or schema != str(compiler.SCHEMA):
        return False
    return [tuple(row) for row in json.loads(stored)] == compiler.fingerprint(data)


def open_catalogue(data: Path = DATA, compiled: Path = COMPILED) -> sqlite3.Connection:
    """A read-only connection to a catalogue that agrees with the TOML beside it, if there is any.

    Raises:
        CorruptCatalogue: the compiled file cannot be read and there is no TOML to rebuild it from, or the TOML itself
            breaks a rule.
    """
    if (data / "gpus").is_dir():
        if not _is_fresh(compiled, data):
            try:
                compiler.compile_catalogue(data, compiled)
            except compiler.CatalogueError as error:
                raise CorruptCatalogue(
                    message("error.catalogue_toml", reason=str(error)), message("hint.catalogue_toml")
                ) from error
            except OSError:
                return compiler.compile_in_memory(data)
        return _connect(compiled)
    try:
        connection = _connect(compiled)
        if _meta(connection, "schema") == str(compiler.SCHEMA):
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
    row = _query("SELECT body FROM entry WHERE kind = ? AND id = ?", (kind, name)).fetchone()
    return None if row is None else json.loads(row[0])


def entries(kind: str) -> dict[str, dict[str, Any]]:
    """All entries of a kind, in the order of the files."""
    rows = _query("SELECT id, body FROM entry WHERE kind = ? ORDER BY position", (kind,))
    return {name: json.loads(body) for name, body in rows}


def names(kind: str) -> list[str]:
    """The ids of a kind, in the order of the files."""
    return [row[0] for row in _query("SELECT id FROM entry WHERE kind = ? ORDER BY position", (kind,))]


def digest() -> str:
    """A digest of everything the catalogue says."""
    row = _query("SELECT value FROM meta WHERE key = 'digest'", ()).fetchone()
    return str(row[0])


def _query(sql: str, arguments: tuple[str, ...]) -> sqlite3.Cursor:
    try:
        return _catalogue().execute(sql, arguments)
    except sqlite3.DatabaseError as error:
        raise CorruptCatalogue(
            message("error.catalogue_corrupt", file=COMPILED.name, reason=str(error)),
            message("hint.reinstall"),
        ) from error
