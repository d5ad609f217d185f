"""What a proof leaves behind: its record, and for people the source and the machine code of each probe."""

from typing import NamedTuple

from assay.types.proof import Record


class Line(NamedTuple):
    """A machine instruction: its name with all modifiers, and its whole text."""

    name: str
    text: str


class Shown(NamedTuple):
    """A probe as it was written and what came out.

    Attributes:
        source: the instruction in the assembler's language.
        instructions: of the entry and its helpers, padding left out; empty where it was refused.
    """

    source: str
    instructions: tuple[Line, ...]


class Proof(NamedTuple):
    """A record, and by probe what there is to show."""

    record: Record
    shown: dict[str, Shown]
