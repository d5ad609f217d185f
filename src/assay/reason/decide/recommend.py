"""What to run: the weights as released where they do, unless something else is better on the user's own terms.

The order of the options tells which runtime is preferred where speeds cannot be told apart.

*On the user's own terms* means: it meets the need, loses no more than was allowed in so many words, and is better at
the goal by more than the intervals of both. Who allowed no loss is offered none, however fast it would be.

Where nothing that is as released meets the need, the mildest change that does is taken: first the KV cache alone, then
weights, wide ones before narrow ones; among formats of like width the one that is known to lose least, by one protocol.
"""

from collections.abc import Sequence
from math import floor

from assay.types.decide import Choice, Interval, Loss, Need, Reason, Weighed
from assay.types.plan import Verdict

ORDER: tuple[Verdict, ...] = ("yes", "unknown", "no")


def certainly_better(one: Interval | None, other: Interval | None) -> bool:
    """Whether two speeds lie apart, the first above the other."""
    return one is not None and other is not None and one[0] > other[2]


def typically_better(one: Interval | None, other: Interval | None) -> bool:
    """Whether the first is above the other by their typical values; a known speed is above an unknown one."""
    return one is not None and (other is None or one[1] > other[1])


def protocol_of(found: Sequence[Weighed]) -> str | None:
    """The protocol that most of the options have figures of, so that all of them stand in one column."""
    counts: dict[str, int] = {}
    for name in {(one.option.weights, loss.protocol) for one in found for loss in one.losses}:
        counts[name[1]] = counts.get(name[1], 0) + 1
    return max(sorted(counts), key=lambda name: counts[name], default=None)


def loss_by(one: Weighed, protocol: str | None) -> Loss | None:
    """What an option loses by a protocol; None where that is not known."""
    return next((loss for loss in one.losses if loss.protocol == protocol), None)


def _speed(one: Weighed) -> float:
    """The goal, unknown last."""
    return -1.0 if one.goal is None else one.goal[1]


def _mildness(one: Weighed, least: float, protocol: str | None) -> tuple[float, ...]:
    """Smaller is milder: what changes, how narrow the weights are, what they are known to lose, then the goal.

    Widths are told apart by quarters of the narrowest: the scales of a format do not make it another width.
    """
    loss = loss_by(one, protocol)
    width = 0.0 if one.lossless else -floor(4 * one.stored / least)
    unknown = loss is None and not one.lossless
    known = 0.0 if loss is None else loss.high
    return (float(not one.lossless), float(one.option.offload), width, -one.wide, float(unknown), known, -_speed(one))


def _milder(found: Sequence[Weighed], protocol: str | None) -> list[Weighed]:
    """The options, mildest first."""
    least = min((one.stored for one in found if one.stored), default=1.0)
    return sorted(found, key=lambda one: (*_mildness(one, least, protocol), one.option.id))


def settled(found: Sequence[Weighed]) -> Weighed:
    """The one to run among options that lose the same: the first runtime, unless another is certainly better.

    Under one runtime the fastest by typical values: what is not known of its speed is not known of all of them.
    """
    runtimes = dict.fromkeys(one.option.runtime for one in found)
    best = [_fastest([one for one in found if one.option.runtime == name]) for name in runtimes]
    chosen = best[0]
    for other in best[1:]:
        if chosen.goal is None or certainly_better(other.goal, chosen.goal):
            chosen = other
    return chosen


def _fastest(found: Sequence[Weighed]) -> Weighed:
    """The best at the goal by the typical values; of equals, the one without host memory and by name."""
    return max(found, key=lambda one: (_speed(one), not one.option.offload, -one.option.cards, one.option.id))


def _kept(best: Weighed, need: Need, faster: Sequence[Weighed]) -> tuple[Reason, ...]:
    """Why the weights as released stay."""
    said = [Reason("advise.as_released_meets", best.option)]
    if need.most_lost is not None:
        said.append(Reason("advise.nothing_certainly_better"))
    elif faster:
        most = _fastest(faster)
        apart = certainly_better(most.goal, best.goal)
        said.append(Reason("advise.faster_certainly" if apart else "advise.faster_perhaps", most.option))
        said.append(Reason("advise.no_loss_allowed"))
    return tuple(said)


def choose(found: Sequence[Weighed], need: Need) -> Choice:
    """The recommendation among options that are weighed for a need.

    Args:
        found: the options that are left.
        need: what is asked.
    """
    protocol = protocol_of(found)
    for verdict in ORDER:
        here = [one for one in found if one.meets == verdict]
        if not here:
            continue
        if verdict == "no":
            runs = _milder([one for one in here if one.verdict != "no"], protocol)
            nearest = runs[0] if runs else None
            return Choice(
                "no",
                nearest,
                (Reason("advise.none_meets" if runs else "advise.none_runs", nearest and nearest.option),),
            )
        if verdict == "unknown":
            nearest = _milder(here, protocol)[0]
            return Choice("unknown", nearest, (Reason("advise.none_surely", nearest.option),))
        return _among(here, need, protocol)
    return Choice("no", None, (Reason("advise.none_runs"),))


def _among(here: Sequence[Weighed], need: Need, protocol: str | None) -> Choice:
    """The choice among options that surely meet the need."""
    lossless = [one for one in here if one.lossless and not one.option.offload]
    if not lossless:
        best = _milder(here, protocol)[0]
        return Choice("yes", best, (Reason("advise.mildest", best.option),))
    best = settled(lossless)
    lossy = [one for one in here if not one.lossless]
    if need.most_lost is not None:
        better = [one for one in lossy if certainly_better(one.goal, best.goal)]
        if better:
            return Choice("yes", _fastest(better), (Reason("advise.better_on_terms", best.option),))
    faster = [one for one in lossy if typically_better(one.goal, best.goal)]
    return Choice("yes", best, _kept(best, need, faster))
