"""Finds the loop of a kernel in what nvdisasm prints."""

import re

from assay.observe.proof import sass
from assay.observe.proof.sass import Instruction

LABEL = re.compile(r"(\.L_x_\d+):")
BACK = re.compile(r"`\((\.L_x_\d+)\)")


def _entry(text: str, entry: str) -> list[str]:
    """The lines of one function."""
    lines = text.splitlines()
    start = lines.index(f"{entry}:")
    end = next((at for at in range(start + 1, len(lines)) if sass.FUNCTION.fullmatch(lines[at])), len(lines))
    return lines[start:end]


def loop(text: str, entry: str) -> list[Instruction]:
    """The instructions between a label and a branch back to it: the shortest such stretch that multiplies or moves.

    A loop that the assembler unrolled, or left out, is not found.
    """
    lines = _entry(text, entry)
    labels: dict[str, int] = {}
    found: list[list[Instruction]] = []
    for place, line in enumerate(lines):
        label = LABEL.fullmatch(line)
        if label is not None:
            labels[label[1]] = place
        match = sass.LINE.match(line)
        back = BACK.search(line) if match is not None and match[2].startswith("BRA") else None
        if back is not None and labels.get(back[1], place) < place:
            inside = "\n".join(["f:", *lines[labels[back[1]] : place + 1]])
            body = [one for one in sass.functions(inside)["f"] if one.guard not in sass.NEVER and one.family != "NOP"]
            if len(body) > 1:
                found.append(body)
    return min(found, key=len, default=[])
