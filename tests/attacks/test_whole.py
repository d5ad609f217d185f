"""Checkpoints that lack a matrix, or whose configuration describes smaller ones: none of them is told to fit."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors_files import Shapes, write

from assay.answers.check import CheckRequest, answer
from assay.observe.checkpoint.read import read

HIDDEN, WIDTH, WORDS, LAYERS = 256, 512, 100, 24
CONFIG: dict[str, Any] = {
    "model_type": "llama", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 8,
    "num_key_value_heads": 4, "intermediate_size": WIDTH, "vocab_size": WORDS, "max_position_embeddings": 4096,
    "tie_word_embeddings": False, "torch_dtype": "bfloat16",
}  # fmt: skip
LAYER = {
    "self_attn.q_proj": (256, 256), "self_attn.k_proj": (128, 256), "self_attn.v_proj": (128, 256),
    "self_attn.o_proj": (256, 256), "mlp.gate_proj": (512, 256), "mlp.up_proj": (512, 256), "mlp.down_proj": (256, 512),
    "input_layernorm": (256,), "post_attention_layernorm": (256,),
}  # fmt: skip
FUSED = {
    "self_attn.qkv_proj": (512, 256), "self_attn.o_proj": (256, 256), "mlp.gate_up_proj": (1024, 256),
    "mlp.down_proj": (256, 512), "input_layernorm": (256,), "post_attention_layernorm": (256,),
}  # fmt: skip


def shapes(layer: dict[str, tuple[int, ...]], prefix: str = "model.") -> Shapes:
    ends = {"embed_tokens": (WORDS, HIDDEN), "norm": (HIDDEN,)}
    found: Shapes = {f"{prefix}{name}.weight": ("BF16", shape) for name, shape in ends.items()}
    found["lm_head.weight"] = ("BF16", (WORDS, HIDDEN))
    for number in range(LAYERS):
        found |= {f"{prefix}layers.{number}.{name}.weight": ("BF16", shape) for name, shape in layer.items()}
    return found


def doubts(folder: Path, tensors: Shapes, **changed: Any) -> list[tuple[str, Any]]:
    """(code, tensor) of each doubt; with one the verdict is unknown, without it yes."""
    folder.mkdir(exist_ok=True)
    write(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps(CONFIG | changed), encoding="utf-8")
    found = read(folder).doubts
    assert answer(CheckRequest(str(folder), ("h200-sxm-141gb",))).exit_code == (3 if found else 0)
    return [(doubt.code.removeprefix("doubt."), dict(doubt.parameters).get("tensor")) for doubt in found]


def renamed(tensors: Shapes, old: str, new: str) -> Shapes:
    return {name.replace(old, new): entry for name, entry in tensors.items()}


def test_whole_ones_are_no_doubt(tmp_path: Path) -> None:
    assert doubts(tmp_path, shapes(LAYER)) == []
    assert doubts(tmp_path, shapes(LAYER, "")) == []
    fused = {"model_type": "phi3", "num_hidden_layers": LAYERS}
    assert doubts(tmp_path, shapes(FUSED), **fused) == []
    buffers: Shapes = {f"model.layers.{n}.self_attn.rotary_emb.inv_freq": ("F32", (16,)) for n in range(LAYERS)}
    zeros: Shapes = {f"model.layers.{n}.mlp.down_proj.bias": ("BF16", (256,)) for n in range(LAYERS)}
    assert doubts(tmp_path, shapes(LAYER) | buffers | zeros) == []


@pytest.mark.parametrize("name", ["norm", "layers.5.self_attn.k_proj", "layers.23.input_layernorm"])
def test_one_less(tmp_path: Path, name: str) -> None:
    tensors = {other: entry for other, entry in shapes(LAYER).items() if other != f"model.{name}.weight"}
    assert ("weight_missing", name) in doubts(tmp_path, tensors)


@pytest.mark.parametrize("place", ["model.layers.24.", "junk.x5."])
def test_a_layer_elsewhere(tmp_path: Path, place: str) -> None:
    tensors = renamed(shapes(LAYER), "model.layers.5.", place)
    assert doubts(tmp_path, tensors) == [("weight_missing", "layers.5.self_attn.q_proj")]


def test_a_matrix_on_its_side(tmp_path: Path) -> None:
    tensors = shapes(LAYER) | {"model.layers.5.self_attn.k_proj.weight": ("BF16", (256, 128))}
    assert doubts(tmp_path, tensors) == [("weight_shape", "layers.5.self_attn.k_proj")]


def large(layer: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The layer with so many rows in its MLP that keys and values are a hair of it."""
    rows = {"mlp.gate_proj": (32768, 256), "mlp.up_proj": (32768, 256), "mlp.down_proj": (256, 32768)}
    joined = {"mlp.gate_up_proj": (65536, 256), "mlp.down_proj": (256, 32768)}
    return layer | (joined if "mlp.gate_up_proj" in layer else rows)


@pytest.mark.parametrize("heads", [1, 2])
def test_fewer_key_heads_than_the_tensors_have(tmp_path: Path, heads: int) -> None:
    changed = {"num_key_value_heads": heads, "intermediate_size": 32768, "num_hidden_layers": LAYERS}
    assert doubts(tmp_path, shapes(large(LAYER)), **changed) == [("weight_differs", "layers.0.self_attn.k_proj")]
    fused = shapes(large(FUSED))
    assert [code for code, _ in doubts(tmp_path, fused, **(changed | {"model_type": "phi3"}))] == ["weight_differs"]


def test_key_heads_that_another_dimension_makes_up_for(tmp_path: Path) -> None:
    """The joined names of a layer come to its sum, and yet the cache would be half of what it is."""
    changed = {"model_type": "phi3", "num_key_value_heads": 2, "num_attention_heads": 8, "intermediate_size": 576}
    tensors = {name: entry for name, entry in shapes(FUSED).items() if "down_proj" not in name}
    down: Shapes = {f"model.layers.{n}.mlp.down_proj.weight": ("BF16", (256, 576)) for n in range(LAYERS)}
    assert doubts(tmp_path, tensors | down, **changed) == [("weight_differs", "layers.0.self_attn.qkv_proj")]


def test_what_predicts_is_no_larger_than_what_it_predicts_for(tmp_path: Path) -> None:
    extra: Shapes = {f"mtp.{n}.proj.weight": ("BF16", (2048, 512)) for n in range(2 * LAYERS)}
    assert [code for code, _ in doubts(tmp_path, shapes(LAYER) | extra)] == ["parameters_differ"]
    few: Shapes = {"mtp.0.proj.weight": ("BF16", (256, 512))}
    assert doubts(tmp_path, shapes(LAYER) | few) == []
