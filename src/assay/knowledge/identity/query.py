"""A typed question in its parts: how many, how much memory, and the words that name the card."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from assay.knowledge.identity import words
from assay.knowledge.identity.normalise import clean, split, tokens, without_noise

_COUNT_FIGURES = 4
_PART_NUMBER = r"(?<![\w-])\d{3}-[0-9a-z]{5,}(?:-[0-9a-z]+)*(?![\w-])"
"""`900-21010-0000-000`, as NVIDIA and its partners number boards."""
_SIZE = r"(?<![\w.,])(\d{1,3})[.,](\d{1,2})(?=\s*(?:gb|gib|гб|гиб)\b)"
_VERSION = r"(?<![\w.])\d{1,3}(?:\.\d{1,3})+(?![\w.])"
_PCI_EXPRESS = r"\bpci(?:-?e|[ -]express)\b"
_LANES = r"\s*x\s*(?:1|2|4|8|16)\b"
_LINK = rf"\bpci(?:-?e|[ -]express)\s*(?:gen\s*[1-7](?:\.\d)?\b|[1-7]\.\d\b|[1-7](?={_LANES}))(?:{_LANES})?"
"""`PCIe 4.0 x8`, `PCIe Gen5`, `PCIe4 x16`: how a card is linked, no count of cards."""
_FOUR_FIGURES = r"(?<!\w)\d{4}(?!\d)"


class Query(NamedTuple):
    """`words` in order, without noise and count; memory sizes are among them and in `memory_gib` as well.

    `cards` is None where it is zero, absurd or said twice with different values.
    """

    words: tuple[str, ...]
    cards: int | None
    memory_gib: tuple[float, ...]

    @property
    def name(self) -> frozenset[str]:
        """The words that name the card: no memory sizes."""
        return frozenset(word for word in self.words if memory_gib(word) is None)


def memory_gib(word: str) -> float | None:
    """The size in GiB that a word states (`16gb`, `97887mib`), or None."""
    number = word.rstrip("abcdefghijklmnopqrstuvwxyz")
    factor = words.MEMORY_UNITS.get(word[len(number) :])
    return int(number) * factor if factor is not None and number.isdecimal() else None


def _has_figure(word: str) -> bool:
    return any(character.isdigit() for character in word)


def _names_a_card(word: str) -> bool:
    return _has_figure(word) or word in words.GLUED_PREFIXES


def _is_model(word: str) -> bool:
    return _has_figure(word) and memory_gib(word) is None and _factor(word) is None


def _factor(word: str) -> tuple[str, str] | None:
    """(`2`, `3090`) of `2x3090` and `3090x2`, (`8`, ``) of `x8` and `8x`; None where nothing is multiplied."""
    head, sign, tail = word.partition("x")
    if not sign or not (head or tail):
        return None
    if head.isdecimal() and tail.isdecimal():
        return (head, tail) if int(head) <= int(tail) else (tail, head)
    if head.isdecimal() and (not tail or (_names_a_card(tail) and len(head) <= _COUNT_FIGURES)):
        return head, tail
    if not head and tail.isdecimal():
        return tail, ""
    return None


def _expand(word: str, before: str) -> list[str]:
    """`2x3090` -> [x2, 3090]; `h100x8` -> [h100, x8]; other words as they are, `MI 300X` among them."""
    if before in words.SPLIT_LETTERS:
        return [word]
    parts = _factor(word)
    if parts is not None:
        count, rest = parts
        return ["x" + count, *([rest] if rest else [])]
    head, sign, tail = word.rpartition("x")
    if sign and tail.isdecimal() and _has_figure(head) and len(tail) <= _COUNT_FIGURES:
        return [head, "x" + tail]
    return [word]


def _signs(found: Sequence[str]) -> list[str]:
    """Multiplication signs that stand alone, bound to the number that is the count."""
    bound = list(found)
    for place, word in enumerate(found):
        if word != "x":
            continue
        before = found[place - 1] if place else ""
        after = found[place + 1] if place + 1 < len(found) else ""
        numbers = [number for number in (before, after) if number.isdecimal()]
        if not numbers:
            continue
        if place > 1 and after.isdecimal():
            numbers = [after]
        count = min(numbers, key=int)
        where = place + 1 if count == after and (count != before or place > 1) else place - 1
        bound[where] = "x" + count
        bound[place] = ""
    return [word for word in bound if word]


def _counted(found: Sequence[str]) -> list[str]:
    """Number words, `8 pcs` and a number that stands before a model number, as `x8`."""
    counted: list[str] = []
    models = sum(_is_model(word) for word in found)
    for place, word in enumerate(found):
        after = found[place + 1] if place + 1 < len(found) else ""
        if word in words.COUNT_WORDS:
            counted.append(f"x{words.COUNT_WORDS[word]}")
        elif word.isdecimal() and after in words.COUNTABLE and models > 1 and int(word) <= words.MAXIMUM_COUNT:
            counted.append("x" + word)
        elif word == "pcs" and counted and counted[-1].isdecimal():
            counted[-1] = "x" + counted[-1]
        elif word == "pcs":
            continue
        elif word.isdecimal() and after != "pcs" and not counted and models > 1 and _counts(word, found[place + 1 :]):
            counted.append("x" + word)
        else:
            counted.append(word)
    return counted


def _counts(word: str, rest: Sequence[str]) -> bool:
    """Whether a number at the start is a count: a model number follows it."""
    return word[0] != "0" and int(word) <= words.MAXIMUM_COUNT and any(map(_is_model, rest)) and "series" not in rest


def _without_other_numbers(text: str) -> str:
    """Clean text whose part numbers, versions and link widths are no counts and whose sizes are whole numbers."""
    if "-" in text:
        text = re.sub(_PART_NUMBER, lambda found: found[0].replace("-", ""), text)
    if "pci" in text:
        text = re.sub(_LINK, " pcie ", text)
        # Lanes where PCIe is no part of a name: `4060 pcie x8`, but `h100 pcie x8`.
        if re.search(_FOUR_FIGURES, text) or words.PCIE_CARDS & set(split(text)):
            text = re.sub(_PCI_EXPRESS + _LANES, " pcie ", text)
        text = re.sub(_PCI_EXPRESS, "pcie", text)
    if "." in text or "," in text:
        text = re.sub(_SIZE, lambda found: str(round(float(f"{found[1]}.{found[2]}"))), text)
        text = re.sub(_VERSION, lambda found: found[0].replace(".", "v"), text)
    return text


def parse(text: str) -> Query:
    """The parts of a query."""
    signed = [_latin_sign(word) for word in split(_without_other_numbers(clean(text)))]
    raw = [piece for word, before in zip(signed, ["", *signed], strict=False) for piece in _expand(word, before)]
    found = list(tokens(" ".join(_signs(raw))))
    found = _counted(found)
    numbers = {int(word[1:]) for word in found if word[:1] == "x" and word[1:].isdecimal()}
    kept = [word for word in without_noise(found) if not (word[:1] == "x" and word[1:].isdecimal())]
    count = 1 if not numbers else numbers.pop() if len(numbers) == 1 else None
    if count is not None and not 1 <= count <= words.MAXIMUM_COUNT:
        count = None
    sizes = tuple(size for size in map(memory_gib, kept) if size is not None)
    return Query(tuple(kept), count, sizes)


def _latin_sign(word: str) -> str:
    """A Cyrillic `х` beside a figure is a multiplication sign: `2х3090`, `3090х2`."""
    if "х" not in word:
        return word
    head, _, tail = word.partition("х")
    if (not head or head[-1].isdigit()) and (not tail or _names_a_card(tail) or not head):
        return f"{head}x{tail}"
    return word
