"""LoRA adapters: rank, targets and base are told, tensors are counted, nothing is promised without the base."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch_files
from safetensors_files import Shapes, write

from assay.answers.asked import CheckRequest
from assay.answers.check import answer
from assay.errors import MalformedFile, MissingKnowledge, UnsupportedFile
from assay.observe.checkpoint import safetensors
from assay.observe.checkpoint.adapter import Base, base_of
from assay.observe.checkpoint.read import read
from assay.types.message import Message

RANK, INPUTS, OUTPUTS, LAYERS = 8, 64, 96, 3
CONFIG: dict[str, Any] = {
    "peft_type": "LORA", "r": RANK, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"],
    "base_model_name_or_path": "owner/base", "task_type": "CAUSAL_LM",
}  # fmt: skip
PREFIX = "base_model.model.model.layers"


def pairs(dtype: str = "BF16", rank: int = RANK) -> Shapes:
    found: Shapes = {}
    for layer in range(LAYERS):
        for module in ("q_proj", "v_proj"):
            name = f"{PREFIX}.{layer}.self_attn.{module}"
            found[f"{name}.lora_A.weight"] = (dtype, (rank, INPUTS))
            found[f"{name}.lora_B.weight"] = (dtype, (OUTPUTS, rank))
    return found


def folder(path: Path, content: Shapes | None, file: str = "adapter_model.safetensors", **keys: Any) -> Path:
    (path / "adapter_config.json").write_text(json.dumps(CONFIG | keys), encoding="utf-8")
    if content is not None:
        write(path / file, content)
    return path


def told(notes: tuple[Message, ...]) -> dict[str, dict[str, Any]]:
    return {note.code: dict(note.parameters) for note in notes}


def test_what_is_shown_of_the_base(tmp_path: Path) -> None:
    assert base_of(folder(tmp_path, pairs())) == Base("owner/base", frozenset({INPUTS}), LAYERS)
    stem = "model.layers.1"
    turned: Shapes = {
        f"{stem}.mlp.down_proj.lora_a": ("F32", (OUTPUTS, RANK)),
        f"{stem}.mlp.down_proj.lora_b": ("F32", (RANK, INPUTS)),
        f"{stem}.self_attn.q_proj.lora_a": ("F32", (INPUTS, RANK)),
        f"{stem}.self_attn.q_proj.lora_b": ("F32", (RANK, OUTPUTS)),
        "visual.layers.9.q_proj.lora_a": ("F32", (7, RANK)),
        "visual.layers.9.q_proj.lora_b": ("F32", (RANK, 7)),
    }
    assert base_of(folder(tmp_path, turned)) == Base("owner/base", frozenset({INPUTS}), 2)


@pytest.mark.parametrize(("dtype", "name", "size"), [("BF16", "bf16", 2), ("F32", "fp32", 4), ("F16", "fp16", 2)])
def test_a_folder(tmp_path: Path, dtype: str, name: str, size: int) -> None:
    model = read(folder(tmp_path, pairs(dtype)))
    count = LAYERS * 2 * RANK * (INPUTS + OUTPUTS)
    assert [(g.role, g.format, g.parameters, g.tensors, g.size) for g in model.groups] == [
        ("adapter", name, count, LAYERS * 4, count * size)
    ]
    stored = sum(tensor.size for tensor in safetensors.tensors(tmp_path / "adapter_model.safetensors"))
    assert model.weights.value == stored
    assert (model.architecture, model.container, model.layers) == ("lora", "adapter", ())
    assert told(model.notes) == {
        "note.adapter_rank_alpha": {"rank": RANK, "alpha": 16.0},
        "note.adapter_targets": {"modules": "q_proj, v_proj", "number": 2},
        "note.adapter_base": {"base": "owner/base"},
    }
    assert [doubt.code for doubt in model.doubts] == ["doubt.adapter_alone"]


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_its_files_name_it_as_well(tmp_path: Path, file: str) -> None:
    assert read(folder(tmp_path, pairs()) / file).container == "adapter"


def test_the_rank_of_the_matrices_is_compared(tmp_path: Path) -> None:
    model = read(folder(tmp_path, pairs(rank=4)))
    assert told(model.doubts)["doubt.adapter_rank"] == {"stored": 4, "described": RANK}
    single = read(folder(tmp_path, pairs(rank=4), rank_pattern={"q_proj": 4}))
    assert "doubt.adapter_rank" not in told(single.doubts)


def test_whole_tensors_beside_the_pairs(tmp_path: Path) -> None:
    model = read(folder(tmp_path, pairs() | {"base_model.model.lm_head.weight": ("F32", (10, 4))}))
    assert told(model.notes)["note.adapter_whole"] == {"number": 1}
    assert {group.format: group.parameters for group in model.groups}["fp32"] == 40


def test_a_pattern_of_modules(tmp_path: Path) -> None:
    model = read(folder(tmp_path, pairs(), target_modules=".*proj"))
    assert told(model.notes)["note.adapter_targets"]["modules"] == ".*proj"


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    content = pairs()
    del content[f"{PREFIX}.1.self_attn.q_proj.lora_B.weight"]
    with pytest.raises(MalformedFile) as caught:
        read(folder(tmp_path, content))
    assert caught.value.field == f"{PREFIX}.1.self_attn.q_proj"


def test_no_pairs_at_all(tmp_path: Path) -> None:
    with pytest.raises(MalformedFile) as caught:
        read(folder(tmp_path, {"a.weight": ("F32", (2, 2))}))
    assert caught.value.message.code == "error.malformed.not_adapter"


def test_other_kinds_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFile) as caught:
        read(folder(tmp_path, pairs(), peft_type="PREFIX_TUNING"))
    assert dict(caught.value.message.parameters)["kind"] == "PREFIX_TUNING"


def test_an_adapter_without_its_tensors(tmp_path: Path) -> None:
    with pytest.raises(MalformedFile) as caught:
        read(folder(tmp_path, None))
    assert caught.value.field == "adapter_model.safetensors"


def test_an_adapter_of_mlx(tmp_path: Path) -> None:
    content: Shapes = {
        "model.layers.0.self_attn.q_proj.lora_a": ("F32", (INPUTS, RANK)),
        "model.layers.0.self_attn.q_proj.lora_b": ("F32", (RANK, OUTPUTS)),
    }
    document = {"fine_tune_type": "lora", "model": "owner/base", "lora_parameters": {"rank": RANK, "scale": 20.0}}
    (tmp_path / "adapter_config.json").write_text(json.dumps(document), encoding="utf-8")
    write(tmp_path / "adapters.safetensors", content)
    model = read(tmp_path)
    assert told(model.notes) == {"note.adapter_rank": {"rank": RANK}, "note.adapter_base": {"base": "owner/base"}}
    assert model.parameters == RANK * (INPUTS + OUTPUTS)
    assert [doubt.code for doubt in model.doubts] == ["doubt.adapter_alone"]


def test_an_adapter_in_a_torch_archive(tmp_path: Path) -> None:
    folder(tmp_path, None)
    name = f"{PREFIX}.0.self_attn.q_proj"
    shapes = {
        f"{name}.lora_A.weight": ("FloatStorage", (RANK, INPUTS)),
        f"{name}.lora_B.weight": ("FloatStorage", (OUTPUTS, RANK)),
    }
    torch_files.save(tmp_path / "adapter_model.bin", shapes)
    assert read(tmp_path).parameters == RANK * (INPUTS + OUTPUTS)


def test_a_whole_model_with_an_adapter_beside_it_is_the_model(tmp_path: Path) -> None:
    config = {
        "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 10,
        "intermediate_size": 64, "max_position_embeddings": 64, "torch_dtype": "float16",
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert read(folder(tmp_path, pairs())).architecture == "llama"


def test_an_adapter_alone_gets_no_verdict(tmp_path: Path) -> None:
    path = folder(tmp_path, pairs())
    with pytest.raises(MissingKnowledge) as caught:
        answer(CheckRequest(str(path), ("rtx-5090",)))
    assert caught.value.message.code == "error.adapter_alone"
