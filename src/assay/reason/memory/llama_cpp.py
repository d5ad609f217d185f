"""llama.cpp's buffers: cells of its caches, compute buffers on the card and in host memory, rows of logits.

The size of a compute buffer is that of one graph (`llama_graph`) in ggml's allocator (`ggml`). For a processor alone it
is the logged size; a card's graph is cut at the embedding table, and its kernels may keep more: there it is derived, an
interval whose pessimistic end is that of the releases of 2025, which reserved logits for the whole micro-batch and
turned the mask into FP16 themselves. Nothing here is fitted to a log.

A search asks for thousands of contexts, and only masks and what attention takes grow with the context: the graph is
allocated twice for a model, without them and with attention at its peak, and the larger of both counts.
"""

from functools import lru_cache
from typing import NamedTuple

from assay.reason.memory import llama_graph
from assay.reason.memory.cache import GROWING, WINDOWED
from assay.reason.memory.ggml import CARD, HOST, peaks
from assay.reason.memory.llama_graph import F16, F32, FULL, Batch, Block, Shape, prompt_graph
from assay.reason.memory.placement import host_weights, placed
from assay.types.model import LayerGroup, Model
from assay.types.quantity import ASKED, Quantity, total
from assay.types.quantity import exact as known
from assay.types.runtime import ComputeBuffer, KvFormat, RuntimeMemory

LATENT_HEAD = 192
"""Elements of a head of latent attention before compression where the model does not say: the published most."""
COPIES = 4
"""Inputs are kept so many times where several cards work on one batch each (GGML_SCHED_MAX_COPIES)."""
STATE_ROW = 128
"""Elements of a row of a recurrent state; FP32 bytes of the state over this are those of a token's row."""
FAR = 1 << 50
"""Bytes of attention beside which nothing else counts."""

Interval = tuple[float, float, float]


class Slots(NamedTuple):
    """What a server is started with.

    Attributes:
        context: tokens of one slot; number: slots; ubatch: tokens of a micro-batch.
        unified: whether all slots share one cache, of `context` tokens in all.
        whole_windows: whether windowed layers keep every token (`--swa-full`).
    """

    context: int
    number: int = 1
    ubatch: int = 512
    unified: bool = False
    whole_windows: bool = False


def slots_of(memory: RuntimeMemory, context: int, sequences: int) -> Slots:
    """What a llama.cpp server is started with for so many sequences; slots of one cache share its context."""
    server = memory.server
    number = server.unified if server.unified > 1 else sequences
    return Slots(context, number, memory.ubatch_tokens, server.unified > 1, server.whole_windows)


class Reserved(NamedTuple):
    """Bytes of compute buffers."""

    host: float
    card: float


def cells(context: int, padding: int) -> int:
    """Cells of one stream of a cache (GGML_PAD(n_ctx_seq, 256) in src/llama-context.cpp)."""
    return -(-context // padding) * padding


def window_cells(window: int, stream: int, slots: Slots, padding: int) -> int:
    """Cells of one stream for windowed layers (src/llama-kv-cache-iswa.cpp)."""
    if slots.whole_windows:
        return stream
    return cells(min(stream, window * (slots.number if slots.unified else 1) + slots.ubatch), padding)


def output_bytes(model: Model, slots: int) -> int:
    """Bytes of the output buffer: FP32 logits of one token of each slot (output_reserve in src/llama-context.cpp)."""
    return slots * model.vocabulary * F32


def micro_batch(slots: Slots, padding: int) -> int:
    """Tokens of the reserved graph: no more than the context, a multiple of the slots."""
    streams = 1 if slots.unified else slots.number
    tokens = min(slots.ubatch, streams * cells(slots.context, padding))
    return -(-tokens // slots.number) * slots.number


def _block(layer: LayerGroup) -> Block:
    if layer.kind == "mla":
        key = layer.key_dim or LATENT_HEAD
        return Block(FULL, layer.query_heads, 1, key, layer.value_dim or key, layer.latent_dim, layer.rope_dim)
    if layer.kind not in GROWING and layer.kind not in WINDOWED:
        return Block(None)
    kind = llama_graph.WINDOWED if layer.kind in WINDOWED and layer.window else FULL
    return Block(kind, layer.query_heads, layer.kv_heads, layer.key_dim, layer.value_dim)


def shape_of(model: Model) -> Shape:
    """What of the model decides its graph."""
    blocks: dict[Block, int] = {}
    for layer in model.layers:
        block = _block(layer)
        blocks[block] = blocks.get(block, 0) + layer.count
    return Shape(
        model.hidden_size,
        model.vocabulary,
        model.intermediate,
        model.experts,
        max(1, model.experts_per_token),
        tuple(blocks.items()),
    )


class _Bare(NamedTuple):
    """Buffers without masks: without what attention takes, and with attention at its peak, less what it takes."""

    idle: tuple[int, int]
    attending: tuple[int, int]


@lru_cache(maxsize=1024)
def _bare(shape: Shape, batch: Batch) -> _Bare:
    """The buffers of a graph without masks, and what attention adds to when it grows."""
    idle = peaks(prompt_graph(shape, batch))
    grown = peaks(prompt_graph(shape, batch._replace(grown=(FAR, FAR))))
    place = CARD if batch.card else HOST
    attending = list(idle)
    attending[place] = grown[place] - FAR
    return _Bare(idle, (attending[HOST], attending[CARD]))


class Layout(NamedTuple):
    """A model's caches as a server lays them out.

    Attributes:
        tokens: of the reserved graph.
        streams: caches side by side.
        cells: of one stream, of layers that see everything and of windowed ones, 0 where there are none.
    """

    tokens: int
    streams: int
    cells: tuple[int, int]


def layout(model: Model, slots: Slots, padding: int) -> Layout:
    """The caches of a model in a server's slots."""
    stream = cells(slots.context, padding)
    full = stream if any(layer.kind in GROWING or not layer.window for layer in model.layers) else 0
    windows = [layer.window for layer in model.layers if layer.kind in WINDOWED and layer.window]
    windowed = max((window_cells(window, stream, slots, padding) for window in windows), default=0)
    return Layout(micro_batch(slots, padding), 1 if slots.unified else slots.number, (full, windowed))


def _grown(shape: Shape, laid: Layout, *, flash: bool, copied: bool) -> tuple[int, int]:
    """Bytes that attention takes in one block, for layers that see everything and for windowed ones."""
    found = [0, 0]
    for block, _ in shape.blocks:
        if block.cache is None:
            continue
        count = laid.cells[block.cache]
        if not flash:
            size = count * laid.tokens * block.query_heads * F32
        elif copied:
            row = block.latent + block.rope if block.latent else block.kv_heads * (block.key_dim + block.value_dim)
            size = count * laid.streams * row * F16
        else:
            size = 0
        found[block.cache] = max(found[block.cache], size)
    return found[0], found[1]


class Graphs(NamedTuple):
    """Which graph is reserved: see `Batch`; `copied` says whether the card copies the cache in FP16, `outputs` rows."""

    outputs: int
    flash: bool = True
    rotated: bool = False
    copied: bool = False
    card: bool = True
    widened: bool = False


def allocated(shape: Shape, laid: Layout, graph: Graphs) -> Reserved:
    """The buffers of one graph, allocated tensor by tensor."""
    width = F16 if graph.flash and not graph.widened else F32
    masks = tuple(laid.tokens * count * width for count in laid.cells)
    grown = _grown(shape, laid, flash=graph.flash, copied=graph.copied)
    batch = Batch(
        laid.tokens, graph.outputs, (masks[0], masks[1]), grown, graph.flash, graph.rotated, graph.card, graph.widened
    )
    host, card = peaks(prompt_graph(shape, batch))
    return Reserved(host, card)


def reserved(shape: Shape, laid: Layout, graph: Graphs, ubatch: int) -> Reserved:
    """The same from the two cached allocations: exact where tokens are a whole micro-batch, else in proportion."""
    outputs = 1 << (min(graph.outputs, ubatch) - 1).bit_length()
    batch = Batch(ubatch, outputs, (0, 0), (0, 0), graph.flash, graph.rotated, graph.card, graph.widened)
    bare = _bare(shape, batch)
    scale = laid.tokens / ubatch
    mask = laid.tokens * sum(laid.cells) * (F16 if graph.flash else F32)
    grown = max(_grown(shape, laid, flash=graph.flash, copied=graph.copied))
    inputs = mask * 2 if graph.widened else mask

    def whole(place: int) -> float:
        idle, attending = bare.idle[place] * scale, bare.attending[place] * scale
        if place == (CARD if graph.card else HOST):
            return max(idle, attending + grown) + (mask * 3 if graph.widened and graph.card else inputs)
        return idle + (inputs if bare.idle[place] else 0)

    return Reserved(whole(HOST), whole(CARD))


def _recurrent(model: Model, laid: Layout, slots: int) -> float:
    """Bytes of one row of a recurrent layer's values for the micro-batch, and of the slots' states."""
    state = max((layer.state_size for layer in model.layers), default=0)
    return state / STATE_ROW * laid.tokens + state * slots if state else 0.0


def is_rotated(kv: KvFormat) -> bool:
    """Whether keys and values are rotated before they are stored: in quantized caches."""
    return kv.block > 1


def is_copied(kv: KvFormat) -> bool:
    """Whether flash attention on a card works on a copy of a layer's cache in FP16."""
    return kv.id != "fp16"


class Share(NamedTuple):
    """What a card has to do with a server: the type of the caches, and how many cards divide the layers."""

    kv: KvFormat
    cards: int = 1


class Buffers(NamedTuple):
    """Bytes of compute buffers as (low, typical, high): of one card, and in host memory beside it."""

    card: Interval
    host: Interval


def compute_bytes(model: Model, memory: RuntimeMemory, terms: ComputeBuffer, slots: Slots, share: Share) -> Buffers:
    """The compute buffers of one card and of host memory.

    Low: logits of one token of each slot, nothing beside the graph. High: logits of the whole micro-batch, the mask in
    both widths, and for latent attention the scores of all heads, for not every card has flash attention for it.
    """
    shape, laid = shape_of(model), layout(model, slots, memory.cell_padding)
    server = memory.server
    usual = Graphs(slots.number, server.flash, is_rotated(share.kv), server.flash and is_copied(share.kv))
    older = usual._replace(outputs=slots.ubatch, widened=server.flash)
    plain = reserved(shape, laid, usual, slots.ubatch)
    least = reserved(shape, laid, usual._replace(copied=False), slots.ubatch)
    most = reserved(shape, laid, older, slots.ubatch)
    if any(block.latent for block, _ in shape.blocks):
        scores = reserved(shape, laid, older._replace(flash=False, widened=False), slots.ubatch)
        most = Reserved(max(most.host, scores.host), max(most.card, scores.card))
    inputs = laid.tokens * (sum(laid.cells) * F16 + model.hidden_size * F32) if share.cards > 1 else 0
    again = (COPIES - 1) * inputs
    row = _recurrent(model, laid, slots.number)
    extra = [fixed + rows * row for fixed, rows in zip(terms.fixed, terms.recurrent_rows, strict=True)]
    streamed = placed(model, server).streamed
    extra[1] += streamed
    extra[2] += streamed
    low, typical, high = terms.share
    host = most.host + 2 * again
    if server.gpu_layers is not None or server.host_experts:  # part of the graph is computed there
        alone = older._replace(card=False)
        host = max(host, reserved(shape, laid, alone, slots.ubatch).host * high)
    return Buffers(
        (
            least.card * low + extra[0],
            (plain.card + again) * typical + extra[1],
            (most.card + 2 * again) * high + extra[2],
        ),
        (0.0, plain.host + again, host),
    )


def compute_buffer(model: Model, memory: RuntimeMemory, terms: ComputeBuffer, slots: Slots, share: Share) -> Quantity:
    """The compute buffer of one card, as a figure."""
    low, typical, high = map(round, compute_bytes(model, memory, terms, slots, share).card)
    laid = layout(model, slots, memory.cell_padding)
    sources = (*terms.sources, *memory.sources)
    return Quantity(
        typical,
        "B",
        "derived",
        sources,
        low=low,
        high=high,
        weakest="assumed",
        weakest_share=1.0,
        formula="peak of the tensors of the prompt graph in ggml's allocator",
        inputs=(
            ("micro-batch", known(laid.tokens, "token", "documented", *memory.sources)),
            ("rows of logits", known(slots.number, "", "documented", ASKED)),
            ("vocabulary", known(model.vocabulary, "", "documented", *model.sources)),
            ("hidden size", known(model.hidden_size, "", "documented", *model.sources)),
            ("MLP row", known(model.intermediate, "", "documented", *model.sources)),
            ("cells of a slot's cache", known(max(laid.cells), "token", "documented", ASKED)),
            ("graph against card", Quantity(terms.share[1], "", "assumed", terms.sources, *terms.share[::2])),
        ),
    )


def host_memory(model: Model, memory: RuntimeMemory, slots: Slots, share: Share, caches: tuple[int, int]) -> Quantity:
    """Host memory of a server: weights and caches left there, buffers, its process, and what its prompts may fill.

    Args:
        model: the model.
        memory: the runtime's, with a compute buffer.
        slots: what the server is started with.
        share: the type of the caches, and how many cards there are.
        caches: bytes of all caches and states, and of those on the card.
    """
    parts = [("weights in host memory", host_weights(model, memory.server))]
    left = max(0, caches[0] - caches[1])
    if left:
        parts.append(("KV cache in host memory", known(left, "B", "documented", *memory.sources)))
    parts.append(("rows of logits", known(output_bytes(model, slots.number), "B", "documented", *memory.sources)))
    if memory.compute is not None:
        low, typical, high = map(round, compute_bytes(model, memory, memory.compute, slots, share).host)
        parts.append(
            (
                "compute buffer in host memory",
                Quantity(typical, "B", "assumed", memory.compute.sources, low=low, high=high),
            )
        )
    return total("B", (*parts, *memory.host.items()))
