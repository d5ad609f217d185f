"""Whether a model fits, part by part, and how far the answer could be stretched.

The arithmetic inside is on plain numbers (searches run it thousands of times); figures become quantities when they
leave. A card is filled up to `available`: the runtime's share of what a process sees. Three answers: *yes* if the
pessimistic need fits, *no* if even the optimistic need does not, *unknown* between.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import isqrt
from typing import NamedTuple

from assay.reason.memory import overhead as extra
from assay.reason.memory.cache import WINDOW_ONLY, CachePolicy, dealt, kv_bytes, shard, state_bytes
from assay.reason.memory.capacity import capacity, kv_room
from assay.reason.memory.objections import objection
from assay.reason.memory.placement import card_weights, on_card
from assay.reason.memory.trace import Inputs, cache_inputs, pool_inputs
from assay.reason.memory.vllm_cache import Pool, blocks_together, pool_of
from assay.reason.memory.weights import loaded_weights, weights_per_card
from assay.types.message import Message, message
from assay.types.model import LayerGroup, Model
from assay.types.plan import Capacity, Fit, MemoryPlan, Verdict, Workload
from assay.types.quantity import Quantity, derive, total, unknown
from assay.types.runtime import ComputeBuffer, KvFormat, Runtime, RuntimeMemory

MAX_SEQUENCES = 1 << 20
"""A search for the largest concurrency ends here: beyond, memory is not the question."""
NEAR = 4
"""Bounds of a search that differ by more than this factor are halved in their digits."""
UNSTATED_CONTEXT = 1 << 20
"""Where a checkpoint does not say how long its context may be, a search for the largest ends here."""
KV_FORMULA = "sum over kinds of layers: layers x tokens kept x elements per token x bytes per element"
POOL_FORMULA = "blocks that the sequences take x bytes of a block in all layers of a group"
STATE_FORMULA = "fixed state per layer x layers x sequences"


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
    """Bytes on one card for a context and a number of sequences; intervals are (low, high).

    `spare` is what the runtime leaves unused beside the cache: a block of its pool, or a share of the cache.
    """

    kv: int
    kv_window: int
    state: tuple[int, int]
    activation: tuple[float, float]
    spare: float = 0.0

    @property
    def low(self) -> float:
        """The least that grows with context and sequences."""
        return self.kv_window + self.state[0] + self.activation[0] + self.spare

    @property
    def high(self) -> float:
        """The most that grows with context and sequences."""
        return self.kv + self.state[1] + self.activation[1] + self.spare


class Prepared(NamedTuple):
    """A setting with what does not change with context and sequences: the fullest card's layers, and its pool."""

    setting: Setting
    layers: tuple[LayerGroup, ...]
    pool: Pool | None


def _load(setting: Setting, memory: RuntimeMemory, context: int, sequences: int) -> extra.Load:
    card = setting.card
    return extra.scheduler_load(memory, card.gpu_id, card.usable.value or 0.0, context, sequences, card.cards)


def load_of(setting: Setting, workload: Workload) -> extra.Load:
    """What the scheduler may have in flight for a workload.

    Raises:
        ValueError: the runtime has no memory terms.
    """
    if setting.runtime.memory is None:
        raise ValueError(f"{setting.runtime.id} has no memory terms")
    return _load(setting, setting.runtime.memory, workload.context, workload.concurrency)


def divided(setting: Setting) -> tuple[LayerGroup, ...]:
    """The layers, or the shares of layers, of the fullest card."""
    divide = dealt if setting.runtime.split == "layer" else shard
    layers = setting.model.layers
    if setting.runtime.memory is not None:
        layers = on_card(layers, setting.runtime.memory.server)
    return divide(layers, setting.card.cards)


def prepare(setting: Setting) -> Prepared:
    """The setting made ready for many contexts and numbers of sequences."""
    layers, memory = divided(setting), setting.runtime.memory
    terms = None if memory is None else memory.pool
    return Prepared(setting, layers, None if terms is None else pool_of(layers, setting.kv, terms))


def _policy(memory: RuntimeMemory, load: extra.Load) -> CachePolicy:
    return CachePolicy(
        "full" if memory.server.whole_windows else memory.sliding,
        memory.cell_padding,
        load.batched_tokens,
        memory.server.unified,
        paged=bool(memory.tiers),
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
    return need_of(prepare(setting), context, sequences)


def _caches(prepared: Prepared, memory: RuntimeMemory, load: extra.Load, sequences: int) -> tuple[int, tuple[int, int]]:
    """(bytes of caches, bytes of states as (low, high)) as the runtime lays them out."""
    layers, pool = prepared.layers, prepared.pool
    states = state_bytes(layers, sequences)
    if pool is None or memory.pool is None:
        cached = kv_bytes(layers, load.context, sequences, prepared.setting.kv, _policy(memory, load))
        return cached, (states, states)
    blocks, held = blocks_together(pool, memory.pool, load.context, sequences, load.batched_tokens)
    return pool.block_bytes * blocks, (states, max(states, pool.block_bytes * held))


def need_of(prepared: Prepared, context: int, sequences: int) -> Need:
    """`need` of a setting that was made ready."""
    setting, memory = prepared.setting, prepared.setting.runtime.memory
    if memory is None:
        window = kv_bytes(prepared.layers, context, sequences, setting.kv, WINDOW_ONLY)
        states = state_bytes(prepared.layers, sequences)
        return Need(window, window, (states, states), (0.0, 0.0))
    load = _load(setting, memory, context, sequences)
    cached, states_kept = _caches(prepared, memory, load, sequences)
    if memory.sliding == "cells":
        window = cached  # its cells are known, not bounded
    else:
        policy = WINDOW_ONLY._replace(paged=bool(memory.tiers))
        window = kv_bytes(prepared.layers, context, sequences, setting.kv, policy)
    if memory.compute is not None:
        grown = _compute(setting, memory, memory.compute, context, sequences)
    else:
        low, _, high = extra.growing_bytes(setting.model, memory, load, extra.process_bytes(setting.card.usable))
        grown = low, high
    spare = 0.0 if prepared.pool is None else float(prepared.pool.block_bytes)  # one block of the pool is never used
    if memory.fraction_of == "rest" and memory.fraction is not None:
        spare = (cached + states_kept[1]) * (1 / (memory.fraction.lowest or 1.0) - 1)
    return Need(cached, min(window, cached), states_kept, grown, spare)


def available_memory(card: CardMemory, memory: RuntimeMemory | None) -> Quantity:
    """Bytes that the runtime allows itself on one card: its fraction of (driver's total - CUDA's reserve)."""
    inputs = [("memory shown by the driver", card.usable), ("kept by CUDA", card.reserve)]
    if memory is None or memory.fraction is None or memory.fraction_of != "all" or memory.reserve is not None:
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


def _cache_inputs(prepared: Prepared, context: int, sequences: int) -> Inputs:
    setting, memory = prepared.setting, prepared.setting.runtime.memory
    sources = setting.model.weights.sources
    if memory is None:
        return cache_inputs(prepared.layers, (context, sequences), setting.kv, WINDOW_ONLY, sources)
    load = _load(setting, memory, context, sequences)
    if prepared.pool is not None and memory.pool is not None:
        blocks, _ = blocks_together(prepared.pool, memory.pool, context, sequences, load.batched_tokens)
        return pool_inputs(prepared.pool, blocks, memory.sources, sources)
    return cache_inputs(prepared.layers, (context, sequences), setting.kv, _policy(memory, load), sources)


def _extras(setting: Setting, workload: Workload, every: Need) -> tuple[Quantity, Quantity]:
    memory = setting.runtime.memory
    if memory is None:
        reason = message("unknown.runtime_memory", runtime=setting.runtime.name)
        return unknown("B", reason), unknown("B", reason)
    load = _load(setting, memory, workload.context, workload.concurrency)
    process = extra.process_bytes(setting.card.usable)
    own = extra.overhead(setting.model, memory, load, process)
    if memory.compute is not None:
        from assay.reason.memory import llama_cpp  # noqa: PLC0415 - other runtimes need none of it

        slots = llama_cpp.slots_of(memory, workload.context, workload.concurrency)
        share = llama_cpp.Share(setting.kv, setting.card.cards)
        return llama_cpp.compute_buffer(setting.model, memory, memory.compute, slots, share), own
    if every.spare:
        formula = "(caches + states) x (1 / share - 1)" if memory.fraction_of == "rest" else "one block of the pool"
        spare = Quantity(every.spare, "B", "derived", memory.sources, formula=formula)
        own = total("B", [*own.inputs, ("left unused beside the cache", spare)])
    return extra.activation(setting.model, memory, load, process), own


def placed_weights(setting: Setting) -> Quantity:
    """Bytes of the weights on the fullest card."""
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
    return _plan(prepare(setting), workload)


def _plan(prepared: Prepared, workload: Workload) -> MemoryPlan:
    setting = prepared.setting
    model, memory = setting.model, setting.runtime.memory
    every = need_of(prepared, workload.context, workload.concurrency)
    one = need_of(prepared, workload.context, 1)
    weights = placed_weights(setting)
    formula = KV_FORMULA if prepared.pool is None else POOL_FORMULA
    inputs = _cache_inputs(prepared, workload.context, workload.concurrency)
    kv = _described(model, every.kv, formula, every.kv_window, inputs)
    state = _described(model, every.state[1], STATE_FORMULA, every.state[0])
    activation, fixed = _extras(setting, workload, every)
    parts = [
        ("weights", weights),
        ("KV cache", kv),
        ("state", state),
        ("activations", activation),
        ("runtime overhead", fixed),
    ]
    whole = total("B", parts)
    available = available_memory(setting.card, memory)
    return MemoryPlan(
        weights=weights,
        kv=kv,
        kv_per_sequence=_described(model, one.kv, formula, one.kv_window),
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
        host=_host(setting, workload, every.kv + every.state[1]),
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


def _room(plan: MemoryPlan, spare: float) -> _Room | None:
    """What is left for what grows; `spare` grows, though the plan shows it with the runtime's own memory."""
    fixed = (plan.weights, plan.overhead)
    if plan.available.value is None or plan.activation.value is None or any(part.value is None for part in fixed):
        return None
    return _Room(
        (sum(part.lowest or 0 for part in fixed) - spare, sum(part.highest or 0 for part in fixed) - spare),
        (plan.available.lowest or 0, plan.available.highest or 0),
    )


def _bounds(prepared: Prepared, room: _Room, context: int, sequences: int) -> tuple[bool, bool]:
    """Whether (surely, possibly) a context and a number of sequences fit."""
    grown = need_of(prepared, context, sequences)
    return room.fixed[1] + grown.high <= room.available[0], room.fixed[0] + grown.low <= room.available[1]


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


def _stretch(prepared: Prepared, workload: Workload, plan: MemoryPlan) -> tuple[Quantity, Quantity, Quantity]:
    """The largest context, the most sequences, and independent copies."""
    room = _room(plan, need_of(prepared, workload.context, workload.concurrency).spare)
    if room is None:
        reason = plan.total.note or plan.available.note or message("unknown.total")
        return unknown("token", reason), unknown("sequence", reason), unknown("instance", reason)
    longest = prepared.setting.model.max_context or UNSTATED_CONTEXT
    context = _search(
        "token",
        "largest context whose pessimistic total fits, up to the model's own limit",
        longest,
        lambda tokens: _bounds(prepared, room, tokens, workload.concurrency),
        plan,
    )
    sequences = _search(
        "sequence",
        "most sequences of the stated context whose pessimistic total fits",
        MAX_SEQUENCES,
        lambda count: _bounds(prepared, room, workload.context, count),
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
    prepared = prepare(setting)
    plan = _plan(prepared, workload)
    answer, reasons = verdict(plan)
    if setting.model.doubts and answer == "yes":
        answer, reasons = "unknown", (*setting.model.doubts, *reasons)
    against = objection(setting.model, setting.runtime, setting.card.cards)
    if against is not None and answer != "no":
        answer, reasons = against[0], (against[1], *reasons)
    context, sequences, copies = _stretch(prepared, workload, plan)
    held = _capacity(prepared, workload, room_of(setting, plan))
    return Fit(answer, plan, context, sequences, copies, reasons, held)


def room_of(setting: Setting, plan: MemoryPlan) -> Quantity:
    """Bytes left for caches; a runtime with a reserve of its own sizes its caches before it knows its activations."""
    memory = setting.runtime.memory
    return kv_room(plan, profiled=memory is None or memory.reserve is None)


def _capacity(prepared: Prepared, workload: Workload, room: Quantity) -> Capacity | None:
    setting, memory = prepared.setting, prepared.setting.runtime.memory
    if memory is None or not memory.tiers or memory.fraction_of != "all":
        return None
    load = _load(setting, memory, workload.context, workload.concurrency)
    return capacity(room, prepared.layers, setting.kv, prepared.pool, memory.pool, load)


def capacity_of(setting: Setting, workload: Workload, room: Quantity) -> Capacity | None:
    """What the runtime says of `room` bytes for caches; None for one that does not fill its memory with cache."""
    return _capacity(prepare(setting), workload, room)
