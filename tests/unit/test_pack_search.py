"""The search for an arrangement against exhaustive enumeration, and its limit."""

import random
from itertools import combinations, product

import pytest

from assay.reason.pack.search import Found, Placed, Way, arrange

Servers = tuple[tuple[Way, ...], ...]


def exhaustive(servers: Servers, kinds: tuple[str, ...]) -> bool:
    """Whether any choice of a way and of cards for every server keeps every card below every ceiling on it."""
    choices = []
    for ways in servers:
        found = []
        for way in ways:
            groups = combinations(range(len(kinds)), len(way.kinds))
            found += [Placed(way, chosen) for chosen in groups if tuple(kinds[at] for at in chosen) == way.kinds]
        choices.append(found)
    return any(holds(picked, kinds) for picked in product(*choices))


def holds(placed: tuple[Placed, ...], kinds: tuple[str, ...]) -> bool:
    used, ceiling = [0] * len(kinds), [10**9] * len(kinds)
    for way, cards in placed:
        assert len(set(cards)) == len(cards) == len(way.kinds)
        for at, kind, claim, most in zip(cards, way.kinds, way.claims, way.ceilings, strict=True):
            assert kinds[at] == kind
            used[at] += claim
            ceiling[at] = min(ceiling[at], most)
    return all(one <= most for one, most in zip(used, ceiling, strict=True))


def instance(seed: int) -> tuple[Servers, tuple[str, ...]]:
    """A few servers that need about as much as a few cards have: some equal, some with another runtime's ceiling."""
    rng = random.Random(seed)  # noqa: S311 -- test instances
    kinds = tuple(sorted(rng.choice("ab") for _ in range(rng.randint(1, 4))))
    size = {"a": rng.randint(20, 40), "b": rng.randint(30, 60)}
    servers = []
    for _ in range(rng.randint(1, 4)):
        if servers and rng.random() < 0.3:
            servers.append(servers[-1])
            continue
        need, share = rng.randint(5, 45), rng.choice([1.0, 0.9])
        more = {"a": rng.randint(0, 3), "b": rng.randint(0, 3)}
        ways = []
        for degree in (1, 2, 4):
            for group in sorted(set(combinations(kinds, degree))):
                claims = tuple(-(-need // degree) + more[kind] for kind in group)
                ways.append(Way(group, claims, tuple(int(size[kind] * share) for kind in group)))
        servers.append(tuple(ways))
    return tuple(servers), kinds


@pytest.mark.parametrize("block", range(10))
def test_the_search_finds_exactly_what_enumeration_finds(block: int) -> None:
    verdicts = set()
    for seed in range(block * 60, block * 60 + 60):
        servers, kinds = instance(seed)
        found = arrange(servers, kinds)
        assert found.proven
        assert (found.placed is not None) == exhaustive(servers, kinds), seed
        if found.placed is not None:
            assert all(one.way in ways for one, ways in zip(found.placed, servers, strict=True))
            assert holds(found.placed, kinds)
        verdicts.add(found.placed is not None)
    assert verdicts == {True, False}


def alone(kind: str, claim: int, ceiling: int = 100) -> tuple[Way, ...]:
    return (Way((kind,), (claim,), (ceiling,)),)


def test_sizes_that_only_one_arrangement_takes_are_found() -> None:
    # 60 + 40 and 55 + 45: filling the first card with the largest two that go there would fail.
    servers = tuple(alone("a", claim) for claim in (60, 55, 45, 40))
    assert arrange(servers, ("a", "a")).placed is not None
    assert arrange((*servers, alone("a", 1)), ("a", "a")) == Found(None, proven=True, nodes=0)


def test_the_strictest_runtime_on_a_card_decides_how_much_of_it_is_used() -> None:
    assert arrange((alone("a", 50, 92), alone("a", 45, 100)), ("a",)).placed is None
    assert arrange((alone("a", 50, 92), alone("a", 42, 100)), ("a",)).placed is not None


def test_states_that_differ_in_what_may_be_used_are_not_one() -> None:
    servers = tuple(alone("a", claim, most) for claim, most in ((2, 10), (3, 6), (3, 10), (3, 10), (2, 6)))
    assert exhaustive(servers, ("a", "a"))
    assert arrange(servers, ("a", "a")).placed is not None


def test_fifty_servers_that_do_not_fit_are_proven_at_once() -> None:
    servers = tuple(alone("a", 8 + at % 3) for at in range(50))
    found = arrange(servers, ("a",) * 4)
    assert found.placed is None
    assert found.proven


def test_a_search_that_was_cut_short_proves_nothing() -> None:
    servers = tuple(alone("a", 26 + at % 5) for at in range(14))
    cut = arrange(servers, ("a",) * 4, limit=50)
    assert cut == Found(None, proven=False, nodes=50)
    assert arrange(servers, ("a",) * 4).proven


def test_a_server_without_any_way_is_never_placed() -> None:
    assert arrange(((),), ("a",)) == Found(None, proven=True, nodes=0)
    assert arrange((), ("a",)).placed == ()
