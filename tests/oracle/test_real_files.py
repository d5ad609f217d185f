"""Real model files, byte for byte against the packages that define their formats."""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from packages import GEMMA, MINILM, SMOLLM2, real_file
from safetensors import safe_open

from assay.observe.checkpoint import gguf as gguf_walk
from assay.observe.checkpoint import safetensors as safetensors_walk
from assay.observe.checkpoint.read import read

BYTES = {
    SMOLLM2: {"gguf:Q8_0": 30_081_024, "gguf:F32": 140_544, "gguf:Q4_1": 66_355_200},
    GEMMA: {
        "gguf:Q8_0": 179_824_640, "gguf:Q5_0": 43_591_680, "gguf:Q4_K": 13_271_040, "gguf:Q6_K": 9_676_800,
        "gguf:F32": 223_744,
    },
}  # fmt: skip
"""By tensor type, written down once from gguf.GGUFReader of gguf 0.19."""
PARAMETERS = {SMOLLM2: 134_515_008, GEMMA: 268_098_176}
FILE_TYPE_Q4_K_M = 15


class PlainReader(gguf.GGUFReader):
    """The package's reader over a plain array: slices of numpy.memmap take most of its seconds."""

    def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None) -> Any:
        if isinstance(self.data, np.memmap):
            self.data: Any = np.asarray(self.data)
        return super()._get(offset, dtype, count, override_order)


@cache
def reader_of(path: Path) -> gguf.GGUFReader:
    """The file as the package reads it, once for all tests: seconds for a vocabulary of 262,144 words."""
    return PlainReader(path)


@pytest.mark.parametrize("name", [SMOLLM2, GEMMA])
def test_every_tensor_of_a_gguf_file(name: str) -> None:
    path = real_file(name)
    reader = reader_of(path)
    header = gguf_walk.header(path)
    start = reader.data_offset
    theirs = [
        (tensor.name, f"gguf:{tensor.tensor_type.name}", tuple(int(extent) for extent in tensor.shape),
         int(tensor.n_elements), int(tensor.n_bytes), int(tensor.data_offset) - start, int(tensor.tensor_type))
        for tensor in reader.tensors
    ]  # fmt: skip
    assert [tuple(tensor) for tensor in header.tensors] == theirs
    assert start + max(offset + size for *_, size, offset, _ in theirs) <= path.stat().st_size
    own = {field for field in reader.fields if not field.startswith("GGUF.")}
    assert header.metadata.keys() == own


@pytest.mark.parametrize("name", [SMOLLM2, GEMMA])
def test_bytes_by_type_and_all_parameters(name: str) -> None:
    path = real_file(name)
    theirs: Counter[str] = Counter()
    for tensor in reader_of(path).tensors:
        theirs[f"gguf:{tensor.tensor_type.name}"] += int(tensor.n_bytes)
    model = read(path)
    ours: Counter[str] = Counter()
    for group in (*model.groups, *model.optional):
        ours[group.format] += group.size
    assert ours == theirs == BYTES[name]
    assert model.weights.value == sum(theirs.values())
    assert model.parameters == PARAMETERS[name]
    assert sum(group.tensors for group in model.groups) == len(reader_of(path).tensors)


def test_tensor_types_decide_not_the_files_name() -> None:
    path = real_file(GEMMA)
    header = gguf_walk.header(path)
    assert "q4_k_m" in path.name
    assert header.metadata["general.file_type"] == FILE_TYPE_Q4_K_M  # the file says so too
    model = read(path)
    assert model.parameters is not None
    assert model.weights.value is not None
    assert 7.35 < model.weights.value * 8 / model.parameters < 7.37
    by_format = Counter[str]()
    for group in model.groups:
        by_format[group.format] += group.parameters
    assert by_format.most_common(1) == [("gguf:Q8_0", 169_246_720)]
    assert by_format["gguf:Q4_K"] * 10 < model.parameters  # less than a tenth is what the name says


def test_every_tensor_of_a_safetensors_file() -> None:
    path = real_file(MINILM)
    ours = {tensor.name: tensor for tensor in safetensors_walk.tensors(path)}
    theirs: Counter[str] = Counter()
    elements = 0
    with safe_open(path, "np") as opened:
        assert ours.keys() == set(opened.keys())
        for name in opened.keys():  # noqa: SIM118 - not a dictionary
            part, tensor = opened.get_slice(name), opened.get_tensor(name)
            mine = ours[name]
            assert (mine.dtype, mine.shape, mine.size) == (part.get_dtype(), tensor.shape, tensor.nbytes)
            theirs[mine.dtype] += tensor.nbytes
            elements += tensor.size
    assert len(ours) == 104
    assert theirs == {"F32": 90_852_864, "I64": 4096}
    assert sum(tensor.elements for tensor in ours.values()) == elements == 22_713_728
    assert sum(theirs.values()) + 8 + int.from_bytes(path.read_bytes()[:8], "little") == path.stat().st_size
