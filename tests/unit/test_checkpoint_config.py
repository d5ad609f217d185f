"""Models from configurations: what other tools get wrong, and what is refused by name."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from assay.errors import (
    MalformedFile,
    UnknownModel,
    UnsupportedArchitecture,
    UnsupportedFile,
    UsageError,
)
from assay.knowledge import store
from assay.knowledge.catalog import architectures
from assay.observe.checkpoint.config import Origin, model
from assay.observe.checkpoint.read import read
from assay.types.message import message
from assay.types.model import Model

ORIGIN = Origin("test", "config.json", "config", ("config.json",))
Config = dict[str, Any]


def published(name: str) -> Config:
    """The catalogue's configuration of a model, to change one thing in."""
    body = store.entry("model", name)
    assert body is not None
    return copy.deepcopy(body["config"])


def described(config: Config, separate: Config | None = None, name: str = "test") -> Model:
    return model(config, separate, ORIGIN._replace(name=name))


QWEN = "Qwen/Qwen3-30B-A3B"


def test_an_explicit_head_dim_counts() -> None:
    found = described(published(QWEN))
    (layer,) = found.layers
    assert (layer.kv_heads, layer.key_dim, layer.count) == (4, 128, 48)
    assert found.weights.value == 2 * 30_532_122_624


def test_without_head_dim_it_is_hidden_size_over_heads() -> None:
    config = published("meta-llama/Meta-Llama-3.1-8B")
    config.pop("head_dim", None)
    assert described(config).layers[0].key_dim == 128


def test_tied_embeddings_count_once_and_are_read_whole() -> None:
    found = described(published("Qwen/Qwen3-0.6B"))
    assert found.parameters == 596_049_920
    assert [group.role for group in found.groups].count("head") == 0
    embedding = next(group for group in found.groups if group.role == "embedding")
    assert embedding.active == embedding.parameters


def test_an_untied_embedding_is_read_by_rows() -> None:
    found = described(published("Qwen/Qwen3-8B"))
    embedding = next(group for group in found.groups if group.role == "embedding")
    assert embedding.active == found.hidden_size
    assert found.active_parameters == found.parameters


def test_a_window_that_is_switched_off_is_none() -> None:
    config = published("XiaomiMiMo/MiMo-7B-Base") | {"sliding_window": 32768, "max_window_layers": 32}
    assert [layer.kind for layer in described(config).layers] == ["full"]
    switched = config | {"use_sliding_window": True}
    assert [(layer.kind, layer.count) for layer in described(switched).layers] == [("full", 32), ("sliding", 4)]


def test_active_parameters_take_the_chosen_experts() -> None:
    found = described(published(QWEN))
    assert found.active_parameters == 3_353_032_704
    experts = next(group for group in found.groups if group.role == "experts")
    assert experts.active * 16 == experts.parameters
    assert experts.tensors == 48 * 128 * 3


def test_first_dense_layers_and_shared_experts() -> None:
    found = described(published("deepseek-ai/DeepSeek-V3"))
    roles = {group.role: group for group in found.groups}
    assert roles["mlp"].parameters == 3 * 3 * 7168 * 18432
    assert roles["shared_experts"].parameters == 58 * 3 * 7168 * 2048
    assert roles["experts"].parameters == 58 * 256 * 3 * 7168 * 2048


def test_prediction_layers_are_apart() -> None:
    found = described(published("deepseek-ai/DeepSeek-V3"))
    assert {group.role for group in found.optional} == {"mtp"}
    assert found.parameters == 671_026_419_200
    assert sum(group.parameters for group in found.optional) == 13_463_426_304
    assert found.weights.value == sum(group.size for group in found.groups)


def test_packed_experts_count_as_what_they_hold() -> None:
    found = described(published("openai/gpt-oss-120b"))
    experts = next(group for group in found.groups if group.format == "mxfp4")
    # 4 bits and one byte of scale for 32 elements: 4.25 bits
    assert experts.size * 8 * 32 == experts.parameters * (4 * 32 + 8)
    assert found.parameters == 116_829_156_672


def test_fp8_repositories_take_one_byte_and_their_scales() -> None:
    found = described(published("Qwen/Qwen3-30B-A3B-FP8"))
    formats = {group.format for group in found.groups}
    assert formats == {"fp8_block128", "bf16"}
    head = next(group for group in found.groups if group.role == "head")
    router = next(group for group in found.groups if group.role == "router")
    assert (head.format, router.format) == ("bf16", "bf16")
    experts = next(group for group in found.groups if group.role == "experts")
    assert experts.size == experts.parameters + 4 * experts.parameters // (128 * 128)


def test_sparse_attention_has_an_index_cache() -> None:
    assert described(published("deepseek-ai/DeepSeek-V3.2")).layers[0].index_dim == 128
    shared = {layer.index_dim: layer.count for layer in described(published("zai-org/GLM-5.2")).layers}
    assert shared == {128: 21, 0: 57}


def test_the_lists_of_layers_decide_over_the_rule() -> None:
    config = published("openai/gpt-oss-20b")
    config["layer_types"] = ["full_attention"] * 24
    assert [layer.kind for layer in described(config).layers] == ["full"]


@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"])
@pytest.mark.parametrize("value", [0, -1, "48", 2.5, True, [1], 10**9, None])
def test_a_key_that_cannot_be_right_is_named(key: str, value: Any) -> None:
    with pytest.raises(MalformedFile) as caught:
        described(published(QWEN) | {key: value})
    assert caught.value.field == key
    assert caught.value.exit_code == 2


def test_more_experts_chosen_than_there_are() -> None:
    with pytest.raises(MalformedFile) as caught:
        described(published(QWEN) | {"num_experts_per_tok": 129})
    assert caught.value.field == "num_experts_per_tok"


def test_heads_that_do_not_divide() -> None:
    with pytest.raises(MalformedFile) as caught:
        described(published(QWEN) | {"num_key_value_heads": 5})
    assert caught.value.field == "num_key_value_heads"


@pytest.mark.parametrize("name", ["deepseek_v4", "step3p7", "deepseek_ref", "bert", "xlm-roberta"])
def test_a_refused_architecture_says_why(name: str) -> None:
    with pytest.raises(UnsupportedArchitecture) as caught:
        described(published(QWEN) | {"model_type": name})
    assert str(dict(caught.value.message.parameters)["detail"]).startswith(f"{name}: ")
    assert caught.value.field == "model_type"
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", ["no_such_model", "rwkv7", "Qwen3_moe", ""])
def test_an_unknown_architecture_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedArchitecture) as caught:
        described(published(QWEN) | {"model_type": name, "no_such_key": 3})
    assert ("architecture", name or '""') in caught.value.message.parameters
    assert caught.value.exit_code == 3


def test_a_layer_kind_that_is_not_understood() -> None:
    config = published("google/gemma-4-26B-A4B")
    config["text_config"]["layer_types"][0] = "compressed_sparse_attention"
    with pytest.raises(UnsupportedArchitecture):
        described(config)


def test_what_a_family_has_beyond_the_layout_is_refused() -> None:
    config = published("google/gemma-4-26B-A4B")
    config["text_config"]["num_kv_shared_layers"] = 10
    with pytest.raises(UnsupportedArchitecture) as caught:
        described(config)
    assert caught.value.field == "text_config.num_kv_shared_layers"


def test_a_model_without_a_type_has_no_size() -> None:
    config = published("Qwen/Qwen3-8B")
    del config["torch_dtype"]
    found = described(config)
    assert found.weights.value is None
    assert found.weights.note is not None
    assert [doubt.code for doubt in found.doubts] == ["doubt.type_missing"]


def test_a_type_that_is_not_known_is_not_replaced() -> None:
    for quantization in ({}, {"quantization_config": {"quant_method": "fp8"}}):
        found = described(published("Qwen/Qwen3-8B") | {"torch_dtype": "float4"} | quantization)
        assert found.weights.value is None
        assert [doubt.code for doubt in found.doubts] == ["doubt.type_missing"]


@pytest.mark.parametrize("name", ["Qwen3-8B-NVFP4", "Qwen3-8B-AWQ", "qwen3_8b_4bit", "Qwen3-8B.int8"])
def test_a_name_that_says_quantized_raises_a_doubt(name: str) -> None:
    found = described(published("Qwen/Qwen3-8B"), name=name)
    assert found.weights.value is None
    assert found.doubts
    assert all(group.format == "unknown" for group in found.groups)


def test_a_vision_tower_that_is_not_described_leaves_the_size_open() -> None:
    config = published("google/gemma-3-27b-it") | {"architectures": ["Gemma3ForConditionalGeneration"]}
    assert described(config).weights.value is not None
    del config["vision_config"]
    assert described(config).weights.value is None


def test_a_configuration_is_read_from_its_file_and_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "Qwen3-30B-A3B"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(published(QWEN)), encoding="utf-8")
    by_folder, by_file = read(folder), read(str(folder / "config.json"))
    assert by_folder == by_file
    assert by_folder.name == "Qwen3-30B-A3B"
    assert by_folder.container == "config"
    assert by_folder.released_format is None
    assert by_folder.groups == read(QWEN).groups


def test_the_separate_quantization_file_decides(tmp_path: Path) -> None:
    body = store.entry("model", "nvidia/Qwen3-235B-A22B-NVFP4") or {}
    (tmp_path / "config.json").write_text(json.dumps(body["config"]), encoding="utf-8")
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(body["hf_quant_config"]), encoding="utf-8")
    assert read(tmp_path).weights.value == read("nvidia/Qwen3-235B-A22B-NVFP4").weights.value


def test_what_does_not_exist() -> None:
    with pytest.raises(UnknownModel):
        read("/no/such/config.json")
    with pytest.raises(UnknownModel):
        read(Path("Qwen3-30B-A3B-config.json"))


def test_a_folder_without_configuration(tmp_path: Path) -> None:
    with pytest.raises(UnknownModel) as caught:
        read(tmp_path)
    assert caught.value.message == message("error.no_model_in_folder", folder=tmp_path.name)
    assert caught.value.hint.code == "hint.model_files"


def test_a_folder_with_tensors_alone_lacks_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    with pytest.raises(UnsupportedArchitecture) as caught:
        read(tmp_path)
    assert caught.value.message == message("error.no_config_beside", file="model.safetensors")


@pytest.mark.parametrize("content", [b"root:x:0:0:root:/root:/bin/sh\n", b"", b"\x7fELF\x02\x01\x01"])
def test_a_file_that_is_no_model_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "passwd"
    path.write_bytes(content)
    with pytest.raises(MalformedFile) as caught:
        read(path)
    assert (caught.value.message.code, caught.value.hint.code) == ("error.not_a_model", "hint.model_files")


def test_an_empty_name_is_a_usage_error() -> None:
    for text in ("", "  "):
        with pytest.raises(UsageError) as caught:
            read(text)
        assert caught.value.message.code == "error.empty_model"


def test_gguf_and_safetensors_are_known_by_their_first_bytes(tmp_path: Path) -> None:
    gguf, tensors = tmp_path / "8f3a", tmp_path / "77c0"
    gguf.write_bytes(b"GGUF\x09\0\0\0" + bytes(16))
    with pytest.raises(UnsupportedFile) as caught:
        read(gguf)
    assert caught.value.message.code == "error.gguf_version"
    tensors.write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    with pytest.raises(UnsupportedArchitecture) as missing:
        read(tensors)
    assert missing.value.message.code == "error.no_config_beside"


def test_a_folder_of_the_hub_cache_has_the_name_of_its_repository(tmp_path: Path) -> None:
    folder = tmp_path / "models--Qwen--Qwen3-30B-A3B" / "snapshots" / "0123abcd"
    blobs = tmp_path / "models--Qwen--Qwen3-30B-A3B" / "blobs"
    folder.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "77").write_text(json.dumps(published(QWEN)), encoding="utf-8")
    (folder / "config.json").symlink_to(blobs / "77")
    assert read(folder).name == read(folder / "config.json").name == "Qwen/Qwen3-30B-A3B"


@pytest.mark.parametrize(
    ("keys", "parameters"),
    [
        ({"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34}, 4_300_079_472),
        (
            {
                "hidden_size": 3840,
                "intermediate_size": 15360,
                "num_hidden_layers": 48,
                "num_attention_heads": 16,
                "num_key_value_heads": 8,
            },
            12_187_325_040,
        ),
    ],
)
def test_what_the_class_fills_in(keys: Config, parameters: int) -> None:
    # gemma-3-4b-it and gemma-3-12b-it as published: heads, their size and the vocabulary are left to the class
    config = published("google/gemma-3-27b-it")
    found = described(config | {"text_config": {"model_type": "gemma3_text", "sliding_window": 1024, **keys}})
    assert found.parameters == parameters
    assert found.layers[0].key_dim == 256


def test_towers_of_other_families() -> None:
    # Mistral-Small-3.1-24B and Qwen2.5-VL-7B as published; their totals are the hub's
    mistral = {
        "model_type": "mistral3", "torch_dtype": "bfloat16",
        "text_config": {
            "model_type": "mistral", "hidden_size": 5120, "num_hidden_layers": 40, "intermediate_size": 32768,
            "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131072,
            "sliding_window": None,
        },
        "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "patch_size": 14},
    }  # fmt: skip
    assert described(mistral).parameters == 24_011_361_280
    qwen = {
        "model_type": "qwen2_5_vl", "torch_dtype": "bfloat16", "hidden_size": 3584, "num_hidden_layers": 28,
        "intermediate_size": 18944, "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
        "vision_config": {
            "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "patch_size": 14, "out_hidden_size": 3584
        },
    }  # fmt: skip
    assert described(qwen).parameters == 8_292_166_656


def test_an_encoder_is_refused_for_what_it_is() -> None:
    """Figures of a decoder would be wrong about it: it has no cache, and reads its tokens once."""
    config = {"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 384, "num_hidden_layers": 6,
              "num_attention_heads": 12, "intermediate_size": 1536, "vocab_size": 30522}  # fmt: skip
    with pytest.raises(UnsupportedArchitecture) as caught:
        described(config)
    assert "an encoder" in str(dict(caught.value.message.parameters)["detail"])
    assert not {"bert", "roberta"} & set(architectures.known())
