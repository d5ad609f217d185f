"""What a log says was asked of the runtime, as the plan of memory takes it."""

from typing import NamedTuple

from assay.answers.asked import DEFAULT_PROMPT, MAX_CARDS, CardCount, kv_of
from assay.errors import UsageError
from assay.knowledge.catalog.runtimes import memory_at, runtime, term
from assay.observe.runtimes.llama_cpp_log import is_host
from assay.reason.memory.fit import CardMemory, Setting
from assay.reason.memory.placement import blocks_of, placed
from assay.types.log import LogFigure, ServerLog
from assay.types.message import message
from assay.types.model import Model
from assay.types.plan import Workload
from assay.types.quantity import ASKED, Quantity, exact, unknown
from assay.types.runtime import LlamaServer, Runtime, RuntimeMemory

KV_TYPES = {
    "auto": None,
    "none": None,
    "fp8_e4m3": "fp8",
    "fp8_e5m2": "fp8",
    "float8_e4m3fn": "fp8",
    "float8_e5m2": "fp8",
    "bfloat16": "bf16",
    "float16": "fp16",
}
"""Names of a KV type in logs -> the catalogue's; None is the runtime's default."""
OLD_DEFAULT = 0.9
"""vLLM's share of a card's memory before the catalogue's version; a log that does not print it may mean either."""
ANY_RELEASE = "0"
"""A log without a version may be of any release: what the oldest did is told with the widest interval."""
ROUNDED = 0.01
"""Of the weights: what the sizes of a log, rounded as they are, may lack."""


class Asked(NamedTuple):
    """The workload of a log and the runtime as it was set up; `kv_known` is False where its KV type is not known."""

    setting: Setting
    workload: Workload
    kv_known: bool


def _whole(figure: LogFigure | None, default: int) -> int:
    """A count of at least 1, of what can be counted."""
    return default if figure is None else max(1, min(1 << 30, round(figure.value)))


def _fraction(log: ServerLog, default: Quantity, *, dated: bool) -> Quantity:
    """The share of memory that a log names, or the default of its version; of an unknown version, either default."""
    if log.utilization is not None and 0 < log.utilization.value <= 1:
        return exact(log.utilization.value, "ratio", "reported", ASKED)
    if dated:
        return default
    ends = (min(OLD_DEFAULT, default.lowest or OLD_DEFAULT), max(OLD_DEFAULT, default.highest or OLD_DEFAULT))
    return Quantity(default.value, "ratio", "assumed", default.sources, low=ends[0], high=ends[1])


def _host_experts(log: ServerLog, model: Model, server: LlamaServer) -> int:
    """Blocks whose experts must lie in host memory for the cards to hold what the log says they hold."""
    held = sum(one.figure.value for one in log.buffers if one.kind == "model" and not is_host(one.device))
    found = blocks_of(model)
    if not held or model.container != "gguf" or placed(model, server).card <= held * (1 + ROUNDED):
        return 0
    fewer = (number for number in range(len(found)) if placed(model, server._replace(host_experts=number)).card <= held)
    return next(fewer, len(found)) if model.experts else 0


def _server(log: ServerLog, model: Model) -> LlamaServer:
    """How the log says that llama.cpp was set up."""
    off = any(one.name == "no flash attention" for one in log.selections)
    unified = _whole(log.sequences, 1) if "unified" in log.flags else 1
    server = LlamaServer(unified=unified, flash=not off)
    return server._replace(host_experts=_host_experts(log, model, server))


def _scheduled(memory: RuntimeMemory, log: ServerLog) -> RuntimeMemory:
    """The scheduler's defaults with the log's own batch and slots."""
    if log.batched_tokens is not None:
        tokens = _whole(log.batched_tokens, 1)
        if memory.ubatch_tokens:
            memory = memory._replace(ubatch_tokens=tokens)
        memory = memory._replace(tiers=tuple(tier._replace(batched_tokens=tokens) for tier in memory.tiers))
    if log.sequences is not None:
        slots = _whole(log.sequences, 1)
        tiers = tuple(tier._replace(sequences=slots, wide_sequences=slots) for tier in memory.tiers)
        memory = memory._replace(tiers=tiers)
    return memory


def _as_set_up(engine: Runtime, log: ServerLog, model: Model) -> Runtime:
    """The runtime of the log's version with the log's own batch, slots and share of memory."""
    dated = log.version is not None and log.version.text[:1].isdigit()
    memory = engine.memory
    if dated and log.version is not None:
        memory = memory_at(log.runtime, log.version.text)
    elif memory is not None and memory.reserve is not None:
        memory = memory_at(log.runtime, ANY_RELEASE)
    if memory is None:
        return engine
    if memory.fraction is not None or (memory.reserve is not None and log.utilization is not None):
        default = memory.fraction or unknown("ratio", message("unknown.fraction"))
        memory = memory._replace(fraction=_fraction(log, default, dated=dated or memory.reserve is not None))
    if log.runtime == "llama.cpp":
        memory = memory._replace(server=_server(log, model))
    return engine._replace(memory=_scheduled(memory, log))


def _workload(log: ServerLog, model: Model) -> tuple[int, int]:
    """(tokens of a sequence, sequences): for llama.cpp what the whole cache was laid out for."""
    longest = model.max_context or 1 << 15
    if log.runtime != "llama.cpp":
        return _whole(log.concurrency_context or log.context, longest), 1
    slots = _whole(log.sequences, 1)
    total = _whole(log.total_context, _whole(log.context, longest) * slots)
    if slots == 1 or "unified" in log.flags:
        return total, 1
    return _whole(log.context, max(1, total // slots)), slots


def _card(column: tuple[CardCount, ...], count: int) -> CardMemory:
    """The card that limits; without one, what does not depend on it can be predicted all the same."""
    if not column:
        memory = unknown("B", message("unknown.diagnose.no_card"))
        return CardMemory("", memory, term("memory_term", "driver_reserve_other"), count)
    weakest = min((entry.card for entry in column), key=lambda each: each.usable.lowest or 0.0)
    reserve = "driver_reserve" if weakest.gpu.vendor == "NVIDIA" else "driver_reserve_other"
    return CardMemory(weakest.gpu.id, weakest.usable, term("memory_term", reserve), count)


def asked_of(log: ServerLog, model: Model, column: tuple[CardCount, ...]) -> Asked:
    """The setting and the workload of a log on a set of cards, or on none; llama.cpp's cards are taken as one."""
    engine = _as_set_up(runtime(log.runtime), log, model)
    said = None if log.kv_type is None else log.kv_type.text.lower()
    kv_known = log.value_type is None or log.kv_type is None or log.value_type.text == log.kv_type.text
    try:
        kv = kv_of(KV_TYPES.get(said, said) if said else None, engine, model)
    except UsageError:  # a KV type that the catalogue does not have: what depends on it stays unknown
        kv, kv_known = kv_of(None, engine, model), False
    ranks = sum(entry.number for entry in column) or min(MAX_CARDS, _whole(log.tensor_parallel, 1))
    context, sequences = _workload(log, model)
    card = _card(column, 1 if engine.split == "layer" else ranks)
    workload = Workload(context, sequences, min(DEFAULT_PROMPT, context), kv.id)
    return Asked(Setting(model, engine, card, kv), workload, kv_known)
