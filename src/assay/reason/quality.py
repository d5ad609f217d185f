"""The published figures nearest to a model and a format, by protocol; never a constant of the format.

The cost of a format depends on the generation of a model and on its size: figures count only of the same model, of its
family within half to twice its parameters, or of another family of about its size, dense models and mixtures of experts
apart. The nearest that exist speak for a protocol; where none do, the cost is unknown.
"""

from collections.abc import Iterable, Mapping, Sequence
from statistics import median

from assay.types.message import Message, message
from assay.types.quality import NATS, Cost, Measured, Near, Protocol, Quality, Traits
from assay.types.quantity import STRENGTH, Quantity

PLAIN = frozenset({"bf16", "fp16", "fp32", "gguf:BF16", "gguf:F16", "gguf:F32"})
"""Formats whose rounding is below what any protocol shows (BF16 to FP16: KLD 0.000025)."""
NEAREST: tuple[Near, ...] = ("model", "family", "size")
FAMILY_FACTOR = 2.0
SIZE_FACTOR = 1.5


def loss_of(figure: Measured, protocol: Protocol) -> float:
    """The loss of one figure: 0 is none, more is worse; the meaning by metric is `Cost.loss`'s."""
    match protocol.metric:
        case "kld":
            return figure.value - figure.baseline
        case "loss":
            return figure.value / 100
        case "perplexity" | "ratio":
            return figure.value / figure.baseline - 1
        case "accuracy" | "agreement":
            return (figure.baseline - figure.value) / figure.baseline


def nearness(figure: Measured, traits: Traits) -> Near | None:
    """How near the figure's model is to the one asked for; None when it says nothing about it."""
    if figure.model in traits.names:
        return "model"
    if (figure.active is not None) != traits.experts or not traits.parameters:
        return None
    factor = max(figure.parameters / traits.parameters, traits.parameters / figure.parameters)
    if figure.family == traits.family and factor <= FAMILY_FACTOR:
        return "family"
    return "size" if factor <= SIZE_FACTOR else None


def _base(name: str | None) -> str | None:
    """The format that a baseline is compared as: all plain ones are one."""
    return "plain" if name in PLAIN else name


def _cost(protocol: Protocol, near: Near, told: Sequence[Measured], bound: str | None) -> Cost:
    """One protocol's figures as an interval; of relatives or of a coarser format it is our inference: assumed."""
    losses = [loss_of(figure, protocol) for figure in told]
    own = near == "model" and bound is None
    low, high = min(losses), max(losses)
    if bound is not None:
        low = min(low, 0.0)
    loss = Quantity(
        high if bound is not None else median(losses),
        NATS if protocol.metric == "kld" else "ratio",
        max((figure.basis for figure in told), key=STRENGTH.index) if own else "assumed",
        tuple(dict.fromkeys(source for figure in told for source in figure.sources)),
        low=low if low < high else None,
        high=high if low < high else None,
    )
    return Cost(protocol, loss, near, tuple(told), bound)


def _nearest(figures: Iterable[Measured], traits: Traits) -> tuple[Near, tuple[Measured, ...]] | None:
    """The figures of the nearest kind that has any."""
    found: dict[Near, list[Measured]] = {}
    for figure in figures:
        near = nearness(figure, traits)
        if near is not None:
            found.setdefault(near, []).append(figure)
    return next(((near, tuple(found[near])) for near in NEAREST if near in found), None)


def _costs(
    figures: Sequence[Measured],
    traits: Traits,
    ranked: Sequence[tuple[str | None, Sequence[Measured]]],
    protocols: Mapping[str, Protocol],
) -> tuple[Cost, ...]:
    """For each protocol the nearest figures of the format itself, else of a coarser one that bounds it."""
    costs = []
    for name, protocol in protocols.items():
        for bound, candidates in ranked:
            told = [figure for figure in candidates if figure.protocol == name and figure in figures]
            nearest = _nearest(told, traits)
            if nearest is not None:
                costs.append(_cost(protocol, *nearest, bound))
                break
    return tuple(costs)


def _notes(costs: Sequence[Cost], traits: Traits, wanted: str) -> tuple[Message, ...]:
    notes: list[Message] = []
    if traits.released is not None and traits.released not in PLAIN:
        notes.append(message("quality.requantized", "warning", have=traits.released, want=wanted))
    if not costs:
        notes.append(message("quality.nothing_near", format=wanted))
    elif all(cost.near != "model" for cost in costs):
        models = ", ".join(dict.fromkeys(figure.model for cost in costs for figure in cost.figures))
        notes.append(message("quality.relatives", models=models))
    return tuple(notes)


def quality_of(
    traits: Traits,
    wanted: str,
    figures: Sequence[Measured],
    protocols: Mapping[str, Protocol],
    bounds: Mapping[str, tuple[str, ...]],
) -> Quality:
    """What `wanted`, a weight format, costs the model by each protocol that knows of it.

    Weights as released cost nothing, and so do plain 16-bit weights in another 16-bit format. Only figures count whose
    baseline is the format that the model was released in: quantizing quantized weights again is another thing, and is
    said.
    """
    if wanted == traits.released or (wanted in PLAIN and traits.released in PLAIN):
        return Quality((), lossless=True, notes=())
    base = _base(traits.released) if traits.released is not None else "plain"
    usable = [figure for figure in figures if figure.kv is None and _base(figure.baseline_format) == base]
    ranked: list[tuple[str | None, list[Measured]]] = [
        (None, [figure for figure in usable if wanted in figure.formats])
    ]
    ranked += [(other, [figure for figure in usable if other in figure.formats]) for other in bounds.get(wanted, ())]
    costs = _costs(usable, traits, ranked, protocols)
    return Quality(costs, lossless=False, notes=_notes(costs, traits, wanted))


def cache_quality_of(
    traits: Traits, kv: str, figures: Sequence[Measured], protocols: Mapping[str, Protocol]
) -> Quality:
    """What a KV cache in the format `kv` costs the model; one in 16 bits nothing."""
    if kv in PLAIN:
        return Quality((), lossless=True, notes=())
    usable = [figure for figure in figures if figure.kv == kv]
    costs = _costs(usable, traits, [(None, usable)], protocols)
    found = [note for note in _notes(costs, traits, kv) if note.code != "quality.requantized"]
    return Quality(costs, lossless=False, notes=tuple(found))
