"""TensorRT-LLM's configuration in the terms of the catalogue: model class, division over ranks, quantization.

Source: TensorRT-LLM, docs/source/architecture/checkpoint.md.
"""

from typing import Any, NamedTuple

from assay.knowledge.catalog import weight_formats
from assay.knowledge.catalog.weight_formats import Storage
from assay.observe.checkpoint.fields import MAX_EXPERTS, Fields
from assay.observe.checkpoint.matching import Matcher
from assay.observe.checkpoint.tensors import Tensor

MAX_RANKS = 1024
CLASSES = {
    "LlamaForCausalLM": "llama", "MistralForCausalLM": "mistral", "MixtralForCausalLM": "mixtral",
    "Qwen2ForCausalLM": "qwen2", "Qwen3ForCausalLM": "qwen3", "Qwen3MoeForCausalLM": "qwen3_moe",
    "InternLM2ForCausalLM": "internlm2",
}  # fmt: skip
FAMILIES = {"qwen2": "qwen2", "qwen3": "qwen3", "qwen3_moe": "qwen3_moe"}
"""QWenForCausalLM is several architectures: `qwen_type` tells which."""
KEYS = {
    "head_size": "head_dim", "share_embedding_table": "tie_word_embeddings", "attn_bias": "attention_bias",
    "dtype": "torch_dtype", "moe_intermediate_size": "moe_intermediate_size",
} | {
    key: key
    for key in (
        "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size",
        "vocab_size", "max_position_embeddings", "mlp_bias",
    )
}  # fmt: skip
FOUR_BITS = {
    "W4A16": "int4_w4a16", "W4A16_AWQ": "awq_int4", "W4A16_GPTQ": "gptq_int4", "NVFP4": "nvfp4",
    "W4A8_AWQ": "unknown",
}  # fmt: skip
EIGHT_BITS = {
    "W8A16": "int8_w8a16", "W8A8_SQ_PER_CHANNEL": "int8_w8a8", "W8A8_SQ_PER_TENSOR_PLUGIN": "int8_w8a8",
    "W8A8_SQ_PER_CHANNEL_PER_TOKEN_PLUGIN": "int8_w8a8", "W8A8_SQ_PER_CHANNEL_PER_TENSOR_PLUGIN": "int8_w8a8",
    "W8A8_SQ_PER_TENSOR_PER_TOKEN_PLUGIN": "int8_w8a8",
}  # fmt: skip
FROM_CONFIG = ("FP8", "FP8_BLOCK_SCALES", "NVFP4", "W8A16", "W4A16_AWQ")
"""Schemes whose scales are known without the files."""
DEFAULT_EXCLUDES = ["*lm_head", "*vocab_embedding", "*position_embedding", "*block_embedding", "*router"]


class Mapping(NamedTuple):
    """How the model is divided: ranks in all, of one layer (tensor), and of the layers (pipeline)."""

    ranks: int
    tensor: int
    pipeline: int


def mapping(fields: Fields) -> Mapping:
    """The mapping of a configuration; without one it is one rank.

    Raises:
        MalformedFile: its sizes do not multiply to the number of ranks.
    """
    found = fields.nested("mapping")
    if found is None:
        return Mapping(1, 1, 1)
    tensor = found.count("tp_size", 1, high=MAX_RANKS)
    pipeline = found.count("pp_size", 1, high=MAX_RANKS)
    context = found.count("cp_size", 1, high=MAX_RANKS)
    ranks = found.count("world_size", tensor * pipeline * context, high=MAX_RANKS)
    if ranks != tensor * pipeline * context or context != 1:
        raise found.broken("world_size", "out_of_range")
    return Mapping(ranks, tensor, pipeline)


def _model_type(fields: Fields) -> str:
    """The architecture of the catalogue that a model class implements.

    Raises:
        UnsupportedArchitecture: the class is not known.
    """
    name = fields.word("architecture") or ""
    known = CLASSES.get(name)
    if name == "QWenForCausalLM":
        known = FAMILIES.get(fields.word("qwen_type") or "")
    moe = fields.nested("moe")
    if known == "llama" and moe is not None and moe.count("num_experts", 0, low=0, high=MAX_EXPERTS):
        known = "mixtral"  # the class of both in TensorRT-LLM
    if known is None:
        raise fields.refused("architecture", "error.unsupported_architecture", architecture=name[:64])
    return known


def translated(document: dict[str, Any], file: str) -> dict[str, Any]:
    """The configuration in the keys of published repositories, which the layouts read.

    Raises:
        UnsupportedArchitecture: see `_model_type`.
    """
    fields = Fields(document, file)
    found = {theirs: document[ours] for ours, theirs in KEYS.items() if document.get(ours) is not None}
    found["model_type"] = _model_type(fields)
    found.setdefault("tie_word_embeddings", False)
    moe = fields.nested("moe")
    if moe is not None and moe.has("num_experts"):
        number = moe.count("num_experts", low=0, high=MAX_EXPERTS)
        found |= {"num_local_experts": number, "num_experts": number}
        found["num_experts_per_tok"] = moe.count("top_k", low=0, high=max(number, 1))
    return found


def _theirs(module: str) -> str:
    """A module of a layout as TensorRT-LLM names it, for its exclude lists."""
    path, _, last = module.rpartition(".")
    known = {
        "q_proj": "qkv", "k_proj": "qkv", "v_proj": "qkv", "o_proj": "dense", "gate_proj": "fc", "up_proj": "gate",
        "down_proj": "proj", "embed_tokens": "vocab_embedding", "w1": "fc", "w3": "fc", "w2": "proj", "gate": "router",
    }  # fmt: skip
    name = f"{path.replace('self_attn', 'attention')}.{known.get(last, last)}" if path else known.get(last, last)
    return name if name == "lm_head" else f"transformer.{name}"


class Described:
    """The scheme of a configuration as `assemble.groups` asks for it."""

    rules = (True,)

    def __init__(self, storage: Storage, excludes: list[str]) -> None:
        self._storage = storage
        self._excludes = Matcher(excludes)

    def storage_of(self, tensor: Tensor) -> Storage | None:
        """The storage of a matrix, or None when it stays in the model's type."""
        return None if self._excludes.matches(_theirs(tensor.module), tensor.copies) else self._storage


class Plain:
    """The scheme of a checkpoint that converts nothing."""

    rules = ()


def scheme(fields: Fields) -> tuple[Any, str | None]:
    """(scheme, name of the algorithm) of a configuration; what is not understood gives the format unknown."""
    found = fields.nested("quantization")
    algorithm = None if found is None else found.word("quant_algo")
    if found is None or algorithm in (None, "NO_QUANT"):
        return Plain(), None
    name = {"FP8": "fp8", "FP8_BLOCK_SCALES": "fp8_block128", **FOUR_BITS, **EIGHT_BITS}.get(algorithm or "")
    storage = weight_formats.storage(name) if name and algorithm in FROM_CONFIG else None
    if storage is not None and algorithm == "W4A16_AWQ":
        zero = 16 if found.flag("has_zero_point") else 0
        inputs = 2 if found.flag("pre_quant_scale") else 0
        group = found.count("group_size", 64)
        storage = storage._replace(block_inputs=group, scale_bits=16 + zero, input_bytes=inputs)
    excludes = found.words("exclude_modules") or DEFAULT_EXCLUDES
    return Described(storage or Storage("unknown", 0), excludes), algorithm
