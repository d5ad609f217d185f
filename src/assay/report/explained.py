"""The explanation of differing number formats, in sentences that pages and documents share."""

from typing import NamedTuple

from assay.answers.explain import Difference, ExplainAnswer, Subject, deciding
from assay.answers.support import Support
from assay.knowledge.catalog.instruction_sets import number_formats
from assay.report.proven import PROOFS, Proven, instruction, limits
from assay.types.message import Message, message


class Paragraph(NamedTuple):
    """One sentence or two, and the sources they rest on."""

    text: Message
    sources: tuple[str, ...]


def names(formats: tuple[str, ...] | list[str]) -> str:
    """Formats as people write them."""
    known = {one.id: one.name for one in number_formats()}
    return ", ".join(known[name] for name in formats)


def _sources(row: Support) -> tuple[str, ...]:
    found = deciding(row)
    proven = () if found is None else (PROOFS[found.finding.target[:3]],)
    return (*proven, *(() if row.documented is None else row.documented.sources))


def _family(name: str) -> str:
    """`QMMA.SF` of `QMMA.SF.16832.F32.E4M3.E4M3.E8`; `v_mfma` of `v_mfma_f32_32x32x8_bf16_1k`."""
    if name.startswith("v_"):
        return "_".join(name.split("_")[:2])
    first, _, rest = name.partition(".")
    return f"{first}.SF" if rest.startswith("SF") else first


def _card(subject: Subject) -> Paragraph:
    """The families of matrix instructions that came out for a card, each with its formats."""
    families: dict[str, list[str]] = {}
    sources: dict[str, None] = {}
    for name, row in subject.formats.items():
        found = deciding(row)
        if row.verdict == "native" and found is not None:
            families.setdefault(_family(instruction(found.finding) or ""), []).append(name)
            sources.update(dict.fromkeys(_sources(row)[:1]))
    if not families:
        native = [name for name, row in subject.formats.items() if row.verdict == "native"]
        cited = dict.fromkeys(source for row in subject.formats.values() for source in _sources(row))
        text = message("explain.card.documents", gpu=subject.name, isa=subject.isa or "?", formats=names(native) or "–")
        return Paragraph(text, tuple(cited))
    order = [one.id for one in number_formats()]
    told = "; ".join(f"{family}: {names(sorted(ids, key=order.index))}" for family, ids in families.items())
    return Paragraph(message("explain.card", gpu=subject.name, isa=subject.isa or "?", families=told), tuple(sources))


def _why(subject: Subject, row: Support) -> tuple[Message, ...]:
    """What one card does with a format, and the evidence in its own words."""
    found = deciding(row)
    gpu = subject.name
    if found is None:
        if row.documented is None:
            return (message("explain.why.unknown", gpu=gpu),)
        return (message(f"explain.why.documents.{row.verdict}", gpu=gpu),)
    finding = found.finding
    if finding.refusal is not None:
        return (message("explain.why.refused", gpu=gpu, words=finding.refusal, target=finding.target),)
    came = instruction(finding)
    if came is None:
        return (message("explain.why.software", gpu=gpu, instructions=finding.instructions),)
    code = f"explain.why.{row.verdict}"
    return (message(code, gpu=gpu, name=came, instructions=finding.instructions, target=finding.target),)


def _difference(subjects: tuple[Subject, ...], one: Difference) -> list[Paragraph]:
    head = Paragraph(message("explain.differ", formats=names(one.formats)), ())
    told = [
        Paragraph(text, _sources(row))
        for subject, row in zip(subjects, one.rows, strict=True)
        for text in _why(subject, row)
    ]
    return [head, *told]


CONVERSIONS = frozenset({"cvt"})
PRODUCTS = frozenset({"dp4a", "dot", "fma", "packed"})
"""Doors of products on the vector units."""


def _besides(subject: Subject, doors: frozenset[str], code: str) -> Paragraph | None:
    """What a card does in one instruction with formats that no matrix instruction of it takes."""
    lacking = {name for name, row in subject.formats.items() if row.verdict in ("absent", "emulated")}
    found = {
        one.probe.format: one
        for one in reversed(subject.unpacking)
        if one.finding.verdict == "native" and one.probe.door in doors and one.probe.format in lacking
    }
    if not found:
        return None
    order = [one.id for one in number_formats()]
    formats = sorted(found, key=order.index)
    named = ", ".join(dict.fromkeys(instruction(found[name].finding) or "" for name in formats))
    text = message("explain.unpack", gpu=subject.name, formats=names(formats), name=named)
    if code == "vector":
        text = message("explain.vector", gpu=subject.name, formats=names(formats), name=named)
    return Paragraph(text, (PROOFS[found[formats[0]].finding.target[:3]],))


def _principle(subjects: tuple[Subject, ...]) -> list[Paragraph]:
    """What the explanation rests on: a compiler's output, documents, or both."""
    proven = [any(row.proof is not None for row in subject.formats.values()) for subject in subjects]
    if not any(proven):
        return [Paragraph(message("explain.principle.documents"), ())]
    return [Paragraph(message("explain.principle"), ())]


def paragraphs(answer: ExplainAnswer) -> list[Paragraph]:
    """The explanation: the principle, each card, what is alike, what differs and why, what is left to software."""
    found = _principle(answer.subjects)
    found += [_card(subject) for subject in answer.subjects]
    if len(answer.subjects) > 1:
        for verdict, formats in answer.alike:
            found.append(Paragraph(message(f"explain.alike.{verdict}", formats=names(formats)), ()))
    else:
        for name in answer.subjects[0].formats:
            row = answer.subjects[0].formats[name]
            if row.verdict in ("emulated", "absent"):
                found += _difference(answer.subjects, Difference((name,), (row,)))
    for one in answer.differences:
        found += _difference(answer.subjects, one)
    if answer.partly:
        found.append(Paragraph(message("explain.partly", formats=names(answer.partly)), ()))
    for subject in answer.subjects:
        told = (_besides(subject, PRODUCTS, "vector"), _besides(subject, CONVERSIONS, "unpack"))
        found += [one for one in told if one is not None]
    proven = [
        Proven(subject.name, tuple(row.proof for row in subject.formats.values() if row.proof is not None))
        for subject in answer.subjects
    ]
    if any(one.proofs for one in proven):
        found += [Paragraph(line, ()) for line in limits(proven)]
    return found
