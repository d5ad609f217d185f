"""Tensor types against those who define them: GGUF's against ggml itself, safetensors' against the package's list."""

import ctypes
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors
from gguf.constants import GGML_QUANT_SIZES

from assay.errors import MalformedFile
from assay.knowledge.catalog import weight_formats
from assay.observe.checkpoint import gguf
from assay.observe.checkpoint import safetensors as walk

NEWER = {"Q2_0"}
"""In ggml and not yet in the package gguf."""
OLDER = {"Q8_1": 40}
"""The package still counts two FP32 in a block of Q8_1; ggml keeps two FP16 there (36 bytes)."""
OURS = {kind.number: kind for kind in weight_formats.gguf_types().values()}


@pytest.fixture(scope="module")
def ggml() -> dict[int, tuple[str, int, int]]:
    """Number -> (name, elements of a block, bytes of a block) of every type that the library has."""
    folder = Path(pytest.importorskip("libggml").__file__).parent
    library = ctypes.CDLL(str(next(folder.glob("lib*/libggml-base.*"))))
    library.ggml_type_name.restype = ctypes.c_char_p
    library.ggml_type_size.restype = ctypes.c_size_t
    library.ggml_blck_size.restype = ctypes.c_int64
    names = (folder / "include" / "ggml.h").read_text("utf-8").partition("enum ggml_type {")[2].partition("};")[0]
    numbers = [int(number) for number in re.findall(r"^\s+GGML_TYPE_(?!COUNT)\w+\s*=\s*(\d+)", names, re.MULTILINE)]
    count = re.search(r"GGML_TYPE_COUNT\s*=\s*(\d+)", names)
    assert count is not None
    assert max(numbers) == int(count[1]) - 1
    return {
        number: (
            library.ggml_type_name(number).decode(),
            library.ggml_blck_size(number),
            library.ggml_type_size(number),
        )
        for number in numbers
    }


def test_every_type_of_ggml_and_no_other(ggml: dict[int, tuple[str, int, int]]) -> None:
    ours = {
        number: (kind.format.removeprefix("gguf:").lower(), kind.block_elements, kind.block_bytes)
        for number, kind in OURS.items()
    }
    assert ours == {number: (name.lower(), elements, size) for number, (name, elements, size) in ggml.items()}


def test_the_newest_types_are_among_them(ggml: dict[int, tuple[str, int, int]]) -> None:
    names = {name.lower() for name, _, _ in ggml.values()}
    assert {"q1_0", "q2_0", "nvfp4", "mxfp4", "tq1_0", "tq2_0"} <= names
    assert len([name for name in names if name.startswith("iq")]) == 9


def test_the_package_gguf_agrees_where_it_is_current() -> None:
    ours = {kind.format.removeprefix("gguf:"): (number, kind.block_elements, kind.block_bytes)
            for number, kind in OURS.items()}  # fmt: skip
    theirs = {kind.name: (kind.value, *sizes) for kind, sizes in GGML_QUANT_SIZES.items()}
    assert ours.keys() - theirs.keys() <= NEWER
    assert not theirs.keys() - ours.keys()
    for name, (number, elements, size) in theirs.items():
        assert ours[name] == (number, elements, size - 4 if OLDER.get(name) == size else size)


def _gguf(path: Path, number: int, shape: tuple[int, ...], data: int) -> Path:
    extents = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    head = (
        b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"t" + extents + struct.pack("<IQ", number, 0)
    )
    path.write_bytes(head + bytes(-len(head) % 32 + data))
    return path


@pytest.mark.parametrize("number", sorted(OURS))
def test_a_tensor_of_every_type_has_the_bytes_of_ggml(
    tmp_path: Path, ggml: dict[int, tuple[str, int, int]], number: int
) -> None:
    name, elements, size = ggml[number]
    shape = (elements * 6, 5, 3)
    expected = 6 * 5 * 3 * size
    (found,) = gguf.header(_gguf(tmp_path / "x.gguf", number, shape, expected)).tensors
    assert (found.size, found.elements, found.format.lower()) == (expected, elements * 90, f"gguf:{name.lower()}")
    with pytest.raises(MalformedFile):
        gguf.header(_gguf(tmp_path / "short.gguf", number, shape, expected - 1))
    if elements > 1:
        with pytest.raises(MalformedFile) as caught:
            gguf.header(_gguf(tmp_path / "part.gguf", number, (elements * 6 - 1, 5), expected))
        assert caught.value.message.code == "error.malformed.not_whole_blocks"


def _dtypes() -> list[str]:
    """The dtypes that the package knows, as its parser lists them when it meets another."""
    entry: dict[str, Any] = {"dtype": "?", "shape": [1], "data_offsets": [0, 1]}
    with pytest.raises(safetensors.SafetensorError) as caught:
        safetensors.deserialize(_safetensors(entry, 1))
    return re.findall(r"`(\w+)`", str(caught.value).partition("expected one of")[2])


def _safetensors(entry: dict[str, Any], data: int) -> bytes:
    content = json.dumps({"t": entry}).encode()
    return len(content).to_bytes(8, "little") + content + bytes(data)


def test_the_dtypes_of_safetensors_are_the_packages() -> None:
    theirs = _dtypes()
    assert len(theirs) >= 22
    assert sorted(walk.BITS) == sorted(theirs)


def _cases() -> Iterator[tuple[str, int, int]]:
    """Every dtype with numbers of elements that fill whole bytes or not, and bytes around the right number."""
    for dtype, bits in walk.BITS.items():
        for elements in (0, 1, 2, 3, 4, 8, 12):
            right = elements * bits // 8
            for size in (right - 1, right, right + 1):
                if size >= 0:
                    yield dtype, elements, size


def test_what_the_package_takes_we_take_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    for dtype, elements, size in _cases():
        content = _safetensors({"dtype": dtype, "shape": [elements], "data_offsets": [0, size]}, size)
        path.write_bytes(content)
        try:
            safetensors.deserialize(content)
        except safetensors.SafetensorError:
            with pytest.raises(MalformedFile):
                walk.tensors(path)
        else:
            (found,) = walk.tensors(path)
            assert (found.dtype, found.elements, found.size) == (dtype, elements, size)
