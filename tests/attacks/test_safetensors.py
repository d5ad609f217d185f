"""Hostile safetensors files: no length is trusted, no offset leaves the file."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.errors import AssayError, MalformedFile, UnreadableFile
from assay.observe.checkpoint import files, folder, safetensors, safetensors_header


def raw(path: Path, header: bytes, data: bytes = b"", length: int | None = None) -> Path:
    size = len(header) if length is None else length
    path.write_bytes(size.to_bytes(8, "little") + header + data)
    return path


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    shape = list(shape) if isinstance(shape, tuple) else shape
    offsets = list(offsets) if isinstance(offsets, tuple) else offsets
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def refused(path: Path) -> MalformedFile:
    started = time.monotonic()
    with pytest.raises(MalformedFile) as caught:
        safetensors.tensors(path)
    assert time.monotonic() - started < 2
    assert caught.value.file == str(path)
    assert caught.value.field is not None
    assert caught.value.offset is not None
    return caught.value


@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 101_000_000, 100_000_001])
def test_a_header_longer_than_the_format_allows(tmp_path: Path, length: int) -> None:
    error = refused(raw(tmp_path / "x", b"{}", length=length))
    assert error.message.code == "error.malformed.header_too_long"


def test_a_sparse_file_with_a_long_header(tmp_path: Path) -> None:
    path = raw(tmp_path / "x", b"{", length=101_000_000)
    os.truncate(path, 200_000_000)
    assert refused(path).message.code == "error.malformed.header_too_long"


@pytest.mark.parametrize("content", [b"", b"1234567", bytes(8), (100).to_bytes(8, "little") + b"{}"])
def test_a_file_that_ends_too_early(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    assert refused(tmp_path / "x").message.code in {"error.malformed.truncated", "error.malformed.json"}


def test_a_file_cut_short_at_every_byte(tmp_path: Path) -> None:
    content = raw(tmp_path / "x", json.dumps({"t": entry()}).encode(), bytes(8)).read_bytes()
    for length in range(len(content)):
        (tmp_path / "x").write_bytes(content[:length])
        assert refused(tmp_path / "x").message.code.startswith("error.malformed.")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"{", "json"),
        (b" {}", "json"),
        (b"[1]", "json"),
        (b'{"a":' * 50_000, "nesting"),
        (b'{"a": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}, "a": {}}', "repeated_key"),
        (b'{"a": {"dtype": "U8", "dtype": "I8"}}', "repeated_key"),
        (b'{"a": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]}} x', "json"),
        (b'{"__metadata__": {"a": "}", "b": "\\"{"}, "t": 1}', "not_object"),
        (b'{"__metadata__": {"a": 1}}', "not_text"),
        (b'{"__metadata__": []}', "not_object"),
        (b'{"a": 1}', "not_object"),
        (b'{"a": {}}', "not_text"),
    ],
)
@pytest.mark.parametrize("length", [0, 2**20])
def test_a_header_that_is_none(tmp_path: Path, header: bytes, code: str, length: int) -> None:
    header = header[:1] + b" " * length + header[1:]  # long ones are walked, short ones parsed
    assert refused(raw(tmp_path / "x", header)).message.code == f"error.malformed.{code}"


@pytest.mark.parametrize(
    ("tensor", "code"),
    [
        (entry(offsets=(0, 9)), "offset_outside"),
        (entry(offsets=(8, 0)), "offset_outside"),
        (entry(offsets=(-8, 0)), "offset_outside"),
        (entry(offsets=(0, 2**63)), "offset_outside"),
        (entry(offsets=(0, 4)), "size_mismatch"),
        (entry(shape=(3,)), "size_mismatch"),
        (entry(shape=(2**40, 2**40)), "out_of_range"),
        (entry(shape=(-2,)), "not_integer_list"),
        (entry(shape=(True, 2)), "not_integer_list"),
        (entry(shape="2"), "not_integer_list"),
        (entry(offsets=[0]), "not_integer_list"),
        (entry(offsets=[0.0, 8.0]), "not_integer_list"),
        (entry(dtype=4), "not_text"),
        (entry(shape=(0,), offsets=(4, 4)), "hole_or_overlap"),
    ],
)
def test_a_tensor_that_contradicts_the_file(tmp_path: Path, tensor: dict[str, Any], code: str) -> None:
    path = raw(tmp_path / "x", json.dumps({"t": tensor}).encode(), bytes(8))
    assert refused(path).message.code == f"error.malformed.{code}"


def test_tensors_that_overlap_or_leave_a_hole(tmp_path: Path) -> None:
    twice = {"a": entry(), "b": entry()}
    assert refused(raw(tmp_path / "x", json.dumps(twice).encode(), bytes(8))).field == "b"
    hole = {"a": entry(), "b": entry(offsets=(16, 24))}
    assert refused(raw(tmp_path / "y", json.dumps(hole).encode(), bytes(24))).field == "b"
    rest = raw(tmp_path / "z", json.dumps({"a": entry()}).encode(), bytes(9))
    assert refused(rest).message.code == "error.malformed.size_mismatch"


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.safetensors")
    with pytest.raises(UnreadableFile):
        safetensors.tensors(tmp_path / "x.safetensors")


@pytest.mark.parametrize("name", ["../other.safetensors", "/etc/passwd", "", "..", "a/b.safetensors", 7])
def test_an_index_that_leaves_its_folder(tmp_path: Path, name: Any) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"t": name}}), encoding="utf-8")
    with pytest.raises(MalformedFile):
        folder.shards(tmp_path)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, length: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(length.to_bytes(8, "little") + content)
    try:
        safetensors.tensors(path)
    except AssayError as error:
        assert error.exit_code in {2, 3}  # noqa: PT017 - either way is right


NOTES = st.dictionaries(
    st.text(max_size=40), st.text(st.sampled_from('ab\\"/\n\u0001я😀\ud800'), max_size=60), max_size=3
)
NAMES = st.lists(st.text(st.sampled_from('ab."\\яé😀'), max_size=12), min_size=1, max_size=5, unique=True)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(NOTES, NAMES, st.booleans(), st.sampled_from([None, 0, 40]))
def test_a_walk_through_small_windows_reads_what_a_tree_holds(
    tmp_path: Path,
    notes: dict[str, str],
    names: list[str],
    ascii_only: bool,  # noqa: FBT001 - hypothesis gives it by position
    indent: int | None,
) -> None:
    document = {"__metadata__": notes, **{name: entry(offsets=(0, 8)) for name in names}}
    content = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "surrogatepass")
    whole = b"\xed\xa0" not in content  # half a character is no UTF-8
    with pytest.MonkeyPatch.context() as patch:
        for name, size in {"SMALL_BYTES": 0, "WINDOW_BYTES": 7, "PIECE_BYTES": 8, "MAX_NAME_BYTES": 600}.items():
            patch.setattr(safetensors_header, name, size)
        entries, _, _ = safetensors.header(raw(tmp_path / "x", content))
        if whole:
            assert dict(entries.tensors()) == {name: document[name] for name in names}
        else:
            with pytest.raises(MalformedFile):
                dict(entries.tensors())


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_walk_through_small_windows_refuses_what_is_no_json(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(json.dumps({"__metadata__": {"a\n": 'é"\\ \n'}, "t": entry()}, ensure_ascii=False).encode())
    content[data.draw(st.integers(1, len(content) - 1))] = data.draw(st.sampled_from(b'{}[]",:\\u0 \n\x01\xff'))
    try:
        expected = json.loads(content.decode(), object_pairs_hook=files.once)
    except ValueError:
        expected = None
    with pytest.MonkeyPatch.context() as patch:
        for name, size in {"SMALL_BYTES": 0, "WINDOW_BYTES": 7, "PIECE_BYTES": 8}.items():
            patch.setattr(safetensors_header, name, size)
        entries, _, _ = safetensors.header(raw(tmp_path / "x", bytes(content)))
        try:
            found = dict(entries.tensors())
        except MalformedFile:
            notes = (expected or {}).get("__metadata__", {})
            odd = expected is None or not isinstance(notes, dict) or any(not isinstance(x, str) for x in notes.values())
            assert odd or any(not isinstance(one, dict) or b"}" in content for one in expected.values())
        else:
            assert found == {name: value for name, value in (expected or {}).items() if name != "__metadata__"}


def test_a_header_as_long_as_the_format_allows_is_read(tmp_path: Path) -> None:
    note = b'{"__metadata__":{"a":"' + b"x" * (safetensors.MAX_HEADER_BYTES - 100) + b'"}, "t": '
    content = note + json.dumps(entry()).encode() + b"}"
    content += b" " * (safetensors.MAX_HEADER_BYTES - len(content))
    (found,) = safetensors.tensors(raw(tmp_path / "x", content, bytes(8)))
    assert (found.name, found.size) == ("t", 8)
    (tmp_path / "x").unlink()


SPACES = (24, 26, 28, 48, 4, 0)
ENTRY = '"t": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}'
USUAL = [
    "{" + ENTRY + "}",
    "{" + ENTRY + "}    ",
    "{" + ENTRY.replace(" ", "") + "}",
    '{"__metadata__": {"format": "pt"}, ' + ENTRY + "}",
    "{" + ENTRY + ', "u": {"dtype": "BF16", "shape": [], "data_offsets": [24, 26]}}',
    "{" + ENTRY + ', "\N{CYRILLIC SMALL LETTER YA}": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [24, 26]}}',
]
ODD = [
    "{",
    "{}",
    "{" + ENTRY.replace("2, 3", "6, 1").replace('"t"', '"\\u0074"') + "}",
    "{" + ENTRY.replace("2, 3", "2, 3, ") + "}",
    "{" + ENTRY.replace("2, 3", "02, 3") + "}",
    "{" + ENTRY.replace("2, 3", "2 3") + "}",
    "{" + ENTRY.replace("2, 3", "2,, 3") + "}",
    "{" + ENTRY.replace("2, 3", "true, 6") + "}",
    "{" + ENTRY.replace("2, 3", "2.0, 3") + "}",
    "{" + ENTRY.replace("2, 3", "3000000000000000000, 3000000000000000000") + "}",
    "{" + ENTRY.replace("24", "25") + "}",
    "{" + ENTRY.replace("[0", "[1") + "}",
    "{" + ENTRY.replace("24", "024") + "}",
    "{" + ENTRY.replace("F32", "F99") + "}",
    "{" + ENTRY.replace("F32", "F6_E2M3").replace("24", "4") + "}",
    "{" + ENTRY + ", " + ENTRY + "}",
    "{" + ENTRY + ", " + ENTRY.replace("0, 24", "24, 48") + "}",
    "{" + ENTRY + ", }",
    "{" + ENTRY + "} x",
    "{" + ENTRY + "}}",
    "{" + ENTRY,
    "[" + ENTRY + "]",
    "{" + ENTRY.replace('"dtype": "F32"', '"dtype": "F32", "dtype": "F32"') + "}",
    "{" + ENTRY.replace('"t"', '"__metadata__"') + "}",
    '{"__metadata__": {"a": "b"}, ' + ENTRY.replace('"t"', '"__metadata__"') + "}",
    '{"__metadata__": {"a": "b", "a": "c"}, ' + ENTRY + "}",
    '{"__metadata__": {"a": 1}, ' + ENTRY + "}",
    '{"__metadata__": {"a": "{}"}, ' + ENTRY + "}",
    '{"u": {"dtype": "BF16", "shape": [1], "data_offsets": [24, 26]}, ' + ENTRY + "}",
    "{" + ENTRY + ', "u": {"dtype": "BF16", "shape": [1], "data_offsets": [26, 28]}}',
]


@pytest.mark.parametrize("text", [*USUAL, *ODD])
def test_the_usual_way_answers_as_the_tree_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A header as savers write it is read by one expression; whatever else is left to the reader of every JSON."""

    def answer(space: int) -> object:
        content = text.encode()
        path = tmp_path / "x.safetensors"
        path.write_bytes(len(content).to_bytes(8, "little") + content + bytes(space))
        try:
            return safetensors.tensors(path)
        except AssayError as error:
            return error.message, error.field, error.offset

    usual = [answer(space) for space in SPACES]
    taken = [safetensors._usual(text.encode(), space) is not None for space in SPACES]
    assert any(taken) == (text in USUAL)
    monkeypatch.setattr(safetensors, "_usual", lambda *_: None)
    assert [answer(space) for space in SPACES] == usual


def test_a_header_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    entries = {f"t{n}": {"dtype": "U8", "shape": [1], "data_offsets": [n, n + 1]} for n in range(2000)}
    content = json.dumps(entries).encode()
    assert safetensors.USUAL_BYTES < len(content) < 2**20
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(content).to_bytes(8, "little") + content + bytes(2000))
    assert [found.name for found in safetensors.tensors(path)] == list(entries)
