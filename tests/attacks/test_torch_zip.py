"""Hostile torch files: nothing is imported, called or inflated, and no length is trusted."""

import os
import pickle
import struct
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from bounded import cost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch_files import many, name, number, storage, table, tensor, text, write
from torch_files import pickled as instructions

from assay.errors import AssayError, MalformedFile, UnreadableFile, UnsupportedFile
from assay.observe.checkpoint import pickled, torch_zip, zip_directory

LINUX = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
GOOD = instructions(table({"w": tensor("FloatStorage", "0", (2, 3))}))
DATA = {"0": bytes(24)}


def refused(path: Path) -> MalformedFile:
    started = time.monotonic()
    with pytest.raises(MalformedFile) as caught:
        torch_zip.checkpoint(path)
    assert time.monotonic() - started < 2
    assert caught.value.file == str(path)
    assert caught.value.exit_code == 2
    assert caught.value.field is not None
    assert caught.value.offset is not None
    return caught.value


def described(tmp_path: Path, content: bytes) -> MalformedFile:
    return refused(write(tmp_path / "x", content, DATA))


class Runs:
    """A value whose pickle would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_pickle_that_would_run_code(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    error = described(tmp_path, pickle.dumps({"w": Runs(mark)}, protocol))
    if protocol >= 2:
        assert error.message.code == "error.malformed.runs_code"
        assert error.field == "posix.system"
        assert error.offset is not None
    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        name("os", "system") + text("touch x") + b"\x85R",
        name("builtins", "eval"),
        name("torch.hub", "load"),
        name("torch", "load"),
        name("torch._utils", "__builtins__"),
        b"(ios\nsystem\n",
        text("os") + text("system") + b"\x93",
        text("builtins") + text("getattr") + b"\x93",
        name("collections", "OrderedDict.fromkeys"),
    ],
)
def test_every_way_to_name_a_function(tmp_path: Path, content: bytes) -> None:
    assert described(tmp_path, b"\x80\x04" + content + b".").message.code == "error.malformed.runs_code"


def test_other_kinds_of_tensors_are_not_understood(tmp_path: Path) -> None:
    content = instructions(name("torch._utils", "_rebuild_sparse_tensor"))
    with pytest.raises(UnsupportedFile) as caught:
        torch_zip.checkpoint(write(tmp_path / "x", content, DATA))
    assert caught.value.field == "torch._utils._rebuild_sparse_tensor"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "truncated"),
        (b"\x80\x02", "truncated"),
        (b"\x80\x02.", "pickle"),
        (b"\x80\x09.", "pickle_instruction"),
        (b"\x80\x02\x82\x01.", "pickle_instruction"),
        (b"\x80\x02I1\n.", "pickle_instruction"),
        (b"\x80\x02\xffN.", "pickle_instruction"),
        (b"\x80\x02X\xff\xff\xff\xffa.", "truncated"),
        (b"\x80\x04\x8d" + struct.pack("<Q", 2**63) + b"a.", "pickle_instruction"),
        (b"\x80\x02r" + struct.pack("<I", 2**32 - 1) + b".", "pickle"),
        (b"\x80\x02Nr" + struct.pack("<I", 2**32 - 1) + b".", "pickle"),
        (b"\x80\x02j" + struct.pack("<I", 2**31) + b".", "pickle"),
        (b"\x80\x02\x8a\xff" + bytes(255) + b".", "out_of_range"),
        (b"\x80\x02t.", "pickle"),
        (b"\x80\x02}K\x01u.", "pickle"),
        (b"\x80\x02}(K\x01u.", "pickle"),
        (b"\x80\x02K\x01(K\x02\x86.", "pickle"),
        (b"\x80\x02NNR.", "pickle"),
        (b"\x80\x02NNb.", "pickle"),
        (b"\x80\x02NQ.", "pickle"),
        (b"\x80\x02NN.", "pickle"),
        (b"\x80\x02cos", "pickle"),
        (b"\x80\x02c" + b"a" * 5000 + b"\nb\n.", "pickle"),
    ],
)
def test_instructions_that_make_no_sense(tmp_path: Path, content: bytes, code: str) -> None:
    assert described(tmp_path, content).message.code == f"error.malformed.{code}"


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (tensor("FloatStorage", "0", (2, 4), elements=6), "offset_outside"),
        (tensor("FloatStorage", "0", (2, 3), elements=7), "size_mismatch"),
        (tensor("FloatStorage", "0", (2, 3), elements=6, offset=1), "offset_outside"),
        (tensor("FloatStorage", "0", (2, 3), elements=6, stride=(1000, 1)), "offset_outside"),
        (tensor("FloatStorage", "0", (2**20,), elements=6, stride=(0,)), "offset_outside"),
        (tensor("FloatStorage", "0", (2**40, 2**40), elements=6, stride=(0, 0)), "out_of_range"),
        (tensor("FloatStorage", "0", (2**61,), elements=6), "offset_outside"),
        (tensor("FloatStorage", "0", (-1,), elements=6), "pickle"),
        (tensor("FloatStorage", "0", (2, 3), elements=6, stride=(1,)), "pickle"),
        (tensor("FloatStorage", "0", (1,) * 65, elements=6), "pickle"),
        (tensor("FloatStorage", "7", (2, 3)), "missing_storage"),
        (tensor("FloatStorage", "../0", (2, 3)), "missing_storage"),
        (tensor("Size", "0", (2, 3)), "pickle"),
    ],
)
def test_a_tensor_that_contradicts_its_storage(tmp_path: Path, value: bytes, code: str) -> None:
    assert described(tmp_path, instructions(table({"w": value}))).message.code == f"error.malformed.{code}"


def test_a_name_twice(tmp_path: Path) -> None:
    one, other = tensor("FloatStorage", "0", (2, 3)), tensor("FloatStorage", "0", (3, 2))
    content = name("collections", "OrderedDict") + b")R(" + text("w") + one + text("w") + other + b"u"
    assert described(tmp_path, instructions(content)).message.code == "error.malformed.repeated_key"


def test_deep_nesting_costs_nothing(tmp_path: Path) -> None:
    inner = instructions(b"}" + text("a") + b"]" * 100_000 + b"a" * 99_999 + b"s")
    assert described(tmp_path, inner).message.code == "error.malformed.nesting"


def test_a_table_that_holds_itself(tmp_path: Path) -> None:
    content = b"}q\x00" + text("a") + b"h\x00s" + text("w") + tensor("FloatStorage", "0", (2, 3)) + b"s"
    (found,) = torch_zip.checkpoint(write(tmp_path / "x", instructions(content), DATA)).tensors
    assert found.name == "w"


def test_tables_that_double_at_each_level(tmp_path: Path) -> None:
    body = b"]q\x00"
    for level in range(60):
        body += b"](" + (b"h" + bytes([level])) * 2 + b"eq" + bytes([level + 1])
    content = instructions(b"}(" + text("a") + b"h\x00" + b"u" if not body else body + b"0.")
    assert described(tmp_path, content).message.code == "error.malformed.pickle_instruction"  # POP is not written
    nested = b"}q\x00" + b"".join(
        b"}(" + text("a") + b"h" + bytes([n]) + text("b") + b"h" + bytes([n]) + b"uq" + bytes([n + 1]) for n in range(6)
    )
    content = b"\x80\x02(" + nested + b"t\x85."
    with pytest.raises(UnsupportedFile):
        torch_zip.checkpoint(write(tmp_path / "y", content, DATA))


def archive(path: Path, **keys: Any) -> Path:
    """A good file with bytes of its archive replaced: signature of the record -> (offset in it, bytes)."""
    content = bytearray(write(path, GOOD, DATA).read_bytes())
    for record, (offset, replaced) in keys.items():
        start = content.rfind({"end": b"PK\x05\x06", "central": b"PK\x01\x02", "local": b"PK\x03\x04"}[record])
        content[start + offset : start + offset + len(replaced)] = replaced
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("record", "offset", "content", "code"),
    [
        ("end", 8, b"\xff\x00\xff\x00", "count_too_large"),
        ("end", 10, b"\x09\x00", "zip_directory"),
        ("end", 12, b"\xf0\xff\xff\x0f", "zip_directory"),
        ("end", 16, b"\xf0\xff\xff\x0f", "zip_directory"),
        ("end", 16, b"\xff\xff\xff\xff", "zip_directory"),
        ("end", 4, b"\x01\x00", "zip_directory"),
        ("end", 0, b"NOPE", "zip_directory"),
        ("central", 0, b"NOPE", "zip_directory"),
        ("central", 28, b"\xff\xff", "zip_directory"),
        ("central", 30, b"\xff\xff", "zip_directory"),
        ("central", 24, b"\xff\xff\xff\xff", "zip_entry"),
        ("central", 42, b"\xf0\xff\xff\x0f", "offset_outside"),
        ("central", 42, b"\x00\x00\x00\x00", "hole_or_overlap"),
        ("central", 46, b"\xff", "zip_directory"),
        ("central", 38, struct.pack("<I", 0o120777 << 16), "zip_entry"),
    ],
)
def test_a_directory_that_contradicts_itself(
    tmp_path: Path, record: str, offset: int, content: bytes, code: str
) -> None:
    path = archive(tmp_path / "x", **{record: (offset, content)})
    assert refused(path).message.code == f"error.malformed.{code}"


@pytest.mark.parametrize(
    ("offset", "content", "code"),
    [(8, b"\x01\x00", "zip_encrypted"), (10, b"\x08\x00", "zip_compressed")],
)
def test_entries_that_would_be_inflated_or_deciphered(tmp_path: Path, offset: int, content: bytes, code: str) -> None:
    error = refused(archive(tmp_path / "x", central=(offset, content)))
    assert error.message.code == f"error.malformed.{code}"
    assert error.field == "archive/data/0"
    assert error.offset is not None


def test_a_zip_bomb_is_never_inflated(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("archive/data.pkl", bytes(50_000_000))
    error = refused(tmp_path / "x")
    assert (error.message.code, error.field) == ("error.malformed.zip_compressed", "archive/data.pkl")
    assert error.offset == 0


def test_another_name_in_the_local_header(tmp_path: Path) -> None:
    path = write(tmp_path / "x", GOOD, DATA)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"archive/data.pkl", b"archive/evil.pkl", 1))
    assert refused(path).message.code == "error.malformed.zip_entry"


@pytest.mark.parametrize("entries", [("a/data.pkl", "b/data.pkl"), ("a/b/data.pkl",), ("a/other",)])
def test_archives_without_one_description(tmp_path: Path, entries: tuple[str, ...]) -> None:
    with zipfile.ZipFile(tmp_path / "x", "w") as found:
        for entry in entries:
            found.writestr(entry, GOOD)
    assert refused(tmp_path / "x").message.code == "error.malformed.zip_entry"


def test_an_entry_twice(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x", "w") as found:
        found.writestr("a/data.pkl", GOOD)
        with pytest.warns(UserWarning, match="Duplicate"):
            found.writestr("a/data.pkl", GOOD)
    assert refused(tmp_path / "x").message.code == "error.malformed.repeated_key"


def test_sizes_in_64_bits_are_followed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x", "w") as found:
        found.writestr("a/data.pkl", GOOD)
        with found.open("a/data/0", "w", force_zip64=True) as entry:
            entry.write(bytes(24))
    content = bytearray((tmp_path / "x").read_bytes())
    at = content.rfind(b"PK\x01\x02")
    sizes = struct.pack("<2HQQ", 1, 16, 24, 24)
    name_length = struct.unpack_from("<H", content, at + 28)[0]
    content[at + 20 : at + 28] = b"\xff" * 8
    struct.pack_into("<H", content, at + 30, len(sizes))
    content[at + 46 + name_length : at + 46 + name_length] = sizes
    end = content.rfind(b"PK\x05\x06")
    struct.pack_into("<I", content, end + 12, struct.unpack_from("<I", content, end + 12)[0] + len(sizes))
    (tmp_path / "x").write_bytes(content)
    assert torch_zip.checkpoint(tmp_path / "x").tensors[0].size == 24


def test_a_file_cut_short_at_every_byte(tmp_path: Path) -> None:
    content = write(tmp_path / "x", GOOD, DATA).read_bytes()
    for length in range(len(content)):
        (tmp_path / "y").write_bytes(content[:length])
        assert refused(tmp_path / "y").file == str(tmp_path / "y")


def test_a_pickle_cut_short_at_every_byte(tmp_path: Path) -> None:
    for length in range(len(GOOD)):
        error = described(tmp_path, GOOD[:length])
        assert error.message.code in {"error.malformed.truncated", "error.malformed.pickle"}


def test_a_fifo_and_a_loop_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.pt")
    (tmp_path / "y.pt").symlink_to(tmp_path / "y.pt")
    for title in ("x.pt", "y.pt"):
        with pytest.raises(UnreadableFile):
            torch_zip.checkpoint(tmp_path / title)


@pytest.mark.parametrize("title", ["../other.bin", "/etc/passwd", "", "a/b.bin"])
def test_an_index_that_leaves_its_folder(tmp_path: Path, title: str) -> None:
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text('{"weight_map": {"t": "%s"}}' % title, encoding="utf-8")  # noqa: UP031 - braces of JSON
    with pytest.raises(MalformedFile):
        torch_zip.shards(tmp_path)


COLLIDING = [b"\x8a\x09" + (n * (2**61 - 1)).to_bytes(9, "little") + b"N" for n in range(500)]
"""Keys of one hash value."""
MANY = {
    "empty tables": lambda: b"\x80\x02" + b"}" * 10_000_000,
    "marks": lambda: b"\x80\x02" + b"(" * 10_000_000,
    "memo": lambda: b"\x80\x02}" + b"\x94" * 10_000_000,
    "short texts": lambda: b"\x80\x04" + b"\x8c\x01a" * 5_000_000,
    "long texts": lambda: b"\x80\x02" + (b"X" + struct.pack("<I", 4_000_000) + b"\xf0\x9f\x92\xa3" * 1_000_000) * 4,
    "tuples of a memo": lambda: b"\x80\x04}\x94" + b"h\x00\x85" * 4_000_000,
    "pairs": lambda: b"\x80\x02}(" + b"NN" * 700_000 + b"u" + b"N" * 5_000_000,
    "names": lambda: b"\x80\x02" + name("torch", "FloatStorage") * 500_000,
    "storages": lambda: b"\x80\x02" + storage("FloatStorage", "0", 1) * 200_000,
    "tensors": lambda: b"\x80\x02" + tensor("FloatStorage", "0", (1,)) * 100_000,
    "colliding keys": lambda: b"\x80\x02}(" + b"".join(COLLIDING) * 600 + b"u.",
    "long shapes": lambda: b"\x80\x02" + many(*range(100_000)) * 20 + number(1),
}  # fmt: skip


@LINUX
@pytest.mark.parametrize("kind", MANY)
def test_what_a_hostile_pickle_may_cost(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "x.pt", MANY[kind]()[: pickled.MAX_PICKLE_BYTES], DATA)
    found = cost(path)
    assert found.said.startswith(("error.malformed.", "error.limit.", "error.torch_"))
    assert found.seconds < 2
    assert found.mebibytes < 100


@LINUX
def test_what_a_hostile_directory_may_cost(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as found:
        found.writestr("a/data.pkl", GOOD)
        for entry in range(zip_directory.MAX_ENTRIES - 1):
            found.writestr(f"a/data/{entry}", b"")
    used = cost(tmp_path / "x.pt")
    assert used.said == "error.malformed.size_mismatch"
    assert used.seconds < 2
    assert used.mebibytes < 100


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=200))
def test_any_pickle_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    try:
        torch_zip.checkpoint(write(tmp_path / "x", b"\x80\x02" + content, DATA))
    except AssayError as error:
        assert error.exit_code in {2, 3}  # noqa: PT017 - either way is right


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_good_file_with_some_bytes_changed(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    content = bytearray(write(tmp_path / "x", GOOD, DATA).read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    (tmp_path / "y").write_bytes(content)
    try:
        torch_zip.checkpoint(tmp_path / "y")
    except AssayError as error:
        assert error.exit_code in {2, 3}  # noqa: PT017 - same
