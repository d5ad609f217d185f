"""A runtime as the memory plan needs it."""

from typing import Literal, NamedTuple

from assay.types.quantity import Quantity

SlidingPolicy = Literal["window", "batch", "cells", "full"]
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
    """Coefficients of vLLM's activation peak; each is (low, typical, high)."""

    hidden: Bounds
    width: Bounds
    logits: Bounds
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
        sliding: how much of a sliding layer's cache it keeps.
        block_tokens: KV block of a paged cache; cell_padding: padding of a contiguous one.
        batched_tokens, sequences: scheduler defaults (small card, large card); ubatch_tokens: llama.cpp's micro-batch.
        grouped: whether windowed layers are padded to whole groups of layers.
        hybrid_padding: factor on caches beside recurrent states, whose pages they are padded to.
        loaded: bytes in memory over bytes in the file, by weight format, where they differ.
        video_architectures: architectures whose vision tower is profiled with video.
        large_from: bytes of device memory from which the large defaults hold, except for ids that start so.
        terms: fixed terms by name; activation, compute: the terms that depend on the model.
        server: how llama.cpp is set up; host: terms of host memory by name.
    """

    fraction: Quantity | None
    sliding: SlidingPolicy
    block_tokens: int
    cell_padding: int
    batched_tokens: tuple[int, int]
    sequences: tuple[int, int]
    ubatch_tokens: int
    large_from: float
    large_except: tuple[str, ...]
    grouped: bool
    hybrid_padding: float
    loaded: dict[str, Quantity]
    video_architectures: frozenset[str]
    terms: dict[str, Quantity]
    activation: Activation | None
    compute: ComputeBuffer | None
    sources: tuple[str, ...]
    server: LlamaServer = LlamaServer()
    host: dict[str, Quantity] = {}  # noqa: RUF012 - never changed


class Runtime(NamedTuple):
    """A runtime: its id, version, what it loads, which KV types it has, how it splits a model.

    `needs_hardware` are the number formats that it refuses on cards which do not multiply them.
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
