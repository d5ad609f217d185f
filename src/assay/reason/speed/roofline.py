"""A first speed estimate from the roofline, with an interval as wide as what is not known.

Decode reads every weight that the step touches, and the KV cache of every sequence, once; prefill multiplies every
active parameter by every token. Each is divided by a bandwidth or a peak times the share of it that published
measurements show. Which units a runtime's kernels use is not known here, so the compute side takes the 16-bit peak.
"""

from typing import NamedTuple

from assay.types.message import Message, message
from assay.types.model import Model, TensorGroup
from assay.types.plan import Bound, Prediction
from assay.types.quantity import ASKED, Quantity, derive, exact, unknown


class CardSpeed(NamedTuple):
    """What the roofline needs of one card, and how many cards' worth of work a step gets.

    `cards` is an interval from one card (all gain lost to communication) to all of them (none lost).
    """

    bandwidth: Quantity
    peak: Quantity
    cards: Quantity


def cards_together(count: int, share: Quantity) -> Quantity:
    """Cards' worth of work of `count` cards: 1 + (count - 1) x the share of the gain that communication leaves."""
    if count == 1:
        return exact(1, "card", "documented", ASKED)
    return derive(
        "card",
        "1 + (cards - 1) x share of the gain that communication leaves",
        [("cards", exact(count, "card", "documented", ASKED)), ("share of the gain", share)],
        lambda cards, kept: 1 + (cards - 1) * kept,
    )


class Efficiency(NamedTuple):
    """Shares of the bandwidth and of the peak that are reached, and seconds a layer costs whatever its size."""

    decode: Quantity
    prefill: Quantity
    layer: Quantity


def distinct_experts(experts: int, per_token: int, tokens: int) -> float:
    """Expected share of a layer's experts that a batch touches: 1 - (1 - k/E)^B, tokens choosing independently."""
    if not experts:
        return 1.0
    return float(1.0 - (1.0 - per_token / experts) ** tokens)


def group_bytes(model: Model, group: TensorGroup, tokens: int) -> float:
    """Bytes of one tensor group that a step over `tokens` tokens reads; rows of a looked-up table are left out."""
    if group.role in {"vision", "mtp", "adapter"}:
        return 0.0
    if group.role == "embedding":
        # A tied table is also the head and is read whole; an untied one is looked up row by row.
        return 0.0 if any(other.role == "head" for other in model.groups) else float(group.size)
    share = distinct_experts(model.experts, model.experts_per_token, tokens) if group.role == "experts" else 1.0
    return group.size * share


def touched_bytes(model: Model, tokens: int) -> float:
    """Weight bytes that one step over `tokens` tokens reads: embedding rows and vision excluded, the head included."""
    return sum(group_bytes(model, group, tokens) for group in model.groups)


def multiplied_parameters(model: Model) -> int:
    """Parameters that one token is multiplied with."""
    head = any(group.role == "head" for group in model.groups)
    return sum(
        group.active if group.role != "embedding" else group.parameters
        for group in model.groups
        if group.role not in {"vision", "mtp", "adapter"} and not (group.role == "embedding" and head)
    )


def _described(
    model: Model, value: float, unit: str, formula: str, inputs: tuple[tuple[str, Quantity], ...] = ()
) -> Quantity:
    return Quantity(
        value,
        unit,
        "derived",
        model.weights.sources,
        weakest="assumed" if model.like else model.weights.root,
        weakest_share=1.0,
        formula=formula,
        inputs=inputs,
    )


def _count(value: float, *sources: str) -> Quantity:
    return exact(value, "", "documented", *sources)


def _touched(model: Model, tokens: int) -> Quantity:
    """The bytes that a step touches, with what they are made of."""
    whole = touched_bytes(model, tokens)
    experts = sum(group.size for group in model.groups if group.role == "experts")
    share = distinct_experts(model.experts, model.experts_per_token, tokens)
    if not experts:
        return _described(model, whole, "B", "all weights but looked-up embedding rows")
    return _described(
        model,
        whole,
        "B",
        "other weights + experts x (1 - (1 - chosen / experts) ^ tokens)",
        (
            ("other weights", _described(model, whole - experts * share, "B", "all weights but experts")),
            ("experts", _described(model, experts, "B", "weights of all experts")),
            ("chosen experts", _count(model.experts_per_token, *model.weights.sources)),
            ("experts of a layer", _count(model.experts, *model.weights.sources)),
            ("tokens of the step", _count(tokens, ASKED)),
        ),
    )


def _read_time(model: Model, card: CardSpeed, efficiency: Efficiency, kv: float, tokens: int) -> Quantity:
    """Seconds to read what a step over `tokens` tokens touches.

    The lower end reads an empty KV cache, the value a half-full one.
    """
    weights = _touched(model, tokens)
    cache = Quantity(
        kv / 2, "B", "derived", model.weights.sources, low=0.0, high=kv,
        weakest=model.weights.root, weakest_share=1.0, formula="KV cache read by one step, half full",
    )  # fmt: skip
    return derive(
        "s",
        "(weights touched + KV read) / (cards x bandwidth x share reached)",
        [
            ("weights touched", weights),
            ("KV read", cache),
            ("cards' worth", card.cards),
            ("bandwidth", card.bandwidth),
            ("share of bandwidth reached", efficiency.decode),
        ],
        lambda w, c, cards, rate, share: (w + c) / (cards * rate * share),
        rising=(True, True, False, False, False),
    )


def _compute_time(model: Model, card: CardSpeed, efficiency: Efficiency, tokens: int) -> Quantity:
    active = multiplied_parameters(model)
    inputs = (("parameters a token meets", _count(active, *model.weights.sources)), ("tokens", _count(tokens, ASKED)))
    work = _described(model, 2.0 * active * tokens, "FLOP", "2 x parameters a token meets x tokens", inputs)
    return derive(
        "s",
        "operations / (cards x 16-bit peak x share reached)",
        [
            ("operations", work),
            ("cards' worth", card.cards),
            ("16-bit dense peak", card.peak),
            ("share of the peak reached", efficiency.prefill),
        ],
        lambda flop, cards, rate, share: flop / (cards * rate * share),
        rising=(True, False, False, False),
    )


def _slower(memory: Quantity, compute: Quantity) -> tuple[Quantity, Bound]:
    """The slower of two times, end by end; a compute time that is not known leaves the memory side alone."""
    if compute.value is None or memory.value is None:
        return memory, "bandwidth"
    bound: Bound = "bandwidth" if memory.value >= compute.value else "compute"
    inputs = [("time to read", memory), ("time to multiply", compute)]
    return derive("s", "the longer of the two", inputs, max), bound


def _with_layers(model: Model, time: Quantity, efficiency: Efficiency) -> Quantity:
    """A step's time and what its layers cost whatever their size: launches, small kernels, the host."""
    layers = sum(layer.count for layer in model.layers)
    return derive(
        "s",
        "time + layers x cost of a layer",
        [("time", time), ("layers", _count(layers, *model.weights.sources)), ("cost of a layer", efficiency.layer)],
        lambda seconds, count, each: seconds + count * each,
    )


def _inverse(time: Quantity, count: float, unit: str, formula: str) -> Quantity:
    return derive(unit, formula, [("time", time)], lambda seconds: count / seconds, rising=(False,))


def nothing(reason: Message) -> Prediction:
    """No prediction, and why."""
    none = unknown("token/s", reason)
    return Prediction(none, none, none, unknown("s", reason), unknown("s", reason), None)


def predict(
    model: Model, card: CardSpeed, efficiency: Efficiency, kv_bytes: float, sequences: int, prompt: int
) -> Prediction:
    """Prefill, decode, unloaded TTFT and ITL of a model on a card.

    Args:
        model: the model; without known weight bytes nothing is predicted.
        card: bandwidth (B/s), dense 16-bit peak (FLOP/s), cards that share each step.
        efficiency: shares reached, and the cost of a layer.
        kv_bytes: bytes of all sequences' caches at the stated context, over all cards.
        sequences: sequences decoded together.
        prompt: tokens of the prompt that TTFT is told for.
    """
    if model.weights.value is None:
        return nothing(model.weights.note or message("unknown.weights"))
    work, bound = _slower(
        _read_time(model, card, efficiency, kv_bytes, sequences), _compute_time(model, card, efficiency, sequences)
    )
    step = _with_layers(model, work, efficiency)
    if step.value is not None and step.value > 2 * (work.value or 0.0):
        bound = "overhead"
    multiply = _compute_time(model, card, efficiency, prompt)
    # A short prompt still reads every weight it touches; without a known peak there is no prefill figure at all.
    prefill_time = multiply
    if multiply.value is not None:
        slower, _ = _slower(_read_time(model, card, efficiency, 0.0, prompt), multiply)
        prefill_time = _with_layers(model, slower, efficiency)
    return Prediction(
        prefill=_inverse(prefill_time, prompt, "token/s", "prompt tokens / prefill time"),
        decode_per_sequence=_inverse(step, 1, "token/s", "1 / step time"),
        decode_total=_inverse(step, sequences, "token/s", "sequences / step time"),
        ttft_unloaded=_first_token(prefill_time, step),
        itl=step,
        bound=bound if step.value is not None else None,
    )


def _first_token(prefill: Quantity, step: Quantity) -> Quantity:
    return derive("s", "prefill time + one step", [("prefill time", prefill), ("step", step)], lambda a, b: a + b)
