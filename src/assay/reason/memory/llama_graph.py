"""The tensors of llama.cpp's prompt graph, in the order in which it computes them.

llama.cpp reserves its compute buffers for one graph: a whole micro-batch, every slot's cache full (`sched_reserve` in
src/llama-context.cpp). The graph here is that of decoders whose blocks are norm, attention, norm, MLP or experts
(src/llama-graph.cpp, src/models/llama.cpp, gemma3.cpp, qwen3moe.cpp, deepseek2.cpp): biases, extra norms, scales and
activations work in place and change no byte. What recurrent blocks compute is not drawn, only their MLP.
"""

from typing import NamedTuple

from assay.reason.memory.ggml import CARD, HOST, Graph

F32, F16, I32, I64 = 4, 2, 4, 8
FEW = 2
"""Blocks of a kind that are drawn one after the other, and rounds of all kinds: from then on offsets repeat."""
ROTATED_ELEMENTS = 64
"""Quantized caches rotate keys and values; heads that are not multiples of this are not rotated."""


FULL, WINDOWED = 0, 1
"""Which cache a block reads: of layers that see everything, or of windowed ones."""


class Block(NamedTuple):
    """A kind of block.

    `cache` is FULL or WINDOWED, None for recurrent blocks and for an MLP alone; `latent` and `rope` are 0 but
    for latent attention.
    """

    cache: int | None
    query_heads: int = 0
    kv_heads: int = 0
    key_dim: int = 0
    value_dim: int = 0
    latent: int = 0
    rope: int = 0


class Shape(NamedTuple):
    """What of a model decides the graph; `blocks` in order of first appearance, each with how many there are."""

    hidden: int
    vocabulary: int
    row: int
    experts: int
    chosen: int
    blocks: tuple[tuple[Block, int], ...]


class Batch(NamedTuple):
    """What the graph is reserved for.

    Attributes:
        tokens: of the micro-batch; outputs: rows of logits.
        masks: bytes of the mask over the cache of layers that see everything, and of windowed ones.
        grown: bytes that attention takes besides its result, for the same two: the scores of all heads without flash
            attention, with it a copy of the cache in FP16 where the cache is of another type and lies on a card.
        flash: flash attention; without it values are stored transposed, element by element.
        rotated: whether keys and values are rotated because their caches are quantized.
        card: whether blocks and output are computed on a card, with the embedding table in host memory.
        widened: whether flash attention's mask comes in FP32 and is turned into FP16, as in releases of 2025;
            `masks` are those in FP32.
    """

    tokens: int
    outputs: int
    masks: tuple[int, int]
    grown: tuple[int, int] = (0, 0)
    flash: bool = True
    rotated: bool = False
    card: bool = False
    widened: bool = False


class _Cache(NamedTuple):
    """Inputs of one kind of cache: where tokens go, the mask, the rotations of keys and values."""

    keys: int
    values: int
    mask: int
    key_rotation: int | None
    value_rotation: int | None


def _sequence(blocks: tuple[tuple[Block, int], ...]) -> list[Block]:
    """The blocks to draw: some rounds with some of each kind."""
    found: list[Block] = []
    left = {block: min(count, FEW * FEW) for block, count in blocks}
    for _ in range(FEW):
        for block, _ in blocks:
            now = min(FEW, left[block])
            left[block] -= now
            found += [block] * now
    return found


class _Drawing:
    """The graph while it grows."""

    def __init__(self, shape: Shape, batch: Batch) -> None:
        self.shape, self.batch = shape, batch
        self.graph = Graph()
        self.place = CARD if batch.card else HOST
        self.row = shape.hidden * batch.tokens * F32
        self.caches: dict[int, _Cache] = {}
        self.copies: dict[int, int] = {}
        self.narrowed: dict[int, int] = {}

    def add(self, size: int, *sources: int, reuse: bool = False) -> int:
        return self.graph.add(size, *(self.copies.get(one, one) for one in sources), place=self.place, reuse=reuse)

    def _rotation(self, width: int, *, largest: bool) -> int | None:
        """The matrix that rotates heads of `width`: 64 x 64 for values, for keys the largest that divides them."""
        if not self.batch.rotated or not width or width % ROTATED_ELEMENTS:
            return None
        side = ROTATED_ELEMENTS
        while largest and width % (2 * side) == 0:
            side *= 2
        return self.graph.input(side * side * F32)

    def _cache(self, block: Block, kind: int) -> _Cache:
        batch, graph = self.batch, self.graph
        columns = 1 if batch.flash else block.kv_heads * block.value_dim
        keys = graph.input(batch.tokens * I64)
        values = graph.input(batch.tokens * I64 * columns) if not block.latent else keys
        mask = graph.input(batch.masks[kind])
        return _Cache(
            keys,
            values,
            mask,
            self._rotation(block.key_dim, largest=True),
            self._rotation(block.value_dim, largest=False),
        )

    def _copied_to_card(self, embedding: int, *inputs: int) -> None:
        """What the card's part of the graph reads is copied there before it begins."""
        for one in (embedding, *inputs):
            if one not in self.copies:
                self.copies[one] = self.graph.add(self.graph.sizes[one], one, place=CARD)

    def begin(self) -> tuple[int, int, int]:
        """Inputs and the embedded tokens; (residual stream, positions, rows that are put out).

        Three ways into the graph are reserved: tokens, vectors, and both mixed; the unused ones are never freed.
        """
        graph, tokens = self.graph, self.batch.tokens
        words, mixed_words = graph.input(tokens * I32), graph.input(tokens * I32)
        graph.input(self.row)
        mixed, slots = graph.input(self.row), graph.input(tokens * I64)
        positions = graph.input(tokens * I32)
        for block, _ in self.shape.blocks:
            if block.cache is not None and block.cache not in self.caches:
                self.caches[block.cache] = self._cache(block, block.cache)
        outputs = graph.input(self.batch.outputs * I32)
        residual = graph.add(self.row, words)
        embedded = graph.add(self.row, mixed_words)
        graph.add(self.row, mixed)
        graph.add(0, embedded, slots)
        if self.batch.card:
            read = [one for cache in self.caches.values() for one in cache if one is not None]
            self._copied_to_card(residual, positions, *read, outputs)
        return residual, positions, outputs

    def _norm(self, source: int, size: int) -> int:
        return self.add(size, self.add(size, source, reuse=True), reuse=True)

    def _projected(self, normed: int, heads: int, width: int, position: int | None, rotation: int | None) -> int:
        """Queries, keys or values of a micro-batch: multiplied, turned by position and rotated."""
        size = heads * width * self.batch.tokens * F32
        found = self.add(size, normed)
        if position is not None:
            found = self.add(size, found, position)
        return found if rotation is None else self.add(size, found, rotation)

    def _mask(self, mask: int) -> int:
        """The mask that flash attention reads: turned into FP16 once, where it came in FP32."""
        if not self.batch.widened:
            return mask
        if mask not in self.narrowed:
            self.narrowed[mask] = self.add(self.graph.sizes[mask] // 2, mask)
        return self.narrowed[mask]

    def _attended(self, block: Block, queries: int, mask: int, grown: int) -> int:
        """What the heads read out of the cache."""
        size = block.query_heads * (block.latent or block.value_dim) * self.batch.tokens * F32
        if self.batch.flash:
            return self.add(size + grown, queries, self._mask(mask))
        found = self.add(grown, self.add(grown, queries), mask, reuse=True)
        return self.add(size, self.add(size, found))

    def attention(self, block: Block, kind: int, normed: int, positions: int) -> int:
        """Grouped-query attention of one block, up to its output projection."""
        cache = self.caches[kind]
        queries = self._projected(normed, block.query_heads, block.key_dim, positions, cache.key_rotation)
        values = self._projected(normed, block.kv_heads, block.value_dim, None, cache.value_rotation)
        keys = self._projected(normed, block.kv_heads, block.key_dim, positions, cache.key_rotation)
        self.add(0, keys, cache.keys)
        self.add(0, values, cache.values)
        found = self._attended(block, queries, cache.mask, self.batch.grown[kind])
        if cache.value_rotation is not None:
            found = self.add(block.query_heads * block.value_dim * self.batch.tokens * F32, found, cache.value_rotation)
        return self.add(self.row, found)

    def latent_attention(self, block: Block, kind: int, normed: int, positions: int) -> int:
        """Latent attention with the absorbed key projection: every head's query is as wide as the latent."""
        tokens, cache = self.batch.tokens, self.caches[kind]
        whole = block.query_heads * (block.key_dim + block.rope) * tokens * F32
        queries = self.add(whole, normed)
        compressed = self.add((block.latent + block.rope) * tokens * F32, normed)
        key_turned = self.add(block.rope * tokens * F32, compressed, positions)
        key_normed = self.add(block.latent * tokens * F32, compressed)
        turned = self.add(block.query_heads * block.rope * tokens * F32, queries, positions)
        absorbed = self.add(block.query_heads * block.latent * tokens * F32, queries)
        joined = self.add(block.query_heads * (block.latent + block.rope) * tokens * F32, absorbed, turned)
        keys = self.add((block.latent + block.rope) * tokens * F32, key_normed, key_turned)
        self.add(0, keys, cache.keys)
        found = self._attended(block, joined, cache.mask, self.batch.grown[kind])
        out = block.query_heads * block.value_dim * tokens * F32
        return self.add(self.row, self.add(out, self.add(out, found)))

    def mlp(self, normed: int, tokens: int) -> int:
        """The gated MLP of a block."""
        size = self.shape.row * tokens * F32
        gate, up = self.add(size, normed), self.add(size, normed)
        return self.add(self.shape.hidden * tokens * F32, self.add(size, gate, up))

    def experts(self, normed: int, tokens: int) -> int:
        """Routing, the chosen experts' rows, and their weighted sum."""
        shape = self.shape
        routed = shape.experts * tokens * F32
        chances = self.add(routed, self.add(routed, normed), reuse=True)
        ranked = self.add(routed, chances)
        picked = self.add(shape.chosen * tokens * F32, chances, ranked)
        weights = self.add(shape.chosen * tokens * F32, picked, self.add(tokens * F32, picked))
        size = shape.row * tokens * F32
        up = self.add(size, normed, ranked)
        gate = self.add(size, normed, ranked)
        down = self.add(shape.chosen * shape.hidden * tokens * F32, self.add(size, gate, up), ranked)
        down = self.add(shape.chosen * shape.hidden * tokens * F32, down, weights, reuse=True)
        return self.add(shape.hidden * tokens * F32, down)

    def block(self, block: Block, residual: int, positions: int, outputs: int | None) -> int:
        """One block; of the last one only the rows that are put out go on after attention."""
        tokens = self.batch.tokens
        mixed = residual
        if block.cache is not None:
            normed = self._norm(residual, self.row)
            draw = self.latent_attention if block.latent else self.attention
            mixed = draw(block, block.cache, normed, positions)
        if outputs is not None:
            tokens = self.batch.outputs
            size = self.shape.hidden * tokens * F32
            mixed, residual = self.add(size, mixed, outputs), self.add(size, residual, outputs)
        size = self.shape.hidden * tokens * F32
        joined = self.add(size, mixed, residual, reuse=True) if block.cache is not None else residual
        normed = self._norm(joined, size)
        found = self.experts(normed, tokens) if self.shape.experts else self.mlp(normed, tokens)
        return self.add(size, found, joined, reuse=True)


def prompt_graph(shape: Shape, batch: Batch) -> Graph:
    """The graph of one micro-batch of a prompt."""
    drawing = _Drawing(shape, batch)
    residual, positions, outputs = drawing.begin()
    blocks = _sequence(shape.blocks)
    for index, block in enumerate(blocks):
        residual = drawing.block(block, residual, positions, outputs if index == len(blocks) - 1 else None)
    size = shape.hidden * batch.outputs * F32
    drawing.add(shape.vocabulary * batch.outputs * F32, drawing._norm(residual, size))  # noqa: SLF001 - same module
    return drawing.graph
