"""A folder is read whole or refused: no file of it is passed over in silence."""

import json
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch_files
from gguf_files import STRING, U32, document, pair, text
from safetensors_files import Shapes, write

from assay.errors import MalformedFile, UnknownModel, UnreadableFile, UnsupportedArchitecture, UnsupportedFile
from assay.observe.checkpoint import files, folder, shard_index, torch_zip
from assay.observe.checkpoint.read import read

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 256, "intermediate_size": 512,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "vocab_size": 1024,
    "max_position_embeddings": 2048, "rms_norm_eps": 1e-05, "torch_dtype": "bfloat16", "tie_word_embeddings": False,
    "rope_theta": 10000.0, "hidden_act": "silu",
}  # fmt: skip
MATRICES = {
    "self_attn.q_proj": (256, 256), "self_attn.k_proj": (128, 256), "self_attn.v_proj": (128, 256),
    "self_attn.o_proj": (256, 256), "mlp.gate_proj": (512, 256), "mlp.up_proj": (512, 256), "mlp.down_proj": (256, 512),
}  # fmt: skip
PARAMETERS = 1_705_216


def around() -> Shapes:
    """What stands outside the layers' matrices."""
    norms = [f"model.layers.{n}.{side}_layernorm" for n in (0, 1) for side in ("input", "post_attention")]
    found: Shapes = {f"{name}.weight": ("BF16", (256,)) for name in [*norms, "model.norm"]}
    return {**found, **{f"{name}.weight": ("BF16", (1024, 256)) for name in ("model.embed_tokens", "lm_head")}}


def layer(number: int) -> Shapes:
    """The matrices of one layer, not converted."""
    return {f"model.layers.{number}.{name}.weight": ("BF16", shape) for name, shape in MATRICES.items()}


def laid(path: Path, config: dict[str, Any] | None = None) -> Path:
    (path / "config.json").write_text(json.dumps(CONFIG if config is None else config))
    return path


def test_activations_converted_by_group_at_run_time(tmp_path: Path) -> None:
    """What llm-compressor writes for NVFP4: `dynamic` is a word."""
    common = {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16}
    group = {"targets": ["Linear"], "weights": common, "input_activations": {**common, "dynamic": "local"}}
    said = {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}, "ignore": ["lm_head"]}
    shapes = around()
    for number in (0, 1):
        for name, (rows, columns) in MATRICES.items():
            module = f"model.layers.{number}.{name}"
            shapes[f"{module}.weight_packed"] = ("U8", (rows, columns // 2))
            shapes[f"{module}.weight_scale"] = ("F8_E4M3", (rows, columns // 16))
            shapes[f"{module}.weight_global_scale"] = ("F32", (1,))
            shapes[f"{module}.input_global_scale"] = ("F32", (1,))
    write(laid(tmp_path, {**CONFIG, "quantization_config": said}) / "model.safetensors", shapes)
    for path in (tmp_path, tmp_path / "config.json"):
        found = read(path)
        assert {group.format for group in found.groups if group.role in {"attention", "mlp"}} == {"nvfp4"}
        assert (found.parameters, found.weights.value) == (PARAMETERS, 1_714_800)


@pytest.mark.parametrize("target", ["../../blobs/gone", "hf_quant_config.json"], ids=["dangling", "looping"])
def test_a_separate_scheme_that_is_a_broken_link(tmp_path: Path, target: str) -> None:
    (laid(tmp_path) / folder.SEPARATE).symlink_to(target)
    with pytest.raises(UnreadableFile) as caught:
        read(tmp_path)
    assert caught.value.file == str(tmp_path / folder.SEPARATE)


@pytest.mark.parametrize("name", [folder.CONFIG, folder.INDEX])
@pytest.mark.parametrize("target", ["../gone", ""], ids=["dangling", "looping"])
def test_a_configuration_or_an_index_that_is_a_broken_link(tmp_path: Path, name: str, target: str) -> None:
    if name != folder.CONFIG:
        laid(tmp_path)
    write(tmp_path / "model.safetensors", {**around(), **layer(0), **layer(1)})
    (tmp_path / name).symlink_to(target or name)
    for path in (tmp_path, tmp_path / "model.safetensors"):
        with pytest.raises(UnreadableFile) as caught:
            read(path)
        assert caught.value.file == str(tmp_path / name)


def test_a_name_with_a_zero_byte_is_nothing(tmp_path: Path) -> None:
    assert not files.present(tmp_path / "a\0b")
    assert not files.reachable(tmp_path / "a\0b")


def sharded(path: Path, shards: dict[str, Shapes], mapping: dict[str, str] | None = None) -> Path:
    """A folder of shards and their index, or an index that says something else."""
    for name, shapes in shards.items():
        write(path / name, shapes)
    true = {tensor: name for name, shapes in shards.items() for tensor in shapes}
    (laid(path) / folder.INDEX).write_text(json.dumps({"weight_map": true if mapping is None else mapping}))
    return path


def refused(path: Path) -> tuple[str, str | None, str]:
    with pytest.raises(MalformedFile) as caught:
        read(path)
    assert caught.value.exit_code == 2
    return caught.value.message.code.removeprefix("error.malformed."), caught.value.field, str(caught.value.file)


def test_shards_with_an_index_that_says_what_they_hold(tmp_path: Path) -> None:
    found = read(sharded(tmp_path, {"a.safetensors": {**around(), **layer(0)}, "b.safetensors": layer(1)}))
    assert (found.parameters, found.weights.value) == (PARAMETERS, 2 * PARAMETERS)


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "loose"])
def test_a_tensor_in_two_shards(tmp_path: Path, *, indexed: bool) -> None:
    sharded(tmp_path, {"a.safetensors": {**around(), **layer(0)}, "b.safetensors": {**layer(1), **layer(0)}})
    if not indexed:
        (tmp_path / folder.INDEX).unlink()
    code, field, file = refused(tmp_path)
    assert (code, file) == ("repeated_key", str(tmp_path / "b.safetensors"))
    assert field in layer(0)


@pytest.mark.parametrize("held", [{}, {"other": ("BF16", (4, 4))}], ids=["nothing", "others"])
@pytest.mark.parametrize("long", [False, True])
def test_a_shard_without_what_the_index_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: Shapes, *, long: bool
) -> None:
    if long:
        monkeypatch.setattr(shard_index, "LONG_BYTES", 0)
    first = {**around(), **layer(0)}
    mapping = {**dict.fromkeys(first, "a.safetensors"), **dict.fromkeys(layer(1), "b.safetensors")}
    sharded(tmp_path, {"a.safetensors": first, "b.safetensors": held}, mapping)
    wanted = ("missing_storage", next(iter(layer(1))), str(tmp_path / "b.safetensors"))
    assert refused(tmp_path) == wanted
    assert refused(tmp_path / "a.safetensors") == wanted


def dangling(path: Path) -> str:
    """The name of the link that leads nowhere."""
    with pytest.raises(UnreadableFile) as caught:
        read(path)
    assert caught.value.message.code == "error.unreadable.dangling"
    return Path(str(caught.value.file)).name


@pytest.mark.parametrize(
    "name", ["model.safetensors", "model-00001-of-00002.safetensors", "pytorch_model.bin", "a-00001-of-00002.gguf"]
)
def test_weights_that_are_a_link_to_nowhere(tmp_path: Path, name: str) -> None:
    (laid(tmp_path) / name).symlink_to("nowhere")
    assert dangling(tmp_path) == dangling(tmp_path / name) == name


@pytest.mark.parametrize("index", [folder.INDEX, "pytorch_model.bin.index.json"])
def test_a_file_of_an_index_that_is_a_link_to_nowhere(tmp_path: Path, index: str) -> None:
    suffix = ".safetensors" if index == folder.INDEX else ".bin"
    (laid(tmp_path) / index).write_text(json.dumps({"weight_map": {"a": f"a{suffix}", "b": f"b{suffix}"}}))
    write(tmp_path / f"a{suffix}", {"a": ("BF16", (1,))})
    (tmp_path / f"b{suffix}").symlink_to("nowhere")
    assert dangling(tmp_path) == f"b{suffix}"
    (tmp_path / f"b{suffix}").unlink()
    with pytest.raises(MalformedFile) as caught:
        read(tmp_path)
    content = (tmp_path / index).read_bytes()
    assert (caught.value.field, caught.value.offset) == (f"b{suffix}", content.index(b'"b%b"' % suffix.encode()))


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 2212679680\n"


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "a.gguf", "a.onnx", folder.CONFIG])
def test_a_pointer_of_git_lfs(tmp_path: Path, name: str) -> None:
    if not name.endswith((".gguf", ".onnx")):
        laid(tmp_path)
    (tmp_path / name).write_text(POINTER)
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(MalformedFile) as caught:
            read(path)
        error = caught.value
        assert (error.message.code, error.hint.code) == ("error.malformed.lfs_pointer", "hint.lfs_pointer")
        assert (error.file, error.field, error.offset) == (str(tmp_path / name), "version", 0)


def ambiguous(path: Path) -> tuple[str, ...]:
    """The files that a folder can mean, each named in the hint as well."""
    with pytest.raises(UnknownModel) as caught:
        read(path)
    assert (caught.value.message.code, caught.value.hint.code) == ("error.ambiguous_model", "hint.ambiguous_model")
    assert dict(caught.value.hint.parameters)["candidates"] == ", ".join(caught.value.candidates)
    return caught.value.candidates


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("model.fp16.safetensors", "model.safetensors"),
        ("model-00001-of-00001.fp16.safetensors", "model-00001-of-00001.safetensors"),
        ("model.bf16.safetensors", "model.fp16-00001-of-00001.safetensors"),
    ],
)
def test_two_variants_of_a_model(tmp_path: Path, first: str, second: str) -> None:
    for name in (first, second):
        write(laid(tmp_path) / name, whole())
    assert ambiguous(tmp_path) == (first, second)
    assert read(tmp_path / first).weights.value == read(tmp_path / second).weights.value == 2 * PARAMETERS


def part(number: int, of: int, architecture: str = "llama") -> bytes:
    keys = {"split.count": of, "split.no": number - 1}
    body = pair("general.architecture", STRING, text(architecture))
    body += b"".join(pair(key, U32, struct.pack("<I", value)) for key, value in keys.items())
    return document(body, pairs=3)


def test_a_split_gguf_without_its_first_part(tmp_path: Path) -> None:
    (tmp_path / "m-00002-of-00003.gguf").write_bytes(part(2, 3))
    assert refused(tmp_path)[:2] == ("missing_shard", "m-00001-of-00003.gguf")
    (tmp_path / "n-00003-of-00003.gguf").write_bytes(part(3, 3))
    assert ambiguous(tmp_path) == ("m-00002-of-00003.gguf", "n-00003-of-00003.gguf")
    (tmp_path / "o-00001-of-00002.gguf").write_bytes(part(1, 2))  # what has a beginning comes before what lost it
    assert refused(tmp_path)[:2] == ("missing_shard", "o-00002-of-00002.gguf")
    (tmp_path / "o-00001-of-00003.gguf").write_bytes(part(1, 3))
    assert ambiguous(tmp_path) == ("o-00001-of-00002.gguf", "o-00001-of-00003.gguf")


@pytest.mark.parametrize("beside", ["mmproj-a-f16.gguf", "A.MMPROJ.gguf", "imatrix.gguf"])
def test_what_lies_beside_a_gguf_is_no_second_model(tmp_path: Path, beside: str) -> None:
    written(tmp_path / "a.gguf")
    (tmp_path / beside).write_bytes(document(pair("general.type", STRING, text("mmproj")), pairs=1))
    found = read(tmp_path)
    assert found.sources == ("a.gguf",)
    told = [dict(note.parameters)["file"] for note in found.notes if note.code == "note.projector_beside"]
    assert told == ([] if beside == "imatrix.gguf" else [beside])
    (tmp_path / "a.gguf").unlink()
    with pytest.raises(UnsupportedArchitecture) as caught:
        read(tmp_path)
    assert (caught.value.file, caught.value.field) == (str(tmp_path / beside), "general.type")


def whole() -> Shapes:
    return {**around(), **layer(0), **layer(1)}


def test_an_index_of_missing_shards_beside_a_whole_file(tmp_path: Path) -> None:
    write(tmp_path / "model.safetensors", whole())
    mapping = dict.fromkeys(whole(), "model-00001-of-00002.safetensors")
    sharded(tmp_path, {}, mapping)
    assert refused(tmp_path)[:2] == ("missing_shard", "model-00001-of-00002.safetensors")
    (tmp_path / "model.safetensors").unlink()
    assert refused(tmp_path)[:2] == ("missing_shard", "model-00001-of-00002.safetensors")
    (tmp_path / "model-00001-of-00002.safetensors").symlink_to("../../blobs/gone")
    assert dangling(tmp_path) == "model-00001-of-00002.safetensors"


def written(path: Path) -> None:
    """A small GGUF file."""
    head, words = 64, 32
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_embedding_length(head)
    writer.add_feed_forward_length(128)
    writer.add_head_count(4)
    writer.add_head_count_kv(4)
    writer.add_context_length(512)
    writer.add_vocab_size(words)
    square = dict.fromkeys([f"blk.0.attn_{part}.weight" for part in ("q", "k", "v", "output")], (head, head))
    wide = dict.fromkeys(["blk.0.ffn_gate.weight", "blk.0.ffn_up.weight"], (128, head))
    norms = dict.fromkeys(["blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight"], (head,))
    rest = {"token_embd.weight": (words, head), "blk.0.ffn_down.weight": (head, 128)}
    for name, shape in {**square, **wide, **norms, **rest}.items():
        writer.add_tensor(name, np.zeros(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_a_gguf_file_beside_a_configuration(tmp_path: Path) -> None:
    written(laid(tmp_path) / "a.gguf")
    found = read(tmp_path)
    assert (found.container, found.sources) == ("gguf", ("a.gguf",))
    (tmp_path / "b.gguf").write_bytes((tmp_path / "a.gguf").read_bytes())
    assert ambiguous(tmp_path) == ("a.gguf", "b.gguf")


UNREAD = [
    "consolidated.00.pth", "tf_model.h5", "MODEL.SAFETENSORS", "model.safetensors.incomplete", "model.safetensors.part",
    "model.safetensors.a1b2c3d4e5.incomplete", "qmodel.pt", "weights.npz", "llama.pth", "weights.bin", "rank0.pt",
    "model.ckpt", "model.engine", "flax_model.msgpack", "weights.safetensors.gz", "x.GGUF", "model.onnx.data",
]  # fmt: skip


@pytest.mark.parametrize("name", UNREAD)
def test_weights_that_no_reader_opens(tmp_path: Path, name: str) -> None:
    write(laid(tmp_path) / name, whole())
    with pytest.raises(UnsupportedFile) as caught:
        read(tmp_path)
    assert (caught.value.message.code, caught.value.file) == ("error.weights_not_read", str(tmp_path / name))
    assert read(tmp_path / "config.json").container == "config"
    write(tmp_path / "model.safetensors", whole())
    assert read(tmp_path).container == "safetensors"


@pytest.mark.parametrize("beside", [True, False])
def test_an_adapter_beside_a_model(tmp_path: Path, *, beside: bool) -> None:
    if beside:
        write(tmp_path / "model.safetensors", whole())
    (laid(tmp_path) / "adapter_config.json").write_text("{}")
    write(tmp_path / "adapter_model.safetensors", {"a.lora_A.weight": ("BF16", (8, 256))})
    found = read(tmp_path)
    assert found.weights.value == 2 * PARAMETERS
    (note,) = [note for note in found.notes if note.code == "note.adapter_beside"]
    assert (note.level, dict(note.parameters)["file"]) == ("warning", "adapter_model.safetensors")


SHARDS = {
    "model-00001-of-00002.safetensors": {**around(), **layer(0)},
    "model-00002-of-00002.safetensors": layer(1),
}


def test_an_index_reads_as_its_folder_does(tmp_path: Path) -> None:
    sharded(tmp_path, SHARDS)
    assert read(tmp_path / folder.INDEX) == read(tmp_path)
    assert read(tmp_path / folder.INDEX).weights.value == 2 * PARAMETERS
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    assert refused(tmp_path / folder.INDEX) == refused(tmp_path)
    assert refused(tmp_path / folder.INDEX)[:2] == ("missing_shard", "model-00002-of-00002.safetensors")


def test_an_index_without_a_configuration(tmp_path: Path) -> None:
    (sharded(tmp_path, SHARDS) / "config.json").unlink()
    with pytest.raises(UnsupportedArchitecture) as caught:
        read(tmp_path / folder.INDEX)
    assert (caught.value.message.code, caught.value.exit_code) == ("error.no_config_beside", 3)
    for name in SHARDS:
        (tmp_path / name).unlink()
    assert refused(tmp_path / folder.INDEX)[:2] == ("missing_shard", min(SHARDS))


@pytest.mark.parametrize("name", ["other.safetensors.index.json", "model.safetensors.index.fp16.json"])
def test_an_index_of_another_name_lists_its_own_files(tmp_path: Path, name: str) -> None:
    sharded(tmp_path, {"a.safetensors": {**around(), **layer(0)}, "b.safetensors": layer(1)})
    (tmp_path / folder.INDEX).rename(tmp_path / name)
    assert read(tmp_path / name).weights.value == 2 * PARAMETERS
    write(tmp_path / "b.safetensors", dict([*layer(1).items()][1:]))
    assert refused(tmp_path / name)[:2] == ("missing_storage", next(iter(layer(1))))
    (tmp_path / "b.safetensors").unlink()
    assert refused(tmp_path / name)[:2] == ("missing_shard", "b.safetensors")


def test_an_index_that_lists_nothing(tmp_path: Path) -> None:
    sharded(tmp_path, {}, {})
    assert refused(tmp_path)[:2] == refused(tmp_path / folder.INDEX)[:2] == ("missing_key", "weight_map")


@pytest.mark.parametrize("named", [*SHARDS])
@pytest.mark.parametrize("index", [folder.INDEX, None], ids=["indexed", "loose"])
def test_a_shard_stands_for_the_whole_model(tmp_path: Path, named: str, index: str | None) -> None:
    sharded(tmp_path, SHARDS)
    if index is None:
        (tmp_path / folder.INDEX).unlink()
    found = read(tmp_path / named)
    assert (found.weights.value, found.parameters, found.doubts) == (2 * PARAMETERS, PARAMETERS, ())
    (other,) = SHARDS.keys() - {named}
    (tmp_path / other).unlink()
    assert refused(tmp_path / named)[:2] == ("missing_shard", other)
    assert refused(tmp_path)[:2] == ("missing_shard", other)


def test_a_shard_whose_index_has_its_own_name(tmp_path: Path) -> None:
    shards = {name.replace("model", "other"): shapes for name, shapes in SHARDS.items()}
    sharded(tmp_path, shards)
    (tmp_path / folder.INDEX).rename(tmp_path / "other.safetensors.index.json")
    mapping = {tensor: name for name, shapes in shards.items() for tensor in shapes} | {"more": "more.safetensors"}
    (tmp_path / "other.safetensors.index.json").write_text(json.dumps({"weight_map": mapping}))
    assert refused(tmp_path / min(shards))[:2] == ("missing_shard", "more.safetensors")


def publishers() -> Shapes:
    """The same model under the names of its publisher."""
    names = {"model.": "", "embed_tokens": "tok_embeddings", "lm_head": "output", "self_attn": "attention",
             "q_proj": "wq", "k_proj": "wk", "v_proj": "wv", "o_proj": "wo", "mlp": "feed_forward", "gate_proj": "w1",
             "up_proj": "w3", "down_proj": "w2", "input_layernorm": "attention_norm",
             "post_attention_layernorm": "ffn_norm"}  # fmt: skip
    found: Shapes = {}
    for name, entry in whole().items():
        for theirs, own in names.items():
            name = name.replace(theirs, own)  # noqa: PLW2901 - step by step
        found[name] = entry
    return found


def test_weights_under_the_names_of_their_publisher(tmp_path: Path) -> None:
    write(laid(tmp_path) / "consolidated.safetensors", publishers())
    found = read(tmp_path)
    assert (found.weights.value, found.parameters, found.doubts) == (2 * PARAMETERS, PARAMETERS, ())
    write(tmp_path / "model.safetensors", whole())
    assert {(group.role, group.size) for group in read(tmp_path).groups} == {(g.role, g.size) for g in found.groups}
    assert read(tmp_path).sources == ("model.safetensors",)


@pytest.mark.parametrize("indexed", [True, False])
def test_parts_of_the_publishers_weights(tmp_path: Path, *, indexed: bool) -> None:
    names = [f"consolidated-{part:05d}-of-00002.safetensors" for part in (1, 2)]
    tensors = list(publishers().items())
    for name, part in zip(names, (tensors[::2], tensors[1::2]), strict=True):
        write(laid(tmp_path) / name, dict(part))
    if indexed:
        mapping = dict.fromkeys(dict(tensors), names[0]) | dict.fromkeys(dict(tensors[1::2]), names[1])
        (tmp_path / "consolidated.safetensors.index.json").write_text(json.dumps({"weight_map": mapping}))
    assert read(tmp_path).weights.value == 2 * PARAMETERS
    (tmp_path / names[1]).unlink()
    assert refused(tmp_path)[:2] == ("missing_shard", names[1])


def indexed(path: Path, mapping: dict[str, str], size: int | None = None) -> list[tuple[str, Any]]:
    """What is noted of an index that says this of the shards."""
    metadata = {} if size is None else {"total_size": size}
    sharded(path, SHARDS)
    (path / folder.INDEX).write_text(json.dumps({"metadata": metadata, "weight_map": mapping}))
    found = read(path)
    assert (found.weights.value, found.parameters, found.doubts) == (2 * PARAMETERS, PARAMETERS, ())
    return [(note.code, dict(note.parameters)) for note in found.notes]


@pytest.mark.parametrize("long", [False, True])
def test_what_an_index_says_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, long: bool) -> None:
    if long:
        monkeypatch.setattr(shard_index, "LONG_BYTES", 0)
    true = {tensor: name for name, shapes in SHARDS.items() for tensor in shapes}
    first, second = SHARDS
    moved = next(iter(layer(0)))
    assert indexed(tmp_path, true) == indexed(tmp_path, true, 2 * PARAMETERS) == []
    fewer = {tensor: name for tensor, name in true.items() if tensor != moved}  # what no index lists is read as well
    assert indexed(tmp_path, fewer) == []
    named = {"file": folder.INDEX, "tensor": moved}
    assert indexed(tmp_path, true | {moved: second}) == [("note.index_misplaces", named)]
    swapped = true | {moved: second, next(iter(layer(1))): first}
    assert indexed(tmp_path, swapped) == [("note.index_misplaces", named)]
    sizes = {"file": folder.INDEX, "said": 10**12, "held": 2 * PARAMETERS}
    assert indexed(tmp_path, true, 10**12) == [("note.index_size", sizes)]


def test_a_tensor_in_two_shards_of_one_index(tmp_path: Path) -> None:
    """The sums of the names agree for neither file, whichever of them the index names."""
    more = dict([next(iter(layer(0).items()))])
    sharded(tmp_path, {"a.safetensors": {**around(), **layer(0)}, "b.safetensors": {**layer(1), **more}})
    assert refused(tmp_path) == ("repeated_key", next(iter(more)), str(tmp_path / "b.safetensors"))


@pytest.mark.parametrize("name", ["training_args.bin", "optimizer.pt", "tokenizer.bin", "rng_state_0.pth", "README.md"])
def test_files_that_hold_no_weights(tmp_path: Path, name: str) -> None:
    (laid(tmp_path) / name).write_bytes(b"x")
    assert read(tmp_path).container == "config"


def test_an_index_of_which_nothing_is_there(tmp_path: Path) -> None:
    sharded(tmp_path, SHARDS)
    for name in SHARDS:
        (tmp_path / name).unlink()
    assert refused(tmp_path)[:2] == ("missing_shard", min(SHARDS))
    (tmp_path / folder.INDEX).unlink()
    assert read(tmp_path).container == "config"


def test_torch_weights_of_another_name(tmp_path: Path) -> None:
    shapes = {name: ("BFloat16Storage", shape) for name, (_, shape) in whole().items()}
    torch_files.save(laid(tmp_path) / "gptq_model-4bit-128g.bin", shapes)
    found = read(tmp_path)
    assert (found.container, found.parameters, found.doubts) == ("torch", PARAMETERS, ())
    assert found.name == tmp_path.name


def test_torch_files_hold_what_their_index_lists(tmp_path: Path) -> None:
    shapes = {name: ("BFloat16Storage", shape) for name, (_, shape) in whole().items()}
    halves = {"a.bin": dict([*shapes.items()][::2]), "b.bin": dict([*shapes.items()][1::2])}
    for name, held in halves.items():
        torch_files.save(laid(tmp_path) / name, held)
    mapping = {tensor: name for name, held in halves.items() for tensor in held}
    index = tmp_path / torch_zip.INDEX
    index.write_text(json.dumps({"weight_map": mapping}))
    assert read(tmp_path).parameters == PARAMETERS
    assert read(tmp_path / "a.bin").parameters == PARAMETERS
    index.write_text(json.dumps({"weight_map": mapping | {"model.other.weight": "a.bin"}}))
    for path in (tmp_path, tmp_path / "b.bin"):
        code, field, file = refused(path)
        assert (code, field, file) == ("missing_storage", "model.other.weight", str(tmp_path / "a.bin"))
