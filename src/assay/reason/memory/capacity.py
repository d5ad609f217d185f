"""What is left for the cache, in bytes, tokens and requests: the figures that a server prints when it starts."""

from collections.abc import Callable

from assay.reason.memory.cache import FIXED, WINDOWED, row_bytes
from assay.reason.memory.overhead import Load
from assay.reason.memory.vllm_cache import Pool, Printed, printed
from assay.types.message import message
from assay.types.model import LayerGroup
from assay.types.plan import Capacity, MemoryPlan
from assay.types.quantity import Quantity, derive, unknown
from assay.types.runtime import BlockPool, KvFormat


def kv_room(plan: MemoryPlan, *, profiled: bool = True) -> Quantity:
    """Bytes left for caches and states on each card; `profiled`: activations were measured and taken off before."""
    parts = [("weights", plan.weights), ("activations", plan.activation), ("runtime overhead", plan.overhead)]
    if not profiled:
        del parts[1]
    return derive(
        "B",
        " - ".join(("available", *(name for name, _ in parts))),
        [("available", plan.available), *parts],
        lambda room, *taken: room - sum(taken),
        rising=(True, *(False for _ in parts)),
    )


def _printed(
    layers: tuple[LayerGroup, ...], kv: KvFormat, pool: Pool | None, terms: BlockPool | None, load: Load
) -> Callable[[float], Printed] | None:
    """The pool's figures for some bytes of room; None where a runtime without blocks keeps caches of several kinds."""
    if pool is not None and terms is not None:
        return lambda room: printed(pool, terms, room, load.context, load.batched_tokens)
    if any(layer.kind in FIXED or layer.kind in WINDOWED for layer in layers):
        return None
    token = sum(layer.count * row_bytes(layer, kv, paged=True) for layer in layers)
    if not token:
        return None

    def tokens(room: float) -> Printed:
        count = max(0, int(room // token))
        return Printed(count, count, count / load.context)

    return tokens


def capacity(
    room: Quantity,
    layers: tuple[LayerGroup, ...],
    kv: KvFormat,
    pool: Pool | None,
    terms: BlockPool | None,
    load: Load,
) -> Capacity:
    """What the runtime will say of some room for caches; the pessimistic end is the smaller one."""
    found = _printed(layers, kv, pool, terms, load)
    if found is None or room.value is None:
        why = message("unknown.several_caches") if found is None else room.note or message("unknown.total")
        return Capacity(room, unknown("token", why), unknown("sequence", why))
    inputs = [("room for caches", room)]
    return Capacity(
        room,
        derive("token", "as the runtime counts them", inputs, lambda size: float(found(size).tokens)),
        derive("sequence", "room for caches / what one sequence takes", inputs, lambda size: found(size).concurrency),
    )
