"""What a page has said so far: the language, the notes of figures, and the basis letters in use."""

from assay.report.format import LEGEND, extent, figure_text, letter
from assay.report.numbers import NO_BREAK_SPACE, Language
from assay.report.words import say
from assay.types.message import Message, message
from assay.types.quantity import Quantity


class Speech:
    """Collects, while a page is laid out, what must stand at its foot."""

    __slots__ = ("differs", "language", "letters", "notes")

    def __init__(self, language: Language) -> None:
        self.language: Language = language
        self.notes: dict[Message, int] = {}
        self.letters: set[str] = set()
        self.differs = False

    def figure(self, figure: Quantity, *, bare: bool = False) -> str:
        """The figure's text; its reason or caveat stands at the foot: `unknown [1]`, `29.44 GiB d? [2]`.

        A note that is data of the catalogue waits for the explanation, unless there is no figure without it.
        `bare` leaves the unit out.
        """
        return self._noted(figure, figure_text(figure, self.language, bare=bare))

    def extent(self, figure: Quantity, *, bare: bool = False) -> str:
        """The ends of the figure's interval in place of the figure: `0.98–4.65 GiB ?`."""
        text = extent(figure, self.language, bare=bare)
        return self._noted(figure, text if figure.value is None else f"{text} {letter(figure)}")

    def _noted(self, figure: Quantity, text: str) -> str:
        if figure.value is not None:
            self.letters.add(letter(figure))
        if figure.note is not None and (figure.value is None or figure.note.code != "text"):
            text += f" [{self.notes.setdefault(figure.note, len(self.notes) + 1)}]"
        return text

    def foot(self) -> list[str]:
        """The reasons in order, each with its number."""
        return [f"[{index}] {say(note, self.language)}" for note, index in self.notes.items()]

    def legend(self) -> str:
        """The basis letters that were used and what they mean; empty when there was none.

        No-break spaces hold each letter to its words.
        """
        used = [(mark, code) for mark, code in LEGEND.items() if mark in self.letters]
        parts = [f"{mark} {say(message(code), self.language)}" for mark, code in used]
        if self.differs:
            parts.append(f"≠ {say(message('legend.differs'), self.language)}")
        return " · ".join(part.replace(" ", NO_BREAK_SPACE) for part in parts)
