"""What each purpose asks of a server where the question leaves it open, and what is to be good then."""

from typing import NamedTuple

from assay.types.decide import Goal, Interval, Need, Pace, Purpose

UNSTATED_CONTEXT = 131_072
"""Tokens of a sequence where the model's own limit is not known and a long context is asked for."""
TOKENS_OF_A_CHAT = 32_768


class Usual(NamedTuple):
    """What a purpose means by itself; every number is an assumption that the answer repeats.

    Attributes:
        goal: what is to be good.
        users: sequences at once; context: tokens of each, None for all that the model takes.
        prompt, output: tokens read and written in one turn.
        why: what the goal follows from.
    """

    goal: Goal
    users: int
    context: int | None
    prompt: int
    output: int
    why: str


PURPOSES: dict[Purpose, Usual] = {
    "chat": Usual("decode", 1, TOKENS_OF_A_CHAT, 1024, 512, "one reads while the answer is written"),
    "long-context": Usual("turn", 1, None, 65_536, 1024, "the text is long and read once for every answer"),
    "batch": Usual("total", 64, 4096, 1024, 512, "nobody waits for a single answer"),
    "agents": Usual("turn", 4, TOKENS_OF_A_CHAT, 8192, 512, "each step waits for the whole answer to the one before"),
    "rag": Usual("turn", 8, 8192, 6144, 512, "found texts are read before a short answer is written"),
    "training": Usual("decode", 1, 4096, 1024, 512, "what is run afterwards is another question"),
}


def need_of(purpose: Purpose, users: int | None, context: int | None, longest: int | None) -> Need:
    """The need of a purpose.

    Args:
        purpose: what for.
        users: sequences at once, or None for what is usual.
        context: tokens of each, or None for what is usual.
        longest: tokens that the model takes, or None where that is not known.
    """
    usual = PURPOSES[purpose]
    tokens = context or min(usual.context or longest or UNSTATED_CONTEXT, longest or UNSTATED_CONTEXT)
    prompt = min(usual.prompt, max(1, tokens // 2))
    output = min(usual.output, max(1, tokens - prompt))
    return Need(purpose, usual.goal, users or usual.users, tokens, prompt, output)


def turn_of(pace: Pace, output: int) -> Interval | None:
    """Seconds from a question to the end of its answer: the first token, then the others one by one."""
    if pace.first is None or pace.decode is None or not pace.decode[0]:
        return None
    low, typical, high = pace.first
    slow, usual, fast = pace.decode
    return low + output / fast, typical + output / usual, high + output / slow


def _inverse(time: Interval | None) -> Interval | None:
    return None if time is None or time[0] <= 0 else (1 / time[2], 1 / time[1], 1 / time[0])


def goal_of(need: Need, pace: Pace) -> Interval | None:
    """What is to be good as a rate, larger is better; None where it is not known."""
    if need.goal == "decode":
        return pace.decode
    if need.goal == "total":
        return pace.total
    return _inverse(pace.first if need.goal == "first" else turn_of(pace, need.output))
