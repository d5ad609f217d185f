"""The catalogue's compiler and store: bases from sources, stale and corrupt files, folders that cannot be written."""

import functools
import json
import os
import sqlite3
from pathlib import Path

import pytest

from assay.errors import CorruptCatalogue
from assay.knowledge import compiler, store
from assay.knowledge.store import open_catalogue

SOURCES = """
[vendor]
title = "A data sheet"
kind = "vendor-document"
[code]
title = "Source code"
kind = "vendor-code"
[table-a]
title = "A table"
kind = "third-party"
[table-b]
title = "Another table"
kind = "third-party"
[run]
title = "A run"
kind = "measurement"
[copied]
title = "A copy"
kind = "copy"
[bound]
title = "A bound"
kind = "assumption"
"""


def catalogue(folder: Path, gpu: str) -> Path:
    (folder / "sources").mkdir(parents=True, exist_ok=True)
    (folder / "gpus").mkdir(exist_ok=True)
    (folder / "sources" / "all.toml").write_text(SOURCES)
    (folder / "gpus" / "all.toml").write_text(f'[[gpu]]\nid = "card"\n{gpu}\n')
    return folder


def figure(folder: Path, line: str) -> dict[str, object]:
    connection = compiler.compile_in_memory(catalogue(folder, line))
    body = json.loads(connection.execute("SELECT body FROM entry WHERE kind = 'gpu'").fetchone()[0])
    connection.close()
    found = body["bandwidth"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("sources", "basis"),
    [
        (["vendor"], "documented"),
        (["code", "table-a"], "documented"),
        (["run"], "reported"),
        (["table-a", "table-b"], "reported"),
        (["table-a"], "assumed"),
        (["copied", "table-a"], "assumed"),
        (["vendor", "bound"], "assumed"),
    ],
)
def test_the_basis_follows_from_the_sources(tmp_path: Path, sources: list[str], basis: str) -> None:
    found = figure(tmp_path, f"bandwidth = {{ gb_per_s = 1792, sources = {json.dumps(sources)} }}")
    assert (found["v"], found["u"], found["b"], found["s"]) == (1792e9, "B/s", basis, sources)


def test_sizes_are_binary_and_rates_decimal(tmp_path: Path) -> None:
    line = 'bandwidth = { gib = 96, sources = ["vendor"] }'
    assert figure(tmp_path, line)["v"] == 103_079_215_104


def test_an_equal_source_widens_and_a_weaker_one_does_not(tmp_path: Path) -> None:
    start = 'bandwidth = { gb_per_s = 1597, sources = ["vendor"], conflicts = [{ gb_per_s = 1792, sources = ["'
    assert figure(tmp_path, start + 'vendor"] }] }')["hi"] == 1792e9
    for weaker in ("code", "table-a", "run"):
        assert "hi" not in figure(tmp_path, start + weaker + '"] }] }')


@pytest.mark.parametrize(
    "line",
    [
        "bandwidth = { gb_per_s = 1792 }",
        "bandwidth = { gb_per_s = 1792, sources = [] }",
        'bandwidth = { gb_per_s = 1792, sources = ["nobody"] }',
        'bandwidth = { gb_per_s = 1, sources = ["vendor"] }\n[[gpu]]\nid = "card"',
        "bandwidth = {",
        'name = "x"\n[[gpu]]\nname = "no id"',
    ],
)
def test_an_entry_that_breaks_a_rule_is_refused_by_name(tmp_path: Path, line: str) -> None:
    with pytest.raises(compiler.CatalogueError, match=r"all\.toml"):
        compiler.compile_in_memory(catalogue(tmp_path, line))


GOOD = 'bandwidth = { gb_per_s = 1792, sources = ["vendor"] }'


def body(connection: sqlite3.Connection) -> str:
    found = str(connection.execute("SELECT body FROM entry WHERE kind = 'gpu'").fetchone()[0])
    connection.close()
    return found


def test_a_checkout_builds_what_is_missing_and_rebuilds_what_is_stale(tmp_path: Path) -> None:
    data, compiled = catalogue(tmp_path, GOOD), tmp_path / "compiled.sqlite"
    assert "1792" in body(open_catalogue(data, compiled))
    built = compiled.stat().st_mtime_ns
    open_catalogue(data, compiled).close()
    assert compiled.stat().st_mtime_ns == built
    (data / "gpus" / "all.toml").write_text('[[gpu]]\nid = "card"\n' + GOOD.replace("1792", "1597"))
    assert "1597" in body(open_catalogue(data, compiled))


def test_a_deleted_file_makes_it_stale(tmp_path: Path) -> None:
    data, compiled = catalogue(tmp_path, GOOD), tmp_path / "compiled.sqlite"
    (data / "gpus" / "more.toml").write_text('[[gpu]]\nid = "other"\n')
    open_catalogue(data, compiled).close()
    (data / "gpus" / "more.toml").unlink()
    connection = open_catalogue(data, compiled)
    assert connection.execute("SELECT count(*) FROM entry WHERE kind = 'gpu'").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_corrupt_file_is_rebuilt_in_a_checkout_and_named_in_a_wheel(tmp_path: Path, content: bytes) -> None:
    data, compiled = catalogue(tmp_path / "checkout", GOOD), tmp_path / "compiled.sqlite"
    compiled.write_bytes(content)
    assert "1792" in body(open_catalogue(data, compiled))
    compiled.write_bytes(content)
    with pytest.raises(CorruptCatalogue) as caught:
        open_catalogue(tmp_path / "no-toml-here", compiled)
    assert caught.value.message.code == "error.catalogue_corrupt"


def test_a_missing_file_in_a_wheel_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptCatalogue):
        open_catalogue(tmp_path / "no-toml-here", tmp_path / "compiled.sqlite")


def test_a_wheel_trusts_its_file(tmp_path: Path) -> None:
    data, compiled = catalogue(tmp_path / "build", GOOD), tmp_path / "compiled.sqlite"
    compiler.compile_catalogue(data, compiled)
    assert "1792" in body(open_catalogue(tmp_path / "no-toml-here", compiled))


def test_a_folder_that_cannot_be_written_is_compiled_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "read-only")

    monkeypatch.setattr(compiler.tempfile, "mkstemp", refuse)
    compiled = tmp_path / "compiled.sqlite"
    assert "1792" in body(open_catalogue(catalogue(tmp_path, GOOD), compiled))
    assert not compiled.exists()


def test_a_file_damaged_in_its_middle_is_built_again_in_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, compiled = catalogue(tmp_path, GOOD), tmp_path / "compiled.sqlite"
    monkeypatch.setattr(store, "DATA", data)
    monkeypatch.setattr(store, "COMPILED", compiled)
    monkeypatch.setattr(store, "_catalogue", functools.cache(lambda: open_catalogue(data, compiled)))
    assert store.entry("gpu", "card") is not None
    store._catalogue().close()
    store._catalogue.cache_clear()
    content = bytearray(compiled.read_bytes())
    at = content.index(b"1792000000000")
    content[at : at + 6] = b"\xff" * 6
    compiled.write_bytes(bytes(content))
    found = store.entry("gpu", "card")
    assert found is not None
    assert found["bandwidth"]["v"] == 1792e9
    store._catalogue().close()


def test_a_named_pipe_in_its_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "compiled.sqlite")
    with pytest.raises(CorruptCatalogue):
        open_catalogue(tmp_path / "no-toml-here", tmp_path / "compiled.sqlite")


def test_bad_toml_in_a_checkout_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptCatalogue) as caught:
        open_catalogue(catalogue(tmp_path, "bandwidth = {"), tmp_path / "compiled.sqlite")
    assert "all.toml" in str(dict(caught.value.message.parameters)["reason"])


def test_compiler_and_store_agree_on_the_schema() -> None:
    assert store.SCHEMA == compiler.SCHEMA


def test_a_path_with_the_characters_of_an_address_is_opened(tmp_path: Path) -> None:
    folder = tmp_path / "a ?#%20 б"
    folder.mkdir()
    assert "1792" in body(open_catalogue(catalogue(folder, GOOD), folder / "compiled.sqlite"))


def test_no_half_made_file_is_left_behind(tmp_path: Path) -> None:
    data = catalogue(tmp_path / "data", "bandwidth = { gb_per_s = 1 }")
    target = tmp_path / "out" / "compiled.sqlite"
    target.parent.mkdir()
    with pytest.raises(compiler.CatalogueError):
        compiler.compile_catalogue(data, target)
    assert list(target.parent.iterdir()) == []
