"""A proof made now: what this machine's tools make of one instruction a format, beside what documents say."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from assay.answers import support
from assay.answers.asked import columns_of
from assay.answers.support import Support
from assay.errors import MissingKnowledge, UsageError
from assay.knowledge.catalog import proofs
from assay.knowledge.catalog.instruction_sets import number_formats
from assay.observe import progress
from assay.observe.proof import amd, nvidia, toolchain
from assay.observe.proof.made import Proof, Shown
from assay.observe.proof.toolchain import Toolchain
from assay.reason import proof
from assay.reason.proof import Evidence
from assay.types.message import Message, message
from assay.types.proof import Record, Tool

INSTRUCTION_SET = re.compile(r"(sm_\d{2,3}[af]?|gfx[0-9a-f]{3,4})\Z")
AMD = "gfx"
FIRST_PROVEN = 75
"""Turing: older targets are not read by the disassembler any more."""


class Request(NamedTuple):
    """What to prove.

    Attributes:
        queries: cards or instruction sets.
        formats: number-format ids; none for all.
        every: whether to list every probe.
        show: whether to show sources and disassembly.
    """

    queries: tuple[str, ...]
    formats: tuple[str, ...] = ()
    every: bool = False
    show: bool = False


class Proven(NamedTuple):
    """What was proven of one card or one instruction set.

    Attributes:
        name: for display.
        gpu: id of the card, or None.
        isa: instruction set.
        tools: what assembled and disassembled.
        targets: compiled for.
        formats: verdicts by number format, in the catalogue's order.
        evidence: every finding with its probe.
        shown: by (target, probe) the source and what came out.
        siblings: targets beside a bare one that may have more; a card has what all of them have.
    """

    name: str
    gpu: str | None
    isa: str
    tools: tuple[Tool, ...]
    targets: tuple[str, ...]
    formats: tuple[Support, ...]
    evidence: tuple[Evidence, ...]
    shown: dict[tuple[str, str], Shown]
    siblings: tuple[str, ...] = ()

    @property
    def disputed(self) -> tuple[Support, ...]:
        """The formats of which documents say otherwise."""
        return tuple(row for row in self.formats if row.disputed)


class ProveAnswer(NamedTuple):
    """The proofs of all cards and instruction sets that were named; `left_out` if some have documents only."""

    request: Request
    results: tuple[Proven, ...]
    messages: tuple[Message, ...]
    left_out: bool = False

    @property
    def exit_code(self) -> int:
        """1 if a claim of the catalogue is contradicted; 3 if not all that was named could be proven."""
        if any(result.disputed for result in self.results):
            return 1
        return 3 if self.left_out else 0


class _Subject(NamedTuple):
    """What a query means: a card or a bare instruction set."""

    name: str
    gpu: str | None
    isa: str


def _subjects(queries: tuple[str, ...]) -> tuple[list[_Subject], list[Message]]:
    found: list[_Subject] = []
    notes: list[Message] = []
    for query in queries:
        name = query.strip().lower()
        if INSTRUCTION_SET.fullmatch(name):
            found.append(_Subject(name, None, name))
            continue
        columns, identifications = columns_of((query,))
        notes += [note for one in identifications for note in one.notes]
        cards = {entry.card.gpu.id: entry.card.gpu for column in columns for entry in column}
        found += [_Subject(gpu.name, gpu.id, gpu.isa or "") for gpu in cards.values()]
    return list(dict.fromkeys(found)), notes


def _nvidia_targets(tools: Toolchain, subject: _Subject) -> tuple[str, ...]:
    """The targets to compile for: all that run on a card; of a bare instruction set itself alone.

    Raises:
        MissingKnowledge: the tools do not know it.
    """
    known = toolchain.targets(tools)
    number = subject.isa.rstrip("af")
    wanted = (subject.isa, number, number + "f", number + "a") if subject.gpu else (subject.isa,)
    found = tuple(target for target in dict.fromkeys(wanted) if target in known)
    if not found:
        raise MissingKnowledge(
            message("error.target_unknown", isa=subject.isa, tool=tools.tools[0].name, version=tools.tools[0].version),
            message("hint.targets", known=", ".join(known)),
            field=subject.isa,
        )
    return found


def _made(subject: _Subject) -> Iterator[tuple[str, Callable[[], Proof]]]:
    """(target, what proves it) for each target of a subject.

    Raises:
        MissingExtra, MissingKnowledge, ToolFailed: see `answer`.
    """
    if subject.isa.startswith(AMD):
        yield subject.isa, partial(amd.examine, subject.isa)
        return
    tools = toolchain.find()
    for target in _nvidia_targets(tools, subject):
        yield target, partial(nvidia.prove, tools, target)


def _provable(subject: _Subject) -> None:
    """Refuse what no compiler at hand speaks for.

    Raises:
        MissingKnowledge: only documents speak of this instruction set.
    """
    digits = re.fullmatch(r"sm_(\d+)[af]?", subject.isa)
    if subject.isa.startswith(AMD) or (digits is not None and int(digits[1]) >= FIRST_PROVEN):
        return
    raise MissingKnowledge(
        message("error.documents_only", name=subject.name, isa=subject.isa or "?"),
        message("hint.documents_only", query=subject.name) if subject.gpu else message("hint.documents_only_card"),
        field=subject.isa,
    )


def _check_formats(names: tuple[str, ...]) -> None:
    known = [one.id for one in number_formats()]
    for name in names:
        if name not in known:
            raise UsageError(
                message("error.unknown_number_format", name=name),
                message("hint.known_formats_plain", known=", ".join(known)),
            )


def _proven(subject: _Subject, only: tuple[str, ...]) -> Proven:
    records: list[Record] = []
    shown: dict[tuple[str, str], Shown] = {}
    for target, prove in _made(subject):
        progress.tell(message("progress.proving", target=target))
        proof_made = prove()
        records.append(proof_made.record)
        shown |= {(target, name): one for name, one in proof_made.shown.items()}
    progress.tell(None)
    found = [one for one in proof.evidence(support.probes(), records) if not only or one.probe.format in only]
    rows = support.joined(subject.isa, found)
    order = [one.id for one in number_formats()]
    formats = tuple(rows[name] for name in order if name in rows and rows[name].proof is not None)
    tools = tuple(dict.fromkeys(tool for record in records for tool in record.tools))
    targets = tuple(record.target for record in records)
    if not found:
        raise MissingKnowledge(
            message("error.nothing_asked", name=subject.name, formats=", ".join(only)), message("hint.nothing_asked")
        )
    siblings = () if subject.gpu else tuple(name for name in proofs.family(subject.isa) if name not in targets)
    return Proven(subject.name, subject.gpu, subject.isa, tools, targets, formats, tuple(found), shown, siblings)


def answer(request: Request) -> ProveAnswer:
    """The proofs of the cards and instruction sets that a request names.

    Raises:
        UnknownGpu: a query names neither a card nor an instruction set.
        UsageError: no such number format.
        MissingExtra: the tools are not installed.
        MissingKnowledge: no tool speaks for the card.
        ToolFailed: a tool does not work.
    """
    _check_formats(request.formats)
    subjects, notes = _subjects(request.queries)
    results: list[Proven] = []
    refusals: list[MissingKnowledge] = []
    for subject in subjects:
        try:
            _provable(subject)
            results.append(_proven(subject, request.formats))
        except MissingKnowledge as error:  # the others are answered nevertheless
            refusals.append(error)
    if not results:
        raise refusals[0]
    left = [error.message._replace(level="warning") for error in refusals]
    return ProveAnswer(request, tuple(results), (*notes, *left), left_out=bool(left))
