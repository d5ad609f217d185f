"""Compiles the TOML catalogue into one SQLite file that answers point queries in milliseconds.

Standard library only: the build hook runs this file in an isolated build. It converts units to base units, derives
each figure's basis from the kinds of its sources, and refuses what it cannot read, naming file and entry. Whether
the values are *right* is the tests' business (`tests/knowledge`).

Layout of `data/`: `sources/*.toml`, `gpus/*.toml`, `models/*.toml`, `execution/*.toml`, `pci/*.toml`,
`generated/*.json` (written by programs in `tools/`) and one file for each further table (`amd_probes.toml`,
`nvidia_probes.toml`, `instruction_sets.toml`, `number_formats.toml`, `weight_formats.toml`, `runtimes.toml`,
`architectures.toml`, `attention.toml`, `memory_terms.toml`, `training.toml`,
`kv_formats.toml`, `launch.toml`, `gguf_recipes.toml`, `log_rows.toml`,
`log_causes.toml`, `log_kernels.toml`, `quality*.toml`, `market/*.toml`). CONTRIBUTING.md describes the entries.
"""

import hashlib
import json
import os
import sqlite3
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import date
from pathlib import Path
from typing import Any

SCHEMA = 1
"""Raised when the layout of the compiled file changes (`store.SCHEMA` with it): a file of another schema is stale."""

# Unit keys of a cited value -> (base unit, factor). The key says the unit, so that a person reads no raw bytes.
UNITS: dict[str, tuple[str, float]] = {
    "gib": ("B", 2**30),
    "mib": ("B", 2**20),
    "bytes": ("B", 1),
    "gb_per_s": ("B/s", 1e9),
    "mhz": ("Hz", 1e6),
    "w": ("W", 1),
    "tflops": ("FLOP/s", 1e12),
    "tops": ("OP/s", 1e12),
    "count": ("", 1),
    "ratio": ("ratio", 1),
    "days": ("s", 86400),
    "seconds": ("s", 1),
    "microseconds": ("s", 1e-6),
    "usd": ("USD", 1),
    "usd_per_h": ("USD/h", 1),
}
VENDOR_KINDS = frozenset({"vendor-document", "vendor-code"})
COMPILER_KIND = "compiler-output"
SOURCE_KINDS = VENDOR_KINDS | {COMPILER_KIND, "third-party", "measurement", "copy", "assumption"}
VERBATIM = frozenset({"config", "hf_quant_config"})
"""Keys whose content is a published file of its own and holds no cited values."""
CONVERTED = frozenset({*UNITS, "sources", "note", "conflicts", "low", "high"})
SINGLE_TABLES = {
    "instruction_sets.toml": "instruction_set",
    "amd_probes.toml": "amd_probe",
    "number_formats.toml": "number_format",
    "weight_formats.toml": "weight_format",
    "runtimes.toml": "runtime",
    "architectures.toml": "architecture",
    "memory_terms.toml": "memory_term",
    "training.toml": "training_term",
    "kv_formats.toml": "kv_format",
    "launch.toml": "launch",
    "gguf_recipes.toml": "gguf_recipe",
    "attention.toml": "attention",
    "nvidia_probes.toml": "nvidia_probe",
    "log_rows.toml": "log_row",
    "log_causes.toml": "log_cause",
    "log_kernels.toml": "log_kernel",
    "quality.toml": "quality",
    "quality_protocols.toml": "quality_protocol",
    "quality_bounds.toml": "quality_bound",
    "market/prices.toml": "offer",
    "market/roadmap.toml": "announcement",
    "market/ageing.toml": "price_ageing",
}


class CatalogueError(Exception):
    """The catalogue's TOML breaks a rule of its own form; the text names file and entry."""


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogueError(f"{path.name}: {error}") from error


def _plain(value: Any) -> Any:
    """Dates as ISO text, so that a body is JSON."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def basis_of(kinds: list[tuple[str, str]]) -> str:
    """The basis of a value from the (id, kind) of its sources.

    A bound of our own makes it `assumed`, whatever else is cited; a vendor's document or code `documented`; a
    published measurement, or two third parties that agree, `reported`; one third party, or copies only, `assumed`.
    """
    if any(kind == "assumption" for _, kind in kinds):
        return "assumed"
    if any(kind in VENDOR_KINDS for _, kind in kinds):
        return "documented"
    third = {name for name, kind in kinds if kind == "third-party"}
    if len(third) >= 2 or any(kind == "measurement" for _, kind in kinds):
        return "reported"
    return "assumed"


def rank_of(kinds: list[tuple[str, str]]) -> int:
    """How good the evidence is, best first: a vendor's document, its code, what is reported, what is assumed."""
    if any(kind == "vendor-document" for _, kind in kinds):
        return 0
    return {"documented": 1, "reported": 2, "assumed": 3}[basis_of(kinds)]


class _Citer:
    """Turns cited inline tables into compact figures: {v, u, b, s, lo, hi, n}."""

    def __init__(self, sources: dict[str, dict[str, Any]]) -> None:
        self._sources = sources

    def _kinds(self, ids: list[str], where: str) -> list[tuple[str, str]]:
        if not ids:
            raise CatalogueError(f"{where}: a value without sources")
        for name in ids:
            if name not in self._sources:
                raise CatalogueError(f"{where}: source '{name}' does not exist")
        return [(name, str(self._sources[name]["kind"])) for name in ids]

    def figure(self, entry: dict[str, Any], where: str) -> dict[str, Any] | None:
        """A compact figure, or None when the entry holds no unit key (it is then kept as it is)."""
        key = next((key for key in entry if key in UNITS), None)
        if key is None:
            return None
        unit, factor = UNITS[key]
        ids = list(entry.get("sources", []))
        figure: dict[str, Any] = {"v": entry[key] * factor, "u": unit, "b": basis_of(self._kinds(ids, where))}
        values = [figure["v"]]
        for conflict in entry.get("conflicts", []):
            more = list(conflict.get("sources", []))
            # A third party's table, or a copy in code, does not widen what a vendor's document states.
            if rank_of(self._kinds(more, where)) <= rank_of(self._kinds(list(entry["sources"]), where)):
                ids += [name for name in more if name not in ids]
                values.append(conflict[key] * factor)
        if "low" in entry or "high" in entry:
            values += [entry[end] * factor for end in ("low", "high") if end in entry]
        if len(values) > 1:
            figure["lo"], figure["hi"] = min(values), max(values)
        figure["s"] = ids
        if "note" in entry:
            figure["n"] = entry["note"]
        return figure

    def cite(self, value: Any, where: str) -> Any:
        """The value with every cited table inside it converted and every source checked."""
        if isinstance(value, list):
            return [self.cite(item, f"{where}[{index}]") for index, item in enumerate(value)]
        if not isinstance(value, dict):
            return _plain(value)
        figure = self.figure(value, where)
        rest = {
            key: _plain(item) if key in VERBATIM else self.cite(item, f"{where}.{key}") for key, item in value.items()
        }
        if figure is not None:
            return {**{key: item for key, item in rest.items() if key not in CONVERTED}, **figure}
        if "sources" in value and isinstance(value["sources"], list):
            rest["basis"] = basis_of(self._kinds(value["sources"], where))
        return rest


def _tables(data: Path) -> Iterator[tuple[str, str, str]]:
    """(table, id, JSON body) of every entry of the catalogue."""
    sources: dict[str, dict[str, Any]] = {}
    for path in sorted((data / "sources").glob("*.toml")):
        for name, entry in _read(path).items():
            if name in sources:
                raise CatalogueError(f"{path.name}: source '{name}' is defined twice")
            if entry.get("kind") not in SOURCE_KINDS:
                raise CatalogueError(f"{path.name}: source '{name}' has no known kind")
            sources[name] = _plain(entry)
            yield "source", name, _dump(sources[name])
    citer = _Citer(sources)
    seen: set[tuple[str, str]] = set()
    for table, name, entry, where in _entries(data):
        if (table, name) in seen:
            raise CatalogueError(f"{where}: '{name}' is defined twice")
        seen.add((table, name))
        # Generated entries are values already; their generator cites.
        yield table, name, _dump(entry if where.endswith(".json") else citer.cite(entry, f"{where}: {name}"))


Entry = tuple[str, str, dict[str, Any], str]
"""(table, id, entry, file name)"""


def _entries(data: Path) -> Iterator[Entry]:
    for folder, table in (("gpus", "gpu"), ("models", "model")):
        for path in sorted((data / folder).glob("*.toml")):
            for entry in _read(path).get(table, []):
                if "id" not in entry:
                    raise CatalogueError(f"{path.name}: an entry without an id")
                yield table, str(entry["id"]), entry, path.name
    for path in sorted((data / "execution").glob("*.toml")):
        for name, entry in _read(path).items():
            yield "execution", name, entry, path.name
    for file, table in SINGLE_TABLES.items():
        if (data / file).exists():
            for name, entry in _read(data / file).items():
                yield table, name, entry, file
    yield from _generated(data)


def _generated(data: Path) -> Iterator[Entry]:
    """What programs wrote: values already laid out, and a driver's table of names."""
    for path in sorted((data / "generated").glob("*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        for name, entry in document["entries"].items():
            yield document["kind"], name, entry, path.name
    for path in sorted((data / "pci").glob("*.toml")):
        document = _read(path)
        for name, text in document.get("names", {}).items():
            yield "pci_name", name, {"name": text, "source": document["source"]}, path.name


def _dump(body: Any) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _fill(connection: sqlite3.Connection, data: Path, stamp: str) -> None:
    digest = hashlib.sha256()
    rows: list[tuple[str, str, str]] = []
    for row in _tables(data):
        rows.append(row)
        digest.update("\x00".join(row).encode())
    connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
    connection.execute(
        "CREATE TABLE entry (kind TEXT, id TEXT, body TEXT, position INTEGER, PRIMARY KEY (kind, id)) WITHOUT ROWID"
    )
    connection.executemany("INSERT INTO entry VALUES (?, ?, ?, ?)", ((*row, index) for index, row in enumerate(rows)))
    meta = {
        "schema": str(SCHEMA),
        "digest": digest.hexdigest(),
        "stamp": stamp,
    }
    connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    connection.commit()


def compile_catalogue(data: Path, target: Path, stamp: str = "") -> None:
    """Compile `data` into `target`, through a temporary file beside it, so that no half-made file is ever seen.

    `stamp` is what a checkout compares to see that the file is fresh; a wheel needs none.

    Raises:
        CatalogueError: the TOML breaks a rule.
        OSError: the target's folder cannot be written.
    """
    handle, name = tempfile.mkstemp(prefix=target.name, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with closing(sqlite3.connect(temporary)) as connection:
            _fill(connection, data, stamp)
        temporary.chmod(0o644)
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def compile_in_memory(data: Path) -> sqlite3.Connection:
    """The same tables in memory, for a checkout that cannot be written."""
    connection = sqlite3.connect(":memory:")
    _fill(connection, data, "")
    return connection
