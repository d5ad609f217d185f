"""What would change the answer: other numbers of users or tokens, searched with the very evaluator that gave it."""

from collections.abc import Callable, Sequence

from assay.reason.decide.recommend import certainly_better, choose, typically_better
from assay.reason.decide.weigh import Ground, weigh
from assay.types.decide import Flip, Moved, Need, Option, Weighed

MOST_USERS = 512
"""A search over users ends here."""
LEAST_CONTEXT, MOST_CONTEXT = 1024, 1 << 20
GROWTH = 1.5
"""Values are tried in steps of this factor, then halved between."""


def moved_to(need: Need, moved: Moved, value: int) -> Need:
    """The need with another number of users, or of tokens; prompt and output shrink with a shorter context."""
    if moved == "users":
        return need._replace(users=value)
    prompt = min(need.prompt, max(1, value // 2))
    return need._replace(context=value, prompt=prompt, output=min(need.output, max(1, value - prompt)))


def steps(start: int, end: int) -> list[int]:
    """Values from a start to an end, growing or shrinking by a factor, the start left out."""
    found, value = [], start
    while value != end:
        value = min(end, max(value + 1, int(value * GROWTH))) if end > start else max(end, int(value / GROWTH))
        found.append(value)
    return found


def first(start: int, end: int, holds: Callable[[int], bool]) -> int | None:
    """The value nearest to the start, on the way to the end, at which something holds; None where it is not met.

    Between two tried values it is taken to change once.
    """
    before = start
    for value in steps(start, end):
        if holds(value):
            far, near = value, before
            while abs(far - near) > 1:
                middle = (far + near) // 2
                far, near = (middle, near) if holds(middle) else (far, middle)
            return far
        before = value
    return None


class Search:
    """Options for one need, and what they are for others; each is weighed once."""

    def __init__(self, grounds: Sequence[Ground], need: Need) -> None:
        self.grounds, self.need = {ground.option: ground for ground in grounds}, need
        self._kept: dict[tuple[Option, Need], Weighed] = {}

    def weighed(self, option: Option, need: Need) -> Weighed:
        """An option for a need."""
        key = option, need
        if key not in self._kept:
            self._kept[key] = weigh(self.grounds[option], need)
        return self._kept[key]

    def chosen(self, need: Need) -> Option | None:
        """What is recommended for a need; None where nothing surely meets it."""
        found = choose([self.weighed(option, need) for option in self.grounds], need)
        return found.best.option if found.best is not None and found.verdict == "yes" else None

    def _ends(self, moved: Moved) -> tuple[int, ...]:
        if moved == "users":
            return (MOST_USERS,) if self.need.users < MOST_USERS else ()
        limits = [ground.setting.model.max_context for ground in self.grounds.values()]
        most = min((limit for limit in limits if limit), default=MOST_CONTEXT)
        return tuple(end for end in (most,) if end > self.need.context)

    def instead(self, best: Option | None, moved: Moved) -> list[Flip]:
        """Where another option is recommended."""
        found = []
        for end in self._ends(moved):
            start = getattr(self.need, moved)
            at = first(start, end, lambda value: self.chosen(moved_to(self.need, moved, value)) != best)
            if at is not None:
                then = self.chosen(moved_to(self.need, moved, at))
                found.append(Flip(moved, at, "instead", then, best, certain=True))
        return found

    def overtakes(self, best: Option, rival: Option, moved: Moved) -> Flip | None:
        """Where a rival that is behind at the goal comes ahead, and between which values that cannot be told."""
        start = getattr(self.need, moved)

        def pair(value: int) -> tuple[Weighed, Weighed]:
            need = moved_to(self.need, moved, value)
            return self.weighed(rival, need), self.weighed(best, need)

        def ahead(value: int) -> bool:
            one, other = pair(value)
            runs = one.verdict == "yes" and other.verdict == "yes"
            return runs and typically_better(one.goal, other.goal)

        def apart(value: int) -> bool:
            one, other = pair(value)
            return one.verdict == "yes" and certainly_better(one.goal, other.goal)

        def perhaps(value: int) -> bool:
            one, other = pair(value)
            return one.verdict == "yes" and not certainly_better(other.goal, one.goal)

        if ahead(start):
            return None
        for end in self._ends(moved):
            at = first(start, end, ahead)
            if at is not None:
                low = start if perhaps(start) else first(start, at, perhaps)
                high = at if apart(at) else first(at, end, apart)
                return Flip(moved, at, "overtakes", rival, best, low, high, certain=high == at)
        return None


def flips(search: Search, best: Weighed | None, rivals: Sequence[Option]) -> tuple[Flip, ...]:
    """What changes the answer, nearest first: another recommendation, or a rival that comes ahead.

    Args:
        search: the options that take part.
        best: what is recommended; None for nothing.
        rivals: options that might come ahead of it.
    """
    chosen = None if best is None else best.option
    found: list[Flip] = []
    kinds: tuple[Moved, ...] = ("users", "context")
    for moved in kinds:
        found += search.instead(chosen if best is not None and best.meets == "yes" else None, moved)
        if chosen is not None:
            ahead = [flip for rival in rivals if (flip := search.overtakes(chosen, rival, moved)) is not None]
            found += sorted(ahead, key=lambda flip: flip.at)[:1]
    return tuple(found)
