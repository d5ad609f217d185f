"""Shapes and words of an SVG picture. Whatever a name holds is escaped by the XML writer, and never a font loaded."""

import re
from textwrap import wrap
from xml.etree import ElementTree as ET

from assay.report.lines import clean, width_of

WIDTH, MARGIN = 880, 24
"""Of the picture, in its own units (pixels where it is shown at its size)."""
LINE, TEXT = 20, 14
"""Height of a line of text and of its letters."""
LETTER = 0.66
"""Width of a wide average letter (bold, Cyrillic) over its height; no font is known when a picture is written."""
NOT_XML = re.compile("[\ud800-\udfff\ufffe\uffff]")
STYLE = """
text{font:14px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;fill:#1b1f24}
.head{font-size:19px;font-weight:600}.strong{font-weight:600}.faint{fill:#57606a}.small{font-size:12px}
.middle{text-anchor:middle}.right{text-anchor:end}
.paper{fill:#fff}.weights{fill:#3f6fb5}.cache{fill:#2b8a68}.runtime{fill:#c2760c}.free{fill:#eef0f2}.kept{fill:#aab1ba}
.unknown{fill:#d9a0a0}.pale{fill-opacity:.22}.piece{stroke:#fff;stroke-width:.5}
.lines{fill:none;stroke-width:2}.lines.weights{stroke:#3f6fb5}.lines.cache{stroke:#2b8a68}.lines.runtime{stroke:#c2760c}
.lines.kept{stroke:#aab1ba}.lines.unknown{stroke:#a33}
.grid{stroke:#d8dce1;stroke-width:1}.axis{stroke:#57606a;stroke-width:1;fill:none}
.edge{stroke:#c1121f;stroke-width:2;stroke-dasharray:5 3}.mark{fill:#c1121f;stroke:#fff;stroke-width:1.5}
.short{stroke:#c1121f;stroke-width:4}.halo{paint-order:stroke;stroke:#fff;stroke-width:4;stroke-linejoin:round}
.frame{fill:none;stroke:#57606a;stroke-width:1}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.faint{fill:#9aa4af}
.paper{fill:#14181d}.weights{fill:#6f9fe0}.cache{fill:#4cc299}.runtime{fill:#e8a33d}.free{fill:#2a3038}.kept{fill:#6b7480}
.unknown{fill:#7a4040}.piece{stroke:#14181d}
.lines.weights{stroke:#6f9fe0}.lines.cache{stroke:#4cc299}.lines.runtime{stroke:#e8a33d}.lines.kept{stroke:#6b7480}
.lines.unknown{stroke:#e07070}
.grid{stroke:#333b45}.axis,.frame{stroke:#9aa4af}.edge,.short{stroke:#ff6b6b}.halo{stroke:#14181d}
.lines{fill:none}.mark{fill:#ff6b6b;stroke:#14181d}}
"""


def legible(text: str) -> str:
    """The text with nothing in it that XML cannot hold or a reader would be misled by."""
    return NOT_XML.sub("?", clean(text))


def wide(text: str, size: float = TEXT) -> float:
    """About how wide the text will be."""
    return width_of(text) * size * LETTER


def folded(text: str, room: float, size: float = TEXT) -> list[str]:
    """The text in lines of about `room`; a word longer than that is broken."""
    return wrap(legible(text), max(8, int(room / (size * LETTER)))) or [""]


def number(value: float) -> str:
    """A coordinate: hundredths, so that neighbours share their edge to the digit."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


class Canvas:
    """A picture that grows downwards; `y` is where the next thing goes."""

    __slots__ = ("root", "y")

    def __init__(self, root: ET.Element) -> None:
        self.root = root
        self.y = float(MARGIN)

    def add(self, tag: str, kind: str, **places: float | str) -> ET.Element:
        """A shape of a class; numbers are coordinates."""
        attributes = {
            name.replace("_", "-"): number(value) if isinstance(value, (int, float)) else value
            for name, value in places.items()
        }
        return ET.SubElement(self.root, tag, {"class": kind, **attributes})

    def text(self, x: float, y: float, words: str, kind: str = "") -> None:
        """One line of text whose letters stand on `y`."""
        self.add("text", kind or "plain", x=x, y=y).text = legible(words)

    def prose(self, words: str, kind: str = "", size: float = TEXT) -> None:
        """Text over the whole width, in as many lines as it needs."""
        for line in folded(words, WIDTH - 2 * MARGIN, size):
            self.text(MARGIN, self.y + size, line, kind)
            self.y += size * LINE / TEXT
