"""Puts lines on a stream: coloured by rich on a terminal, plain text everywhere else.

rich costs 60 ms to load, as much as the whole answer: a pipe does not pay for it. Both ways print the same
characters; colour only repeats what the words say.
"""

import os
from collections.abc import Iterable
from typing import TextIO

from assay.report.lines import ASCII_FOR, DRAWN, MAX_WIDTH, Line, Style

STYLES: dict[Style, str] = {
    "plain": "",
    "good": "bold green",
    "bad": "bold red",
    "unsure": "bold yellow",
    "headline": "bold",
    "title": "bold",
    "strong": "bold",
    "faint": "dim",
    "weights": "blue",
    "cache": "green",
    "runtime": "yellow",
    "free": "dim",
    "kept": "dim",
    "unknown": "red",
    "short": "bold red",
}


def width_for(stream: TextIO) -> int:
    """Columns to use: the terminal's, at most 100; 100 where there is no terminal."""
    wish = os.environ.get("COLUMNS", "")
    if not stream.isatty() and not wish:
        return MAX_WIDTH
    import shutil  # noqa: PLC0415 -- a pipe has no width to ask for

    return max(40, min(MAX_WIDTH, shutil.get_terminal_size((MAX_WIDTH, 24)).columns))


def encodes(stream: TextIO, text: str) -> bool:
    """Whether the stream's encoding has all these characters."""
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


DRAWING = "".join(map(chr, DRAWN))


def _for_stream(text: str, stream: TextIO) -> str:
    # A chart is drawn in one set of characters: its lines would not compare if some had theirs and some had not.
    drawn = any(character in DRAWING for character in text)
    if encodes(stream, text + DRAWING * drawn):
        return text
    encoding = stream.encoding or "ascii"
    return text.translate(ASCII_FOR).encode(encoding, "replace").decode(encoding)


def show(lines: Iterable[Line], stream: TextIO) -> None:
    """Print the lines; NO_COLOR, TERM=dumb and a pipe get no escape codes at all."""
    ready = [line._replace(text=_for_stream(line.text, stream)) for line in lines]
    coloured = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    if not coloured:
        stream.write("".join(f"{line.text}\n" for line in ready))
        return
    from rich.console import Console  # noqa: PLC0415 -- 60 ms that a pipe need not pay
    from rich.text import Text  # noqa: PLC0415 -- same

    console = Console(file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True)
    for line in ready:
        text = Text(line.text, STYLES[line.style])
        for span in line.spans:
            text.stylize(STYLES[span.style], span.start, span.end)
        console.print(text, soft_wrap=True)
