"""Prompts of about so many tokens: deterministic, and different from the first word on, so that no cache has them."""

import random

WORDS = (
    "time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school", "state",
    "family", "student", "group", "country", "problem", "hand", "part", "place", "case", "week", "company", "system",
    "program", "question", "work", "number", "night", "point", "home", "water", "room", "mother", "area", "money",
    "story", "fact", "month", "lot", "right", "study", "book", "eye", "job", "word", "business", "issue", "side",
    "kind", "head", "house", "service", "friend", "father", "power", "hour", "game", "line", "end", "member", "law",
    "car", "city", "name", "team", "minute", "idea", "body", "back", "parent", "face", "level", "office", "door",
)  # fmt: skip
"""Common English nouns: one token each, with the space before it, in every tokenizer that is in use."""


def prompt(run: str, number: int, words: int) -> str:
    """The prompt of request `number` of a run, `words` words long.

    Args:
        run: the run's random id: a server that was measured before has a cache of that run's prompts.
        number: of the request, over all rungs.
        words: how many.
    """
    chosen = random.Random(f"{run}:{number}")  # noqa: S311 -- words, not secrets
    return " ".join(chosen.choice(WORDS) for _ in range(max(1, words)))


def words_for(asked: int, before: int, counted: int | None) -> int:
    """Words for `asked` tokens, after `before` words were counted as `counted` tokens by the server.

    A server that counts far more or fewer tokens than words wraps them in a template: only the difference is mended.
    """
    if not counted:
        return asked
    return max(1, before + asked - counted) if 0.8 < counted / before < 1.25 else max(1, asked * before // counted)
