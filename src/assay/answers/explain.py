"""Why different cards support different number formats, from the evidence of these very cards."""

from typing import NamedTuple

from assay.answers import support
from assay.answers.asked import columns_of
from assay.answers.support import Support
from assay.errors import UsageError
from assay.knowledge.catalog.instruction_sets import number_formats
from assay.reason import proof
from assay.reason.proof import Evidence, FormatProof
from assay.types.gpu import Gpu
from assay.types.message import Message, message

TOPICS = ("formats", "model")


class Subject(NamedTuple):
    """Cards of one instruction set, with what is known of its number formats and of what unpacking costs there."""

    isa: str | None
    gpus: tuple[Gpu, ...]
    formats: dict[str, Support]
    unpacking: tuple[Evidence, ...]

    @property
    def name(self) -> str:
        """The cards' names."""
        return ", ".join(gpu.name for gpu in self.gpus)


class Difference(NamedTuple):
    """Formats that all cards treat in the same way, or that differ alike: ids, and each card's support of the first."""

    formats: tuple[str, ...]
    rows: tuple[Support, ...]


class ExplainAnswer(NamedTuple):
    """What there is to explain of the cards named.

    Attributes:
        topic: `formats`.
        subjects: the cards, those of one instruction set together.
        alike: verdict -> formats that have it on every card.
        differences: what differs, formats with the same verdicts and words together.
        partly: formats on which those cards agree of which something is known.
        messages: how the cards were identified.
    """

    topic: str
    subjects: tuple[Subject, ...]
    alike: tuple[tuple[str, tuple[str, ...]], ...]
    differences: tuple[Difference, ...]
    partly: tuple[str, ...]
    messages: tuple[Message, ...]


def _subject(isa: str | None, gpus: list[Gpu]) -> Subject:
    if isa is None:
        return Subject(isa, tuple(gpus), {}, ())
    found = proof.evidence(support.probes(), support.records_of(isa))
    return Subject(isa, tuple(gpus), support.of(isa), tuple(proof.unpacking(found)))


def _rows(subjects: tuple[Subject, ...], name: str) -> tuple[Support, ...]:
    return tuple(one.formats.get(name) or Support(name, "unknown", None, None) for one in subjects)


def deciding(row: Support) -> Evidence | None:
    """The finding that decides a verdict; None where only documents speak."""
    proven: FormatProof | None = row.proof
    return None if proven is None else proven.deciding


def _reason(row: Support) -> object:
    """What formats must share to be told in one sentence: the verdict, and why there is no native instruction."""
    found = deciding(row)
    if row.verdict == "native" or found is None:
        return row.verdict
    return row.verdict, found.finding.refusal or found.finding.opcodes[:1]


def answer(topic: str, queries: tuple[str, ...]) -> ExplainAnswer:
    """What the evidence says of the formats of these cards.

    Raises:
        UsageError: no such topic.
        UnknownGpu: a query names no card.
    """
    if topic != "formats":
        raise UsageError(message("error.unknown_topic", name=topic), message("hint.topics", known=", ".join(TOPICS)))
    columns, identifications = columns_of(queries)
    by_isa: dict[str | None, list[Gpu]] = {}
    for gpu in {entry.card.gpu.id: entry.card.gpu for column in columns for entry in column}.values():
        by_isa.setdefault(gpu.isa, []).append(gpu)
    subjects = tuple(_subject(isa, gpus) for isa, gpus in by_isa.items())
    alike: dict[str, list[str]] = {}
    differing: dict[object, list[str]] = {}
    partly: list[str] = []
    for number_format in number_formats():
        rows = _rows(subjects, number_format.id)
        verdicts = {row.verdict for row in rows}
        if len(verdicts - {"unknown"}) == 1 and "unknown" in verdicts:
            partly.append(number_format.id)
        elif len(verdicts) == 1:
            alike.setdefault(verdicts.pop(), []).append(number_format.id)
        else:
            differing.setdefault(tuple(_reason(row) for row in rows), []).append(number_format.id)
    return ExplainAnswer(
        topic,
        subjects,
        tuple((verdict, tuple(names)) for verdict, names in alike.items()),
        tuple(Difference(tuple(names), _rows(subjects, names[0])) for names in differing.values()),
        tuple(partly),
        tuple(note for found in identifications for note in found.notes),
    )
