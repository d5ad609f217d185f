"""Servers on cards: the ways that each may be placed, and an arrangement of them all."""

from itertools import combinations
from typing import NamedTuple

from assay.answers.asked import CardCount
from assay.answers.candidate import Candidate, Column, Terms
from assay.answers.cards import Card
from assay.answers.judged import card_memory
from assay.answers.refusals import absent
from assay.reason.pack.claims import Member, Need, need_of, possibly, seen_by_process, surely, together, widened
from assay.reason.pack.search import NODES, Found, Way, arrange
from assay.types.message import Message, message
from assay.types.plan import Verdict
from assay.types.quantity import Quantity

DEGREES = (1, 2, 4)
"""Cards of a group that share a model; fewer first."""


class Group(NamedTuple):
    """A server on a group of cards: whether anything but memory stands against it, why, and the bytes of each card."""

    column: Column
    verdict: Verdict
    reasons: tuple[Message, ...]
    need: Need


def slots_of(column: Column) -> tuple[Card, ...]:
    """Each card of a set by itself, those of a kind side by side."""
    return tuple(entry.card for entry in column for _ in range(entry.number))


def groups_of(column: Column) -> tuple[Column, ...]:
    """Every group of cards that a server may be placed on, once for each that differ; small ones first."""
    cards = {entry.card.gpu.id: entry.card for entry in column}
    kinds = sorted(card.gpu.id for card in slots_of(column))
    found = [
        tuple(CardCount(cards[kind], chosen.count(kind)) for kind in dict.fromkeys(chosen))
        for degree in DEGREES
        for chosen in sorted(set(combinations(kinds, degree)))
    ]
    return tuple(found)


def members_of(column: Column) -> tuple[Member, ...]:
    """The cards of a group with what a process sees of each."""
    count = sum(entry.number for entry in column)
    seen = {entry.card.gpu.id: seen_by_process(card_memory(entry.card, count)) for entry in column}
    return tuple(Member(entry.card.gpu.id, seen[entry.card.gpu.id]) for entry in column for _ in range(entry.number))


def share_of(candidate: Candidate) -> Quantity | None:
    """The share of a card that the runtime allows itself; None for one that is told no fraction of a card."""
    memory = candidate.engine.memory
    return None if memory is None or fills(candidate) else memory.fraction


def fills(candidate: Candidate) -> bool:
    """Whether the runtime takes what it finds free by its own rule: beside it there is certain room for nothing."""
    memory = candidate.engine.memory
    return memory is not None and (memory.reserve is not None or memory.fraction_of == "rest")


class Placing:
    """Candidates on one set of cards; what was found of each group is kept by the candidates."""

    def __init__(self, candidates: tuple[Candidate, ...], column: Column) -> None:
        self.candidates, self.column = candidates, column
        self.groups = groups_of(column)
        slots = sorted(slots_of(column), key=lambda card: card.gpu.id)
        self.kinds = tuple(card.gpu.id for card in slots)
        self.names = tuple(card.gpu.name for card in slots)
        self._known: dict[tuple[int, Terms, bool], tuple[Way, ...]] = {}
        self.seen = tuple(seen_by_process(card_memory(card, 1)) for card in slots)

    def group(self, server: int, terms: Terms, column: Column) -> Group | None:
        """A server on one group of cards; None where there is no such checkpoint."""
        candidate = self.candidates[server]
        found = candidate.standing(terms, column)
        if found is None:
            return None
        verdict, reasons = found.fit.verdict, found.fit.reasons
        lacking = [
            message("check.format_absent", "warning", gpu=entry.card.gpu.name, format=name)
            for entry in column
            for name in absent(found.setting, entry)
        ]
        if lacking and verdict == "yes":
            verdict, reasons = "unknown", (*reasons, *lacking)
        need = together(tuple(need_of(plan) for plan in candidate.plans(terms, column)))
        return Group(column, verdict, reasons, need)

    def _ways(self, server: int, terms: Terms, *, certain: bool) -> tuple[Way, ...]:
        share = share_of(self.candidates[server])
        found = []
        for column in self.groups:
            group = self.group(server, terms, column)
            if group is None or group.verdict == "no" or (certain and group.verdict != "yes"):
                continue
            members = members_of(column)
            if certain:
                way = surely(group.need, members, None if share is None else share.lowest)
                if way is not None and fills(self.candidates[server]):
                    way = way._replace(claims=tuple(map(max, way.claims, way.ceilings)))
            else:
                way = possibly(group.need, members, None if share is None else share.highest)
            if way is not None:
                found.append(way)
        return tuple(found)

    def ways(self, terms: tuple[Terms, ...], *, certain: bool) -> tuple[tuple[Way, ...], ...]:
        """The ways of each server, copy by copy: by the pessimistic need if `certain`, else by the optimistic one."""
        found: list[tuple[Way, ...]] = []
        for server, one in enumerate(terms):
            key = server, one._replace(copies=1), certain
            if key not in self._known:
                self._known[key] = self._ways(server, one, certain=certain)
            found += [self._known[key]] * one.copies
        return tuple(found)

    def arranged(self, terms: tuple[Terms, ...], *, certain: bool, limit: int = NODES) -> Found:
        """An arrangement of all copies of all servers."""
        return arrange(self.ways(terms, certain=certain), self.kinds, limit)

    def short(self, terms: tuple[Terms, ...], step: int, limit: int) -> int | None:
        """The bytes, in whole steps, that every card lacks for a certain arrangement; None where no memory would do."""
        ways = self.ways(terms, certain=True)

        def fits(steps: int) -> bool:
            wider = tuple(widened(one, steps * step) for one in ways)
            return arrange(wider, self.kinds, limit).placed is not None

        high = 1
        while not fits(high):
            high *= 2
            if high * step > 1 << 50:
                return None
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if fits(middle) else (middle, high)
        return high * step
