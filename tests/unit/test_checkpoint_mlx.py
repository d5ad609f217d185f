"""MLX folders: packed words count as the parameters they hold, scales and biases as bytes."""

import json
from pathlib import Path
from typing import Any

import pytest
import small_qwen
from safetensors_files import Shapes, write
from small_qwen import HIDDEN, LAYERS, MATRICES, WIDTH

from assay.errors import MalformedFile, UnsupportedFile
from assay.observe.checkpoint import folder as folders
from assay.observe.checkpoint import mlx, safetensors
from assay.observe.checkpoint.read import read

WORDS = 128
CONFIG = small_qwen.CONFIG | {"vocab_size": WORDS, "tie_word_embeddings": True}


def packed(name: str, shape: tuple[int, ...], group: int, bits: int, mode: str = "affine") -> Shapes:
    *rows, columns = shape
    scale = "BF16" if mode == "affine" else "U8"
    found: Shapes = {
        f"{name}.weight": ("U32", (*rows, columns * bits // 32)),
        f"{name}.scales": (scale, (*rows, columns // group)),
    }
    if mode == "affine":
        found[f"{name}.biases"] = (scale, (*rows, columns // group))
    return found


def shapes(group: int = 64, bits: int = 4, mode: str = "affine", **own: int) -> Shapes:
    found = packed("model.embed_tokens", (WORDS, HIDDEN), group, bits, mode)
    found["model.norm.weight"] = ("BF16", (HIDDEN,))
    for layer in range(LAYERS):
        path = f"model.layers.{layer}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            found[f"{path}.{norm}.weight"] = ("BF16", (HIDDEN,))
        for norm in ("q_norm", "k_norm"):
            found[f"{path}.self_attn.{norm}.weight"] = ("BF16", (128,))
        for name, shape in MATRICES.items():
            found |= packed(f"{path}.{name}", shape, group, own.get(name.partition(".")[2], bits), mode)
    return found


def folder(path: Path, content: Shapes, quantization: dict[str, Any], config: dict[str, Any] | None = None) -> Path:
    document = (config or CONFIG) | {"quantization": quantization, "quantization_config": quantization}
    (path / "config.json").write_text(json.dumps(document), encoding="utf-8")
    write(path / "model.safetensors", content)
    return path


def stored(path: Path) -> int:
    return sum(tensor.size for tensor in safetensors.tensors(path / "model.safetensors"))


@pytest.mark.parametrize(("group", "bits"), [(64, 2), (64, 3), (64, 4), (32, 4), (64, 5), (64, 6), (128, 8)])
def test_affine_weights(tmp_path: Path, group: int, bits: int) -> None:
    model = read(folder(tmp_path, shapes(group, bits), {"group_size": group, "bits": bits}))
    logical = WORDS * HIDDEN + LAYERS * sum(rows * columns for rows, columns in MATRICES.values())
    norms = HIDDEN + LAYERS * (2 * HIDDEN + 256)
    assert model.parameters == logical + norms
    assert {group.format for group in model.groups if group.role != "norm"} == {f"mlx_int{bits}"}
    assert model.weights.value == stored(tmp_path) == logical * bits // 8 + logical // group * 4 + norms * 2
    assert (model.doubts, model.container, model.architecture) == ((), "safetensors", "qwen3")
    described = read(tmp_path / "config.json")
    assert set(described.groups) == set(model.groups)
    assert described.weights.value == model.weights.value


@pytest.mark.parametrize(("mode", "group", "bits"), [("mxfp4", 32, 4), ("mxfp8", 32, 8), ("nvfp4", 16, 4)])
def test_floating_modes(tmp_path: Path, mode: str, group: int, bits: int) -> None:
    quantization = {"group_size": group, "bits": bits, "mode": mode}
    model = read(folder(tmp_path, shapes(group, bits, mode), quantization))
    assert {group.format for group in model.groups if group.role == "mlp"} == {f"mlx_{mode}"}
    assert model.doubts == ()
    assert set(read(tmp_path / "config.json").groups) == set(model.groups)


def test_a_module_may_have_bits_of_its_own_or_stay_as_it_was(tmp_path: Path) -> None:
    content = shapes(64, 4, down_proj=8)
    plain = "model.layers.0.self_attn.q_proj"
    content = {name: entry for name, entry in content.items() if not name.startswith(plain)}
    content[f"{plain}.weight"] = ("BF16", (256, 256))
    quantization: dict[str, Any] = {"group_size": 64, "bits": 4, plain: False}
    for layer in range(LAYERS):
        quantization[f"model.layers.{layer}.mlp.down_proj"] = {"group_size": 64, "bits": 8}
    model = read(folder(tmp_path, content, quantization))
    matrices = [group for group in model.groups if group.role in ("mlp", "attention")]
    assert {(group.role, group.format, group.tensors) for group in matrices} == {
        ("mlp", "mlx_int4", 4), ("mlp", "mlx_int8", 2), ("attention", "mlx_int4", 7), ("attention", "bf16", 1),
    }  # fmt: skip
    assert set(read(tmp_path / "config.json").groups) == set(model.groups)


def test_what_the_files_hold_overrules_the_configuration(tmp_path: Path) -> None:
    model = read(folder(tmp_path, shapes(64, 8), {"group_size": 64, "bits": 4}))
    assert {group.format for group in model.groups if group.role == "mlp"} == {"mlx_int8"}
    assert model.weights.value == stored(tmp_path)


def test_experts_in_one_tensor(tmp_path: Path) -> None:
    config = CONFIG | {
        "model_type": "qwen3_moe", "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64,
        "decoder_sparse_step": 1, "mlp_only_layers": [], "norm_topk_prob": True,
    }  # fmt: skip
    content = {name: entry for name, entry in shapes().items() if ".mlp." not in name}
    for layer in range(LAYERS):
        path = f"model.layers.{layer}.mlp"
        content |= packed(f"{path}.gate", (4, HIDDEN), 64, 8)
        content |= packed(f"{path}.switch_mlp.gate_proj", (4, 64, HIDDEN), 64, 4)
        content |= packed(f"{path}.switch_mlp.up_proj", (4, 64, HIDDEN), 64, 4)
        content |= packed(f"{path}.switch_mlp.down_proj", (4, HIDDEN, 64), 64, 4)
    quantization: dict[str, Any] = {"group_size": 64, "bits": 4}
    for layer in range(LAYERS):
        quantization[f"model.layers.{layer}.mlp.gate"] = {"group_size": 64, "bits": 8}
    model = read(folder(tmp_path, content, quantization, config))
    (experts,) = [group for group in model.groups if group.role == "experts"]
    assert experts.parameters == LAYERS * 3 * 4 * 64 * HIDDEN
    assert experts.active * 2 == experts.parameters
    assert {group.format for group in model.groups if group.role == "router"} == {"mlx_int8"}
    assert model.doubts == ()


def test_words_and_scales_that_disagree(tmp_path: Path) -> None:
    content = shapes() | {"model.layers.0.mlp.up_proj.scales": ("BF16", (WIDTH, 3))}
    with pytest.raises(MalformedFile) as caught:
        read(folder(tmp_path, content, {"group_size": 64, "bits": 4}))
    assert caught.value.message.code == "error.malformed.group_size"
    assert "layers.0.mlp.up_proj" in (caught.value.field or "")


def test_an_unknown_mode_is_unknown(tmp_path: Path) -> None:
    model = read(folder(tmp_path, shapes(), {"group_size": 64, "bits": 4, "mode": "ternary"}))
    assert {group.format for group in model.groups if group.role == "mlp"} == {"unknown"}
    assert "doubt.stored_format_unknown" in {doubt.code for doubt in model.doubts}
    described = read(tmp_path / "config.json")
    assert described.weights.value is None
    assert described.doubts


def test_only_configurations_of_mlx_are_recognised() -> None:
    assert mlx.recognised({"quantization": {"group_size": 64, "bits": 4}})
    assert not mlx.recognised({"quantization": {"quant_algo": "FP8"}})
    assert not mlx.recognised({"quantization_config": {"group_size": 64, "bits": 4}})


@pytest.mark.parametrize(
    ("usual", "own", "name"),
    [
        ({"group_size": 32, "bits": 4, "mode": "mxfp4"}, {"group_size": 64, "bits": 8}, "mlx_int8"),
        ({"group_size": 16, "bits": 4, "mode": "nvfp4"}, {"mode": "mxfp8"}, "mlx_mxfp8"),
        ({"group_size": 32, "bits": 8}, {"group_size": 128}, "mlx_int4"),
    ],
)
def test_what_a_module_does_not_say_is_the_default_of_its_mode(
    tmp_path: Path, usual: dict[str, Any], own: dict[str, Any], name: str
) -> None:
    group, bits, mode = usual["group_size"], usual["bits"], usual.get("mode", "affine")
    content = {key: entry for key, entry in shapes(group, bits, mode).items() if "embed_tokens" not in key}
    its = mlx.FLOATING.get(own.get("mode", ""), ("", own.get("group_size", 64), own.get("bits", 4)))
    content |= packed("model.embed_tokens", (WORDS, HIDDEN), its[1], its[2], own.get("mode", "affine"))
    model = read(folder(tmp_path, content, usual | {"model.embed_tokens": own}))
    assert {found.format for found in model.groups if found.role == "embedding"} == {name}
    assert model.doubts == ()
    assert model.weights.value == stored(tmp_path)
    assert set(read(tmp_path / "config.json").groups) == set(model.groups)


SETTING = {"group_size": 64, "bits": 4}


def in_two(path: Path) -> tuple[Path, list[str]]:
    """A folder of two shards and their index."""
    names = [f"model-{part:05d}-of-00002.safetensors" for part in (1, 2)]
    folder(path, shapes(), SETTING)
    (path / "model.safetensors").unlink()
    tensors = list(shapes().items())
    mapping = {}
    for name, part in zip(names, (tensors[:9], tensors[9:]), strict=True):
        write(path / name, dict(part))
        mapping |= dict.fromkeys(dict(part), name)
    (path / folders.INDEX).write_text(json.dumps({"weight_map": mapping}))
    return path, names


def refused(path: Path) -> tuple[str, str | None]:
    with pytest.raises(MalformedFile) as caught:
        read(path)
    return caught.value.message.code.removeprefix("error.malformed."), caught.value.field


def test_shards_are_read_whole_or_refused(tmp_path: Path) -> None:
    path, names = in_two(tmp_path)
    model = read(path)
    assert model.doubts == ()
    for name in (*names, folders.INDEX):
        assert read(path / name).groups == model.groups
    tensors = list(shapes().items())
    write(path / names[1], dict(tensors[8:]))
    assert refused(path) == ("repeated_key", tensors[8][0])
    write(path / names[1], dict(tensors[10:]))
    assert refused(path) == ("missing_storage", tensors[9][0])
    (path / names[1]).unlink()
    assert refused(path) == ("missing_shard", names[1])


def test_an_adapter_beside_is_told(tmp_path: Path) -> None:
    folder(tmp_path, shapes(), SETTING)
    write(tmp_path / "adapters.safetensors", {"a.lora_a": ("F32", (4, 4))})
    notes = {note.code for note in read(tmp_path).notes}
    assert "note.adapter_beside" in notes


def test_weights_that_are_not_read_are_not_passed_over(tmp_path: Path) -> None:
    folder(tmp_path, shapes(), SETTING)
    (tmp_path / "model.safetensors").rename(tmp_path / "weights.npz")
    (tmp_path / "model.npz").write_bytes(b"PK")
    with pytest.raises(UnsupportedFile) as caught:
        read(tmp_path)
    assert caught.value.message.code == "error.weights_not_read"


@pytest.mark.parametrize(("group", "bits"), [(16, 4), (64, 7), (256, 4)])
def test_what_mlx_has_no_kernel_for_is_unknown(group: int, bits: int) -> None:
    assert mlx.Setting(group, bits, "affine").format == "unknown"
    assert mlx.Setting(64, 4, "affine").format == "mlx_int4"
