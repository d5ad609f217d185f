"""Text -> words in one spelling: case, scripts, marks, separators and glued words no longer matter."""

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from assay.knowledge.identity import words

_MARKS = ("™", "®", "©", "℠", "(r)", "(tm)", "(c)", "(р)")
_TIMES = str.maketrans({"×": "x", "✕": "x", "✖": "x", "ё": "е", "*": " x ", "ӿ": "х"})


def clean(text: str) -> str:
    """Lower-case text without trademark signs and invisible characters, in Unicode's compatibility form."""
    text = text.lower()
    for mark in _MARKS:
        text = text.replace(mark, " ")
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).lower()
        text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return text.translate(_TIMES)


def split(text: str) -> list[str]:
    """The runs of letters and figures of clean text."""
    return "".join(character if character.isalnum() else " " for character in text).split()


def _is_cyrillic(character: str) -> bool:
    return "\u0400" <= character <= "\u04ff"


def _letters_before(word: str) -> int:
    return next((index for index, character in enumerate(word) if character.isdigit()), len(word))


def _cyrillic(word: str) -> Iterator[str]:
    """Russian words are kept; look-alikes inside a model number become Latin."""
    russian = word.translate(words.LATIN_TO_CYRILLIC)
    if _is_known(russian):
        yield russian
        return
    head = _letters_before(word)
    if 0 < head < len(word) and _is_known(russian[:head]):
        yield russian[:head]
        yield from _latin(word[head:])
        return
    tail = len(word) - _letters_before(word[::-1])
    if 0 < tail < len(word) - 1 and _is_known(russian[tail:]):
        yield from _latin(word[:tail])
        yield russian[tail:]
        return
    yield _model_number(word)


def _model_number(word: str) -> str:
    """`А100`, `Л40` and `Л40С` in Latin letters; a last `с` after a figure is an S, as in L40S and 8060S."""
    if word[-1] == "с" and word[-2:-1].isdigit():
        word = word[:-1] + "s"
    return word.translate(words.LOOK_ALIKES).translate(words.SPOKEN_LETTERS)


def _latin(word: str) -> Iterator[str]:
    if any(map(_is_cyrillic, word)):
        yield from _cyrillic(word)
    else:
        yield word


def _is_known(word: str) -> bool:
    return word in words.SYNONYMS or word in words.NOISE or word in words.COUNT_WORDS


def _suffixes(rest: str) -> list[str] | None:
    """`tisuper` -> [ti, super], `ti16` -> [ti, 16], `x2` -> [x2]; None where a piece is no known suffix."""
    pieces: list[str] = []
    while rest:
        if rest.isdigit() or (rest[0] == "x" and rest[1:].isdigit()) or _is_memory(rest):
            return [*pieces, rest]
        suffix = next((word for word in words.GLUED_SUFFIXES if rest.startswith(word)), None)
        if suffix is None:
            return None
        pieces.append(suffix)
        rest = rest[len(suffix) :]
    return pieces


def _is_memory(word: str) -> bool:
    number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
    return number.isdigit() and word[len(number) :] in words.MEMORY_UNITS


def unglue(word: str) -> list[str]:
    """`rtx5090` -> [rtx, 5090], `4070tisuper` -> [4070, ti, super]; other words stay whole."""
    pieces: list[str] = []
    if word.isalpha():
        return [word]
    while True:
        prefix = next(
            (p for p in words.GLUED_PREFIXES if word.startswith(p) and any(map(str.isdigit, word[len(p) :]))),
            None,
        )
        if prefix is None:
            break
        pieces.append(prefix)
        word = word[len(prefix) :]
    if _is_memory(word) or word.isdigit() or not any(map(str.isdigit, word)):
        return [*pieces, word]
    head = _letters_before(word)
    end = head
    while end < len(word) and word[end].isdigit():
        end += 1
    rest = _suffixes(word[end:]) if end < len(word) else []
    return [*pieces, word] if rest is None else [*pieces, word[:end], *rest]


def _joined(found: Iterable[str]) -> list[str]:
    """Phrases as one word, units with their number, letters with the figures they belong to (`h 100`)."""
    joined: list[str] = []
    for word in found:
        last = joined[-1] if joined else ""
        if (last, word) in words.PHRASES:
            joined[-1] = words.PHRASES[last, word]
        elif (last.isdigit() and (word in words.MEMORY_UNITS or word == words.CORE)) or (
            last in words.SPLIT_LETTERS and word[:1].isdigit() and not _is_memory(word)
        ):
            joined[-1] = last + word
        elif word == words.CORE and last == "gpu" and joined[-2:-1] and joined[-2].isdigit():
            joined[-2:] = [joined[-2] + word]
        else:
            joined.append(word)
    return joined


@lru_cache(maxsize=8192)
def _parts(word: str) -> tuple[str, ...]:
    """One run of letters and figures in its parts; names repeat their words, so each is parted once."""
    pieces = (word,) if word.isascii() else _cyrillic(word)
    parts = (part for piece in pieces for part in unglue(words.SYNONYMS.get(piece, piece)))
    return tuple(words.SYNONYMS.get(part, part) for part in parts)


def tokens(text: str) -> list[str]:
    """The words of a text in order: synonyms resolved, glued words parted; noise is still among them."""
    return _joined(part for word in split(clean(text)) for part in _parts(word))


def without_noise(found: Iterable[str]) -> list[str]:
    """The words that say something."""
    return [word for word in found if word not in words.NOISE]
