"""vLLM's pool of KV blocks: how layers share blocks, how many blocks a request takes, what the server prints.

Every layer of a group uses the same block table, and all groups draw blocks of one size from one pool. A block holds
`tokens` of each of the group's layers, so its bytes are those of one group; kinds of layers with fewer layers than the
group are padded. Recurrent states take whole blocks: the attention block is lengthened until a state fits into it.
Source: vllm/v1/core/kv_cache_planning.py, kv_cache_interface.py and platforms/interface.py of vLLM 0.33.0.
"""

from math import ceil
from typing import NamedTuple

from assay.reason.memory.cache import FIXED, GROWING, row_bytes
from assay.types.model import LayerGroup
from assay.types.runtime import BlockPool, KvFormat

KERNEL_TOKENS = 16
"""Blocks are whole multiples of the attention kernels' smallest block, in tokens."""


class Table(NamedTuple):
    """Groups of layers with a block table of the same shape: kind, window, tokens of a block, how many such groups."""

    kind: str
    window: int | None
    tokens: int
    groups: int


class Pool(NamedTuple):
    """Blocks of one size (bytes on one card) and the tables that draw from them."""

    block_bytes: int
    tables: tuple[Table, ...]


class Printed(NamedTuple):
    """What the start-up log says of the pool: blocks, tokens, requests of the full context at once."""

    blocks: int
    tokens: int
    concurrency: float


def _buckets(layers: tuple[LayerGroup, ...], kv: KvFormat) -> dict[tuple[str, int | None, float], int]:
    """Layers that keep the same of a token, and how many there are."""
    found: dict[tuple[str, int | None, float], int] = {}
    for layer in layers:
        row = row_bytes(layer, kv, paged=True)
        if row or layer.kind in FIXED:
            key = (layer.kind, layer.window, row if layer.kind not in FIXED else 0.0)
            found[key] = found.get(key, 0) + layer.count
    return found


def _grouped(counts: tuple[int, ...], near: float) -> int:
    """Layers of a group: as many as the rarest kind has, or the most frequent where the two are nearly as many."""
    fewest, most = min(counts), max(counts)
    return most if most < fewest * near else fewest


def pool_of(layers: tuple[LayerGroup, ...], kv: KvFormat, terms: BlockPool) -> Pool | None:
    """The pool of one card's share of the layers; None where no layer keeps anything."""
    buckets = _buckets(layers, kv)
    rows = [row for _, _, row in buckets if row]
    if not rows:
        return None
    tokens = terms.tokens
    state = max((layer.state_size for layer in layers if layer.kind in FIXED), default=0)
    if state:
        tokens = max(tokens, KERNEL_TOKENS * ceil(state / (KERNEL_TOKENS * max(rows))))
    if all(kind in GROWING for kind, _, _ in buckets):
        size = sum(count * ceil(row * tokens) for (_, _, row), count in buckets.items())
        return Pool(size, (Table("full", None, tokens, 1),))
    if len(buckets) == 1:
        (((kind, window, row), count),) = buckets.items()
        return Pool(count * ceil(row * tokens), (Table(kind, window, tokens, 1),))
    page = ceil(max(rows) * tokens)
    layers_of_group = _grouped(tuple(buckets.values()), terms.near)
    tables = tuple(
        Table(kind, window, _tokens(page, row, tokens), ceil(count / layers_of_group))
        for (kind, window, row), count in buckets.items()
    )
    return Pool(page * layers_of_group, tables)


def _tokens(page: int, row: float, tokens: int) -> int:
    """Tokens of a block whose page was raised to the largest one: more of them, where they divide it evenly."""
    own = ceil(row * tokens)
    return tokens * (page // own) if own and page % own == 0 else tokens


def _blocks(table: Table, context: int, in_flight: int, states: int) -> int:
    if table.kind in FIXED:
        return states
    if table.kind == "sliding" and table.window:
        return ceil(min(table.window - 1 + in_flight, context) / table.tokens) + 1
    if table.kind == "chunked" and table.window:
        return ceil(min(table.window + in_flight, context) / table.tokens)
    return ceil(context / table.tokens)


def blocks_of_request(pool: Pool, terms: BlockPool, context: int, batched: int) -> int:
    """Blocks that vLLM reckons a request of `context` tokens takes, batches of `batched` tokens being in flight."""
    in_flight = batched * terms.batches
    return sum(table.groups * _blocks(table, context, in_flight, terms.states) for table in pool.tables)


def blocks_together(pool: Pool, terms: BlockPool, context: int, sequences: int, batched: int) -> tuple[int, int]:
    """(blocks of caches, blocks of states) that sequences of `context` tokens take at once.

    Each may have a whole batch in flight while it is read in, together they have no more than all batches; a server
    that could not admit one of them does not start. One block of the pool is never used.
    """
    in_flight = batched * terms.batches
    cached = held = 0
    for table in pool.tables:
        if table.kind in FIXED:
            held += table.groups * terms.states * sequences
            continue
        alone = _blocks(table, context, in_flight, terms.states)
        together = alone * sequences
        if table.window and table.kind != "full":
            longest = ceil(context / table.tokens)
            resting = ceil((table.window - 1) / table.tokens) + 2
            together = max(
                alone, min(longest * sequences, resting * sequences + ceil(in_flight / table.tokens), together)
            )
        cached += table.groups * together
    return cached, held


def printed(pool: Pool, terms: BlockPool, room: float, context: int, batched: int) -> Printed:
    """What the server prints for `room` bytes of KV cache on each card and its longest context."""
    blocks = max(0, int(room // pool.block_bytes))
    requests = blocks / max(1, blocks_of_request(pool, terms, context, batched))
    if terms.printed == "blocks":
        every = sum(table.groups for table in pool.tables)
        return Printed(blocks, blocks // every * min(table.tokens for table in pool.tables), requests)
    return Printed(blocks, int(requests * context), requests)
