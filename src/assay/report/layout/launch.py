"""Servers as a page: whether it fits, what to make first, the commands, why each flag, what the card should say."""

import shlex

from assay.answers.cardcheck import CardCheck
from assay.answers.launch import LaunchAnswer
from assay.answers.serving import LaunchResult, Share, Stack
from assay.reason.deploy.command import health_line, shell
from assay.reason.deploy.compose import compose, contained
from assay.report.layout.check import TONES, cards_name
from assay.types.launch import Argument, Server
from assay.types.message import Message, message
from assay.types.report import Block, Cell, Command, Figure, Notes, Report, Row, Table

MIB = 2**20
MEMORY = frozenset({"check.short", "launch.shares_no"})
"""Reasons that say it does not fit; a runtime refuses for others."""


def _headline(answer: LaunchAnswer) -> tuple[Message, ...]:
    if len(answer.results) > 1:
        fitting = sum(result.verdict == "yes" for result in answer.results)
        return (message("launch.headline.several", model=answer.model.name, yes=fitting, count=len(answer.results)),)
    result = answer.results[0]
    code = f"launch.headline.{result.verdict}"
    if result.verdict == "unknown" and not result.stacks:
        code = "launch.headline.nothing"
    if result.verdict == "no" and not MEMORY.intersection(reason.code for reason in result.reasons):
        code = "launch.headline.refused"
    name = answer.model.name.rsplit("/", 1)[-1]
    return (message(code, model=name, gpu=cards_name(result.cards), runtime=answer.runtime.name),)


def _asked(answer: LaunchAnswer) -> Message:
    return message(
        "launch.asked",
        runtime=answer.runtime.name,
        version=answer.version or "",
        context=answer.workload.context,
        concurrency=answer.workload.concurrency,
        kv=answer.kv.id,
    )


def _stack_title(stack: Stack) -> Message:
    context, sequences = stack.max_context.value, stack.max_concurrency.value
    if not context or not sequences or min(context, sequences) < 1:
        return message(f"launch.stack.{stack.kind}", count=len(stack.servers))
    code = f"launch.stack.{stack.kind}.reach"
    return message(code, count=len(stack.servers), context=int(context), sequences=int(sequences))


def _server(server: Server) -> list[Block]:
    title = message(f"launch.role.{server.role}", port=server.port)
    return [Command(title, shell(server)), Command(message("launch.health"), health_line(server))]


def _stack(answer: LaunchAnswer, stack: Stack) -> list[Block]:
    blocks: list[Block] = [Notes(_stack_title(stack), ())]
    if answer.request.compose:
        return [*blocks, Command(message("launch.compose"), compose(stack.servers).rstrip("\n"))]
    return [*blocks, *(block for server in stack.servers for block in _server(server))]


def _argument(argument: Argument) -> Message:
    words = shlex.join(argument.words) or argument.config or ""
    if argument.said is not None:
        return message("launch.argument_said", words=words, said=argument.said)
    return message("launch.argument", words=words, why=argument.why)


def _reasons(answer: LaunchAnswer, result: LaunchResult) -> Notes | None:
    """Each flag with its reason, once for all servers; with a compose file, the flags of that file."""
    composed = answer.request.compose
    told = dict.fromkeys(
        _argument(contained(argument) if composed else argument)
        for stack in result.stacks
        for server in stack.servers
        for argument in server.arguments
    )
    return Notes(message("launch.why"), tuple(told)) if told else None


def _share_row(share: Share) -> Row:
    part = message(f"launch.part.{share.part}")
    fraction: Cell = None if share.fraction is None else message("launch.fraction", share=share.fraction)
    where: Cell = message("launch.in_host") if share.host is not None else share.model or ""
    return Row(part, (where, share.need if share.host is None else share.host, fraction))


def _shares(result: LaunchResult) -> list[Block]:
    if not result.shares:
        return []
    heads = (message("launch.share.model"), message("launch.share.need"), message("launch.share.fraction"))
    return [Table(message("launch.shares"), heads, tuple(_share_row(share) for share in result.shares))]


def _adapters(result: LaunchResult) -> list[Message]:
    room = result.room
    if room is None or room.slots is None or room.each.value is None:
        return []
    if room.rank:
        return [message("launch.adapter_slots", slots=room.slots, rank=room.rank, size=room.each.value)]
    return [message("launch.adapter_files", size=room.each.value)]


def _card_check(check: CardCheck) -> list[Block]:
    """The commands and what to expect; nothing for a vendor whose commands are not known."""
    if not check.lines:
        return []
    # As nvidia-smi prints them, in every language.
    mib = None if check.memory.value is None else f"{int(check.memory.value // MIB)} MiB"
    watts = None if check.power.value is None else f"{check.power.value:.2f} W"
    rows = (
        Row("name", (", ".join(check.names), None)),
        Row("compute_cap", (check.capability or message("figure.unknown"), None)),
        Row("memory.total", (mib or message("figure.unknown"), check.memory)),
        Row("power.default_limit", (watts or message("figure.unknown"), check.power)),
    )
    heads = (message("launch.expect"), message("launch.figure"))
    lines = "\n".join(check.lines)
    return [Command(message("launch.card_check"), lines), Table(message("launch.expected"), heads, rows)]


def _result(answer: LaunchAnswer, result: LaunchResult) -> list[Block]:
    blocks: list[Block] = []
    said = (*result.reasons, *result.notes, *_adapters(result))
    if said:
        several = len(answer.results) > 1
        title = message("check.reasons_for", gpu=cards_name(result.cards)) if several else message("check.reasons")
        blocks.append(Notes(title, said))
    blocks += _shares(result)
    if result.finder is not None:
        blocks.append(Command(message("launch.finder"), result.finder))
    blocks += [Command(message(step.code, why=step.why), step.line) for step in result.steps]
    blocks += [block for stack in result.stacks for block in _stack(answer, stack)]
    why = _reasons(answer, result)
    blocks += [why] if why is not None else []
    return [*blocks, *(block for check in result.card_checks for block in _card_check(check) if result.stacks)]


def cited(answer: LaunchAnswer) -> tuple[str, ...]:
    """Ids of what the commands rest on."""
    servers = [server for result in answer.results for stack in result.stacks for server in stack.servers]
    return tuple(
        dict.fromkeys(
            (
                *answer.model.sources,
                *(name for server in servers for argument in server.arguments for name in argument.sources),
                *(name for server in servers for name in server.facts.sources),
                *(name for result in answer.results for check in result.card_checks for name in check.sources),
            )
        )
    )


def layout(answer: LaunchAnswer) -> Report:
    """The page of `assay launch`."""
    blocks = [block for result in answer.results for block in _result(answer, result)]
    if answer.messages:
        blocks.append(Notes(None, answer.messages))
    figures = tuple(
        Figure(message(code), figure)
        for result in answer.results
        for code, figure in (
            ("row.total", result.check.fit.memory.total),
            ("row.available", result.check.fit.memory.available),
            *((f"launch.part.{share.part}", share.host or share.need) for share in result.shares),
        )
    )
    verdicts = {result.verdict for result in answer.results}
    tone = TONES["no" if "no" in verdicts else "unknown" if "unknown" in verdicts else "yes"]
    return Report((*_headline(answer), _asked(answer)), tone, tuple(blocks), figures, cited(answer))
