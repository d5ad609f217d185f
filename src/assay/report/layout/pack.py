"""Servers on cards as a page: whether all fit, which goes where, what to give up where they do not."""

from assay.answers.packed import Change, PackAnswer, PackResult, Server
from assay.report.layout.check import TONES, cards_name
from assay.types.message import Message, message
from assay.types.quantity import Quantity, total
from assay.types.report import Block, Cell, Figure, Notes, Report, Row, Table

MOST_NAMES = 4


def _models(answer: PackAnswer) -> str | tuple[Message, ...]:
    """The models by name, or how many they are."""
    if len(answer.names) > MOST_NAMES:
        return (message("pack.models", count=len(answer.names)),)
    return " + ".join(answer.names)


def _headline(answer: PackAnswer) -> Message:
    if len(answer.results) > 1:
        fitting = sum(result.verdict == "yes" for result in answer.results)
        return message("pack.headline.several", models=_models(answer), yes=fitting, count=len(answer.results))
    result = answer.results[0]
    gpu = cards_name(result.cards)
    if len(answer.names) == 1 and result.verdict == "yes":
        return message("pack.headline.instances", model=answer.names[0], count=len(result.servers), gpu=gpu)
    if result.refused:
        return message("pack.headline.refused", models=_models(answer), gpu=gpu)
    return message(f"pack.headline.{result.verdict}", models=_models(answer), count=len(answer.names), gpu=gpu)


def _asked(answer: PackAnswer) -> tuple[Message, ...]:
    """What was asked of each model, on a line of its own."""
    return tuple(
        message(
            "pack.asked",
            model=name,
            runtime=one.engine.name,
            version=one.engine.version or "",
            context=one.terms.context,
            users=one.terms.users,
            kv=one.terms.kv,
        )
        for name, one in zip(answer.names, answer.candidates, strict=True)
    )


def rest_of(server: Server, place: int) -> Quantity:
    """What a card holds of a server beside weights and KV cache."""
    plan = server.plans[place]
    return total("B", [("state", plan.state), ("activations", plan.activation), ("runtime overhead", plan.overhead)])


def _server_name(answer: PackAnswer, result: PackResult, server: Server) -> str:
    copies = sum(one.item == server.item for one in result.servers)
    name = answer.names[server.item]
    return name if copies == 1 else f"{name} ({server.copy}/{copies})"


def _rows(answer: PackAnswer, result: PackResult) -> tuple[Row, ...]:
    rows = []
    for slot in range(len(result.slots)):
        label = str(slot + 1)
        here = [server for server in result.servers if slot in server.cards]
        if not here:
            rows.append(Row(label, (message("pack.empty"), None, None, None, None, None, result.free[slot])))
        for server in here:
            place = server.cards.index(slot)
            fraction: Cell = None if server.fraction is None else message("pack.told", fraction=server.fraction)
            plan = server.plans[place]
            free = result.free[slot] if server is here[-1] else ""
            name = message("text", text=_server_name(answer, result, server))
            cells = (name, len(server.cards), plan.weights, plan.kv, rest_of(server, place), fraction, free)
            rows.append(Row(label if server is here[0] else "", cells))
    return tuple(rows)


HEADS = ("pack.server", "pack.degree", "row.weights", "row.kv", "pack.rest", "pack.fraction", "row.free")


def _places(answer: PackAnswer, result: PackResult) -> list[Block]:
    heads = tuple(message(code) for code in HEADS)
    if not result.servers:
        return []
    several = len(answer.results) > 1
    title = message("pack.places_on", gpu=cards_name(result.cards)) if several else message("pack.places")
    table = Table(title, heads, _rows(answer, result), listing=True)
    if len(set(result.slots)) == 1:
        return [table]
    named = ", ".join(f"{slot} {gpu}" for slot, gpu in enumerate(result.slots, start=1))
    return [table, Notes(None, (message("pack.numbered", names=named),))]


def _reach(result: PackResult) -> list[Block]:
    if not result.reach:
        return []
    rows = tuple(Row(message("pack.so_many", count=one.instances), (one.context,)) for one in result.reach)
    return [Table(message("pack.reach"), ("",), rows)]


def way(answer: PackAnswer, changes: tuple[Change, ...]) -> Message:
    """What to give up, model by model, with its name where there are several."""
    of_item = {item: tuple(one.said for one in changes if one.item == item) for item in (c.item for c in changes)}
    if len(answer.names) == 1:
        words = of_item[0]
    else:
        words = tuple(message("pack.of", model=answer.names[item], what=said) for item, said in of_item.items())
    return words[0] if len(changes) == 1 else message("pack.joint", changes=words)


def _given_up(answer: PackAnswer, result: PackResult) -> list[Message]:
    if result.verdict == "yes":
        return []
    ways = tuple(way(answer, changes) for changes in result.proposals)
    short = None if result.short is None else result.short.value
    if short is None:
        return [message("pack.give_up", ways=ways)] if ways else []
    one = len(result.slots) == 1
    if not ways:
        return [message("pack.short_nothing" if one else "pack.short_each_nothing", size=short)]
    return [message("pack.short" if one else "pack.short_each", size=short, ways=ways)]


def _why(answer: PackAnswer, result: PackResult) -> list[Block]:
    lines = [*_given_up(answer, result), *result.reasons]
    possibly = None if result.instances is None else result.instances.highest
    if result.instances is not None and possibly is not None and possibly > (result.instances.value or 0):
        lines.append(message("pack.perhaps", count=int(possibly)))
    if not lines:
        return []
    several = len(answer.results) > 1
    title = message("check.reasons_for", gpu=cards_name(result.cards)) if several else message("check.reasons")
    return [Notes(title, tuple(lines))]


def _figures(result: PackResult) -> list[Figure]:
    found = [
        Figure(message(code), figure)
        for server in result.servers
        for place in range(len(server.cards))
        for code, figure in (
            ("row.weights", server.plans[place].weights),
            ("row.kv", server.plans[place].kv),
            ("pack.rest", rest_of(server, place)),
        )
    ]
    found += [Figure(message("row.free"), figure) for figure in result.free]
    found += [Figure(message("pack.so_many", count=one.instances), one.context) for one in result.reach]
    return found


def layout(answer: PackAnswer) -> Report:
    """The page of `assay pack`."""
    blocks: list[Block] = []
    for result in answer.results:
        blocks += [*_places(answer, result), *_reach(result), *_why(answer, result)]
    if answer.messages:
        blocks.append(Notes(None, answer.messages))
    figures = tuple(figure for result in answer.results for figure in _figures(result))
    verdicts = {result.verdict for result in answer.results}
    tone = TONES["no" if "no" in verdicts else "unknown" if "unknown" in verdicts else "yes"]
    sources = tuple(
        dict.fromkeys(source for one in answer.candidates for source in (*one.model.sources, *one.engine.sources))
    )
    return Report((_headline(answer), *_asked(answer)), tone, tuple(blocks), figures, sources)
