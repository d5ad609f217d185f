"""A runtime as the memory plan needs it."""

from typing import Literal, NamedTuple

from assay.types.quantity import Quantity

SlidingPolicy = Literal["window", "share", "cells", "full"]
Split = Literal["tensor", "layer"]
"""How several cards share a model: every layer over all cards, or whole layers on each."""
Bounds = tuple[float, float, float]
"""(low, typical, high)"""


class KvFormat(NamedTuple):
    """An element format of a KV cache: `block` elements take `block_bytes` bytes, scales included."""

    id: str
    block: int
    block_bytes: int


class Activation(NamedTuple):
    """Coefficients of the peak of a profiled batch; each is (low, typical, high).

    Attributes:
        hidden: rows of the hidden size that are alive at once in a layer; width: of its widest MLP.
        logits: copies of the logits in 32 bits while tokens are sampled.
        kept: share of the experts' workspace that stays allocated while tokens are sampled.
    """

    hidden: Bounds
    width: Bounds
    logits: Bounds
    kept: Bounds
    sources: tuple[str, ...]


class IndexWorkspace(NamedTuple):
    """What sparse attention sets aside to read a prompt: bytes for a token of the longest context, and besides."""

    per_token: Bounds
    fixed: Bounds
    sources: tuple[str, ...]


class ComputeBuffer(NamedTuple):
    """How far a card's compute buffer of llama.cpp may be from that of its graph; each is (low, typical, high).

    Attributes:
        share: factor on the graph's; fixed: bytes beside it.
        recurrent_rows: tensors as wide as its values that a recurrent layer keeps for a micro-batch, not in the graph.
    """

    share: Bounds
    fixed: Bounds
    recurrent_rows: Bounds
    sources: tuple[str, ...]


class BlockPool(NamedTuple):
    """vLLM's pool of KV blocks.

    Attributes:
        tokens: of a block, unless recurrent states lengthen it.
        near: kinds of layers whose counts differ by less than this factor are padded to the larger one.
        states: blocks of a request in a group of recurrent layers.
        batches: batches that may be in flight at once.
        printed: whether the log counts tokens by requests of the full context, or by blocks over groups.
    """

    tokens: int
    near: float
    states: int
    batches: int
    printed: Literal["requests", "blocks"]


class Tier(NamedTuple):
    """The scheduler's defaults on devices from `from_bytes` of memory on, but for GPU ids that start `excepted`.

    `wide_sequences` hold where four or more cards share a model; `graphs` are the prefill graphs captured by default.
    """

    from_bytes: float
    excepted: tuple[str, ...]
    batched_tokens: int
    sequences: int
    wide_sequences: int
    graphs: int


class StaticReserve(NamedTuple):
    """What SGLang leaves free beside weights and caches, by its own rule; all in bytes.

    Attributes:
        fixed, per_token, per_card, per_sequence, per_graph: summed, tokens of a batch counted as at least `tokens`.
        latent: in place of the prefill graphs, where attention is latent.
        floor: the least on devices of more than `floor_from`.
        vision: share of what is left that a vision tower leaves, (least, usual, most).
    """

    fixed: float
    per_token: float
    tokens: int
    per_card: float
    per_sequence: float
    per_graph: float
    latent: float
    floor: float
    floor_from: float
    vision: Bounds


class LlamaServer(NamedTuple):
    """How a llama.cpp server is set up beside its slots.

    Attributes:
        unified: slots that share one cache, whose windows are added; 1 where each has its own.
        whole_windows: whether windowed layers keep every token.
        flash: flash attention.
        gpu_layers: blocks on the card, the output counted as one, the last ones; None for all.
        host_experts: blocks, counted from the first, whose experts lie in host memory.
    """

    unified: int = 1
    whole_windows: bool = False
    flash: bool = True
    gpu_layers: int | None = None
    host_experts: int = 0


class RuntimeMemory(NamedTuple):
    """What a runtime does with a card's memory.

    Attributes:
        fraction: share of the memory a process sees that the runtime allows itself.
        fraction_of: what the share is of: `all` that a process sees, or the `rest` that all but the cache leaves.
        sliding: how much of a sliding layer's cache it keeps.
        cell_padding: padding of a contiguous cache; ubatch_tokens: llama.cpp's micro-batch.
        tiers: scheduler defaults by the size of the device; empty where a batch is the whole prompt.
        whole_prompts: whether a batch holds at least one prompt of the longest context.
        pool: the blocks of a paged cache.
        graphs_counted: whether captured graphs are estimated before the cache is sized, and taken from it.
        reserve: what is left free beside weights and caches, where the runtime has a rule.
        loaded: bytes in memory over bytes in the file, by weight format, where they differ.
        video_architectures: architectures whose vision tower is profiled with video.
        fast_links: GPU ids that start so have links over which several cards get larger communication buffers.
        encoder_tokens: tokens of a vision tower's output that stay beside the activations of a batch, at most.
        terms: fixed terms by name; activation, workspace, compute: the terms that depend on the model.
        server: how llama.cpp is set up; host: terms of host memory by name.
    """

    fraction: Quantity | None
    fraction_of: Literal["all", "rest"]
    sliding: SlidingPolicy
    cell_padding: int
    ubatch_tokens: int
    tiers: tuple[Tier, ...]
    whole_prompts: bool
    pool: BlockPool | None
    graphs_counted: bool
    reserve: StaticReserve | None
    loaded: dict[str, Quantity]
    video_architectures: frozenset[str]
    fast_links: tuple[str, ...]
    encoder_tokens: int
    terms: dict[str, Quantity]
    activation: Activation | None
    workspace: IndexWorkspace | None
    compute: ComputeBuffer | None
    sources: tuple[str, ...]
    server: LlamaServer = LlamaServer()
    host: dict[str, Quantity] = {}  # noqa: RUF012 - never changed


class Runtime(NamedTuple):
    """A runtime: its id, version, what it loads, which KV types it has, how it splits a model.

    `needs_hardware` are the number formats that it refuses on cards which do not multiply them; `not_loaded` has the
    code that says why, for containers of which there is more to say than that it does not load them.
    """

    id: str
    name: str
    version: str | None
    containers: tuple[str, ...]
    kv_default: str
    kv_types: tuple[str, ...]
    split: Split | None
    needs_hardware: frozenset[str]
    memory: RuntimeMemory | None
    sources: tuple[str, ...]
    not_loaded: tuple[tuple[str, str], ...] = ()
