"""Parts laid end to end on a bar: what is certain first, then what intervals may add, then what is left.

Everything is placed from the pessimistic side: `free` is what is left when all intervals take their upper end and the
room its lower. What does not fit hangs over the end of the bar, so that its length there is what is lacking.
"""

from collections.abc import Sequence
from typing import NamedTuple

from assay.types.chart import Bar, Fill, Part, Piece
from assay.types.message import Message
from assay.types.quantity import Quantity


class Share(NamedTuple):
    """What takes a share of a bar: from its lowest to its highest value; nothing is drawn of an unknown one."""

    label: Message | str
    figure: Quantity
    fill: Fill


class Rest(NamedTuple):
    """What follows behind the shares: words and figures for each case."""

    free: Share
    short: Share
    unknown: Share
    kept: Share


def _laid(shares: Sequence[Share]) -> tuple[list[list[Piece]], float]:
    """The pieces of each share, and where the last ends: all lower ends first, then all that may come on top."""
    pieces: list[list[Piece]] = [[] for _ in shares]
    at = 0.0
    for possible in (False, True):
        for share, found in zip(shares, pieces, strict=True):
            low = max(0.0, share.figure.lowest or 0.0)
            size = max(0.0, (share.figure.highest or 0.0) - low) if possible else low
            if size:
                found.append(Piece(at, at + size, share.fill, possible))
                at += size
    return pieces, at


def _over(piece: Piece, room: float, edge: float) -> list[Piece]:
    """A piece with what exceeds `room` moved beyond `edge`."""
    inside = [piece._replace(end=min(piece.end, room))] if piece.start < room else []
    start = max(piece.start, room)
    beyond = [piece._replace(start=start - room + edge, end=piece.end - room + edge)] if piece.end > room else []
    return inside + beyond


def _kept(share: Share, room: float, most: float, edge: float) -> Part:
    """What lies between the room and the end of the bar: what may still belong to the room, then what cannot."""
    both = (Piece(room, most, share.fill, possible=True), Piece(most, edge, share.fill))
    return Part(share.label, share.figure, tuple(piece for piece in both if piece.end > piece.start))


def stacked(
    label: Message | str, whole: Quantity, room: Quantity, shares: Sequence[Share], rest: Rest, number: int = 1
) -> Bar:
    """A bar of `whole` with its shares laid into `room`, all in one unit.

    Args:
        label: whose bar it is.
        whole: what the bar is long; unknown: it ends where its last known share does.
        room: how much of it the shares may take.
        shares: in their order.
        rest: how what is left, or lacking, is called.
        number: how many such bars there are.
    """
    laid, used = _laid(shares)
    parts = [Part(share.label, share.figure, tuple(pieces)) for share, pieces in zip(shares, laid, strict=True)]
    edge = whole.highest
    if edge is None or edge <= 0:
        unknown = Part(rest.unknown.label, whole, ())
        return Bar(label, whole, (*parts, unknown), max(used, 1.0), None, number)
    least = min(edge, edge if room.lowest is None else max(0.0, room.lowest))
    most = min(edge, max(least, edge if room.highest is None else room.highest))
    short = None
    if used > least:
        parts = [
            part._replace(pieces=tuple(cut for piece in part.pieces for cut in _over(piece, least, edge)))
            for part in parts
        ]
        over = Piece(edge, edge + used - least, "short")
        short = Part(rest.short.label, rest.short.figure, (over,))
    elif room.lowest is None or any(share.figure.value is None for share in shares):
        left = (Piece(used, least, "unknown"),) if used < least else ()
        parts.append(Part(rest.unknown.label, rest.unknown.figure, left))
    else:
        left = (Piece(used, least, "free"),) if used < least else ()
        parts.append(Part(rest.free.label, rest.free.figure, left))
    if edge > least:
        parts.append(_kept(rest.kept, least, most, edge))
    return Bar(label, whole, tuple(parts), edge + max(0.0, used - least), edge, number, short)
