"""Seconds of one step: what it reads and multiplies at the card's peaks, times fitted factors.

A step's time is a sum of parts. A matrix takes the longer of reading and multiplying (smoothly: the fourth root of the
sum of fourth powers), so do the caches; every layer, every layer of experts and every step cost something whatever
their size; cards that share layers exchange sums. Each part at the peak is multiplied by a factor exp(sum of
coefficients) of the levels it belongs to: vendor, instruction set, card, runtime, format. What a factor multiplies is
also its derivative by that factor's logarithm, which the calibration fits with (`benchmarks/speed`): one formula.
"""

from collections.abc import Mapping, Sequence
from math import exp
from typing import NamedTuple

from assay.reason.speed.shape import Matrix, Shape, distinct_experts

Keys = tuple[tuple[str, float], ...]
"""The coefficients that a factor is made of, with what each is multiplied by."""
POWER = 4.0
"""Of the smooth maximum: two equal times together take 19 % longer than one, unlike ones hardly."""
FALLBACK_INTENSITY = 100.0
"""FLOP per byte of bandwidth that stand in for a peak nobody publishes; the calibrated factor makes up for it."""
READ_POWER_FROM, COMPUTE_POWER_FROM = 0.6, 0.25
"""Logarithm of default limit / power limit from which reading, or multiplying, slows down."""


class Multiply(NamedTuple):
    """What multiplies from so many tokens of a step on: number format, unit, and the peak (FLOP/s) it is held against.

    `known` tells whether that is a peak of this format; else it stands in for one.
    """

    tokens: int
    number: str
    unit: str
    peak: float
    known: bool


class Place(NamedTuple):
    """Where a model runs, as the coefficients tell places apart.

    Attributes:
        gpu, isa, vendor, runtime: ids.
        bandwidth: B/s of one card; peak: its 16-bit dense peak in FLOP/s, or what stands in for it.
        cards: that share every layer; link: `nvlink`, `pcie` or "" for one; link_bandwidth: B/s of one direction.
        chunk: tokens of a prompt that are read at once.
        power: default power limit / the one that is set; 1 where it is the default.
        variants: of the runtime, each with coefficients of its own: an old release, another backend than the usual one.
    """

    gpu: str
    isa: str
    vendor: str
    runtime: str
    bandwidth: float
    peak: float
    cards: int = 1
    link: str = ""
    link_bandwidth: float = 0.0
    chunk: int = 2048
    power: float = 1.0
    variants: tuple[str, ...] = ()


class Regime(NamedTuple):
    """What multiplies a matrix from so many tokens on, and the places of its factors: to multiply, and to pad rows."""

    tokens: int
    peak: float
    multiply: int
    pad: int
    number: str
    known: bool


class Term(NamedTuple):
    """A matrix, the place of the factor of reading it, and its regimes by rising tokens."""

    matrix: Matrix
    read: int
    regimes: tuple[Regime, ...]


class Prepared(NamedTuple):
    """A shape on a place, and the coefficients of each factor.

    `cache`, `attend`, `rows`, `layer`, `experts`, `step`, `each`, `reduce`, `ring` are places in `keys`; `mix` are the
    coefficients of the share of others' prompts that a sequence waits for.
    """

    shape: Shape
    place: Place
    terms: tuple[Term, ...]
    cache: int
    attend: int
    rows: int
    layer: int
    experts: int
    step: int
    each: int
    reduce: int
    ring: int
    mix: Keys
    keys: tuple[Keys, ...]


class Ask(NamedTuple):
    """One step: new tokens of each sequence, sequences, and the tokens that each of them has behind it on average."""

    tokens: float
    sequences: float
    context: float


def _levels(term: str, place: Place, *more: str) -> list[tuple[str, float]]:
    names = (
        term,
        f"{term}/{place.vendor}",
        f"{term}/{place.isa}",
        f"{term}/{place.gpu}",
        f"{term}/{place.runtime}",
        f"{term}/{place.vendor}/{place.runtime}",
        *(f"{term}/{name}" for name in more),
        *(f"{term}/{place.runtime}/{variant}" for variant in place.variants),
        *(f"{term}/{place.gpu}/{place.runtime}/{variant}" for variant in place.variants),
    )
    return [(name, 1.0) for name in names]


def _powered(keys: list[tuple[str, float]], term: str, place: Place, start: float) -> Keys:
    from math import log  # noqa: PLC0415 - seldom

    excess = log(place.power) - start if place.power > 1.0 else 0.0
    return (*keys, (f"{term}/power", excess)) if excess > 0 else tuple(keys)


def _read_keys(matrix: Matrix, place: Place) -> Keys:
    more = [f"{place.runtime}/{matrix.format}", f"{place.gpu}/{place.runtime}/{matrix.format}"]
    if matrix.kind == "experts":
        more += ["experts", f"{place.runtime}/experts", f"{place.gpu}/{place.runtime}/experts"]
    return _powered(_levels("read", place, *more), "read", place, READ_POWER_FROM)


def _multiply_keys(matrix: Matrix, place: Place, multiply: Multiply) -> Keys:
    more = [
        f"{place.runtime}/{multiply.number}/{multiply.unit}",
        f"{place.isa}/{place.runtime}/{multiply.number}",
        f"{place.runtime}/{matrix.format}",
        f"{place.gpu}/{place.runtime}/{matrix.format}",
    ]
    if not multiply.known:
        more.append(f"{place.vendor}/stand-in/{multiply.number}")
    if matrix.kind == "experts":
        more += ["experts", f"{place.runtime}/experts", f"{place.gpu}/{place.runtime}/experts"]
    return _powered(_levels("multiply", place, *more), "multiply", place, COMPUTE_POWER_FROM)


def prepare(shape: Shape, place: Place, executed: Sequence[tuple[Multiply, ...]]) -> Prepared:
    """A shape on a place.

    Args:
        shape: the model's.
        place: where.
        executed: for each matrix of the shape, what multiplies from how many tokens on; at least one entry each.
    """
    keys: list[Keys] = []

    def factor(found: Keys) -> int:
        keys.append(found)
        return len(keys) - 1

    terms = []
    for matrix, multiplies in zip(shape.matrices, executed, strict=True):
        read = factor(_read_keys(matrix, place))
        regimes = []
        for one in multiplies:
            multiply = _multiply_keys(matrix, place, one)
            pad = factor((*multiply, ("pad", 1.0), (f"pad/{place.runtime}", 1.0)))
            regimes.append(Regime(one.tokens, one.peak, factor(multiply), pad, one.number, one.known))
        terms.append(Term(matrix, read, tuple(regimes)))
    return Prepared(
        shape=shape,
        place=place,
        terms=tuple(terms),
        cache=factor(tuple(_levels("cache", place))),
        attend=factor(tuple(_levels("attend", place))),
        rows=factor(tuple(_levels("rows", place))),
        layer=factor(tuple(_levels("layer", place))),
        experts=factor(tuple(_levels("expert_layer", place))),
        step=factor((("step", 1.0), (f"step/{place.runtime}", 1.0))),
        each=factor((("each", 1.0), (f"each/{place.runtime}", 1.0))),
        reduce=factor((("reduce", 1.0), (f"reduce/{place.link}", 1.0), (f"reduce/{place.runtime}", 1.0))),
        ring=factor((("ring", 1.0), (f"ring/{place.link}", 1.0))),
        mix=(("mix", 1.0), (f"mix/{place.runtime}", 1.0)),
        keys=tuple(keys),
    )


def factor_of(keys: Keys, coefficients: Mapping[str, float]) -> float:
    """The exponential of the sum of the coefficients that are known; an unknown level adds nothing."""
    known = coefficients.get
    return exp(sum(known(name, 0.0) * weight for name, weight in keys))


class Factors(NamedTuple):
    """What each place is multiplied by, and the share of others' prompts that a sequence waits for."""

    places: Sequence[float]
    mix: float


def factors_of(prepared: Prepared, coefficients: Mapping[str, float]) -> Factors:
    """The factors of a shape on a place by a fit's coefficients."""
    places = [factor_of(keys, coefficients) for keys in prepared.keys]
    return Factors(places, factor_of(prepared.mix, coefficients))


def _longer(out: list[float], one: tuple[int, float], others: Sequence[tuple[int, float]], scale: float) -> None:
    """Add the smooth maximum of one time and of the sum of others, shared out by its derivatives."""
    first, second = one[1], sum(time for _, time in others)
    top = max(first, second)
    if top <= 0.0:
        return
    a, b = (first / top) ** POWER, (second / top) ** POWER
    both = a + b
    whole = top * both ** (1.0 / POWER) * scale
    out[one[0]] += whole * a / both
    if second > 0.0:
        rest = whole * b / (both * second)
        for place, time in others:
            out[place] += rest * time


def _matrix(out: list[float], term: Term, prepared: Prepared, factors: Sequence[float], ask: Ask, scale: float) -> None:
    shape, place, matrix = prepared.shape, prepared.place, term.matrix
    tokens = ask.tokens * ask.sequences
    size, met, multiplied = matrix.size, matrix.met, tokens
    if matrix.kind == "experts":
        share = distinct_experts(shape.experts, shape.chosen, tokens)
        size *= share
    elif matrix.kind == "head":
        multiplied = ask.sequences
    regime = term.regimes[0]
    for each in term.regimes:
        if tokens >= each.tokens:
            regime = each
    reading = size / (place.bandwidth * place.cards) * factors[term.read]
    unit = 2.0 / (regime.peak * place.cards)
    work = [(regime.multiply, met * multiplied * unit * factors[regime.multiply])]
    if matrix.kind == "experts" and tokens > 1:
        # Rows of each expert are padded to whole tiles: so many rows more for every expert that is touched.
        work.append((regime.pad, matrix.parameters * share * unit * factors[regime.pad]))
    _longer(out, (term.read, reading), work, scale)


def contributions(prepared: Prepared, factors: Sequence[float], ask: Ask, scale: float = 1.0) -> list[float]:
    """Seconds of one step by factor; their sum is its time, and each its derivative by the factor's logarithm.

    Args:
        prepared: a shape on a place.
        factors: of `factors_of`.
        ask: the step.
        scale: how many such steps.
    """
    shape, place = prepared.shape, prepared.place
    out = [0.0] * len(factors)
    for term in prepared.terms:
        _matrix(out, term, prepared, factors, ask, scale)
    tokens = ask.tokens * ask.sequences
    held, pairs = shape.state * ask.sequences, 0.0
    for cache in shape.caches:
        behind = ask.context if cache.window is None else min(ask.context, cache.window)
        held += cache.layers * cache.row * behind * ask.sequences
        pairs += cache.layers * cache.pair * behind * tokens
    cards = place.cards
    _longer(
        out,
        (prepared.cache, held / (place.bandwidth * cards) * factors[prepared.cache]),
        [(prepared.attend, pairs / (place.peak * cards) * factors[prepared.attend])],
        scale,
    )
    # Rows of activations in 16 bits, one for each token and one for each expert that it is sent to.
    rows = 2.0 * shape.hidden * tokens * (shape.layers + shape.expert_layers * shape.chosen)
    out[prepared.rows] += rows / (place.bandwidth * cards) * factors[prepared.rows] * scale
    out[prepared.layer] += shape.layers * factors[prepared.layer] * scale
    out[prepared.experts] += shape.expert_layers * factors[prepared.experts] * scale
    out[prepared.step] += factors[prepared.step] * scale
    out[prepared.each] += ask.sequences * factors[prepared.each] * scale
    if cards > 1:
        # Two sums of all cards in every layer: one behind attention, one behind the MLP or the experts.
        sums = 2.0 * shape.layers * scale
        out[prepared.reduce] += sums * factors[prepared.reduce]
        moved = 2.0 * shape.hidden * tokens * 2.0 * (cards - 1) / cards
        out[prepared.ring] += sums * moved / place.link_bandwidth * factors[prepared.ring]
    return out


def decode(prepared: Prepared, factors: Factors, sequences: float, context: float) -> list[float]:
    """One step that adds a token to each sequence, with so many tokens behind each on average, by place."""
    return contributions(prepared, factors.places, Ask(1.0, sequences, context))


def prefill(prepared: Prepared, factors: Factors, prompt: float, behind: float = 0.0) -> list[float]:
    """Reading one prompt behind so many tokens, chunk by chunk, by place."""
    chunk = min(prompt, float(prepared.place.chunk))
    return contributions(prepared, factors.places, Ask(chunk, 1.0, behind + prompt / 2), prompt / chunk)


def waiting(prepared: Prepared, factors: Factors, sequences: float, prompt: float, output: float) -> list[float]:
    """Seconds that a token waits for the prompts of the other sequences, by place.

    Each of them is read in once while `output` tokens are written: for every token (sequences - 1) / output prompts,
    times the share that is not hidden before a sequence's first token, or beside decoding.
    """
    if prompt <= 0 or output <= 0 or sequences <= 1:
        return [0.0] * len(factors.places)
    share = (sequences - 1) / output * factors.mix
    return [time * share for time in prefill(prepared, factors, prompt)]


def serving(prepared: Prepared, factors: Factors, sequences: float, prompt: float, output: float) -> list[float]:
    """Seconds between a sequence's tokens while others that finished are replaced at once, by place."""
    step = decode(prepared, factors, sequences, prompt + output / 2)
    waited = waiting(prepared, factors, sequences, prompt, output)
    return [one + other for one, other in zip(step, waited, strict=True)]
