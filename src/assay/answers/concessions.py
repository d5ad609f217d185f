"""What to give up so that all servers fit: searched over every model's ladders, each proposal fitted again."""

from assay.answers.candidate import Terms, given_up, reduced
from assay.answers.packed import Change
from assay.answers.placing import Placing
from assay.reason.pack.giving_up import ORDER, Levels, alone, joint

QUICK = 2_000
"""Placements that a search for what to give up tries; what it does not find there is not proposed."""


def proposals(placing: Placing, terms: tuple[Terms, ...]) -> tuple[tuple[Change, ...], ...]:
    """What alone suffices, cheapest first; before another checkpoint, several things together where nothing does."""
    every = [step for server, one in enumerate(placing.candidates) for step in one.steps(server, placing.groups)]
    steps = tuple(sorted(every, key=lambda step: (ORDER[step.ladder.kind], step.ladder.server)))
    ladders = tuple(step.ladder for step in steps)

    def left(levels: Levels) -> tuple[Terms, ...]:
        return tuple(
            reduced(
                one,
                *zip(
                    *((step, level) for step, level in zip(steps, levels, strict=True) if step.ladder.server == server),
                    strict=True,
                ),
            )
            for server, one in enumerate(terms)
        )

    def fits(levels: Levels) -> bool:
        return placing.arranged(left(levels), certain=True, limit=QUICK).placed is not None

    def changes(levels: Levels) -> tuple[Change, ...]:
        remaining = left(levels)
        found = []
        for step, level in zip(steps, levels, strict=True):
            server, kind = step.ladder.server, step.ladder.kind
            if level:
                asked = getattr(terms[server], kind)
                said = given_up(kind, terms[server], remaining[server])
                found.append(Change(server, kind, step.values[level - 1], asked, said))
        return tuple(found)

    found = [changes(levels) for levels in alone(ladders, fits)]
    if all(change.kind == "weights" for one in found for change in one):
        together = joint(ladders, fits)
        if together is not None and sum(map(bool, together)) > 1:
            found.insert(0, changes(together))
    return tuple(found)
