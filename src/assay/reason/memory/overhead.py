"""What a runtime takes besides weights and caches: context, graphs, activations; llama.cpp's buffers stand elsewhere.

Each term is an interval whose bounds are Assay's own, wide enough for the start-up logs at hand; the verdict uses the
pessimistic end. The memory of a runtime without such terms is unknown, and so is its verdict.
"""

from typing import NamedTuple

from assay.reason.memory.trace import Inputs, activation_inputs
from assay.types.message import message
from assay.types.model import Model
from assay.types.quantity import Quantity, total, unknown
from assay.types.runtime import Activation, RuntimeMemory

Interval = tuple[float, float, float]
MIXED_KINDS = frozenset({"linear", "mamba", "mla"})


class Load(NamedTuple):
    """What the scheduler may have in flight: tokens of a batch, sequences, tokens of context, cards."""

    batched_tokens: int
    sequences: int
    context: int
    cards: int


def scheduler_load(
    memory: RuntimeMemory, gpu_id: str, device_bytes: float, context: int, sequences: int, cards: int
) -> Load:
    """The scheduler's defaults on a card of `device_bytes`: large cards batch more, but for named exceptions."""
    large = device_bytes >= memory.large_from and not gpu_id.startswith(memory.large_except)
    batched = memory.batched_tokens[int(large)] or memory.ubatch_tokens
    return Load(batched, max(memory.sequences[int(large)], sequences), context, cards)


def _mlp_row(model: Model) -> int:
    """Elements of a token's widest MLP row: all chosen experts' rows, and their outputs before they are summed."""
    return model.intermediate + max(1, model.experts_per_token) * model.hidden_size


def activation_bytes(model: Model, terms: Activation, load: Load) -> Interval:
    """Peak of vLLM's profiling run: hidden and MLP rows of a full batch in 16 bits, logits of all sequences in 32."""
    low, typical, high = (
        load.batched_tokens * (model.hidden_size * a + _mlp_row(model) / load.cards * b) * 2
        + load.sequences * model.vocabulary * 4 * c
        for a, b, c in zip(terms.hidden, terms.width, terms.logits, strict=True)
    )
    return low, typical, high


def _assumed(interval: Interval, formula: str, sources: tuple[str, ...], inputs: Inputs) -> Quantity:
    low, typical, high = map(round, interval)
    return Quantity(typical, "B", "assumed", sources, low=low, high=high, formula=formula, inputs=inputs)


def activation(model: Model, memory: RuntimeMemory, load: Load) -> Quantity:
    """The activation peak of a runtime, as an interval in bytes."""
    if memory.activation is not None:
        return _assumed(
            activation_bytes(model, memory.activation, load),
            "batched tokens x (hidden size x a + MLP row x b) x 2 B + sequences x vocabulary x 4 B x c",
            (*memory.activation.sources, *memory.sources),
            activation_inputs(
                model,
                round(_mlp_row(model) / load.cards),
                (load.batched_tokens, load.sequences),
                (memory.activation.hidden, memory.activation.width, memory.activation.logits),
                memory.sources,
            ),
        )
    return unknown("B", message("unknown.activation"))


def overhead(model: Model, memory: RuntimeMemory, cards: int = 1) -> Quantity:
    """Context, graphs, communication buffers and a vision tower's profiling run of one process on one card, in bytes.

    Models with experts, latent attention or recurrent layers capture larger graphs.
    """
    terms = dict(memory.terms)
    mixed = bool(model.experts) or any(layer.kind in MIXED_KINDS for layer in model.layers)
    seeing = any(group.role == "vision" for group in model.groups)
    video = model.architecture in memory.video_architectures
    for name, wanted, instead in (
        ("graphs_mixed", mixed, "graphs"),
        ("vision_video", seeing and video, "vision"),
        ("parallel", cards > 1, "parallel"),
    ):
        special = terms.pop(name, None)
        if special is not None and wanted:
            terms[instead] = special
    if not seeing:
        terms.pop("vision", None)
    if not terms:
        return unknown("B", message("unknown.overhead"))
    return total("B", tuple(terms.items()))
