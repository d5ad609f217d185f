"""Indexes that name what no folder holds are refused before any file is opened."""

import json
from pathlib import Path

import pytest

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
