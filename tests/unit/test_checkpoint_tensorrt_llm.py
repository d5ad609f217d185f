"""TensorRT-LLM: ranks together are one model; an engine shows its size and no more."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors_files import Shapes, write

from assay.errors import MalformedFile, UnsupportedArchitecture
from assay.observe.checkpoint import safetensors
from assay.observe.checkpoint.read import read

HIDDEN, WIDTH, WORDS, LAYERS, HEADS = 256, 512, 128, 2, 4
CONFIG: dict[str, Any] = {
    "architecture": "LlamaForCausalLM", "dtype": "float16", "logits_dtype": "float32", "vocab_size": WORDS,
    "max_position_embeddings": 2048, "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS, "head_size": 64, "hidden_act": "silu", "intermediate_size": WIDTH,
    "use_parallel_embedding": False, "mapping": {"world_size": 1, "tp_size": 1, "pp_size": 1},
}  # fmt: skip
LOGICAL = 2 * WORDS * HIDDEN + HIDDEN + LAYERS * (2 * HIDDEN + 4 * HIDDEN * HIDDEN + 3 * HIDDEN * WIDTH)


def plain(name: str, rows: int, columns: int) -> Shapes:
    return {f"{name}.weight": ("F16", (rows, columns))}


def fp8(name: str, rows: int, columns: int) -> Shapes:
    return {
        f"{name}.weight": ("F8_E4M3", (rows, columns)),
        f"{name}.weights_scaling_factor": ("F32", (1,)),
        f"{name}.activation_scaling_factor": ("F32", (1,)),
    }


def awq(name: str, rows: int, columns: int) -> Shapes:
    return {
        f"{name}.weight": ("F16", (columns, rows // 4)),  # packed, shown as the model's type
        f"{name}.weights_scaling_factor": ("F16", (columns // 128, rows)),
        f"{name}.prequant_scaling_factor": ("F16", (columns,)),
    }


def nvfp4(name: str, rows: int, columns: int) -> Shapes:
    return {
        f"{name}.weight": ("U8", (rows, columns // 2)),
        f"{name}.weights_block_scaling_factor": ("F8_E4M3", (rows, columns // 16)),
        f"{name}.weights_global_scaling_factor": ("F32", (1,)),
        f"{name}.activation_global_scaling_factor": ("F32", (1,)),
    }


def rank(matrix: Any = plain, ranks: int = 1, layers: tuple[int, ...] = (0, 1)) -> Shapes:
    found: Shapes = {
        "transformer.vocab_embedding.weight": ("F16", (WORDS, HIDDEN)),
        "transformer.ln_f.weight": ("F16", (HIDDEN,)),
        "lm_head.weight": ("F16", (WORDS // ranks, HIDDEN)),
    }
    for layer in layers:
        path = f"transformer.layers.{layer}"
        found |= {f"{path}.{norm}.weight": ("F16", (HIDDEN,)) for norm in ("input_layernorm", "post_layernorm")}
        found |= matrix(f"{path}.attention.qkv", 3 * HIDDEN // ranks, HIDDEN)
        found |= matrix(f"{path}.attention.dense", HIDDEN, HIDDEN // ranks)
        found |= matrix(f"{path}.mlp.fc", WIDTH // ranks, HIDDEN)
        found |= matrix(f"{path}.mlp.gate", WIDTH // ranks, HIDDEN)
        found |= matrix(f"{path}.mlp.proj", HIDDEN, WIDTH // ranks)
    return found


def folder(path: Path, ranks: list[Shapes], **keys: Any) -> Path:
    (path / "config.json").write_text(json.dumps(CONFIG | keys), encoding="utf-8")
    for number, content in enumerate(ranks):
        write(path / f"rank{number}.safetensors", content)
    return path


def stored(path: Path) -> int:
    return sum(tensor.size for file in path.glob("rank*.safetensors") for tensor in safetensors.tensors(file))


def test_one_rank(tmp_path: Path) -> None:
    model = read(folder(tmp_path, [rank()]))
    assert (model.container, model.architecture, model.doubts, model.notes) == ("tensorrt-llm", "llama", (), ())
    assert model.parameters == LOGICAL
    assert model.weights.value == stored(tmp_path) == 2 * LOGICAL
    assert {group.role for group in model.groups} == {"embedding", "head", "norm", "attention", "mlp"}
    assert model.layers[0].kv_heads == HEADS
    assert model.max_context == 2048


@pytest.mark.parametrize(
    ("matrix", "algorithm", "name"),
    [(fp8, "FP8", "fp8"), (awq, "W4A16_AWQ", "awq_int4"), (nvfp4, "NVFP4", "nvfp4")],
)
def test_quantized_ranks(tmp_path: Path, matrix: Any, algorithm: str, name: str) -> None:
    quantization = {"quant_algo": algorithm, "kv_cache_quant_algo": "FP8", "group_size": 128, "pre_quant_scale": True}
    content = rank(matrix) | {"transformer.layers.0.attention.kv_cache_scaling_factor": ("F32", (1,))}
    model = read(folder(tmp_path, [content], quantization=quantization))
    assert model.doubts == ()
    assert model.parameters == LOGICAL
    assert model.weights.value == stored(tmp_path)
    assert {group.format for group in model.groups if group.role == "mlp"} == {name}
    assert {group.format for group in model.groups if group.role == "head"} == {"fp16"}
    assert [(note.code, dict(note.parameters)["type"]) for note in model.notes] == [("note.trtllm_kv", "FP8")]
    described = {
        (g.role, g.format, g.parameters, g.size) for g in read_alone(tmp_path).groups if g.role in ("mlp", "head")
    }
    held = {(g.role, g.format, g.parameters) for g in model.groups if g.role in ("mlp", "head")}
    assert {row[:3] for row in described} == held


def read_alone(path: Path) -> Any:
    alone = path / "alone"
    alone.mkdir()
    (alone / "config.json").write_bytes((path / "config.json").read_bytes())
    return read(alone)


def test_tensor_parallel_ranks_are_one_model(tmp_path: Path) -> None:
    mapping = {"world_size": 2, "tp_size": 2, "pp_size": 1}
    model = read(folder(tmp_path, [rank(ranks=2), rank(ranks=2)], mapping=mapping))
    assert model.parameters == LOGICAL
    twice = WORDS * HIDDEN + HIDDEN + LAYERS * 2 * HIDDEN
    assert model.weights.value == stored(tmp_path) == 2 * (LOGICAL + twice)
    assert model.doubts == ()
    assert [dict(note.parameters) for note in model.notes] == [{"ranks": 2, "tensor": 2, "pipeline": 1}]


def test_a_missing_rank(tmp_path: Path) -> None:
    with pytest.raises(MalformedFile) as caught:
        read(folder(tmp_path, [rank(ranks=2)], mapping={"world_size": 2, "tp_size": 2}))
    assert caught.value.field == "rank1.safetensors"


def test_a_mapping_that_does_not_multiply(tmp_path: Path) -> None:
    with pytest.raises(MalformedFile) as caught:
        read(folder(tmp_path, [rank()], mapping={"world_size": 3, "tp_size": 2}))
    assert caught.value.field == "mapping.world_size"


def test_stacked_experts(tmp_path: Path) -> None:
    content = {name: entry for name, entry in rank().items() if ".mlp." not in name}
    for layer in range(LAYERS):
        path = f"transformer.layers.{layer}.mlp"
        content[f"{path}.router.weight"] = ("F32", (4, HIDDEN))
        content[f"{path}.fc.weight"] = ("F16", (4, 2 * WIDTH, HIDDEN))
        content[f"{path}.proj.weight"] = ("F16", (4, HIDDEN, WIDTH))
    model = read(folder(tmp_path, [content], moe={"num_experts": 4, "top_k": 2}))
    (experts,) = [group for group in model.groups if group.role == "experts"]
    assert (model.architecture, model.doubts) == ("mixtral", ())
    assert experts.parameters == LAYERS * 4 * 3 * WIDTH * HIDDEN == 2 * experts.active
    assert {group.role for group in model.groups} >= {"router", "experts"}


def test_a_configuration_alone(tmp_path: Path) -> None:
    model = read(folder(tmp_path, []))
    assert (model.container, model.parameters, model.weights.value) == ("tensorrt-llm", LOGICAL, 2 * LOGICAL)


def test_an_algorithm_whose_scales_are_not_known(tmp_path: Path) -> None:
    model = read(folder(tmp_path, [], quantization={"quant_algo": "W4A8_QSERVE_PER_GROUP"}))
    assert model.weights.value is None
    assert [doubt.code for doubt in model.doubts] == ["doubt.quantization_not_understood"]


def test_an_unknown_class_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedArchitecture) as caught:
        read(folder(tmp_path, [], architecture="OPTForCausalLM"))
    assert dict(caught.value.message.parameters)["architecture"] == "OPTForCausalLM"


def engine(path: Path, sizes: list[int], **keys: Any) -> Path:
    document = {"version": "1.0", "pretrained_config": CONFIG | keys, "build_config": {"max_seq_len": 1024}}
    (path / "config.json").write_text(json.dumps(document), encoding="utf-8")
    for number, size in enumerate(sizes):
        (path / f"rank{number}.engine").write_bytes(bytes(size))
    return path


def test_an_engine_bounds_its_weights(tmp_path: Path) -> None:
    model = read(engine(tmp_path, [3 * LOGICAL]))
    assert (model.weights.low, model.weights.high) == (2 * LOGICAL, 3 * LOGICAL)
    assert model.max_context == 1024
    assert [(doubt.code, dict(doubt.parameters)["size"]) for doubt in model.doubts] == [
        ("doubt.engine_opaque", 3 * LOGICAL)
    ]


def test_an_engine_smaller_than_its_weights_is_unknown(tmp_path: Path) -> None:
    model = read(engine(tmp_path, [1000]))
    assert model.weights.value is None
    assert model.weights.note is not None
    assert model.weights.note.code == "unknown.engine_weights"


def test_an_engine_of_a_scheme_without_a_formula_is_unknown(tmp_path: Path) -> None:
    model = read(engine(tmp_path, [10**9], quantization={"quant_algo": "W8A8_SQ_PER_CHANNEL"}))
    assert model.weights.value is None


def test_an_engine_without_its_files(tmp_path: Path) -> None:
    assert "doubt.engine_missing" in {doubt.code for doubt in read(engine(tmp_path, [])).doubts}


def test_one_rank_file_stands_for_all(tmp_path: Path) -> None:
    folder(tmp_path, [rank(ranks=2), rank(ranks=2)], mapping={"world_size": 2, "tp_size": 2})
    assert read(tmp_path / "rank1.safetensors") == read(tmp_path)


def test_an_adapter_beside_is_told(tmp_path: Path) -> None:
    write(folder(tmp_path, [rank()]) / "adapter_model.safetensors", {"a.lora_A.weight": ("F32", (4, 4))})
    assert [note.code for note in read(tmp_path).notes] == ["note.adapter_beside"]
    assert read(tmp_path).parameters == LOGICAL
