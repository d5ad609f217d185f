"""Whether a model fits, part by part, and how far the answer could be stretched.

The arithmetic inside is on plain numbers (searches run it thousands of times); figures become quantities when they
leave. A card is filled up to `available`: the runtime's share of what a process sees. Three answers: *yes* if the
pessimistic need fits, *no* if even the optimistic need does not, *unknown* between.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import ceil, isqrt
from typing import NamedTuple

from assay.reason.memory import overhead as extra
from assay.reason.memory.cache import FIXED, WINDOW_ONLY, CachePolicy, dealt, kv_bytes, shard, state_bytes
from assay.reason.memory.objections import objection
from assay.reason.memory.placement import card_weights, on_card
from assay.reason.memory.trace import Inputs, cache_inputs
from assay.reason.memory.weights import loaded_weights, weights_per_card
from assay.types.message import Message, message
from assay.types.model import LayerGroup, Model
from assay.types.plan import Fit, MemoryPlan, Verdict, Workload
from assay.types.quantity import Quantity, derive, total, unknown
from assay.types.runtime import ComputeBuffer, KvFormat, Runtime, RuntimeMemory

MAX_SEQUENCES = 1 << 20
"""A search for the largest concurrency ends here: beyond, memory is not the question."""
NEAR = 4
"""Bounds of a search that differ by more than this factor are halved in their digits."""
UNSTATED_CONTEXT = 1 << 20
"""Where a checkpoint does not say how long its context may be, a search for the largest ends here."""
KV_FORMULA = "sum over kinds of layers: layers x tokens kept x elements per token x bytes per element"


class CardMemory(NamedTuple):
    """A card as the plan sees it: what the driver shows, what CUDA keeps; `cards` equal ones side by side."""

    gpu_id: str
    usable: Quantity
    reserve: Quantity
    cards: int


class Setting(NamedTuple):
    """What is fitted: a model under a runtime on cards, with a KV format."""

    model: Model
    runtime: Runtime
    card: CardMemory
    kv: KvFormat


class Need(NamedTuple):
    """Bytes on one card for a context and a number of sequences; intervals are (low, high)."""

    kv: int
    kv_window: int
    state: int
    activation: tuple[float, float]


def _load(setting: Setting, memory: RuntimeMemory, context: int, sequences: int) -> extra.Load:
    card = setting.card
    return extra.scheduler_load(memory, card.gpu_id, card.usable.value or 0.0, context, sequences, card.cards)


def divided(setting: Setting) -> tuple[LayerGroup, ...]:
    """The layers, or the shares of layers, of the fullest card."""
    divide = dealt if setting.runtime.split == "layer" else shard
    layers = setting.model.layers
    if setting.runtime.memory is not None:
        layers = on_card(layers, setting.runtime.memory.server)
    return divide(layers, setting.card.cards)


def _policy(memory: RuntimeMemory, load: extra.Load) -> CachePolicy:
    return CachePolicy(
        "full" if memory.server.whole_windows else memory.sliding,
        memory.block_tokens,
        memory.cell_padding,
        load.batched_tokens,
        memory.grouped,
        memory.server.unified,
    )


def _compute(
    setting: Setting, memory: RuntimeMemory, terms: ComputeBuffer, context: int, sequences: int
) -> tuple[float, float]:
    """(low, high) of llama.cpp's compute buffer on one card."""
    from assay.reason.memory import llama_cpp  # noqa: PLC0415 - other runtimes need none of it

    share = llama_cpp.Share(setting.kv, setting.card.cards)
    (low, _, high), _ = llama_cpp.compute_bytes(
        setting.model, memory, terms, llama_cpp.slots_of(memory, context, sequences), share
    )
    return low, high


def need(setting: Setting, context: int, sequences: int) -> Need:
    """What grows with context and sequences, on plain numbers."""
    memory = setting.runtime.memory
    layers = divided(setting)
    window = kv_bytes(layers, context, sequences, setting.kv, WINDOW_ONLY)
    if memory is None:
        return Need(window, window, state_bytes(layers, sequences), (0.0, 0.0))
    load = _load(setting, memory, context, sequences)
    policy = _policy(memory, load)
    activation = (0.0, 0.0)
    if memory.activation is not None:
        low, _, high = extra.activation_bytes(setting.model, memory.activation, load)
        activation = (low, high)
    elif memory.compute is not None:
        activation = _compute(setting, memory, memory.compute, context, sequences)
    allocated = kv_bytes(layers, context, sequences, setting.kv, policy)
    if memory.sliding == "cells":
        window = allocated  # its cells are known, not bounded
    if memory.hybrid_padding != 1 and any(layer.kind in FIXED for layer in layers):
        allocated = ceil(allocated * memory.hybrid_padding)
    return Need(allocated, min(window, allocated), state_bytes(layers, sequences), activation)


def available_memory(card: CardMemory, memory: RuntimeMemory | None) -> Quantity:
    """Bytes that the runtime allows itself on one card: its fraction of (driver's total - CUDA's reserve)."""
    inputs = [("memory shown by the driver", card.usable), ("kept by CUDA", card.reserve)]
    if memory is None or memory.fraction is None:
        formula = "memory shown by the driver - kept by CUDA"
        return derive("B", formula, inputs, lambda shown, kept: shown - kept, rising=(True, False))
    return derive(
        "B",
        "(memory shown by the driver - kept by CUDA) x runtime's fraction",
        [*inputs, ("runtime's fraction", memory.fraction)],
        lambda shown, kept, fraction: float(int((shown - kept) * fraction)),
        rising=(True, False, True),
    )


def _described(model: Model, value: float, formula: str, low: float | None = None, inputs: Inputs = ()) -> Quantity:
    """A figure that follows from the model's description alone: whatever its weights are stored as."""
    return Quantity(
        value,
        "B",
        "derived",
        model.weights.sources,
        low=low if low is not None and low < value else None,
        high=value if low is not None and low < value else None,
        weakest="assumed" if model.like else "documented",
        weakest_share=1.0,
        formula=formula,
        inputs=inputs,
    )


def _cache_inputs(setting: Setting, context: int, sequences: int) -> Inputs:
    memory = setting.runtime.memory
    policy = WINDOW_ONLY if memory is None else _policy(memory, _load(setting, memory, context, sequences))
    return cache_inputs(divided(setting), (context, sequences), setting.kv, policy, setting.model.weights.sources)


def _extras(setting: Setting, workload: Workload) -> tuple[Quantity, Quantity]:
    memory = setting.runtime.memory
    if memory is None:
        reason = message("unknown.runtime_memory", runtime=setting.runtime.name)
        return unknown("B", reason), unknown("B", reason)
    fixed = extra.overhead(setting.model, memory, setting.card.cards)
    if memory.compute is not None:
        from assay.reason.memory import llama_cpp  # noqa: PLC0415 - other runtimes need none of it

        slots = llama_cpp.slots_of(memory, workload.context, workload.concurrency)
        share = llama_cpp.Share(setting.kv, setting.card.cards)
        return llama_cpp.compute_buffer(setting.model, memory, memory.compute, slots, share), fixed
    load = _load(setting, memory, workload.context, workload.concurrency)
    return extra.activation(setting.model, memory, load), fixed


def _weights(setting: Setting) -> Quantity:
    model, memory, cards = setting.model, setting.runtime.memory, setting.card.cards
    if memory is not None and memory.compute is not None and cards == 1:
        return card_weights(model, memory.server)
    return weights_per_card(model, loaded_weights(model, memory), cards, setting.runtime.split)


def _host(setting: Setting, workload: Workload, on_the_card: int) -> Quantity:
    """What lies in host memory: of llama.cpp the embedding table at least."""
    model, memory = setting.model, setting.runtime.memory
    if memory is None or memory.compute is None:
        return _described(model, 0, "everything is placed on the card")
    from assay.reason.memory import llama_cpp  # noqa: PLC0415 - other runtimes need none of it

    policy = _policy(memory, _load(setting, memory, workload.context, workload.concurrency))
    everywhere = kv_bytes(model.layers, workload.context, workload.concurrency, setting.kv, policy)
    everywhere += state_bytes(model.layers, workload.concurrency)
    slots = llama_cpp.slots_of(memory, workload.context, workload.concurrency)
    share = llama_cpp.Share(setting.kv, setting.card.cards)
    moved = memory.server.gpu_layers is not None
    return llama_cpp.host_memory(model, memory, slots, share, (everywhere, on_the_card if moved else everywhere))


def memory_plan(setting: Setting, workload: Workload) -> MemoryPlan:
    """The bytes of each card, part by part, as figures."""
    model = setting.model
    every = need(setting, workload.context, workload.concurrency)
    one = need(setting, workload.context, 1)
    weights = _weights(setting)
    inputs = _cache_inputs(setting, workload.context, workload.concurrency)
    kv = _described(model, every.kv, KV_FORMULA, every.kv_window, inputs)
    state = _described(model, every.state, "fixed state per layer x layers x sequences")
    activation, fixed = _extras(setting, workload)
    parts = [
        ("weights", weights),
        ("KV cache", kv),
        ("state", state),
        ("activations", activation),
        ("runtime overhead", fixed),
    ]
    whole = total("B", parts)
    available = available_memory(setting.card, setting.runtime.memory)
    return MemoryPlan(
        weights=weights,
        kv=kv,
        kv_per_sequence=_described(model, one.kv, KV_FORMULA, one.kv_window),
        state=state,
        activation=activation,
        overhead=fixed,
        total=whole,
        available=available,
        free=derive(
            "B",
            "available - total",
            [("available", available), ("total", whole)],
            lambda room, used: room - used,
            rising=(True, False),
        ),
        host=_host(setting, workload, every.kv + every.state),
    )


def _largest(fits: Callable[[int], bool], limit: int) -> int:
    """The largest n in 1..limit for which `fits(n)`, which is monotone; 0 if none."""
    if limit < 1 or not fits(1):
        return 0
    if fits(limit):
        return limit
    low, high = 1, limit
    while high - low > 1:
        # Half of the places, then half of the digits: the answer for 2**20 sequences is mostly below 100.
        middle = (low + high) // 2 if high <= NEAR * low else isqrt(low * high)
        if fits(middle):
            low = middle
        else:
            high = middle
    return low


class _Room(NamedTuple):
    """(low, high) of what does not grow, and of what is available."""

    fixed: tuple[float, float]
    available: tuple[float, float]


def _room(plan: MemoryPlan) -> _Room | None:
    fixed = (plan.weights, plan.overhead)
    if plan.available.value is None or plan.activation.value is None or any(part.value is None for part in fixed):
        return None
    return _Room(
        (sum(part.lowest or 0 for part in fixed), sum(part.highest or 0 for part in fixed)),
        (plan.available.lowest or 0, plan.available.highest or 0),
    )


def _bounds(setting: Setting, room: _Room, context: int, sequences: int) -> tuple[bool, bool]:
    """Whether (surely, possibly) a context and a number of sequences fit."""
    grown = need(setting, context, sequences)
    most = room.fixed[1] + grown.kv + grown.state + grown.activation[1]
    least = room.fixed[0] + grown.kv_window + grown.state + grown.activation[0]
    return most <= room.available[0], least <= room.available[1]


def _search(
    unit: str, formula: str, limit: int, fits: Callable[[int], tuple[bool, bool]], plan: MemoryPlan
) -> Quantity:
    known = cache(fits)  # both searches begin at the same places
    surely = _largest(lambda n: known(n)[0], limit)
    possibly = max(surely, _largest(lambda n: known(n)[1], limit))
    return Quantity(
        surely, unit, "derived", plan.total.sources,
        low=surely if possibly > surely else None,
        high=possibly if possibly > surely else None,
        weakest=plan.total.weakest,
        weakest_share=plan.total.weakest_share,
        formula=formula,
        inputs=(("available", plan.available), ("total at the stated workload", plan.total)),
    )  # fmt: skip


def _stretch(setting: Setting, workload: Workload, plan: MemoryPlan) -> tuple[Quantity, Quantity, Quantity]:
    """The largest context, the most sequences, and independent copies."""
    room = _room(plan)
    if room is None:
        reason = plan.total.note or plan.available.note or message("unknown.total")
        return unknown("token", reason), unknown("sequence", reason), unknown("instance", reason)
    longest = setting.model.max_context or UNSTATED_CONTEXT
    context = _search(
        "token",
        "largest context whose pessimistic total fits, up to the model's own limit",
        longest,
        lambda tokens: _bounds(setting, room, tokens, workload.concurrency),
        plan,
    )
    sequences = _search(
        "sequence",
        "most sequences of the stated context whose pessimistic total fits",
        MAX_SEQUENCES,
        lambda count: _bounds(setting, room, workload.context, count),
        plan,
    )
    copies = derive(
        "instance",
        "whole copies of the pessimistic total in what is available",
        [("available", plan.available), ("total", plan.total)],
        lambda have, used: float(int(have // used)),
        rising=(True, False),
    )
    return context, sequences, replace(copies, value=copies.lowest)  # what can be counted on


def verdict(plan: MemoryPlan) -> tuple[Verdict, tuple[Message, ...]]:
    """The three-way answer and its reasons; what is certainly too large is refused even where a part is unknown."""
    ceiling = plan.available.highest
    known = [part.lowest for part in (plan.weights, plan.kv, plan.state, plan.activation, plan.overhead)]
    least = sum(part or 0 for part in known)
    if ceiling is not None and least > ceiling:
        return "no", (message("check.short", size=least - ceiling),)
    if plan.total.highest is None or plan.available.lowest is None:
        reason = plan.total.note or plan.available.note
        return "unknown", (reason,) if reason else ()
    if plan.total.highest <= plan.available.lowest:
        return "yes", ()
    return "unknown", (
        message(
            "check.too_close",
            level="warning",
            low=plan.total.lowest,
            high=plan.total.highest,
            least=plan.available.lowest,
            most=plan.available.highest,
        ),
    )


def fit(setting: Setting, workload: Workload) -> Fit:
    """The whole answer for one setting and workload."""
    plan = memory_plan(setting, workload)
    answer, reasons = verdict(plan)
    if setting.model.doubts and answer == "yes":
        answer, reasons = "unknown", (*setting.model.doubts, *reasons)
    against = objection(setting.model, setting.runtime, setting.card.cards)
    if against is not None and answer != "no":
        answer, reasons = against[0], (against[1], *reasons)
    context, sequences, copies = _stretch(setting, workload, plan)
    return Fit(answer, plan, context, sequences, copies, reasons)
