"""Which server goes on which cards: exact search, with a stated limit.

Branch and bound over servers, the hardest to place first. Two states are one where cards of a kind are filled alike,
whichever of them it is and whichever of several equal servers came first: a state that failed once is not entered
again. A branch ends where what remains cannot go into what is left. Found is found; not found is proven only where the
search was not cut short.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

NODES = 50_000
"""Placements that a search tries before it gives up and says so: a second or two."""
UNLIMITED = 1 << 62


class Way(NamedTuple):
    """One way to place a server: a group of cards of these kinds, sorted, and for each member what is used there.

    `claims` and `ceilings` are in one unit of memory: what the server takes of a member, and how much of that member
    may be used in all while it runs there. Members of one kind are claimed alike.
    """

    kinds: tuple[str, ...]
    claims: tuple[int, ...]
    ceilings: tuple[int, ...]


class Placed(NamedTuple):
    """Where a server went: the way, and the numbers of the cards, in the order of its kinds."""

    way: Way
    cards: tuple[int, ...]


class Found(NamedTuple):
    """The first arrangement found, in the order of the servers; None with `proven` means that there is none."""

    placed: tuple[Placed, ...] | None
    proven: bool
    nodes: int


class _Card(NamedTuple):
    """A card while it is filled: its kind, what is used, and how much may be."""

    kind: str
    used: int
    ceiling: int


def _least(ways: tuple[Way, ...]) -> int:
    """The least memory, over all cards, that a server takes."""
    return min((sum(way.claims) for way in ways), default=0)


def _roomiest(servers: tuple[tuple[Way, ...], ...]) -> dict[str, int]:
    """How much of a card of each kind any server lets be used."""
    found: dict[str, int] = {}
    for ways in servers:
        for way in ways:
            for kind, ceiling in zip(way.kinds, way.ceilings, strict=True):
                found[kind] = max(found.get(kind, 0), ceiling)
    return found


def _with(cards: tuple[_Card, ...], way: Way, chosen: tuple[int, ...]) -> tuple[_Card, ...] | None:
    """The cards with a server on the chosen ones; None where it does not go there."""
    filled = list(cards)
    for at, claim, ceiling in zip(chosen, way.claims, way.ceilings, strict=True):
        card = filled[at]
        card = _Card(card.kind, card.used + claim, min(card.ceiling, ceiling))
        if card.used > card.ceiling:
            return None
        filled[at] = card
    return tuple(filled)


class _Search:
    """One search; servers in the order in which they are placed."""

    __slots__ = ("cut", "dead", "limit", "nodes", "remaining", "roomiest", "servers")

    def __init__(self, servers: tuple[tuple[Way, ...], ...], limit: int) -> None:
        self.servers = servers
        self.limit = limit
        self.nodes = 0
        self.cut = False
        self.dead: set[tuple[int, tuple[_Card, ...]]] = set()
        self.roomiest = _roomiest(servers)
        self.remaining = [0]
        for ways in reversed(servers):
            self.remaining.insert(0, self.remaining[0] + _least(ways))

    def _hopeless(self, at: int, cards: tuple[_Card, ...]) -> bool:
        left = sum(max(0, min(card.ceiling, self.roomiest.get(card.kind, 0)) - card.used) for card in cards)
        return self.remaining[at] > left

    @staticmethod
    def _groups(way: Way, cards: tuple[_Card, ...]) -> Iterator[tuple[int, ...]]:
        """Groups of cards of a way's kinds, one of each that differ; the fullest first: whole cards stay free."""
        order = sorted(range(len(cards)), key=lambda at: (cards[at].kind, -cards[at].used, at))
        seen: set[tuple[_Card, ...]] = set()
        for chosen in combinations(order, len(way.kinds)):
            alike = tuple(cards[at] for at in chosen)
            if tuple(card.kind for card in alike) == way.kinds and alike not in seen:
                seen.add(alike)
                yield chosen

    def place(self, at: int, cards: tuple[_Card, ...]) -> tuple[Placed, ...] | None:
        """The servers from `at` on, on cards that hold those before; None where they do not go, or time is up."""
        if at == len(self.servers):
            return ()
        key = (at, tuple(sorted(cards)))
        if key in self.dead or self._hopeless(at, cards):
            return None
        for way in self.servers[at]:
            for chosen in self._groups(way, cards):
                if self.nodes >= self.limit:
                    self.cut = True
                    return None
                self.nodes += 1
                filled = _with(cards, way, chosen)
                rest = None if filled is None else self.place(at + 1, filled)
                if rest is not None:
                    return (Placed(way, chosen), *rest)
        if not self.cut:
            self.dead.add(key)
        return None


def arrange(servers: tuple[tuple[Way, ...], ...], kinds: tuple[str, ...], limit: int = NODES) -> Found:
    """An arrangement of all servers on the cards, or that there is none.

    Args:
        servers: the ways of each; those that stand first are tried first.
        kinds: the kind of each card.
        limit: placements to try before giving up.
    """
    order = sorted(range(len(servers)), key=lambda at: (-_least(servers[at]), servers[at]))
    search = _Search(tuple(servers[at] for at in order), limit)
    placed = search.place(0, tuple(_Card(kind, 0, UNLIMITED) for kind in kinds))
    if placed is None:
        return Found(None, not search.cut, search.nodes)
    back = sorted(zip(order, placed, strict=True))
    return Found(tuple(one for _, one in back), proven=True, nodes=search.nodes)
