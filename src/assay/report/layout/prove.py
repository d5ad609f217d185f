"""A proof as a page: what came out for each number format, what it does not say, and on request the disassembly."""

from assay.answers import prove
from assay.answers.prove import ProveAnswer
from assay.answers.support import Support
from assay.knowledge.catalog.instruction_sets import number_formats
from assay.reason.proof import Evidence, FormatProof, unpacking
from assay.report.proven import Proven, came_out, limits
from assay.types.message import Message, message
from assay.types.report import Block, Cell, Command, Notes, Report, Row, Table, Tone

MARK, PLAIN = "> ", "  "
ORDER = ("native", "emulated", "absent", "unknown")


def _names(rows: list[Support]) -> str:
    known = {one.id: one.name for one in number_formats()}
    return ", ".join(known[row.format] for row in rows)


def _headline(result: prove.Proven) -> list[Message]:
    """What is native first; then a line for each other verdict."""
    lines = []
    for verdict in ORDER:
        rows = [row for row in result.formats if row.verdict == verdict and not row.disputed]
        if rows:
            lines.append(message(f"prove.headline.{verdict}", name=result.name, formats=_names(rows)))
    if result.disputed:
        lines.append(message("prove.headline.disputed", name=result.name, formats=_names(list(result.disputed))))
    return lines


def _proofs(result: prove.Proven) -> list[tuple[Support, FormatProof]]:
    return [(row, row.proof) for row in result.formats if row.proof is not None]


def _sparse(proof: FormatProof) -> Cell:
    return None if proof.sparse is None else message(f"support.{proof.sparse.finding.verdict}")


def _formats(result: prove.Proven, *, titled: bool) -> Table:
    known = {one.id: one.name for one in number_formats()}
    rows = []
    for row, proof in _proofs(result):
        out = came_out(proof.deciding.finding) if proof.deciding is not None else message("support.unknown")
        target = "" if proof.deciding is None else proof.deciding.finding.target
        cells = (message(f"support.{row.verdict}"), out, message("text", text=target), _sparse(proof))
        rows.append(Row(known[row.format], cells))
    heads = (message("prove.verdict"), message("prove.out"), message("prove.target"), message("prove.sparse"))
    return Table(message("text", text=result.name) if titled else None, heads, tuple(rows))


def _every(found: list[Evidence], title: Message) -> Table:
    heads = (message("prove.target"), message("prove.verdict"), message("prove.out"))
    rows = [
        Row(
            one.probe.id,
            (
                message("text", text=one.finding.target),
                message(f"support.{one.finding.verdict}"),
                came_out(one.finding),
            ),
        )
        for one in found
    ]
    return Table(title, heads, tuple(rows))


def _disputes(result: prove.Proven) -> list[Message]:
    known = {one.id: one.name for one in number_formats()}
    return [
        message(
            "prove.disputed",
            "warning",
            format=known[row.format],
            proof=f"support.{row.proof.verdict}",
            document=f"support.{row.documented.verdict}",
            statement=row.documented.statement,
            source=row.documented.sources[0],
        )
        for row in result.disputed
        if row.proof is not None and row.documented is not None
    ]


def _listing(result: prove.Proven, one: Evidence) -> Command:
    """The instruction as written, and the disassembly with the deciding instruction marked."""
    shown = result.shown[one.finding.target, one.probe.id]
    deciding = {name for name, _ in one.finding.opcodes[:1]}
    lines = [shown.source, ""]
    for instruction in shown.instructions:
        mark = MARK if instruction.name in deciding or instruction.name.partition(".")[0] in deciding else PLAIN
        lines.append(mark + instruction.text)
    if one.finding.refusal is not None:
        lines.append(MARK + one.finding.refusal)
    title = message("prove.listing", probe=one.probe.id, target=one.finding.target, verdict=one.finding.verdict)
    return Command(title, "\n".join(lines))


def _blocks(result: prove.Proven, answer: ProveAnswer) -> list[Block]:
    blocks: list[Block] = [_formats(result, titled=len(answer.results) > 1)]
    if answer.request.every:
        blocks.append(_every(list(result.evidence), message("prove.every")))
    elif any(one.probe.kind == "unpack" for one in result.evidence):
        blocks.append(_every(unpacking(list(result.evidence)), message("prove.unpacking")))
    if answer.request.show:
        chosen = list(result.evidence) if answer.request.every else [
            proof.deciding for _, proof in _proofs(result) if proof.deciding is not None
        ]  # fmt: skip
        blocks += [_listing(result, one) for one in chosen]
    return blocks


def told(answer: ProveAnswer) -> list[Message]:
    """What the findings do not say."""
    lines = [
        message("prove.target_alone", target=result.isa, others=", ".join(result.siblings))
        for result in answer.results
        if result.siblings
    ]
    found = [Proven(result.name, tuple(proof for _, proof in _proofs(result))) for result in answer.results]
    return [*lines, *limits(found)]


def layout(answer: ProveAnswer) -> Report:
    """The page: verdicts first, what came out for each format, what it rests on, and what it does not say."""
    headline = [line for result in answer.results for line in _headline(result)]
    blocks: list[Block] = [block for result in answer.results for block in _blocks(result, answer)]
    lines: list[Message] = []
    for result in answer.results:
        lines += _disputes(result)
        tools = ", ".join(f"{tool.name} {tool.version}" for tool in result.tools)
        lines.append(message("prove.tools", tools=tools, targets=", ".join(result.targets)))
    lines += told(answer)
    lines += answer.messages
    cited = dict.fromkeys(
        source
        for result in answer.results
        for row in result.disputed
        if row.documented is not None
        for source in row.documented.sources
    )
    tone: Tone = "unsure" if answer.exit_code else "plain"
    return Report(tuple(headline), tone, (*blocks, Notes(None, tuple(dict.fromkeys(lines)))), (), tuple(cited))
