"""A model as its checkpoint describes it: layers, tensor groups, bytes."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from assay.types.message import Message
from assay.types.quantity import Quantity

LayerKind = Literal["full", "sliding", "chunked", "mla", "linear", "mamba", "none"]
Role = Literal[
    "embedding",
    "attention",
    "mlp",
    "experts",
    "shared_experts",
    "router",
    "head",
    "norm",
    "state",
    "vision",
    "mtp",
    "adapter",
    "other",
]


class TensorGroup(NamedTuple):
    """Tensors of one role stored in one weight format.

    Attributes:
        role: what they do in the network.
        format: weight-format id (`bf16`, `fp8_block128`, `mxfp4`, `gguf:Q4_K`) or `unknown`.
        parameters: logical parameters (a packed byte counts as the parameters it holds).
        active: parameters that one token touches (routed experts: the chosen ones only; embedding rows: one row,
            but a table that is the output head as well is read whole).
        tensors: tensors in the checkpoint, scales not counted.
        size: bytes with scales and zero points.
    """

    role: Role
    format: str
    parameters: int
    active: int
    tensors: int
    size: int


class LayerGroup(NamedTuple):
    """Consecutive or alternating layers that keep the same state for a sequence.

    Attributes:
        kind: what the layer remembers: all tokens (`full`, `mla`), a window (`sliding`, `chunked`), a fixed state
            (`linear`, `mamba`) or nothing (`none`: an MLP or expert layer of its own).
        count: how many such layers.
        query_heads, kv_heads: heads; key_dim, value_dim: elements per head.
        window: tokens a sliding or chunked layer sees.
        latent_dim, rope_dim: for `mla`, elements stored per token and layer (kv_lora_rank + qk_rope_head_dim).
        index_dim: elements per token and layer of a sparse-attention index cache.
        state_size: bytes of fixed state per sequence and layer (`linear`, `mamba`).
    """

    kind: LayerKind
    count: int  # type: ignore[assignment]  # a tuple has a method of that name, which nobody needs here
    query_heads: int = 0
    kv_heads: int = 0
    key_dim: int = 0
    value_dim: int = 0
    window: int | None = None
    latent_dim: int = 0
    rope_dim: int = 0
    index_dim: int = 0
    state_size: int = 0


class BlockBytes(NamedTuple):
    """Bytes of one block of a GGUF: routed experts and the rest, and the largest tensor of each."""

    experts: int
    rest: int
    largest_expert: int
    largest: int


@dataclass(frozen=True, slots=True)
class Model:
    """What a checkpoint holds, from its configuration or its headers; never from its name.

    Attributes:
        name: repository id or file name, for display only.
        architecture: architecture id of the catalogue (`qwen3_moe`).
        released_format: weight format of the bulk of the parameters as first published; None when not known.
        requantized_from: repository whose weights were re-quantized into this one, if it is such a copy.
        groups: tensor groups; their sizes sum to `weights`.
        layers: layer groups in order of first appearance.
        weights: bytes of all weights that a text runtime loads, as a figure with its basis.
        hidden_size, vocabulary: elements; intermediate: widest MLP row, for activation estimates.
        experts, experts_per_token: routed experts of a layer and how many a token uses (0 for a dense model).
        max_context: tokens, or None when the checkpoint does not say.
        container: `config`, `safetensors`, `gguf` or `catalogue`.
        sources: catalogue sources of a built-in model.
        doubts: what was not understood; any makes a verdict that depends on it `unknown`.
        notes: what to know.
        optional: tensors of the checkpoint that a runtime loads only on request (multi-token prediction layers);
            not part of `groups` and `weights`.
        like: id of the catalogue's architecture that an unknown one is taken to be like, by its keys: an assumption
            that every figure of the model rests on. None for a known architecture.
        blocks: bytes of each block, first to last, where tensors are known one by one (GGUF); else nothing.
    """

    name: str
    architecture: str
    released_format: str | None
    requantized_from: str | None
    groups: tuple[TensorGroup, ...]
    layers: tuple[LayerGroup, ...]
    weights: Quantity
    hidden_size: int
    vocabulary: int
    intermediate: int
    experts: int
    experts_per_token: int
    max_context: int | None
    container: str
    sources: tuple[str, ...] = ()
    doubts: tuple[Message, ...] = ()
    notes: tuple[Message, ...] = ()
    optional: tuple[TensorGroup, ...] = ()
    like: str | None = None
    blocks: tuple[BlockBytes, ...] = ()

    @property
    def parameters(self) -> int:
        """Logical parameters of all groups."""
        return sum(group.parameters for group in self.groups)

    @property
    def active_parameters(self) -> int:
        """Parameters that one token touches, the embedding table counted whole as vendors do."""
        return sum(group.parameters if group.role == "embedding" else group.active for group in self.groups)
