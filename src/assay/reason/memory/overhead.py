"""What a runtime takes besides weights and caches: context, graphs, activations; llama.cpp's buffers stand elsewhere.

Each term is an interval whose bounds are Assay's own, wide enough for the start-up logs at hand; the verdict uses the
pessimistic end. The memory of a runtime without such terms is unknown, and so is its verdict.
"""

from typing import NamedTuple

from assay.reason.memory.trace import Inputs, activation_inputs
from assay.types.message import message
from assay.types.model import Model
from assay.types.quantity import Quantity, total, unknown
from assay.types.runtime import Activation, RuntimeMemory, StaticReserve

Interval = tuple[float, float, float]
PEAK = (
    "the larger of: batched tokens x (hidden size x a + MLP row x b) x 2 B; batched tokens x (hidden size + experts' "
    "row x d) x 2 B + sequences x vocabulary x 4 B x c"
)
MIXED_KINDS = frozenset({"linear", "mamba", "mla"})


WIDE = 4
"""From this many cards on, SGLang captures larger decode graphs."""


class Load(NamedTuple):
    """What the scheduler may have in flight: tokens of a batch, sequences, tokens of context, cards, prefill graphs.

    `linked` says that the cards have fast links; `slots` are the sequences of the default.
    """

    batched_tokens: int
    sequences: int
    context: int
    cards: int
    graphs: int = 0
    linked: bool = False
    slots: int = 0


def scheduler_load(
    memory: RuntimeMemory, gpu_id: str, device_bytes: float, context: int, sequences: int, cards: int
) -> Load:
    """The scheduler's defaults on a card of `device_bytes`; without tiers a batch is llama.cpp's, or all prompts."""
    batched, slots, graphs = memory.ubatch_tokens or context * sequences, 0, 0
    for tier in memory.tiers:
        if device_bytes >= tier.from_bytes and not gpu_id.startswith(tier.excepted):
            slots = tier.sequences if cards < WIDE else tier.wide_sequences
            batched, graphs = tier.batched_tokens, tier.graphs
    if memory.whole_prompts:
        batched = max(batched, context)
    linked = gpu_id.startswith(memory.fast_links)
    return Load(batched, max(slots, sequences), context, cards, graphs, linked, slots)


def mlp_row(model: Model, cards: int) -> float:
    """Elements alive of one token in its widest MLP on one card: gate, up and their product.

    Chosen experts work in two buffers: one for gate and up, reused for their outputs before they are summed, one for
    the product (vLLM's fused experts).
    """
    if not model.experts:
        return 3 * model.intermediate / cards
    chosen = max(1, model.experts_per_token)
    width = model.intermediate / chosen / cards
    return chosen * (max(2 * width, model.hidden_size) + width)


def activation_bytes(model: Model, terms: Activation, load: Load) -> Interval:
    """Peak of a full batch in 16 bits: the rows of a layer, or the logits of all sequences in 32 while sampling.

    Hidden rows of the batch, and what the experts' workspace keeps, are still there when tokens are sampled.
    """
    hidden, row = model.hidden_size * load.batched_tokens * 2, mlp_row(model, load.cards) * load.batched_tokens * 2
    logits = min(load.sequences, load.batched_tokens) * model.vocabulary * 4
    workspace = row if model.experts else 0.0
    low, typical, high = (
        max(hidden * a + row * b, hidden + logits * c + workspace * d)
        for a, b, c, d in zip(terms.hidden, terms.width, terms.logits, terms.kept, strict=True)
    )
    return low, typical, high


def reserve_bytes(model: Model, rule: StaticReserve, load: Load, device_bytes: float) -> Interval:
    """What SGLang leaves free beside weights and caches on a card of `device_bytes`, where no share was asked for."""
    latent = any(layer.kind == "mla" for layer in model.layers)
    reserved = rule.fixed + max(load.batched_tokens, rule.tokens) * rule.per_token + load.cards * rule.per_card
    reserved += load.slots * rule.per_sequence + (rule.latent if latent else load.graphs * rule.per_graph)
    reserved = max(reserved, rule.floor if device_bytes > rule.floor_from else 0.0)
    if not any(group.role == "vision" for group in model.groups):
        return reserved, reserved, reserved
    low, typical, high = (device_bytes - (device_bytes - reserved) * share for share in reversed(rule.vision))
    return low, typical, high


def _assumed(interval: Interval, formula: str, sources: tuple[str, ...], inputs: Inputs) -> Quantity:
    low, typical, high = map(round, interval)
    return Quantity(typical, "B", "assumed", sources, low=low, high=high, formula=formula, inputs=inputs)


def process_bytes(usable: Quantity) -> float:
    """What the driver shows of a device, in bytes; 0 where that is not known."""
    return usable.value or 0.0


def _reserved(model: Model, memory: RuntimeMemory, load: Load, device: float) -> Interval | None:
    """What a runtime leaves free beside weights and caches: by the share that was asked for, or by its rule."""
    if memory.reserve is None:
        return None
    if memory.fraction is not None:
        share = memory.fraction
        low, typical, high = (device * (1 - (end or 0.0)) for end in (share.highest, share.value, share.lowest))
        return low, typical, high
    return reserve_bytes(model, memory.reserve, load, device)


def _vision(model: Model, memory: RuntimeMemory) -> Interval:
    """The profiling run of a vision tower, with what stays of its output while a batch runs: (low, typical, high)."""
    if not any(group.role == "vision" for group in model.groups):
        return 0.0, 0.0, 0.0
    video = memory.terms.get("vision_video") if model.architecture in memory.video_architectures else None
    term = video or memory.terms.get("vision")
    if term is None or term.value is None:
        return 0.0, 0.0, 0.0
    return term.lowest or 0.0, term.value, term.highest or 0.0


def _index(model: Model, memory: RuntimeMemory, load: Load) -> Interval:
    """What sparse attention sets aside for a prompt of the longest context."""
    if memory.workspace is None or not any(layer.index_dim and layer.kind == "mla" for layer in model.layers):
        return 0.0, 0.0, 0.0
    pairs = zip(memory.workspace.per_token, memory.workspace.fixed, strict=True)
    low, typical, high = (load.context * token + fixed for token, fixed in pairs)
    return low, typical, high


def profiled_bytes(model: Model, memory: RuntimeMemory, load: Load) -> Interval:
    """The peak of a runtime's activations, or 0 where it has no terms for them."""
    if memory.activation is None:
        return 0.0, 0.0, 0.0
    batch, seen, index = (
        activation_bytes(model, memory.activation, load),
        _vision(model, memory),
        _index(model, memory, load),
    )
    low, typical, high = (max(one, other) + more for one, other, more in zip(batch, seen, index, strict=True))
    return low, typical, high + (model.hidden_size * memory.encoder_tokens * 2 if seen[2] else 0.0)


def growing_bytes(model: Model, memory: RuntimeMemory, load: Load, device: float) -> Interval:
    """The activation peak in bytes; beside a reserve, what exceeds it."""
    low, typical, high = profiled_bytes(model, memory, load)
    kept = _reserved(model, memory, load, device)
    if kept is None:
        return low, typical, high
    return max(0.0, low - kept[2]), max(0.0, typical - kept[1]), max(0.0, high - kept[0])


def activation(model: Model, memory: RuntimeMemory, load: Load, device: float) -> Quantity:
    """The activation peak of a runtime, as an interval in bytes."""
    interval = growing_bytes(model, memory, load, device)
    if memory.activation is not None:
        formula = PEAK if not memory.encoder_tokens or not any(_vision(model, memory)) else f"{PEAK}; a vision tower"
        beyond = "" if memory.reserve is None else " - what the runtime leaves free"
        return _assumed(
            interval,
            formula + beyond,
            (*memory.activation.sources, *memory.sources),
            activation_inputs(
                model,
                round(mlp_row(model, load.cards)),
                (load.batched_tokens, min(load.sequences, load.batched_tokens)),
                memory.activation,
                memory.sources,
            ),
        )
    return unknown("B", message("unknown.activation"))


def fixed_terms(model: Model, memory: RuntimeMemory, load: Load) -> dict[str, Quantity]:
    """Context, graphs and communication buffers of one process on one card, in bytes.

    Models with experts, latent attention or recurrent layers capture larger graphs.
    """
    terms = {name: term for name, term in memory.terms.items() if not name.startswith("vision")}
    mixed = bool(model.experts) or any(layer.kind in MIXED_KINDS for layer in model.layers)
    for name, wanted, instead in (
        ("graphs_mixed", mixed, "graphs"),
        ("parallel_linked", load.linked, "parallel"),
        ("parallel", load.cards > 1, "parallel"),
    ):
        special = terms.pop(name, None)
        if special is not None and wanted:
            terms[instead] = special
    return terms


def overhead(model: Model, memory: RuntimeMemory, load: Load, device: float) -> Quantity:
    """What one process takes on one card whatever is asked of it, in bytes; graphs only where the runtime counts them.

    Where a runtime leaves room for its activations and graphs by a rule of its own, the rule's figure stands for them.
    """
    terms = fixed_terms(model, memory, load)
    if not memory.graphs_counted:
        terms.pop("graphs", None)
    kept = _reserved(model, memory, load, device)
    if kept is not None:
        low, typical, high = kept
        ends = (low, high) if low < high else (None, None)
        formula = "by the runtime's own rule, or the share that was asked for"
        free = Quantity(typical, "B", "derived", memory.sources, low=ends[0], high=ends[1], formula=formula)
        terms["left free beside weights and caches"] = free
    if not terms:
        return unknown("B", message("unknown.overhead"))
    return total("B", tuple(terms.items()))
