"""Layouts against the model classes they describe: the same configuration, the same number of parameters."""

import json
from pathlib import Path
from typing import Any

import pytest

from assay.errors import UnsupportedArchitecture
from assay.knowledge.catalog import architectures
from assay.observe.checkpoint.config import Origin, model, understand
from assay.observe.checkpoint.fields import Fields

ORIGIN = Origin("test", "config.json", "config", ())
CLASSES = json.loads((Path(__file__).parents[1] / "data" / "models" / "classes.json").read_text(encoding="utf-8"))[
    "classes"
]
Row = dict[str, Any]


@pytest.mark.parametrize("row", CLASSES, ids=lambda row: f"{row['config']['model_type']}-{row['parameters']}")
def test_parameters_of_a_class(row: Row) -> None:
    assert model(row["config"], None, ORIGIN).parameters == row["parameters"]


@pytest.mark.parametrize("row", CLASSES, ids=lambda row: f"{row['config']['model_type']}-{row['parameters']}")
def test_every_matrix_has_a_place_and_a_name_of_its_own(row: Row) -> None:
    _, layout, _ = understand(Fields(row["config"], "config.json"))
    matrices = [tensor.module for tensor in layout.tensors if len(tensor.shape) == 2]
    assert len(set(matrices)) == len(matrices)
    assert all(size > 0 for tensor in layout.tensors for size in tensor.shape)
    assert all(0 < tensor.chosen <= tensor.copies for tensor in layout.tensors)
    assert len(layout.layers) == sum(layer.count for layer in layout.layers)


@pytest.mark.parametrize("name", architectures.known())
def test_an_architecture_is_whole(name: str) -> None:
    body = architectures.architecture(name)
    assert body is not None
    assert {"id", "name", "layout", "sources"} <= body.keys()
    experts = {"experts_key", "chosen_key", "expert_width_key"} & body.keys()
    assert len(experts) in {0, 3}
    for gguf in body.get("gguf", ()):
        found = architectures.of_gguf(gguf)
        assert found is not None
        assert found["layout"] == body["layout"]


def test_a_gguf_name_belongs_to_one_layout() -> None:
    layouts: dict[str, set[str]] = {}
    for name in architectures.known():
        body = architectures.architecture(name) or {}
        for gguf in body.get("gguf", ()):
            layouts.setdefault(gguf, set()).add(body["layout"])
    assert all(len(found) == 1 for found in layouts.values())


def test_a_plain_decoder_refuses_linear_layers() -> None:
    row = next(row for row in CLASSES if row["config"]["model_type"] == "gpt_oss")
    kinds = ["linear_attention"] * row["config"]["num_hidden_layers"]
    with pytest.raises(UnsupportedArchitecture):
        model(row["config"] | {"layer_types": kinds}, None, ORIGIN)
