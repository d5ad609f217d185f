"""The readers and what they are fed: for each, small valid files and the folder around the one that is changed."""

import json
import struct
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from assay.knowledge import store
from assay.observe.checkpoint import safetensors_header, shard_index
from assay.observe.checkpoint.read import read

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
import torch_files
from changing import CHANGES, CONTROL_BYTES, KEPT, OPENINGS, changing
from safetensors_files import BYTES, Shapes
from safetensors_files import write as write_safetensors

CHANGING = ("gguf", "safetensors", "safetensors-long", "onnx", "torch-zip")
SPACE = 2**20
"""Bytes of holes behind a header: tensors of the seeds lie in them."""
CONFIG: dict[str, Any] = {
    "model_type": "qwen3", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 32, "intermediate_size": 128, "vocab_size": 10,
    "max_position_embeddings": 4096, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
}  # fmt: skip
LLAMA: dict[str, Any] = {
    "architecture": "LlamaForCausalLM", "dtype": "float16", "logits_dtype": "float32", "vocab_size": 10,
    "max_position_embeddings": 2048, "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_size": 32, "hidden_act": "silu", "intermediate_size": 128,
    "use_parallel_embedding": False, "mapping": {"world_size": 1, "tp_size": 1, "pp_size": 1},
}  # fmt: skip
ADAPTER: dict[str, Any] = {
    "peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"], "rank_pattern": {"a": 4},
    "base_model_name_or_path": "Qwen/Qwen3-8B", "alpha_pattern": {},
}  # fmt: skip
PAIR: Shapes = {"m.q_proj.lora_A.weight": ("F32", (2, 4)), "m.q_proj.lora_B.weight": ("F32", (4, 2))}
WEIGHTS: Shapes = {
    "model.embed_tokens.weight": ("BF16", (10, 64)),
    "model.layers.0.self_attn.q_proj.weight": ("BF16", (64, 64)),
    "model.layers.0.mlp.up_proj.weight": ("BF16", (128, 64)),
    "model.norm.weight": ("BF16", (64,)),
}
PACKED: Shapes = {
    "model.layers.0.self_attn.q_proj.weight_packed": ("I32", (64, 8)),
    "model.layers.0.self_attn.q_proj.weight_scale": ("BF16", (64, 1)),
    "model.layers.0.self_attn.k_proj.qweight": ("I32", (8, 32)),
    "model.layers.0.self_attn.k_proj.qzeros": ("I32", (1, 4)),
    "model.layers.0.self_attn.k_proj.scales": ("F16", (1, 32)),
    "model.layers.0.self_attn.k_proj.g_idx": ("I32", (64,)),
    "model.layers.0.mlp.up_proj.weight": ("F8_E4M3", (128, 64)),
    "model.layers.0.mlp.up_proj.weight_scale_inv": ("F32", (1, 1)),
    "model.layers.0.mlp.experts.gate_up_proj_blocks": ("U8", (2, 4, 2, 16)),
    "model.layers.0.mlp.experts.gate_up_proj_scales": ("U8", (2, 4, 2)),
    "model.layers.0.mlp.down_proj.weight": ("U8", (64, 64)),
    "model.layers.0.mlp.down_proj.weight.quant_state.bitsandbytes__nf4": ("U8", (80,)),
    "model.layers.0.self_attn.o_proj.k_scale": ("F32", (1,)),
    "model.layers.0.self_attn.o_proj.W_q": ("U8", (32, 64)),
    "model.layers.0.self_attn.o_proj.scale": ("BF16", (64, 1)),
    "model.layers.0.self_attn.v_proj.trellis": ("I16", (8, 8, 48)),
    "model.layers.0.mlp.gate_proj.q_weight": ("I32", (8, 128)),
    "model.layers.0.mlp.gate_proj.q_invperm": ("I32", (64,)),
    "lm_head._weight_qdata": ("U8", (10, 32)),
    "lm_head._weight_scale": ("BF16", (1, 10)),
}
MLX: Shapes = {
    "model.embed_tokens.weight": ("U32", (10, 8)),
    "model.embed_tokens.scales": ("BF16", (10, 1)),
    "model.embed_tokens.biases": ("BF16", (10, 1)),
    "model.norm.weight": ("BF16", (64,)),
}
RANK: Shapes = {
    "transformer.vocab_embedding.weight": ("F16", (10, 64)),
    "transformer.ln_f.weight": ("F16", (64,)),
    "transformer.layers.0.attention.qkv.weight": ("F16", (192, 64)),
    "transformer.layers.0.mlp.fc.weights_scaling_factor": ("F32", (1,)),
    "transformer.layers.0.mlp.fc.weight": ("F8_E4M3", (128, 64)),
    "lm_head.weight": ("F16", (10, 64)),
}
QUANTIZED: tuple[dict[str, Any], ...] = (
    {"quant_method": "fp8", "weight_block_size": [128, 128], "modules_to_not_convert": ["lm_head", "re:.*gate"]},
    {"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": {}},
    {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "modules_to_not_convert": None},
    {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "llm_int8_skip_modules": []},
    {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]},
    {"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}}},
    {"quant_method": "torchao", "quant_type": {"default": {"_type": "Int4WeightOnlyConfig"}}},
    {"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp4", "qscheme": "per_group"}}},
    {"quant_method": "exl2", "bits": 4.25},
    {"quant_method": "exl3", "bits": 3, "head_bits": 6},
    {
        "quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": ["lm_head", "re:.*mlp.*gate$"],
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": {
            "num_bits": 4, "type": "int", "strategy": "group", "group_size": 128, "symmetric": True,
        }}},
    },
    {
        "quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "exclude_modules": ["lm_head", "*.gate?"],
        "quantized_layers": {"model.layers.0.mlp.up_proj": {"quant_algo": "NVFP4", "group_size": 16}},
    },
)  # fmt: skip


class Target(NamedTuple):
    """A reader under test.

    Attributes:
        name: as reports show it.
        file: the name that a changed input is given.
        seeds: valid inputs.
        prepare: lays the other files into the folder.
        wrap: what is written for an input; the input itself by default.
        holes: bytes that follow it without being stored.
        opened: what is handed to the reader: the file, or its folder.
        text: whether an input is JSON.
        changes: whether the file changes while it is read, as the end of the input says.
    """

    name: str
    file: str
    seeds: tuple[bytes, ...]
    prepare: Callable[[Path], None]
    wrap: Callable[[bytes], bytes] = bytes
    holes: int = 0
    folder: bool = False
    text: bool = False
    changes: bool = False

    def place(self, folder: Path, content: bytes) -> None:
        """Write an input where the reader finds it."""
        if self.changes:
            (folder / KEPT).write_bytes(content[-CONTROL_BYTES:])
            content = content[:-CONTROL_BYTES]
        written = self.wrap(content)
        with (folder / self.file).open("wb") as out:
            out.write(written)
            if self.holes:
                out.truncate(len(written) + self.holes)

    def read(self, folder: Path) -> Any:
        """What `assay model` reads of the folder."""
        if not self.changes:
            return read(folder if self.folder else folder / self.file)
        with changing(folder / self.file, (folder / KEPT).read_bytes()):
            return read(folder / self.file)


def _changing(target: Target) -> Target:
    """The same reader, and a file that changes meanwhile in one of several ways for each seed."""
    seeds = [
        seed + bytes([number, change, 50 * change, 32 * change])
        for number, seed in enumerate(target.seeds[:OPENINGS])
        for change in range(len(CHANGES))
    ]
    return target._replace(name=f"{target.name}-changing", seeds=tuple(seeds), changes=True)


def _dumped(*documents: Any) -> tuple[bytes, ...]:
    return tuple(json.dumps(document).encode() for document in documents)


def _beside(**documents: Any) -> Callable[[Path], None]:
    """Writes these JSON documents, and safetensors files given as shapes."""

    def prepare(folder: Path) -> None:
        for name, document in documents.items():
            stem, _, kind = name.rpartition("__")
            if kind == "json":
                (folder / f"{stem}.json").write_text(json.dumps(document), "utf-8")
            else:
                write_safetensors(folder / f"{stem}.safetensors", document)

    return prepare


def _text(value: str) -> bytes:
    content = value.encode()
    return struct.pack("<Q", len(content)) + content


def _gguf(
    architecture: str,
    numbers: dict[str, int],
    kinds: tuple[int, ...],
    extra: bytes = b"",
    more: int = 0,
    first: int = 0,
) -> bytes:
    """The header of a small GGUF file with a tensor of each of these types, numbered from `first`."""
    pairs = _text("general.architecture") + struct.pack("<I", 8) + _text(architecture)
    for key, value in numbers.items():
        pairs += _text(f"{architecture}.{key}") + struct.pack("<II", 4, value)
    tensors = b""
    for place, kind in enumerate(kinds):
        index = first + place
        name = ("token_embd", "output_norm", "blk.0.attn_q", "blk.0.ffn_up_exps")[index % 4]
        tensors += _text(f"{name}.{index}" if index > 3 else f"{name}.weight")
        tensors += struct.pack("<I2QIQ", 2, 256, 2, kind, place * 4096)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(kinds), len(numbers) + 1 + more) + pairs + extra + tensors
    return head + bytes(-len(head) % 32)


PLAIN = {
    "block_count": 1, "context_length": 4096, "embedding_length": 256, "feed_forward_length": 512,
    "attention.head_count": 4, "attention.head_count_kv": 2, "attention.key_length": 64, "attention.value_length": 64,
}  # fmt: skip


def _gguf_part(number: int) -> bytes:
    """The header of one of two parts of a model."""
    told = {"split.no": number, "split.count": 2, "split.tensors.count": 6}
    keys = b"".join(_text(key) + struct.pack("<II", 4, value) for key, value in told.items())
    return _gguf("qwen3", {} if number else PLAIN, (0, 0, 12), keys, len(told), 3 * number)


def _part_beside(folder: Path) -> None:
    with (folder / "m-00001-of-00002.gguf").open("wb") as out:
        out.write(_gguf_part(0))
        out.truncate(out.tell() + SPACE)


def _gguf_seeds() -> tuple[bytes, ...]:
    state = {"ssm.conv_kernel": 4, "ssm.inner_size": 64, "ssm.state_size": 16, "ssm.group_count": 1}
    latent = {"attention.kv_lora_rank": 64, "attention.key_length_mla": 64, "rope.dimension_count": 32}
    words = struct.pack("<IIQ", 9, 8, 3) + _text("a") + _text("b") + _text("c")
    lists = _text("tokenizer.ggml.tokens") + words
    lists += _text("general.alignment") + struct.pack("<II", 4, 32)
    lists += _text("qwen35.feed_forward_length_each") + struct.pack("<IIQ2I", 9, 4, 2, 1, 2)
    lists += _text("deep") + struct.pack("<IIQIQ", 9, 9, 1, 0, 1) + b"\1"
    lists += _text("flag") + struct.pack("<IB", 7, 1) + _text("real") + struct.pack("<Id", 12, 0.5)
    return (
        _gguf("qwen3", PLAIN, (0, 0, 12, 14)),
        _gguf("llama", PLAIN | {"expert_count": 8, "expert_used_count": 2}, (1, 0, 8, 39, 40, 41, 42, 34, 20)),
        _gguf("qwen35", PLAIN | state | {"full_attention_interval": 1}, (2, 0, 3), lists, 6),
        _gguf("deepseek2", PLAIN | latent | {"nextn_predict_layers": 0}, (30, 0, 16)),
        _gguf("gemma3", PLAIN | {"attention.sliding_window": 512}, (8, 0, 12)),
    )


def _header(shapes: Shapes) -> bytes:
    """A safetensors header whose tensors fill `SPACE` bytes."""
    document: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, (dtype, shape) in shapes.items():
        size = BYTES[dtype]
        for extent in shape:
            size *= extent
        document[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, position + size]}
        position += size
    document["rest"] = {"dtype": "U8", "shape": [SPACE - position], "data_offsets": [position, SPACE]}
    content = json.dumps(document).encode()
    return len(content).to_bytes(8, "little") + content


def _spaced(size: int, prefix: bytes = b"") -> Callable[[bytes], bytes]:
    """Makes a JSON file so long that its reader walks it instead of building a tree."""

    def wrap(content: bytes) -> bytes:
        body = content[len(prefix) :]
        body = body[:1] + b" " * size + body[1:]
        return (len(body).to_bytes(8, "little") if prefix else b"") + body

    return wrap


def _configs() -> tuple[dict[str, Any], ...]:
    """One published configuration of each architecture, the shorter ones."""
    found: dict[str, dict[str, Any]] = {}
    for name in store.names("model"):
        config = (store.entry("model", name) or {}).get("config")
        if config and len(json.dumps(config)) < 6000:
            found.setdefault(str(config.get("model_type")), config)
    return tuple(found.values())


def _pickles() -> tuple[bytes, ...]:
    one = torch_files.tensor("FloatStorage", "0", (2, 3))
    table = torch_files.table({"model.embed_tokens.weight": one, "b": torch_files.tensor("FloatStorage", "0", (6,))})
    own = torch_files.name("torch._utils", "_rebuild_tensor_v3")
    return (
        torch_files.pickled(table),
        torch_files.pickled(b"}" + torch_files.text("state_dict") + table + b"s" + torch_files.text("epoch") + b"K\1s"),
        b"\x80\x04\x95" + bytes(8) + b"}\x94(\x8c\x01w\x94" + one + b"\x94u.",
        torch_files.pickled(own + b"(" + b"N" * 7 + b"tR"),
        torch_files.pickled(torch_files.name("torch", "Size") + b"(K\1K\2t\x85R"),
    )


def _archive(pickle: bytes) -> bytes:
    """The archive that torch.save would put around a pickle."""
    import io
    import zipfile

    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/data/0", bytes(24))
    return out.getvalue()


def _graphs() -> tuple[bytes, ...]:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    def array(name: str, kind: Any, *shape: int) -> Any:
        return numpy_helper.from_array(np.zeros(shape, kind), name)

    def model(nodes: list[Any], tensors: list[Any]) -> bytes:
        past = helper.make_tensor_value_info("past_key_values.0.key", 1, ["b", 2, "n", 32])
        graph = helper.make_graph(nodes, "g", [past], [past], tensors)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        content: bytes = helper.make_model(graph, opset_imports=opsets).SerializeToString()
        return content

    node = helper.make_node
    outside = TensorProto(name="w", data_type=1, dims=[2, 4], data_location=1)
    for key, value in (("location", "config.json"), ("offset", "0"), ("length", "32")):
        entry = outside.external_data.add()
        entry.key, entry.value = key, value
    branch = helper.make_graph([node("MatMul", ["x", "w"], ["z"])], "b", [], [], [array("w", np.float32, 2, 2)])
    return (
        model([node("MatMul", ["x", "model.layers.0.mlp.up_proj.weight"], ["y"])],
              [array("model.layers.0.mlp.up_proj.weight", np.float32, 4, 4)]),
        model([node("DequantizeLinear", ["w", "s", "z"], ["d"]), node("MatMul", ["x", "d"], ["y"], name="/lm_head/M")],
              [array("w", np.int8, 4, 4), array("s", np.float32), array("z", np.int8)]),
        model([node("MatMulNBits", ["x", "w", "s"], ["y"], domain="com.microsoft", K=32, N=4, bits=4, block_size=32)],
              [array("w", np.uint8, 4, 1, 16), array("s", np.float16, 4)]),
        model([node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)], [array("c", np.bool_)]),
        model([node("Constant", [], ["k"], value=array("k", np.float32, 4))], [outside]),
    )  # fmt: skip


@cache
def targets() -> dict[str, Target]:
    """Every reader by its name."""
    shards = {"model.embed_tokens.weight": "a.safetensors", "model.norm.weight": "b.safetensors"}
    parts = {"a__safetensors": dict([*WEIGHTS.items()][:1]), "b__safetensors": dict([*WEIGHTS.items()][3:])}
    with_config = _beside(config__json=CONFIG)
    engine = {"pretrained_config": LLAMA, "build_config": {"max_seq_len": 4096, "max_batch_size": 8}}
    quantization = {"group_size": 64, "bits": 4, "mode": "affine", "model.embed_tokens": {"group_size": 32, "bits": 8}}
    separate = {"producer": {"name": "modelopt"}, "quantization": QUANTIZED[-1]}
    decoder = {
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_size": 32, "hidden_size": 128,
    }  # fmt: skip
    genai = {"model": {"decoder": decoder, "vocab_size": 10, "context_length": 4096}}
    graph = _graphs()

    def onnx_beside(folder: Path) -> None:
        (folder / "model.onnx").write_bytes(graph[0])

    def torch_beside(folder: Path) -> None:
        with_config(folder)
        norm = torch_files.table({"model.norm.weight": torch_files.tensor("FloatStorage", "0", (6,))})
        (folder / "a.bin").write_bytes(_archive(_pickles()[0]))
        (folder / "b.bin").write_bytes(_archive(torch_files.pickled(norm)))

    found = [
        Target("gguf", "model.gguf", _gguf_seeds(), lambda _: None, holes=SPACE),
        Target("gguf-split", "m-00002-of-00002.gguf", (_gguf_part(1),), _part_beside, holes=SPACE, folder=True),
        Target("safetensors", "model.safetensors", tuple(map(_header, (WEIGHTS, PACKED))), with_config, holes=SPACE),
        Target("index", "model.safetensors.index.json", _dumped({"metadata": {"total_size": 1}, "weight_map": shards}),
               _beside(config__json=CONFIG, **parts), folder=True, text=True),
        Target("safetensors-long", "model.safetensors", tuple(map(_header, (WEIGHTS, PACKED))), with_config,
               wrap=_spaced(safetensors_header.SMALL_BYTES, bytes(8)), holes=SPACE),
        Target("index-long", "model.safetensors.index.json", _dumped({"metadata": {}, "weight_map": shards}),
               _beside(config__json=CONFIG, **parts), wrap=_spaced(shard_index.LONG_BYTES), folder=True, text=True),
        Target("config", "config.json", _dumped(*_configs()), lambda _: None, text=True),
        Target("quantization", "config.json", _dumped(*({**CONFIG, "quantization_config": one} for one in QUANTIZED)),
               lambda _: None, text=True),
        Target("hf_quant_config", "hf_quant_config.json", _dumped(separate, {"quantization": {"quant_algo": "FP8"}}),
               with_config, folder=True, text=True),
        Target("onnx", "model.onnx", graph, with_config),
        Target("genai", "genai_config.json", _dumped(genai), onnx_beside, folder=True, text=True),
        Target("torch-zip", "pytorch_model.bin", tuple(map(_archive, _pickles()[:2])), with_config),
        Target("pickle", "pytorch_model.bin", _pickles(), with_config, wrap=_archive),
        Target("torch-index", "pytorch_model.bin.index.json",
               _dumped({"weight_map": {"b": "a.bin", "model.norm.weight": "b.bin"}}), torch_beside, folder=True,
               text=True),
        Target("adapter", "adapter_config.json",
               _dumped(ADAPTER, {"fine_tune_type": "lora", "lora_parameters": {"rank": 2, "keys": ["a"]}}),
               _beside(adapter_model__safetensors=PAIR), folder=True, text=True),
        Target("adapter-tensors", "adapter_model.safetensors", (_header(PAIR),), _beside(adapter_config__json=ADAPTER),
               holes=SPACE, folder=True),
        Target("mlx", "config.json", _dumped({**CONFIG, "quantization": quantization}),
               _beside(model__safetensors=MLX), folder=True, text=True),
        Target("tensorrt-llm", "config.json",
               _dumped(LLAMA, {**LLAMA, "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "INT8"}}, engine),
               _beside(rank0__safetensors=RANK), folder=True, text=True),
    ]  # fmt: skip
    changed = [_changing(target) for target in found if target.name in CHANGING]
    return {target.name: target for target in (*found, *changed)}
