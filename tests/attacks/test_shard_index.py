"""Indexes that name what no folder holds are refused before any file is opened."""

import json
from pathlib import Path

import pytest
from bounded import cost

from assay.errors import MalformedFile, UnsupportedFile
from assay.observe.checkpoint import folder, shard_index, torch_zip

STRANGE = ["../x.safetensors", "/etc/passwd", "sub/x.safetensors", "", ".", ".."]


@pytest.mark.parametrize("name", STRANGE)
@pytest.mark.parametrize("reader", [folder, torch_zip], ids=["safetensors", "torch"])
def test_a_name_that_is_no_file_of_the_folder(tmp_path: Path, reader: object, name: str) -> None:
    index = tmp_path / reader.INDEX  # type: ignore[attr-defined]
    index.write_text(json.dumps({"weight_map": {"a": name, "b": "model.safetensors"}}))
    with pytest.raises(MalformedFile) as caught:
        reader.shards(tmp_path)  # type: ignore[attr-defined]
    assert caught.value.message.code == "error.malformed.outside_folder"
    assert caught.value.offset is not None


@pytest.mark.parametrize("mapping", [None, [], {"a": 3}, {"a": None}, "x"])
def test_a_map_that_is_none(tmp_path: Path, mapping: object) -> None:
    index = tmp_path / folder.INDEX
    index.write_text(json.dumps({"weight_map": mapping}))
    with pytest.raises(MalformedFile) as caught:
        shard_index.listed(index)
    place = (caught.value.field, caught.value.offset)
    assert place == (("weight_map.a", 16) if isinstance(mapping, dict) else ("weight_map", 1))


def test_too_many_files(tmp_path: Path) -> None:
    index = tmp_path / folder.INDEX
    index.write_text(json.dumps({"weight_map": {str(n): f"{n}.safetensors" for n in range(4097)}}))
    with pytest.raises(UnsupportedFile) as caught:
        shard_index.listed(index)
    assert (caught.value.message.code, caught.value.field) == ("error.limit.shards", "weight_map")


def long(path: Path, text: str) -> Path:
    index = path / folder.INDEX
    index.write_text('{"metadata": {"total_size": 1}, "weight_map": {' + text + '}, "more": [1]}', encoding="utf-8")
    return index


ODD = [
    '"a}b": "x.safetensors", "c": "y.safetensors"',
    '"a,b": ",x", "c\\"": "y"',
    '"a": "x", "b": {"c": "y"}',
    '"a": "x", "b": 3',
    '"a": "x", "a": "y"',
    '"a": "x",, "b": "y"',
    '"a": "x", ',
    '"a": "x" "b": "y"',
    '"ключ": "имя.safetensors"',
    "",
]


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("piece", [1, 8, 2**18])
def test_a_long_index_says_what_a_short_one_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, piece: int
) -> None:
    def said() -> object:
        try:
            return shard_index.read(long(tmp_path, text))
        except MalformedFile:
            return None

    short = said()
    monkeypatch.setattr(shard_index, "LONG_BYTES", 0)
    monkeypatch.setattr(shard_index, "PIECE_BYTES", piece)
    found = said()
    assert found == short or (found is None and "\\" in text)  # no writer escapes a tensor's name


def test_every_piece_of_a_long_index_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mapping = {f"model.layers.{number}.weight": f"{number % 7}.safetensors" for number in range(500)}
    index = long(tmp_path, json.dumps(mapping)[1:-1])
    monkeypatch.setattr(shard_index, "LONG_BYTES", 0)
    for size in (1, 30, 1000, 2**18):
        monkeypatch.setattr(shard_index, "PIECE_BYTES", size)
        found = shard_index.read(index)
        assert found.tensors == {shard_index.hashed(name) for name in mapping}
        assert found.files == [f"{number}.safetensors" for number in range(7)]


def test_a_bomb_in_a_long_index_costs_little(tmp_path: Path) -> None:
    spent = cost(long(tmp_path, '"a": [' + "[]," * 5_000_000 + "[]]"))
    assert spent.said == "error.malformed.json"
    assert spent.seconds < 2
    assert spent.mebibytes < 100
