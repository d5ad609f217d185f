"""What a server wrote while it started: facts of a log, each with the line it stands in."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from assay.types.message import Parameter

Role = Literal["linear", "moe", "attention", "vision", "other"]
BufferKind = Literal["model", "kv", "state", "compute", "output"]


class LogLine(NamedTuple):
    """A line as it is parsed: its number in the file, from 1, and its text without escapes."""

    number: int
    text: str


class LogText(NamedTuple):
    """A word of the log and the line it stands in."""

    text: str
    line: int


class LogFigure(NamedTuple):
    """A figure of the log in a base unit (B, token, ratio), the rounding it was printed with, and its line.

    `half` is half of the last printed digit: the true value lies in value +- half.
    """

    value: float
    half: float
    line: int


class Selection(NamedTuple):
    """What a runtime says it chose: `Selected CutlassFP8ScaledMMLinearKernel for Fp8LinearMethod`.

    Attributes:
        role: which part of the model it runs.
        name: the kernel's or backend's name, as printed.
        target: what it was chosen for, as printed, or "".
        line: where.
    """

    role: Role
    name: str
    target: str
    line: int


class LogBuffer(NamedTuple):
    """A buffer of llama.cpp: its device as printed (`CUDA0`, `CPU_Mapped`), its kind, its size in bytes."""

    device: str
    kind: BufferKind
    figure: LogFigure


class LogTrouble(NamedTuple):
    """A known error: its code, what it says of itself, and its line."""

    code: str
    parameters: tuple[tuple[str, Parameter], ...]
    line: int


@dataclass(frozen=True, slots=True)
class ServerLog:
    """The start of one server, as far as its log tells.

    Attributes:
        runtime: id of the runtime that wrote it.
        version: as printed; fork: the word that shows a fork of llama.cpp.
        model, architecture, dtype, quantization, kv_type, value_type: as printed; the last two are the KV cache's.
        devices: names of the devices used, in order, one for each.
        capability: compute capability as printed (`12.1`).
        features: what the build says of itself (`ARCHS = 890`).
        tensor_types: (ggml type, tensors) of a GGUF.
        selections: kernels and backends.
        context: tokens of one sequence; total_context: of all sequences together; sequences: slots.
        batched_tokens: of one step; tensor_parallel, pipeline_parallel, context_parallel: ranks.
        utilization: the share of a card's memory that was asked for.
        file_size: bytes of the weights in the file; weights: bytes of the weights on each card.
        kv_memory: bytes for the KV cache on each card; kv_tokens: tokens it holds; state: bytes of recurrent state.
        graphs, activation, non_torch: bytes on each card.
        concurrency: sequences of `concurrency_context` tokens that the cache holds.
        buffers: llama.cpp's, device by device; offloaded: (layers on devices, layers).
        flags: `speculative`, `eager`, `graphs_profiled`, `unified`, `mapped`, `flash`.
        troubles: known errors, in order.
    """

    runtime: str
    version: LogText | None = None
    fork: LogText | None = None
    model: LogText | None = None
    architecture: LogText | None = None
    dtype: LogText | None = None
    quantization: LogText | None = None
    kv_type: LogText | None = None
    value_type: LogText | None = None
    devices: tuple[LogText, ...] = ()
    capability: LogText | None = None
    features: tuple[LogText, ...] = ()
    tensor_types: tuple[tuple[str, int], ...] = ()
    selections: tuple[Selection, ...] = ()
    context: LogFigure | None = None
    total_context: LogFigure | None = None
    sequences: LogFigure | None = None
    batched_tokens: LogFigure | None = None
    tensor_parallel: LogFigure | None = None
    pipeline_parallel: LogFigure | None = None
    context_parallel: LogFigure | None = None
    utilization: LogFigure | None = None
    file_size: LogFigure | None = None
    weights: LogFigure | None = None
    kv_memory: LogFigure | None = None
    kv_tokens: LogFigure | None = None
    state: LogFigure | None = None
    graphs: LogFigure | None = None
    activation: LogFigure | None = None
    non_torch: LogFigure | None = None
    concurrency: LogFigure | None = None
    concurrency_context: LogFigure | None = None
    buffers: tuple[LogBuffer, ...] = ()
    offloaded: tuple[int, int] | None = None
    flags: frozenset[str] = frozenset()
    troubles: tuple[LogTrouble, ...] = ()
