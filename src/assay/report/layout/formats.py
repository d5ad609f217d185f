"""Number formats as a page: one row a format, one column a card."""

from collections.abc import Iterable

from assay.answers.formats import CardFormats, FormatAnswer, FormatsAnswer
from assay.report.attention import attention_lines
from assay.report.comparison import contradiction
from assay.report.layout.execution import of_all, of_runtime
from assay.report.proven import PROOFS, Proven, came_out, limits
from assay.types.gpu import Peak
from assay.types.message import Message, message
from assay.types.quantity import annotated
from assay.types.report import Block, Cell, Figure, Notes, Report, Row, Table


def _shown(answer: FormatAnswer) -> Peak | None:
    """The peak that stands on the page: with FP32 accumulation where there is a choice, the lowest published."""
    known = [peak for peak in answer.peaks if peak.rate.value is not None]
    preferred = [peak for peak in known if peak.accumulate == "fp32"] or known
    return min(preferred, key=lambda peak: peak.rate.value or 0.0, default=None)


def _peak(answer: FormatAnswer) -> Cell:
    if answer.on_vector_units or answer.support.disputed:
        known = [peak.rate for peak in answer.vector if peak.rate.value] or [peak.rate for peak in answer.vector]
        return known[0] if known else message("figure.unknown")
    if answer.verdict in ("absent", "emulated"):
        return None  # what does not exist has no rate of its own
    shown = _shown(answer)
    if shown is None:
        return answer.peaks[0].rate if answer.peaks else message("figure.unknown")
    note = contradiction([peak.rate for peak in answer.peaks if peak.accumulate == shown.accumulate])
    return shown.rate if note is None else annotated(shown.rate, note)


def _verdict(answer: FormatAnswer) -> Message:
    return message("support.vector") if answer.on_vector_units else message(f"support.{answer.verdict}")


def _evidence(answer: FormatAnswer) -> Cell:
    """What the verdict rests on: the instruction that came out of a compiler, else a document."""
    proof, documented = answer.support.proof, answer.support.documented
    if proof is not None and proof.deciding is not None:
        return came_out(proof.deciding.finding)
    return None if documented is None else message("formats.documented")


def _rows(results: tuple[CardFormats, ...]) -> tuple[Row, ...]:
    rows = []
    for index, first in enumerate(results[0].formats):
        entries = [result.formats[index] for result in results]
        cells: list[Cell] = []
        for entry in entries:
            cells += [_verdict(entry), _peak(entry)]
        if len(results) == 1:
            cells.append(_evidence(entries[0]))
        rows.append(Row(first.format.name, tuple(cells), differs=len(set(map(_verdict, entries))) > 1))
    return tuple(rows)


def _names(entries: Iterable[FormatAnswer]) -> str:
    return ", ".join(dict.fromkeys(entry.format.name for entry in entries))


def _accumulators(results: tuple[CardFormats, ...]) -> list[Message]:
    """With which accumulator the peaks are: one line, and one for formats whose source does not state it."""
    shown = [(entry, peak) for result in results for entry in result.formats if (peak := _shown(entry)) is not None]
    lines = []
    if any(peak.accumulate == "fp32" for _, peak in shown):
        lines.append(message("formats.accumulate"))
    if narrow := _names(entry for entry, peak in shown if peak.accumulate == "fp16"):
        lines.append(message("formats.accumulate_fp16", formats=narrow))
    if other := _names(entry for entry, peak in shown if peak.accumulate == "unstated"):
        lines.append(message("formats.accumulate_unstated", formats=other))
    return lines


def _plain_small(result: CardFormats) -> str | None:
    """The plain formats below 8 bits that this card multiplies at the rate of FP8, below block-scaled FP4."""
    isa = result.card.instruction_set
    rates = {rate.format: rate.per_clock for rate in isa.rates if rate.accumulate == "fp32"} if isa else {}
    eight = rates.get("fp8_e4m3")
    if eight is None or max(rates.get("nvfp4", 0.0), rates.get("mxfp4", 0.0)) <= eight:
        return None
    plain = ("fp6_e3m2", "fp6_e2m3", "fp4_e2m1")
    return _names(entry for entry in result.formats if entry.format.id in plain and rates.get(entry.format.id) == eight)


def _headline(answer: FormatsAnswer) -> Message:
    if len(answer.results) > 1:
        return message("formats.headline.several", count=len(answer.results))
    first = answer.results[0]
    native = _names(entry for entry in first.formats if entry.verdict == "native" and not entry.support.disputed)
    emulated = _names(entry for entry in first.formats if entry.verdict == "emulated")
    absent = _names(entry for entry in first.formats if entry.verdict == "absent" and not entry.on_vector_units)
    if not native:
        return message("formats.headline.nothing", gpu=first.card.gpu.name)
    name = first.card.gpu.name
    if emulated and absent:
        return message("formats.headline_emulated_absent", gpu=name, native=native, emulated=emulated, absent=absent)
    if emulated:
        return message("formats.headline_emulated", gpu=name, native=native, emulated=emulated)
    if absent:
        return message("formats.headline_absent", gpu=name, native=native, absent=absent)
    return message("formats.headline", gpu=name, native=native)


def _disputes(results: tuple[CardFormats, ...]) -> list[Message]:
    """Formats of which documents and the compiler's output say different things."""
    return [
        message(
            "formats.disputed",
            "warning",
            gpu=result.card.gpu.name,
            format=entry.format.name,
            document=f"support.{entry.support.documented.verdict}",
            source=entry.support.documented.sources[0],
            proof=f"support.{entry.support.proof.verdict}",
        )
        for result in results
        for entry in result.formats
        if entry.support.disputed and entry.support.documented is not None and entry.support.proof is not None
    ]


def _rests_on(results: tuple[CardFormats, ...]) -> list[Message]:
    """With which tools the proofs were made, and where there are none."""
    alone = [one.card.gpu.name for one in results if not any(entry.support.proof for entry in one.formats)]
    lines = [
        message(
            "formats.proven",
            isa=one.card.gpu.isa or "",
            tools=", ".join(f"{tool.name} {tool.version}" for tool in one.tools),
        )
        for one in results
        if any(entry.support.proof for entry in one.formats)
    ]
    if alone:
        lines.append(message("formats.not_proven", gpu=", ".join(alone)))
    return list(dict.fromkeys(lines))


def _sources(entry: FormatAnswer) -> tuple[str, ...]:
    proof, documented = entry.support.proof, entry.support.documented
    proven = () if proof is None or proof.deciding is None else (PROOFS[proof.deciding.finding.target[:3]],)
    return (*proven, *(() if documented is None else documented.sources))


def told(answer: FormatsAnswer) -> list[Message]:
    """What the recorded proofs do not say."""
    found = [
        Proven(result.card.gpu.name, tuple(one for entry in result.formats if (one := entry.support.proof)))
        for result in answer.results
    ]
    return limits(found) if any(one.proofs for one in found) else []


def _executed(answer: FormatsAnswer) -> list[Block]:
    """What executes: every weight format with its kernels under one runtime, else a line for each path of each."""
    blocks: list[Block] = []
    for result in answer.results:
        gpu = result.card.gpu.name
        if answer.runtime is not None and result.paths:
            blocks.append(of_runtime(result.paths, message("formats.paths", runtime=answer.runtime, gpu=gpu)))
        elif answer.runtime is None and (lines := of_all(result.paths)):
            lines.append(message("formats.more_paths"))
            blocks.append(Notes(message("formats.all_paths", gpu=gpu), tuple(lines)))
        lines = [
            line
            for one in (result.attention if answer.runtime is not None else ())
            for line in attention_lines(one.kind, one.architecture, one.path)
        ]
        if lines:
            lines.append(message("formats.attention_heads"))
            blocks.append(Notes(message("formats.attention", runtime=answer.runtime, gpu=gpu), tuple(lines)))
    return blocks


def layout(answer: FormatsAnswer) -> Report:
    """The page: what is native first, then every format with its verdict and its dense peak."""
    columns: tuple[Message | str, ...] = tuple(
        column for result in answer.results for column in (result.card.gpu.name, message("formats.peak"))
    )
    if len(answer.results) == 1:
        columns = (*columns, message("formats.evidence"))
    small = {result.card.gpu.name: names for result in answer.results if (names := _plain_small(result))}
    lines = (
        message("formats.meaning"),
        *_accumulators(answer.results),
        *(message("formats.plain_small", gpu=name, formats=names) for name, names in small.items()),
        *_disputes(answer.results),
        *_rests_on(answer.results),
        *told(answer),
        *answer.messages,
    )
    paths = _executed(answer)
    named = answer.results if answer.runtime is not None else ()
    notes = [note for result in named for path, _ in result.paths for note in path.notes]
    blocks: list[Block] = [
        Table(None, columns, _rows(answer.results)),
        *paths,
        Notes(None, tuple(dict.fromkeys((*lines, *notes)))),
    ]
    figures = tuple(
        Figure(f"{result.card.gpu.name}: {entry.format.name} ({peak.accumulate})", peak.rate)
        for result in answer.results
        for entry in result.formats
        for peak in (entry.vector if entry.on_vector_units else entry.peaks)
    )
    cited = tuple(
        dict.fromkeys(source for result in answer.results for entry in result.formats for source in _sources(entry))
    )
    return Report((_headline(answer),), "plain", tuple(blocks), figures, cited)
