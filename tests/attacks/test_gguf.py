"""Hostile GGUF files: every count and length is compared with the file before it is used."""

import os
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from bounded import cost
from gguf_files import ARRAY, STRING, U32, document, pair, tensor, text
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.errors import AssayError, MalformedFile, UnreadableFile, UnsupportedArchitecture, UnsupportedFile
from assay.observe.checkpoint import files, gguf
from assay.observe.checkpoint.read import read

GOOD = document(
    pair("general.architecture", STRING, text("llama")) + tensor("a") + tensor("b", offset=128), 2, 1, data=256
)


def refused(tmp_path: Path, content: bytes) -> MalformedFile:
    path = tmp_path / "x.gguf"
    path.write_bytes(content)
    started = time.monotonic()
    with pytest.raises(MalformedFile) as caught:
        gguf.header(path)
    assert time.monotonic() - started < 2
    assert caught.value.file == str(path)
    assert caught.value.field is not None
    assert caught.value.offset is not None
    return caught.value


def test_the_good_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(GOOD)
    assert [found.name for found in gguf.header(tmp_path / "x.gguf").tensors] == ["a", "b"]


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    for length in range(len(GOOD)):
        error = refused(tmp_path, GOOD[:length])
        assert error.message.code in {
            f"error.malformed.{code}" for code in ("truncated", "count_too_large", "offset_outside")
        }


@pytest.mark.parametrize("count", [2**63, 2**64 - 1, 2**40, 10**6])
def test_counts_that_the_file_cannot_hold(tmp_path: Path, count: int) -> None:
    assert refused(tmp_path, document(tensors=count)).field == "tensor_count"
    assert refused(tmp_path, document(pairs=count)).field == "metadata_kv_count"
    for kind in (0, U32, STRING, ARRAY, 12):
        array = pair("k", ARRAY, struct.pack("<IQ", kind, count))
        assert refused(tmp_path, document(array, pairs=1)).message.code == "error.malformed.count_too_large"


@pytest.mark.parametrize("length", [2**32, 2**63, 2**64 - 1, 1000])
def test_strings_longer_than_the_file(tmp_path: Path, length: int) -> None:
    long = struct.pack("<Q", length)
    assert refused(tmp_path, document(long, pairs=1))
    assert refused(tmp_path, document(pair("k", STRING, long), pairs=1)).field == "k"
    listed = pair("k", ARRAY, struct.pack("<IQ", STRING, 1) + long)
    assert refused(tmp_path, document(listed, pairs=1)).field == "k"
    assert refused(tmp_path, document(long + bytes(64), tensors=1))


def test_arrays_in_arrays_end(tmp_path: Path) -> None:
    inner = struct.pack("<IQ", U32, 0)
    for _ in range(100):
        inner = struct.pack("<IQ", ARRAY, 1) + inner
    assert refused(tmp_path, document(pair("k", ARRAY, inner), pairs=1)).message.code == "error.malformed.nesting"


def test_a_long_vocabulary_takes_little_memory(tmp_path: Path) -> None:
    words = b"".join(text(f"word {number}") for number in range(200_000))
    path = tmp_path / "x.gguf"
    body = pair("tokenizer.ggml.tokens", ARRAY, struct.pack("<IQ", STRING, 200_000) + words)
    path.write_bytes(document(body, pairs=1))
    tracemalloc.start()
    found = gguf.header(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.metadata["tokenizer.ggml.tokens"] == gguf.Array(200_000)
    assert peak < 4 * 2**20


@pytest.mark.parametrize(
    ("body", "tensors", "pairs", "code"),
    [
        (pair("k", 13, b""), 0, 1, "unknown_value_type"),
        (pair("k", ARRAY, struct.pack("<IQ", 99, 0)), 0, 1, "unknown_value_type"),
        (pair("k", U32, bytes(4)) * 2, 0, 2, "repeated_key"),
        (pair("k" * 70_000, U32, bytes(4)), 0, 1, "name_too_long"),
        (text(b"\xff\xfe") + struct.pack("<I", U32) + bytes(4), 0, 1, "not_text"),
        (pair("general.alignment", U32, struct.pack("<I", 0)), 0, 1, "out_of_range"),
        (pair("general.alignment", U32, struct.pack("<I", 48)), 0, 1, "out_of_range"),
        (pair("general.alignment", STRING, text("32")), 0, 1, "out_of_range"),
        (tensor("t", (32, 1, 1, 1, 1)), 1, 0, "too_many_dimensions"),
        (tensor("t", (33,), kind=8), 1, 0, "not_whole_blocks"),
        (tensor("t", (2**40, 2**40)), 1, 0, "out_of_range"),
        (tensor("t", offset=2**62), 1, 0, "offset_outside"),
        (tensor("t", offset=2**64 - 32), 1, 0, "offset_outside"),
        (tensor("t", (2**40,)), 1, 0, "offset_outside"),
        (tensor("t", offset=7), 1, 0, "not_aligned"),
        (tensor("t") + tensor("u"), 2, 0, "hole_or_overlap"),
        (tensor("t") + tensor("t", offset=128), 2, 0, "repeated_key"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_contradicts_the_format(tmp_path: Path, body: bytes, tensors: int, pairs: int, code: str) -> None:
    error = refused(tmp_path, document(body, tensors, pairs, data=256))
    assert error.message.code == f"error.malformed.{code}"


def test_what_is_no_gguf(tmp_path: Path) -> None:
    assert refused(tmp_path, document(magic=b"GGML")).field == "magic"
    assert refused(tmp_path, b"\x00" * 64).field == "magic"


@pytest.mark.parametrize("version", [0, 1, 4, 99])
def test_other_versions_are_refused_by_name(tmp_path: Path, version: int) -> None:
    (tmp_path / "x.gguf").write_bytes(document(version=version))
    with pytest.raises(UnsupportedFile) as caught:
        read(tmp_path / "x.gguf")
    assert caught.value.message.code == "error.gguf_version"


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.gguf")
    with pytest.raises(UnreadableFile):
        read(tmp_path / "fifo.gguf")
    (tmp_path / "empty.gguf").write_bytes(b"")
    with pytest.raises(MalformedFile):
        read(tmp_path / "empty.gguf")
    (tmp_path / "gone.gguf").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UnreadableFile):
        read(tmp_path / "gone.gguf")


def test_the_architecture_is_needed(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(document(tensor("t"), 1, data=256))
    with pytest.raises(MalformedFile) as caught:
        read(tmp_path / "x.gguf")
    assert caught.value.field == "general.architecture"


@pytest.mark.parametrize("name", ["bert", "nomic-bert-moe"])
def test_an_encoder_is_refused_for_what_it_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(document(pair("general.architecture", STRING, text(name)) + tensor("t"), 1, 1, data=256))
    with pytest.raises(UnsupportedArchitecture) as caught:
        read(path)
    assert "an encoder" in str(dict(caught.value.message.parameters)["detail"])
    assert (caught.value.field, caught.value.offset) == ("general.architecture", 24)


@pytest.mark.parametrize("value", [0, 20_000, 2**32 - 1])
def test_absurd_numbers_of_blocks(tmp_path: Path, value: int) -> None:
    body = pair("general.architecture", STRING, text("llama"))
    body += pair("llama.block_count", U32, struct.pack("<I", value)) + tensor("t")
    (tmp_path / "x.gguf").write_bytes(document(body, 1, 2, data=256))
    with pytest.raises(MalformedFile) as caught:
        read(tmp_path / "x.gguf")
    assert caught.value.field == "llama.block_count"


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_changed_byte_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "x.gguf"
    path.write_bytes(bytes(content))
    try:
        read(path)
    except AssayError as error:
        assert error.exit_code in {2, 3}  # noqa: PT017 - either way is right


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A memory map would end the process here."""
    path = tmp_path / "x.gguf"
    words = b"".join(struct.pack("<Q", 1) + b"a" for _ in range(300_000))
    key = struct.pack("<Q", 1) + b"x" + struct.pack("<IIQ", 9, 8, 300_000) + words
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + key)
    opened = files.open_regular

    def shrinking(which: Path) -> tuple[int, int]:
        found = opened(which)
        os.truncate(which, 4096)
        return found

    monkeypatch.setattr(files, "open_regular", shrinking)
    with pytest.raises(MalformedFile) as caught:
        gguf.header(path)
    assert caught.value.message.code == "error.malformed.truncated"


@pytest.mark.parametrize(("tensors", "pairs"), [(131_073, 0), (0, 65_537)])
def test_more_than_any_model_has(tmp_path: Path, tensors: int, pairs: int) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, tensors, pairs) + bytes(8_000_000))
    with pytest.raises(UnsupportedFile) as caught:
        gguf.header(path)
    limit = "tensors" if tensors else "pairs"
    assert (caught.value.message.code, caught.value.offset) == (f"error.limit.{limit}", 8 if tensors else 16)


def beyond(path: Path, code: str) -> UnsupportedFile:
    """What is larger than any published file ends within the bounds, in a process of its own."""
    spent = cost(path)
    assert (spent.said, spent.seconds < 2, spent.mebibytes < 95) == (f"error.limit.{code}", True, True), spent
    with pytest.raises(UnsupportedFile) as caught:
        gguf.header(path)
    assert caught.value.field is not None
    assert caught.value.offset is not None
    return caught.value


@pytest.mark.parametrize("kept", [100, 2_000_000])
def test_words_of_a_sparse_file(tmp_path: Path, kept: int) -> None:
    """A hole of 8 GiB holds a thousand million words of no letters; those of two arrays count together."""
    path = tmp_path / "x.gguf"
    first = pair("a", ARRAY, struct.pack("<IQ", STRING, kept) + bytes(8 * kept))
    second = text("b") + struct.pack("<IIQ", ARRAY, STRING, 2**29)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + first + second)
    os.truncate(path, 2**33)
    assert beyond(path, "words").field == "b"


@pytest.mark.parametrize("kind", ["values", "words"])
def test_a_header_that_is_mostly_holes(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.gguf"
    if kind == "values":  # texts of 1 GiB, each behind a key
        with path.open("wb") as out:
            out.write(b"GGUF" + struct.pack("<IQQ", 3, 0, 1000))
            for number in range(1000):
                out.write(text(str(number)) + struct.pack("<IQ", STRING, 2**30))
                out.seek(2**30, os.SEEK_CUR)
            out.write(bytes(1))
    else:  # 16 KiB a word
        word = struct.pack("<Q", 2**14) + bytes(2**14)
        listed = text("a") + struct.pack("<IIQ", ARRAY, STRING, 20_000) + word * 20_000
        path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + listed)
    assert (beyond(path, "header").offset or 0) > 2**27  # of the 256 MiB, more than half was taken in


@pytest.mark.parametrize("width", [1, 8])
def test_short_arrays_are_kept_within_one_bound(tmp_path: Path, width: int) -> None:
    path = tmp_path / "x.gguf"
    value = struct.pack("<IQ", {1: 0, 8: 12}[width], 65_536) + bytes(65_536 * width)
    body = b"".join(pair(f"{number}", ARRAY, value) for number in range(200))
    path.write_bytes(document(body, pairs=200))
    assert beyond(path, "memory").file == str(path)


@pytest.mark.parametrize("kind", ["keys", "texts", "tensors"])
def test_names_are_kept_within_one_bound(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.gguf"
    longest = "\N{GRINNING FACE}" + "n" * 60_000  # four bytes a letter in memory
    names = [f"{longest}{number}" for number in range(600)]
    if kind == "tensors":
        path.write_bytes(document(b"".join(tensor(name) for name in names), tensors=600))
    else:
        pairs = (pair(name, U32, bytes(4)) if kind == "keys" else pair(name[-4:], STRING, text(name)) for name in names)
        path.write_bytes(document(b"".join(pairs), pairs=600))
    assert beyond(path, "memory").file == str(path)


def test_many_tensors_of_usual_names(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    body = b"".join(tensor(f"blk.{number}.attn_norm.weight", (0,)) for number in range(90_000))
    path.write_bytes(document(body, 90_000))
    spent = cost(path)
    assert (spent.said, spent.mebibytes < 95) == ("error.malformed.missing_key", True), spent


def test_parts_of_a_split_model_are_kept_within_one_bound(tmp_path: Path) -> None:
    for part in range(4):
        keys = pair("split.count", U32, struct.pack("<I", 4)) + pair("split.no", U32, struct.pack("<I", part))
        names = [f"{part} {number} " + "n" * 30_000 for number in range(700)]
        body = keys + b"".join(tensor(name, (0,)) for name in names)
        (tmp_path / f"m-{part + 1:05d}-of-00004.gguf").write_bytes(document(body, 700, 2))
    spent = cost(tmp_path / "m-00001-of-00004.gguf")
    assert (spent.said, spent.seconds < 2, spent.mebibytes < 95) == ("error.limit.memory", True, True), spent
