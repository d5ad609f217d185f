"""What llama.cpp places on the card and what in host memory, to the byte of the file.

Sources: src/llama-model.cpp (`get_layer_buft_list`: with N layers on the card these are the last N - 1 blocks and the
output, the input layer never is), src/llama-model-loader.cpp (an embedding table that is the output as well is loaded
twice), common/common.h (`LLM_FFN_EXPS_REGEX`: what is moved of the first blocks is their experts). A block's cache lies
where the block does.
"""

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from assay.reason.memory.trace import Inputs
from assay.types.model import BlockBytes, LayerGroup, Model
from assay.types.quantity import Quantity, exact
from assay.types.runtime import LlamaServer

MATRICES = 3
"""Of an expert or an MLP: gate, up and down."""
UNEVEN = 4 / 3
"""How much larger than their mean the largest of them may be where tensors are not known one by one."""


class Placed(NamedTuple):
    """Bytes of weights on the card and in host memory, and of the largest matrix there, which prompts copy over."""

    card: float
    host: float
    streamed: float


def block_count(model: Model) -> int:
    """Blocks that llama.cpp counts."""
    return sum(layer.count for layer in model.layers)


def _role(model: Model, role: str) -> int:
    return sum(group.size for group in model.groups if group.role == role)


def _even(model: Model) -> tuple[BlockBytes, ...]:
    """Blocks that are taken to be equal."""
    number = block_count(model)
    if not number:
        return ()
    experts = -(-_role(model, "experts") // number)
    outside = ("embedding", "head", "experts", "vision")
    rest = -(-sum(group.size for group in model.groups if group.role not in outside) // number)
    largest = [round(size / MATRICES * UNEVEN) for size in (experts, rest)]
    return (BlockBytes(experts, rest, *largest),) * number


def blocks_of(model: Model) -> tuple[BlockBytes, ...]:
    """The model's blocks as its tensors say, or equal ones."""
    return model.blocks if len(model.blocks) == block_count(model) else _even(model)


def _largest(blocks: tuple[BlockBytes, ...], first: int, experts: int) -> int:
    """The largest matrix in host memory."""
    whole = [max(block.largest_expert, block.largest) for block in blocks[:first]]
    return max([*whole, *(block.largest_expert for block in blocks[first:experts])], default=0)


@lru_cache(maxsize=256)
def _moved(blocks: tuple[BlockBytes, ...], gpu_layers: int | None, host_experts: int) -> tuple[int, int]:
    """(bytes of blocks in host memory, the largest matrix among them)."""
    first = 0 if gpu_layers is None else max(0, len(blocks) + 1 - gpu_layers)
    moved = sum(block.experts + block.rest for block in blocks[:first])
    moved += sum(block.experts for block in blocks[first:host_experts])
    return moved, _largest(blocks, first, host_experts)


def placed(model: Model, server: LlamaServer) -> Placed:
    """Where the weights lie; of a model whose bytes are not known nothing is."""
    whole = model.weights.value or 0.0
    embedding, head = _role(model, "embedding"), _role(model, "head")
    moved, largest = _moved(blocks_of(model), server.gpu_layers, server.host_experts)
    output = head or embedding
    on_card = server.gpu_layers != 0
    host = embedding + moved + (0 if on_card else head)
    card = whole - embedding - head - moved + (output if on_card else 0)
    return Placed(max(0.0, card), host, largest)


def on_card(layers: tuple[LayerGroup, ...], server: LlamaServer) -> tuple[LayerGroup, ...]:
    """The layers whose caches lie on the card: of each kind its share of the last blocks, rounded up."""
    if server.gpu_layers is None:
        return layers
    total = sum(layer.count for layer in layers)
    kept = min(total, max(0, server.gpu_layers - 1))
    return tuple(layer._replace(count=-(-layer.count * kept // total)) for layer in layers)


def _figure(model: Model, value: float, formula: str, inputs: Inputs) -> Quantity:
    """Part of the weights: as sure as they are, and no surer than equal blocks where those were assumed."""
    whole = model.weights
    if whole.value is None:
        return replace(whole, inputs=inputs)
    even = len(model.blocks) != block_count(model)
    shift = value - whole.value
    return Quantity(
        value,
        "B",
        "derived",
        whole.sources,
        low=None if whole.low is None else max(0.0, whole.low + shift),
        high=None if whole.high is None else whole.high + shift,
        weakest="assumed" if even else whole.root,
        weakest_share=1.0,
        formula=formula,
        inputs=inputs,
    )


def _inputs(model: Model, found: Placed) -> Inputs:
    sources = model.weights.sources
    parts = (("embedding table", _role(model, "embedding")), ("output", _role(model, "head")))
    return (
        ("weights", model.weights),
        *((name, exact(size, "B", model.weights.root, *sources)) for name, size in parts),
        ("in host memory", exact(found.host, "B", model.weights.root, *sources)),
    )


def card_weights(model: Model, server: LlamaServer) -> Quantity:
    """Weight bytes on the card."""
    found = placed(model, server)
    formula = "weights - what lies in host memory; a table that is also the output lies in both"
    return _figure(model, found.card, formula, _inputs(model, found))


def host_weights(model: Model, server: LlamaServer) -> Quantity:
    """Weight bytes in host memory; without an interval, for the embedding table is the same in every release."""
    found = placed(model, server)
    figure = _figure(model, found.host, "embedding table + blocks and experts left in host memory", ())
    return replace(figure, low=None, high=None, inputs=_inputs(model, found)[1:3])
