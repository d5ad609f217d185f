"""Which models fit a set of cards together, how many instances of one, and what to give up where they do not."""

from dataclasses import replace
from typing import NamedTuple

from assay.answers import concessions
from assay.answers.asked import CheckRequest, columns_of, default_runtime, kv_of, workload_of
from assay.answers.candidate import Candidate, Column, Terms
from assay.answers.check import model_of
from assay.answers.packed import PackAnswer, PackItem, PackRequest, PackResult, Reach, Server
from assay.answers.placing import Placing, fills, members_of, share_of
from assay.errors import UsageError
from assay.knowledge.catalog.runtimes import runtime
from assay.reason.deploy.shares import STEPS
from assay.reason.memory.fit import UNSTATED_CONTEXT
from assay.reason.pack.claims import steps_of
from assay.reason.pack.search import NODES, Placed
from assay.types.message import Message, message
from assay.types.plan import Verdict
from assay.types.quantity import Quantity, derive, exact, total

MOST_SERVERS = 64
"""Servers, copies counted: beyond, the question is for a cluster."""
MIB = 1 << 20
GRAIN = 1024
"""Contexts told for a number of instances are multiples of this."""
SHOWN = 8
"""Up to so many instances each number is told its context; beyond, powers of two."""


def _fill(placing: Placing, terms: tuple[Terms, ...], most: tuple[int, ...], *, certain: bool) -> tuple[Terms, ...]:
    """The terms with as many copies as fit of each server in `most`, one after the other."""
    for server in most:
        while sum(one.copies for one in terms) < MOST_SERVERS:
            more = _copies(terms, server, terms[server].copies + 1)
            if placing.arranged(more, certain=certain).placed is None:
                break
            terms = more
    return terms


def _copies(terms: tuple[Terms, ...], server: int, count: int) -> tuple[Terms, ...]:
    return (*terms[:server], terms[server]._replace(copies=count), *terms[server + 1 :])


def _server(placing: Placing, item: int, copy: int, terms: Terms, placed: Placed) -> Server:
    """A copy where the search put it, with the memory of each of its cards and the fraction to tell it."""
    column = next(one for one in placing.groups if tuple(member.kind for member in members_of(one)) == placed.way.kinds)
    candidate = placing.candidates[item]
    of_kind = dict(zip((entry.card.gpu.id for entry in column), candidate.plans(terms, column), strict=True))
    group = placing.group(item, terms, column)
    told = None
    if group is not None and group.need.high is not None and share_of(candidate) is not None:
        steps = steps_of(group.need.high, members_of(column))
        told = None if steps is None else steps / STEPS
    return Server(item, copy, placed.cards, tuple(of_kind[kind] for kind in placed.way.kinds), told)


def _servers(placing: Placing, terms: tuple[Terms, ...], placed: tuple[Placed, ...]) -> tuple[Server, ...]:
    copies = [(item, copy) for item, one in enumerate(terms) for copy in range(1, one.copies + 1)]
    return tuple(
        _server(placing, item, copy, terms[item], one) for (item, copy), one in zip(copies, placed, strict=True)
    )


def _free(placing: Placing, servers: tuple[Server, ...], slot: int) -> Quantity:
    """What is left of one card: of the share that the strictest runtime on it allows, less what the servers hold."""
    here = [server for server in servers if slot in server.cards]
    seen = placing.seen[slot]
    shares = [share for server in here if (share := share_of(placing.candidates[server.item])) is not None]
    share = min(shares, key=lambda one: one.lowest or 0.0, default=exact(1.0, "ratio", "assumed"))
    told = sum(server.fraction or 0.0 for server in here)
    plain = [server.plans[server.cards.index(slot)].total for server in here if server.fraction is None]
    needs = total("B", [("total", one) for one in plain]) if plain else exact(0.0, "B", "assumed")
    return derive(
        "B",
        "seen by a process x (usual share - fractions told) - needs of servers that are told none",
        [("seen by a process", seen), ("usual share", share), ("needs of servers that are told none", needs)],
        lambda size, part, used: float(int(size * (part - told) - used)),
        rising=(True, True, False),
    )


def _about(placing: Placing, terms: tuple[Terms, ...], value: int, unit: str, formula: str) -> Quantity:
    """A count that follows from the memory plans of the first server on its smallest group."""
    plan = next(iter(placing.candidates[0].plans(terms[0], placing.groups[0])), None)
    known = None if plan is None or plan.total.value is None else plan.total
    sources = () if known is None else known.sources
    inputs = () if known is None else (("total", known),)
    weakest = "assumed" if known is None else known.weakest
    return Quantity(value, unit, "derived", sources, weakest=weakest, weakest_share=1.0, formula=formula, inputs=inputs)


def _longest(placing: Placing, terms: tuple[Terms, ...]) -> int:
    """The largest context of a number of instances, in whole steps or the model's own limit; 0 where none fits."""
    limit = placing.candidates[0].model.max_context or UNSTATED_CONTEXT

    def fits(context: int) -> bool:
        return placing.arranged((terms[0]._replace(context=context),), certain=True).placed is not None

    if fits(limit):
        return limit
    low, high = 0, -(-limit // GRAIN)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle * GRAIN) else (low, middle)
    return low * GRAIN


def _reach(placing: Placing, terms: tuple[Terms, ...], most: int) -> tuple[Reach, ...]:
    """The context of each number of instances, and of one more than fits as asked where a shorter one lets it."""
    numbers = range(1, most + 2) if most <= SHOWN else [*(1 << at for at in range(most.bit_length())), most, most + 1]
    found = []
    for count in dict.fromkeys(numbers):
        context = _longest(placing, _copies(terms, 0, count))
        if context:
            formula = "largest multiple of 1,024 tokens at which so many instances surely have a place"
            found.append(Reach(count, _about(placing, terms, context, "token", formula)))
    return tuple(found)


def _instances(placing: Placing, terms: tuple[Terms, ...], surely: int) -> Quantity:
    """How many surely fit, up to how many that cannot be excluded."""
    floor = _copies(terms, 0, max(1, surely))
    some = placing.arranged(floor, certain=False)
    possibly = _fill(placing, floor, (0,), certain=False)[0].copies if some.placed is not None else 0
    formula = "most instances for which a search finds a place in what is available"
    found = _about(placing, terms, surely, "instance", formula)
    high = max(surely, possibly)
    return found if high == surely else replace(found, low=surely, high=high)


def _short(placing: Placing, terms: tuple[Terms, ...]) -> Quantity | None:
    """The memory that every card lacks for certainty; None where no memory would do."""
    found = placing.short(terms, MIB, concessions.QUICK)
    formula = "least further memory of every card, in steps of 1 MiB, with which all surely have a place"
    return None if found is None else _about(placing, terms, found, "B", formula)


class _Against(NamedTuple):
    """What else than memory keeps servers off all cards, or makes them uncertain on all."""

    refused: bool
    reasons: tuple[Message, ...]


def _against(placing: Placing, terms: tuple[Terms, ...], names: tuple[str, ...]) -> _Against:
    refused = False
    said: list[Message] = []
    for server, one in enumerate(terms):
        groups = [group for column in placing.groups if (group := placing.group(server, one, column)) is not None]
        verdicts = {group.verdict for group in groups}
        if "yes" in verdicts:
            continue
        nowhere = "unknown" not in verdicts
        refused = refused or nowhere
        reasons = next((group.reasons for group in groups if group.verdict == "unknown" or nowhere), ())
        said += [message("pack.of", "warning", model=names[server], what=(reason,)) for reason in reasons]
    return _Against(refused, tuple(dict.fromkeys(said)))


def _unplaced(placing: Placing, terms: tuple[Terms, ...], names: tuple[str, ...], *, cut: bool) -> PackResult:
    """The answer where no certain arrangement was found."""
    possible = placing.arranged(terms, certain=False)
    proven = possible.proven
    verdict: Verdict = "no" if possible.placed is None and proven else "unknown"
    against = _against(placing, terms, names)
    reasons = list(against.reasons)
    greedy = (
        {one.engine.name for one in placing.candidates if fills(one)} if sum(one.copies for one in terms) > 1 else ()
    )
    if verdict == "unknown":
        reasons += [message("pack.fills", "warning", runtime=name) for name in sorted(greedy)]
    if cut or not proven:
        reasons.append(message("pack.cut", "warning", nodes=NODES))
    elif verdict == "unknown" and not reasons:
        reasons.append(message("pack.too_close", "warning"))
    return PackResult(
        cards=placing.column,
        slots=placing.names,
        ids=placing.kinds,
        verdict=verdict,
        refused=against.refused and verdict == "no",
        proven=proven and not cut,
        servers=(),
        free=(),
        instances=None,
        reach=(),
        short=None if greedy and verdict == "unknown" else _short(placing, terms),
        proposals=concessions.proposals(placing, terms),
        reasons=tuple(reasons),
    )


def _placed(placing: Placing, terms: tuple[Terms, ...]) -> PackResult:
    """The answer with an arrangement."""
    found = placing.arranged(terms, certain=True)
    servers = _servers(placing, terms, found.placed or ())
    reasons = []
    if any(len({placing.kinds[slot] for slot in server.cards}) > 1 for server in servers):
        reasons.append(message("pack.unequal"))
    shared = any(sum(slot in server.cards for server in servers) > 1 for slot in range(len(placing.kinds)))
    if shared and any(server.fraction is not None for server in servers):
        reasons.append(message("pack.order"))
    return PackResult(
        cards=placing.column,
        slots=placing.names,
        ids=placing.kinds,
        verdict="yes",
        refused=False,
        proven=True,
        servers=servers,
        free=tuple(_free(placing, servers, slot) for slot in range(len(placing.kinds))),
        instances=None,
        reach=(),
        short=None,
        proposals=(),
        reasons=tuple(reasons),
    )


def _result(
    candidates: tuple[Candidate, ...], names: tuple[str, ...], most: tuple[int, ...], column: Column
) -> PackResult:
    """The answer for one set of cards."""
    placing = Placing(candidates, column)
    terms = tuple(candidate.terms for candidate in candidates)
    first = placing.arranged(terms, certain=True)
    if first.placed is None:
        found = _unplaced(placing, terms, names, cut=not first.proven)
    else:
        terms = _fill(placing, terms, most, certain=True)
        found = _placed(placing, terms)
    if len(candidates) > 1 or not most:
        return found
    surely = terms[0].copies if found.servers else 0
    full = placing.arranged(_copies(terms, 0, surely + 1), certain=True)
    cut = () if full.proven else (message("pack.cut", "warning", nodes=NODES),)
    return found._replace(
        instances=_instances(placing, terms, surely),
        reach=_reach(placing, terms, surely),
        proven=found.proven and full.proven,
        reasons=tuple(dict.fromkeys((*found.reasons, *cut))),
    )


def _candidate(item: PackItem, gpus: tuple[str, ...], columns: list[Column]) -> Candidate:
    request = CheckRequest(item.model, gpus, item.runtime, item.weights, item.kv, item.context, item.users)
    model = model_of(request)
    engine = runtime(item.runtime or default_runtime(model, columns))
    kv = kv_of(item.kv, engine, model)
    workload = workload_of(request, model, kv)
    copies = item.copies if isinstance(item.copies, int) else 1
    terms = Terms(workload.context, workload.concurrency, kv.id, None, copies)
    return Candidate(request, model, engine, terms, workload.prompt)


def _named(candidates: tuple[Candidate, ...]) -> tuple[str, ...]:
    """A short name for each model; one that is named twice is told apart by its place."""
    names = [candidate.model.name.rsplit("/", 1)[-1] for candidate in candidates]
    return tuple(
        name if names.count(name) == 1 else f"{name} #{names[: place + 1].count(name)}"
        for place, name in enumerate(names)
    )


def answer(request: PackRequest) -> PackAnswer:
    """The verdict for all models together on each set of cards that may be meant.

    Raises:
        UsageError: no model, too many servers, or a number that is not positive.
        BadInput: an unknown card, model, runtime or KV type.
        CannotAnswer: an architecture that is not known.
    """
    copies = sum(item.copies if isinstance(item.copies, int) else 1 for item in request.items)
    if not 1 <= copies <= MOST_SERVERS or any(
        isinstance(item.copies, int) and item.copies < 1 for item in request.items
    ):
        raise UsageError(message("error.pack_servers", count=copies, limit=MOST_SERVERS), message("hint.pack_servers"))
    columns, identifications = columns_of((" + ".join(request.gpus),))
    candidates = tuple(_candidate(item, request.gpus, columns) for item in request.items)
    names = _named(candidates)
    alone = len(request.items) == 1
    most = tuple(
        place for place, item in enumerate(request.items) if item.copies == "max" or (alone and item.copies is None)
    )
    return PackAnswer(
        request=request,
        candidates=candidates,
        names=names,
        identifications=tuple(identifications),
        results=tuple(_result(candidates, names, most, column) for column in columns),
        messages=tuple(dict.fromkeys(note for candidate in candidates for note in candidate.model.notes)),
    )
