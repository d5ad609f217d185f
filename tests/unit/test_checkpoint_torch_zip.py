"""torch's zip checkpoints: tensors by their description, bytes by the archive's directory."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch_files import name, pickled, save, table, tensor, text, write

from assay.errors import MalformedFile, UnsupportedArchitecture, UnsupportedFile
from assay.observe.checkpoint import torch_zip
from assay.observe.checkpoint.read import read

HIDDEN, WIDTH, WORDS, LAYERS = 64, 128, 100, 2
CONFIG = {
    "model_type": "llama", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": WIDTH, "vocab_size": WORDS, "max_position_embeddings": 512,
    "tie_word_embeddings": False, "torch_dtype": "float16",
}  # fmt: skip


def shapes(kind: str = "HalfStorage") -> dict[str, tuple[str, tuple[int, ...]]]:
    found: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (WORDS, HIDDEN),
        "lm_head.weight": (WORDS, HIDDEN),
        "model.norm.weight": (HIDDEN,),
    }
    for layer in range(LAYERS):
        path = f"model.layers.{layer}"
        found |= {f"{path}.{norm}.weight": (HIDDEN,) for norm in ("input_layernorm", "post_attention_layernorm")}
        found |= {f"{path}.self_attn.{part}_proj.weight": (HIDDEN, HIDDEN) for part in ("q", "o")}
        found |= {f"{path}.self_attn.{part}_proj.weight": (HIDDEN // 2, HIDDEN) for part in ("k", "v")}
        found |= {f"{path}.mlp.{part}_proj.weight": (WIDTH, HIDDEN) for part in ("gate", "up")}
        found[f"{path}.mlp.down_proj.weight"] = (HIDDEN, WIDTH)
    return {title: (kind, shape) for title, shape in found.items()}


def elements() -> int:
    total = 0
    for _, shape in shapes().values():
        total += shape[0] * (shape[1] if len(shape) > 1 else 1)
    return total


def folder(path: Path, files: dict[str, dict[str, tuple[str, tuple[int, ...]]]]) -> Path:
    (path / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    for title, content in files.items():
        save(path / title, content)
    return path


def test_a_folder_of_one_file(tmp_path: Path) -> None:
    model = read(folder(tmp_path, {"pytorch_model.bin": shapes()}))
    assert model.container == "torch"
    assert model.doubts == ()
    assert model.parameters == elements()
    assert model.weights.value == 2 * elements()
    assert {group.role for group in model.groups} == {"embedding", "head", "norm", "attention", "mlp"}
    assert {group.format for group in model.groups} == {"fp16"}
    described = read(tmp_path / "config.json")
    assert set(described.groups) == set(model.groups)
    assert model.layers == described.layers


def test_shards_by_their_index(tmp_path: Path) -> None:
    everything = shapes("BFloat16Storage")
    half = dict(list(everything.items())[:9])
    rest = {title: entry for title, entry in everything.items() if title not in half}
    folder(tmp_path, {"pytorch_model-00001-of-00002.bin": half, "pytorch_model-00002-of-00002.bin": rest})
    names = {title: f"pytorch_model-0000{1 if title in half else 2}-of-00002.bin" for title in everything}
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": names}), encoding="utf-8")
    assert read(tmp_path).parameters == elements()
    assert read(tmp_path / "pytorch_model-00002-of-00002.bin").parameters == elements()
    (tmp_path / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(MalformedFile) as caught:
        read(tmp_path)
    assert caught.value.field == "pytorch_model-00002-of-00002.bin"


@pytest.mark.parametrize(
    ("kind", "dtype", "size"),
    [("FloatStorage", "F32", 24), ("HalfStorage", "F16", 12), ("ByteStorage", "U8", 6), ("LongStorage", "I64", 48)],
)
def test_types(tmp_path: Path, kind: str, dtype: str, size: int) -> None:
    (found,) = torch_zip.checkpoint(save(tmp_path / "x.pt", {"a.b": (kind, (2, 3))})).tensors
    assert (found.name, found.dtype, found.shape, found.size) == ("a.b", dtype, (2, 3), size)


def test_the_same_view_twice_counts_once(tmp_path: Path) -> None:
    one, other = tensor("FloatStorage", "0", (4, 4)), tensor("FloatStorage", "0", (2, 4), elements=16, offset=8)
    content = pickled(table({"a": one, "tied": one, "part": other}))
    found = torch_zip.checkpoint(write(tmp_path / "x", content, {"0": bytes(64)})).tensors
    assert [(item.name, item.size) for item in found] == [("a", 64), ("part", 32)]


def test_a_training_checkpoint_counts_its_weights_and_names_the_rest(tmp_path: Path) -> None:
    weights = table({"w": tensor("FloatStorage", "0", (2,))})
    state = table({"m": tensor("FloatStorage", "1", (2,))})
    content = pickled(table({"state_dict": weights, "optimizer": state, "step": b"K\x05"}))
    found = torch_zip.checkpoint(write(tmp_path / "x", content, {"0": bytes(8), "1": bytes(8)}))
    assert [item.name for item in found.tensors] == ["w"]
    assert found.beside == ("optimizer",)


def test_metadata_of_a_module_is_no_tensor(tmp_path: Path) -> None:
    state = b"}" + text("_metadata") + table({}) + b"s"
    content = pickled(table({"w": tensor("FloatStorage", "0", (2,))}) + state + b"b")
    assert len(torch_zip.checkpoint(write(tmp_path / "x", content, {"0": bytes(8)})).tensors) == 1


def test_a_parameter_is_its_tensor(tmp_path: Path) -> None:
    inner = tensor("FloatStorage", "0", (2,))
    parameter = name("torch._utils", "_rebuild_parameter") + b"(" + inner + b"\x88" + table({}) + b"tR"
    content = pickled(table({"w": parameter}))
    assert torch_zip.checkpoint(write(tmp_path / "x", content, {"0": bytes(8)})).tensors[0].shape == (2,)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "error.torch_legacy"),
        (b"\x80\x04" + bytes(9), "error.torch_bare_pickle"),
        (bytes(257) + b"ustar" + bytes(600), "error.torch_legacy"),
    ],
)
def test_older_files_are_refused_by_name(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "x.bin").write_bytes(content)
    with pytest.raises(UnsupportedFile) as caught:
        torch_zip.checkpoint(tmp_path / "x.bin")
    assert caught.value.message.code == code
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({"byteorder": b"big"}, "error.torch_big_endian"),
        ({"code/model.py": b"pass"}, "error.torch_script"),
    ],
)
def test_other_archives_are_refused_by_name(tmp_path: Path, extra: dict[str, bytes], code: str) -> None:
    content = pickled(table({"w": tensor("FloatStorage", "0", (2,))}))
    with pytest.raises(UnsupportedFile) as caught:
        torch_zip.checkpoint(write(tmp_path / "x", content, {"0": bytes(8)}, **extra))
    assert caught.value.message.code == code


@pytest.mark.parametrize(
    "value", [tensor("FloatStorage", "0", (2,)), table({"a": b"K\x01"}), table({}), b"]" + text("a") + b"a"]
)
def test_what_holds_no_dictionary_of_tensors(tmp_path: Path, value: Any) -> None:
    with pytest.raises(UnsupportedFile) as caught:
        torch_zip.checkpoint(write(tmp_path / "x", pickled(value), {"0": bytes(8)}))
    assert caught.value.message.code == "error.torch_no_state_dict"


def test_a_file_without_a_configuration(tmp_path: Path) -> None:
    save(tmp_path / "x.pt", {"a": ("FloatStorage", (2,))})
    with pytest.raises(UnsupportedArchitecture):
        read(tmp_path / "x.pt")


def test_an_index_or_a_part_without_one_stands_for_the_whole_model(tmp_path: Path) -> None:
    parts = [f"pytorch_model-{part:05d}-of-00002.bin" for part in (1, 2)]
    tensors = list(shapes().items())
    folder(tmp_path, {parts[0]: dict(tensors[:9]), parts[1]: dict(tensors[9:])})
    assert read(tmp_path / parts[0]).parameters == elements()
    index = tmp_path / "pytorch_model.bin.index.json"
    mapping = {title: parts[position > 8] for position, (title, _) in enumerate(tensors)}
    index.write_text(json.dumps({"weight_map": mapping}), encoding="utf-8")
    assert read(index) == read(tmp_path)
    index.unlink()
    (tmp_path / parts[0]).unlink()
    with pytest.raises(MalformedFile) as caught:
        read(tmp_path / parts[1])
    assert (caught.value.message.code, caught.value.field) == ("error.malformed.missing_shard", parts[0])


def test_an_index_without_a_configuration(tmp_path: Path) -> None:
    save(tmp_path / "a.bin", shapes())
    index = tmp_path / "pytorch_model.bin.index.json"
    index.write_text(json.dumps({"weight_map": dict.fromkeys(shapes(), "a.bin")}), encoding="utf-8")
    with pytest.raises(UnsupportedArchitecture) as caught:
        read(index)
    assert caught.value.message.code == "error.no_config_beside"


def test_an_adapter_beside_is_told(tmp_path: Path) -> None:
    folder(tmp_path, {"pytorch_model.bin": shapes()})
    (tmp_path / "adapter_config.json").write_text("{}", encoding="utf-8")
    save(tmp_path / "adapter_model.bin", {"a.lora_A.weight": ("FloatStorage", (4, 4))})
    for path in (tmp_path, tmp_path / "pytorch_model.bin"):
        assert ("note.adapter_beside" in [note.code for note in read(path).notes]) == (path == tmp_path)
    assert read(tmp_path).parameters == elements()
