"""Files that hold what a configuration of each architecture describes are whole; with one matrix less they are not."""

from typing import Any

import pytest

from assay.knowledge import store
from assay.knowledge.catalog import architectures
from assay.observe.checkpoint import config, gathered
from assay.observe.checkpoint.config import Origin
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.stored import Matrix
from assay.observe.checkpoint.tensors import Layout, Tensor
from assay.types.model import Model

Config = dict[str, Any]


def body(name: str) -> Config:
    found = store.entry("model", name)
    assert found is not None
    return found


def layout_of(document: Config) -> Layout:
    return config.understand(Fields(document, "config.json")).layout


def published() -> dict[str, Config]:
    """The configuration of fewest tensors of each type that the catalogue knows."""
    found: dict[str, tuple[int, Config]] = {}
    for name in store.names("model"):
        document = {key: value for key, value in body(name).get("config", {}).items() if key != "quantization_config"}
        if document and document["model_type"] in architectures.known():
            number = sum(tensor.copies for tensor in layout_of(document).tensors)
            if number < found.get(document["model_type"], (number + 1, {}))[0]:
                found[document["model_type"]] = (number, document)
    return {kind: document for kind, (_, document) in found.items()}


PUBLISHED = published()


def one(tensor: Tensor, module: str = "", parameters: int = 0) -> Matrix:
    """A tensor as a plain file stores it, or another under its name."""
    count = parameters or tensor.elements
    shape = () if parameters else tensor.shape
    return Matrix(module or tensor.module.removesuffix(".bias"), "bf16", count, 2 * count, shape=shape)


def of_files(document: Config) -> list[Matrix]:
    """All that a configuration describes, an expert of each copy under its number."""
    found = []
    for tensor in layout_of(document).tensors:
        module = tensor.module.removesuffix(".bias")
        if tensor.copies > 1:
            found += [one(tensor, module.replace("*", str(copy))) for copy in range(tensor.copies)]
        else:
            found.append(one(tensor))
    return found


def joined(document: Config) -> list[Matrix]:
    """The same as some savers join it: query with key and value, gate with up, and each for all experts."""
    parts = {"q_proj": "qkv_proj", "k_proj": "qkv_proj", "v_proj": "qkv_proj", "gate_proj": "gate_up_proj",
             "up_proj": "gate_up_proj", "w1": "gate_up_proj", "w3": "gate_up_proj"}  # fmt: skip
    sums: dict[tuple[str, int], int] = {}
    found = []
    for tensor in layout_of(document).tensors:
        head, _, last = tensor.module.removesuffix(".bias").replace(".experts.*.", ".experts.").rpartition(".")
        if tensor.role == "mtp" or (last not in parts and tensor.copies == 1):
            found.append(one(tensor))
            continue
        module = f"{head}.{parts.get(last, last)}" if head else last
        key = (module, min(len(tensor.shape), 2))
        sums[key] = sums.get(key, 0) + tensor.elements * tensor.copies
    for (module, rank), count in sums.items():
        found.append(Matrix(module, "bf16", count, 2 * count, shape=(count,) if rank == 1 else ()))
    return found


def read(matrices: list[Matrix], document: Config) -> Model:
    return gathered.model(matrices, document, Origin("test", "config.json", "safetensors", ("x",)))


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_described_is_whole(name: str) -> None:
    assert read(of_files(PUBLISHED[name]), PUBLISHED[name]).doubts == ()


@pytest.mark.parametrize("name", PUBLISHED)
def test_joined_matrices_are_whole(name: str) -> None:
    assert read(joined(PUBLISHED[name]), PUBLISHED[name]).doubts == ()


@pytest.mark.parametrize("name", PUBLISHED)
def test_one_matrix_less_is_a_doubt(name: str) -> None:
    document = PUBLISHED[name]
    matrices = of_files(document)
    tensors = [tensor for tensor in layout_of(document).tensors if tensor.role not in ("mtp", "vision")]
    named = {tensor.module for tensor in tensors if len(tensor.shape) == 2 and tensor.copies == 1}
    places = [index for index, matrix in enumerate(matrices) if matrix.module in named and len(matrix.shape) == 2]
    for place in places[:: max(1, len(places) // 5)]:
        lost = matrices[place].module
        found = read([*matrices[:place], *matrices[place + 1 :]], document)
        said = [doubt for doubt in found.doubts if doubt.code in ("doubt.weight_missing", "doubt.weight_differs")]
        assert [dict(doubt.parameters)["tensor"] for doubt in said] == [lost]


@pytest.mark.parametrize("announced", [1, 0])
def test_a_layer_behind_the_last_predicts_where_the_configuration_says_so(announced: int) -> None:
    """As GLM-4.5 does, whose layout lists none; where nothing says it, it is a layer too many."""
    document = PUBLISHED["qwen3_moe"] | {"num_nextn_predict_layers": announced}
    number = document["num_hidden_layers"]
    matrices = of_files(document)
    behind = f"layers.{number - 1}."
    copied = [
        matrix._replace(module=matrix.module.replace(behind, f"layers.{number}."))
        for matrix in matrices
        if matrix.module.startswith(behind)
    ]
    found = read([*matrices, *copied], document)
    assert bool(found.doubts) is not bool(announced)
    assert bool(found.optional) is bool(announced)
