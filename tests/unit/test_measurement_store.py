"""The store of measurements: what was committed is there, whoever else writes, reads or dies."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from assay.errors import MalformedFile, PermissionRefused, UnreadableFile, UnsupportedFile
from assay.observe.measurements import store as stores
from assay.observe.measurements.store import Store, concerning, everything, one
from assay.observe.profile import store_path
from assay.types.measurement import (
    Figures,
    MeasuredCard,
    MeasuredModel,
    Measurement,
    Origin,
    Percentiles,
    Workload,
)
from assay.types.message import message

FULL = Measurement(
    when="2026-10-01T10:00:00Z",
    kind="serving",
    cards=(MeasuredCard("RTX 5090", ("geforce-rtx-5090",), 2, "user"),),
    model=MeasuredModel("Qwen3-8B", "Qwen/Qwen3-8B", "fp8", "file"),
    runtime="vllm",
    version="0.11.0",
    workload=Workload(8, 512.5, 128.0, 3, "fp8"),
    figures=Figures(61.5, 480.25, None, 470.125, Percentiles(0.1, 0.2, None, 0.3), Percentiles(mean=0.01), 2.5, 40),
    origin=Origin("vllm bench serve", "файл.json", "ab" * 32, 1),
    host="no",
    power_limit=575.0,
    settings=(("backend", "vllm"), ("request_rate", "inf")),
    partial=message("bench.partial.failed", "warning", failed=1, asked=41),
    notes=(message("bench.note.paced", rate="4.0"),),
)


def measured(row: int = 0, **changes: object) -> Measurement:
    return FULL._replace(origin=FULL.origin._replace(row=row), partial=None, **changes)  # type: ignore[arg-type]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "assay" / "measurements.sqlite"


def test_what_is_put_is_what_is_read(path: Path) -> None:
    with Store(path) as store:
        kept = store.put(FULL)
    assert kept == FULL._replace(id=1)
    assert everything(path) == (kept,)
    assert one(path, 1) == kept
    assert one(path, 2) is None


def test_the_same_file_and_row_keep_their_number(path: Path) -> None:
    with Store(path) as store:
        first, second = store.put(measured(0)), store.put(measured(1))
        again = store.put(measured(0, runtime="sglang"))
        third = store.put(measured(2))
    assert (first.id, second.id, again.id, third.id) == (1, 2, 1, 3)
    assert [each.runtime for each in everything(path)] == ["sglang", "vllm", "vllm"]


def test_a_number_that_was_forgotten_is_not_given_again(path: Path) -> None:
    with Store(path) as store:
        store.put(measured(0))
        assert store.forget(1)
        assert not store.forget(1)
        assert store.put(measured(1)).id == 2


def test_without_a_file_there_is_nothing_and_none_is_made(path: Path) -> None:
    assert everything(path) == ()
    assert concerning(path, "geforce-rtx-5090", "vllm") == ()
    assert not path.parent.exists()


def test_what_concerns_a_card_a_runtime_and_a_model(path: Path) -> None:
    other = FULL.model._replace(id="Qwen/Qwen3-14B")
    ambiguous = (MeasuredCard("A6000", ("rtx-a6000", "rtx-6000-ada"), 1, "file"),)
    with Store(path) as store:
        kept = store.put(measured(0))
        store.put(measured(1, model=other))
        store.put(measured(2, runtime="sglang"))
        store.put(measured(3, cards=ambiguous))
        store.put(measured(4)._replace(partial=FULL.partial))
        store.put(measured(5, host="yes"))
    assert concerning(path, "geforce-rtx-5090", "vllm", "Qwen/Qwen3-8B") == (kept,)
    assert [each.id for each in concerning(path, "geforce-rtx-5090", "vllm")] == [1, 2]
    assert concerning(path, "rtx-a6000", "vllm") == ()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XDG_DATA_HOME": "/data", "HOME": "/home/me"}, "/data/assay/measurements.sqlite"),
        ({"XDG_DATA_HOME": "data", "HOME": "/home/me"}, "/home/me/.local/share/assay/measurements.sqlite"),
        ({"XDG_DATA_HOME": "", "HOME": "/home/me"}, "/home/me/.local/share/assay/measurements.sqlite"),
    ],
)
def test_where_it_lies(environment: dict[str, str], expected: str) -> None:
    assert store_path(environment) == Path(expected)


def test_a_newer_file_is_left_as_it_is(path: Path) -> None:
    with Store(path) as store:
        store.put(FULL)
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    before = path.read_bytes()
    for use in (Store, everything):
        with pytest.raises(UnsupportedFile) as caught:
            use(path)
        assert dict(caught.value.message.parameters)["version"] == 99
    assert path.read_bytes() == before


def test_an_older_file_is_brought_forward(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(path) as store:
        store.put(FULL)
    added = "ALTER TABLE measurement ADD COLUMN remark TEXT"
    monkeypatch.setattr(stores, "MIGRATIONS", (*stores.MIGRATIONS, added))
    with Store(path) as store:
        store.put(measured(7))
    raw = sqlite3.connect(path)
    assert raw.execute("PRAGMA user_version").fetchone() == (len(stores.MIGRATIONS),)
    assert raw.execute("SELECT count(remark), count(*) FROM measurement").fetchone() == (0, 2)
    raw.close()


def test_a_migration_that_fails_leaves_the_version_before_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(path) as store:
        store.put(FULL)
    broken = "ALTER TABLE measurement ADD COLUMN remark TEXT; ALTER TABLE nothing ADD COLUMN x TEXT"
    monkeypatch.setattr(stores, "MIGRATIONS", (*stores.MIGRATIONS, broken))
    with pytest.raises(PermissionRefused):
        Store(path)
    monkeypatch.undo()
    assert everything(path) == (FULL._replace(id=1),)


def _other_database(path: Path) -> None:
    raw = sqlite3.connect(path)
    raw.execute("CREATE TABLE cookies (name TEXT)")
    raw.commit()
    raw.close()


@pytest.mark.parametrize("make", [_other_database, lambda path: path.write_bytes(b"not a database at all" * 99)])
@pytest.mark.parametrize("use", [Store, everything])
def test_another_file_is_refused_and_left_as_it_is(path: Path, make: object, use: object) -> None:
    path.parent.mkdir(parents=True)
    make(path)  # type: ignore[operator]
    before = path.read_bytes()
    with pytest.raises(MalformedFile):
        use(path)  # type: ignore[operator]
    assert path.read_bytes() == before


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.parametrize("use", [Store, everything])
def test_what_is_no_regular_file_is_never_waited_for(path: Path, make: object, use: object) -> None:
    path.parent.mkdir(parents=True)
    make(path)  # type: ignore[operator]
    with pytest.raises(UnreadableFile):
        use(path)  # type: ignore[operator]


def test_a_broken_row_is_a_broken_file(path: Path) -> None:
    with Store(path) as store:
        store.put(FULL)
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE measurement SET body = '{\"when\": 1}'")
    raw.close()
    with pytest.raises(MalformedFile):
        everything(path)


def test_a_file_that_another_process_holds(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "WAIT_SECONDS", 0.05)
    with Store(path) as store:
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(PermissionRefused) as caught:
            store.put(FULL)
        assert caught.value.message.code == "error.store_locked"
        assert everything(path) == ()
        holder.execute("ROLLBACK")
        holder.close()
        assert store.put(FULL).id == 1


def test_a_full_disk(path: Path) -> None:
    with Store(path) as store:
        kept = store.put(measured(0))
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        long = tuple(("name", "value" * 50) for _ in range(200))
        with pytest.raises(PermissionRefused) as caught:
            store.put(measured(1, settings=long))
        assert caught.value.message.code == "error.store_refused"
    assert everything(path) == (kept,)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises((PermissionRefused, UnreadableFile)):
        Store(tmp_path / "data" / "assay" / "measurements.sqlite")


def test_a_file_on_a_medium_that_cannot_be_written_is_read_as_it_lies(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite cannot make the shared memory of a write-ahead log there."""
    with Store(path) as store:
        store.put(FULL)
    real = sqlite3.connect

    class Refusing(sqlite3.Connection):
        def execute(self, *_: object) -> sqlite3.Cursor:  # type: ignore[override]
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorname = "SQLITE_CANTOPEN"
            raise error

    def connect(address: str, **options: object) -> sqlite3.Connection:
        return real(address, **options, factory=sqlite3.Connection if "immutable" in address else Refusing)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", connect)
    assert everything(path) == (FULL._replace(id=1),)
    Path(f"{path}-wal").write_bytes(b"not replayed yet")
    with pytest.raises(PermissionRefused):
        everything(path)


WRITER = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_measurement_store import measured
from assay.observe.measurements.store import Store
store = Store(Path({path!r}))
for row in range(int(sys.argv[1]), 10**6):
    store.put(measured(row))
    print(row, flush=True)
"""


def test_kill_9_loses_nothing_that_was_told(path: Path) -> None:
    """Killed at whatever moment, the store opens and has every row that the writer had announced."""
    script = textwrap.dedent(WRITER.format(tests=str(Path(__file__).parent), path=str(path)))
    for turn in range(3):
        command = [sys.executable, "-c", script, str(1000 * turn)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = []
            for line in process.stdout:
                told.append(int(line))
                if len(told) == 5 + 7 * turn:
                    os.kill(process.pid, signal.SIGKILL)
        assert len(told) >= 5
        rows = {each.origin.row for each in everything(path)}
        assert set(told) <= rows
        with Store(path) as store:
            store.put(measured(10**7 + turn))
