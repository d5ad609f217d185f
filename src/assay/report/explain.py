"""Why each figure is what it is: formula, inputs, basis, note and sources, each figure once."""

from collections.abc import Iterable

from assay.knowledge.catalog.sources import Source
from assay.report.format import figure_text, letter
from assay.report.lines import Line, prose
from assay.report.numbers import Language
from assay.report.phrases import phrase
from assay.report.words import say
from assay.types.message import message
from assay.types.quantity import Quantity
from assay.types.report import Figure

Named = tuple[str, Quantity]


def _says_it_all(part: Quantity, whole: Quantity) -> bool:
    """Whether an input's own line would only repeat what stands with the figure it belongs to."""
    leaf = not part.formula and not part.inputs and part.note is None
    return leaf and (not part.sources or set(part.sources) == set(whole.sources))


def walk(figures: Iterable[Figure], language: Language) -> list[Named]:
    """Every figure and, behind it, the inputs it rests on, in order of mention.

    An input that was explained before, under whatever name, is not explained again.
    """
    found: dict[Named, None] = {}
    explained: set[Quantity] = set()

    def visit(name: str, figure: Quantity) -> None:
        found[name, figure] = None
        explained.add(figure)
        for inner, part in figure.inputs:
            if part not in explained and not _says_it_all(part, figure):
                visit(inner, part)

    for label, figure in figures:
        name = say(label, language)
        if (name, figure) not in found:
            visit(name, figure)
    return list(found)


def _basis(figure: Quantity, language: Language) -> str:
    words = say(message(f"basis.{figure.basis}"), language)
    if figure.basis != "derived" or figure.weakest is None:
        return words
    weakest = say(message(f"basis.{figure.weakest}"), language)
    share = 1.0 if figure.weakest_share is None else figure.weakest_share
    return say(message("explain.derived", weakest=weakest, share=share), language)


def _figure(name: str, figure: Quantity, language: Language, width: int) -> list[Line]:
    title = f"{phrase(name, language)}: {figure_text(figure, language)}"
    lines = prose(title, width, "strong", hanging="  ")

    def add(code: str, value: str) -> None:
        lines.extend(prose(say(message(code, value=value), language), width, indent="  ", hanging="    "))

    if figure.formula is not None:
        add("explain.formula", phrase(figure.formula, language))
    if figure.inputs:
        add(
            "explain.inputs",
            "; ".join(f"{phrase(inner, language)} = {figure_text(part, language)}" for inner, part in figure.inputs),
        )
    if figure.value is not None:
        add("explain.basis", f"{letter(figure)}, {_basis(figure, language)}")
    if figure.note is not None:
        add("explain.note", say(figure.note, language))
    if figure.sources:
        add("explain.sources", ", ".join(figure.sources))
    return lines


def _source(source: Source, width: int) -> list[Line]:
    dated = f"{source.title} ({source.date})" if source.date else source.title
    lines = prose(f"{source.id}: {dated}", width, hanging="    ", indent="  ")
    return lines + ([Line(f"    {source.url}", "faint")] if source.url else [])


def explain_lines(figures: Iterable[Figure], sources: Iterable[Source], language: Language, width: int) -> list[Line]:
    """The explanation of the figures, then the sources that they cite with title, date and address."""
    lines: list[Line] = [Line(""), Line(say(message("explain.title"), language), "title")]
    for name, figure in walk(figures, language):
        lines += [*_figure(name, figure, language, width)]
    cited = list(sources)
    if cited:
        lines += [Line(""), Line(say(message("explain.sources_title"), language), "title")]
        lines += [line for source in cited for line in _source(source, width)]
    return lines


def cited_ids(figures: Iterable[Figure], further: Iterable[str] = ()) -> tuple[str, ...]:
    """The ids of all sources behind the figures and their inputs, in order of first mention."""
    ids: dict[str, None] = dict.fromkeys(further)

    def visit(figure: Quantity) -> None:
        ids.update(dict.fromkeys(figure.sources))
        for _, part in figure.inputs:
            visit(part)

    for _, figure in figures:
        visit(figure)
    return tuple(ids)
