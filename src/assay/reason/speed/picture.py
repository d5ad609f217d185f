"""The curves of a model's speed on cards: load, depth, and its steps under the roofline."""

from assay.reason.memory.picture import contexts
from assay.reason.speed import step
from assay.reason.speed.predict import Speed, seconds_of, throughput_of
from assay.reason.speed.shape import distinct_experts
from assay.types.picture import Depth, Load, Roof, RoofPoint, SpeedPicture
from assay.types.plan import Fit, Workload
from assay.types.quantity import derive
from assay.types.speed import SpeedKind

MOST_SEQUENCES = 256
"""Where the curve of loads ends, unless more are asked for."""


def _ladder(most: int) -> list[int]:
    return sorted({*(1 << power for power in range(most.bit_length())), most})


def _loads(speed: Speed, workload: Workload, most: int) -> tuple[Load, ...]:
    found = []
    for sequences in _ladder(most):
        many: SpeedKind = "serving" if sequences > 1 else "decode"
        between = seconds_of(speed, step.decode(speed.prepared, speed.factors, sequences, workload.context / 2), many)
        found.append(Load(sequences, throughput_of(speed, workload._replace(concurrency=sequences)), between))
    return tuple(found)


def _depths(speed: Speed, workload: Workload, longest: int, limit: int | None) -> tuple[Depth, ...]:
    many: SpeedKind = "serving" if workload.concurrency > 1 else "decode"
    return tuple(
        Depth(
            tokens,
            seconds_of(speed, step.decode(speed.prepared, speed.factors, workload.concurrency, tokens), many),
            seconds_of(speed, step.prefill(speed.prepared, speed.factors, tokens), "prefill"),
        )
        for tokens in contexts(limit, workload.context)
        if tokens <= longest
    )


def _work(speed: Speed, tokens: float, sequences: float, context: float) -> tuple[float, float]:
    """(operations, bytes) of one step of so many new tokens for each sequence, as the model asks for them."""
    shape = speed.prepared.shape
    rows = tokens * sequences
    operations = size = 0.0
    for matrix in shape.matrices:
        share = distinct_experts(shape.experts, shape.chosen, rows) if matrix.kind == "experts" else 1.0
        size += matrix.size * share
        operations += 2.0 * matrix.met * (sequences if matrix.kind == "head" else rows)
    for cache in shape.caches:
        behind = context if cache.window is None else min(context, cache.window)
        size += cache.layers * cache.row * behind * sequences
        operations += cache.layers * cache.pair * behind * rows
    return operations, size + shape.state * sequences


def _points(speed: Speed, workload: Workload) -> tuple[RoofPoint, ...]:
    half = workload.context / 2
    asked: list[tuple[SpeedKind, int, tuple[float, float, float]]] = [("decode", 1, (1.0, 1.0, half))]
    if workload.concurrency > 1:
        asked.append(("serving", workload.concurrency, (1.0, float(workload.concurrency), half)))
    chunk = min(workload.prompt, speed.prepared.place.chunk)
    asked.append(("prefill", chunk, (float(chunk), 1.0, chunk / 2)))
    found = []
    for kind, tokens, (new, sequences, context) in asked:
        operations, size = _work(speed, new, sequences, context)
        parts = step.contributions(speed.prepared, speed.factors.places, step.Ask(new, sequences, context))
        rate = derive(
            "FLOP/s",
            "operations of the step / its time",
            [("time", seconds_of(speed, parts, kind))],
            lambda time, work=operations: work / time,
            rising=(False,),
        )
        found.append(RoofPoint(kind, tokens, operations / size, rate))
    return tuple(found)


def _roofs(speed: Speed, tokens: int) -> tuple[Roof, ...]:
    """The peaks that the largest step's matrices are multiplied at, highest first; none that only stands in for one."""
    place, found = speed.prepared.place, {}
    for term in speed.prepared.terms:
        regime = [each for each in term.regimes if each.tokens <= tokens][-1:] or term.regimes[:1]
        for each in regime:
            if each.known:
                found[each.number] = each.peak * place.cards
    return tuple(Roof(number, rate) for number, rate in sorted(found.items(), key=lambda pair: -pair[1]))


def speed_picture(speed: Speed, workload: Workload, fit: Fit, limit: int | None) -> SpeedPicture:
    """What is drawn of a speed.

    Args:
        speed: what predictions are made with.
        workload: what was asked.
        fit: how far it fits: no curve goes beyond that.
        limit: the model's own longest context.
    """
    fitting = int(fit.max_concurrency.lowest or 1)
    most = max(workload.concurrency, min(MOST_SEQUENCES, fitting))
    longest = int(max(fit.max_context.lowest or 0, workload.context))
    points = _points(speed, workload)
    return SpeedPicture(
        _loads(speed, workload, most),
        _depths(speed, workload, longest, limit),
        speed.prepared.place.bandwidth * speed.prepared.place.cards,
        _roofs(speed, max(point.tokens for point in points)),
        points,
    )
