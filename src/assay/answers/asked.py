"""What was asked of a verdict: cards, workload, KV format, runtime; each default in one place."""

from itertools import product
from typing import Literal, NamedTuple

from assay.answers.cards import Card, card
from assay.errors import UnknownGpu, UsageError
from assay.knowledge.catalog.runtimes import kv_format
from assay.knowledge.identity.identify import identify
from assay.types.gpu import Identification
from assay.types.message import message
from assay.types.model import Model
from assay.types.plan import Workload
from assay.types.runtime import KvFormat, Runtime

OWN_RUNTIMES = {"gguf": "llama.cpp", "onnx": "onnxruntime", "tensorrt-llm": "tensorrt-llm"}
"""Containers that one runtime is made for."""
DEFAULT_CONTEXT = 32_768
DEFAULT_PROMPT = 1024
MAX_CARDS = 16
MAX_COLUMNS = 40
"""Candidates of several ambiguous cards multiply; beyond this many columns the question is too vague to fork."""


Drawing = Literal["memory", "speed"]


class CheckRequest(NamedTuple):
    """What was asked, as the user wrote it; `gpus` are queries such as `2x RTX 4090` or `A + B`.

    `picture` asks for what a drawing shows besides the page: of `memory`, or of `speed`; `explained`
    asks for the nearest measurements; without `owned` no measurement of the owner's corrects a speed.
    """

    model: str
    gpus: tuple[str, ...]
    runtime: str | None = None
    weights: str | None = None
    kv: str | None = None
    context: int | None = None
    concurrency: int = 1
    adapters: int = 0
    offload: bool = False
    picture: Drawing | None = None
    explained: bool = False
    owned: bool = True


class CardCount(NamedTuple):
    """One kind of card and how many of it."""

    card: Card
    number: int


def default_runtime(model: Model, columns: list[tuple[CardCount, ...]]) -> str:
    """llama.cpp for GGUF, ExLlamaV3 for EXL3, MLX for its folders and on Apple's machines, else vLLM."""
    if model.container in OWN_RUNTIMES:
        return OWN_RUNTIMES[model.container]
    if any(group.format.startswith("mlx_") for group in model.groups):
        return "mlx"
    if all(entry.card.gpu.vendor == "Apple" for column in columns for entry in column):
        return "mlx"
    if any(group.format == "exl3" for group in model.groups):
        return "exllamav3"
    return "vllm"


def kv_of(chosen: str | None, engine: Runtime, model: Model) -> KvFormat:
    """The KV format that was asked for, or the runtime's default: the model's own 16-bit type, or a fixed one.

    Raises:
        UsageError: the runtime has no such KV type.
    """
    if chosen is not None:
        given = chosen.strip().lower()
        name = {"f16": "fp16", "f32": "fp32"}.get(given, given)
        if name not in engine.kv_types:
            raise UsageError(
                message("error.kv_not_in_runtime", kv=chosen, runtime=engine.name),
                message("hint.kv_types", known=", ".join(engine.kv_types)),
            )
        return kv_format(name)
    if engine.kv_default != "model":
        return kv_format(engine.kv_default)
    return kv_format("fp16" if any(group.format == "fp16" for group in model.groups) else "bf16")


def workload_of(request: CheckRequest, model: Model, kv: KvFormat) -> Workload:
    """What is asked of the model; without a wish its own context, at most 32,768 tokens.

    Raises:
        UsageError: a context or a number of sequences below 1.
    """
    for name, value in (("context", request.context), ("concurrency", request.concurrency)):
        if value is not None and value < 1:
            raise UsageError(message("error.not_positive", option=name, value=value), message("hint.not_positive"))
    longest = model.max_context or DEFAULT_CONTEXT
    context = request.context or min(longest, DEFAULT_CONTEXT)
    return Workload(context, request.concurrency, min(DEFAULT_PROMPT, context), kv.id)


def _identify(query: str) -> Identification:
    found = identify(query)
    if found.match == "unknown":
        hint = (
            message("hint.suggestions", suggestions=", ".join(found.suggestions))
            if found.suggestions
            else message("hint.unknown_gpu")
        )
        raise UnknownGpu(
            found.notes[0] if found.notes else message("error.unknown_gpu", query=query),
            hint,
            candidates=found.suggestions,
        )
    return found


def columns_of(queries: tuple[str, ...]) -> tuple[list[tuple[CardCount, ...]], list[Identification]]:
    """Every set of cards that the queries may mean, and how each part was identified."""
    columns: list[tuple[CardCount, ...]] = []
    identifications: list[Identification] = []
    for query in queries:
        parts = [_identify(part.strip()) for part in query.split(" + ")]
        identifications += parts
        for names in product(*(part.candidates for part in parts)):
            chosen = tuple(CardCount(card(name), part.count) for name, part in zip(names, parts, strict=True))
            if chosen not in columns:
                columns.append(chosen)
    for column in columns:
        if sum(entry.number for entry in column) > MAX_CARDS:
            raise UsageError(message("error.too_many_cards", limit=MAX_CARDS), message("hint.too_many_cards"))
    if len(columns) > MAX_COLUMNS:
        raise UsageError(
            message("error.too_vague", count=len(columns), limit=MAX_COLUMNS),
            message("hint.name_the_card"),
            candidates=[entry.card.gpu.id for column in columns for entry in column],
        )
    return columns, identifications
