"""Charts made by hand: one card that holds all, two that do not, one of which too little is known; a frontier."""

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from assay.report.chart.stack import Rest, Share, stacked
from assay.types.chart import Axis, Bar, Chart, Fill, Mark, Plot, Point, Series
from assay.types.message import message
from assay.types.quantity import Quantity, derive, exact, total, unknown

GIB = 2**30
HOSTILE = "]]><script>alert('1')</script>&amp;<!--\x1b[31m\u202e" + "\ud800" + "--> \x00" + '" onload="x'


def parsed(picture: str) -> ET.Element:
    """The root of a picture."""
    return ET.fromstring(picture.encode("utf-8"))  # noqa: S314 -- written by Assay


def figure(low: float, high: float, name: str = "B") -> Quantity:
    """Bytes from `low` to `high` GiB."""
    if low == high:
        return exact(low * GIB, name, "documented", "source")
    return Quantity((low + high) / 2 * GIB, name, "assumed", ("source",), low=low * GIB, high=high * GIB)


def bar(label: str, whole: Quantity, room: Quantity, shares: Sequence[Share], number: int = 1) -> Bar:
    """A bar whose rest is named as memory's is."""
    used = total("B", [(str(index), share.figure) for index, share in enumerate(shares)])
    left = derive("B", "room - used", [("room", room), ("used", used)], lambda a, b: a - b, rising=(True, False))
    lacking = derive("B", "used - room", [("used", used), ("room", room)], lambda a, b: a - b, rising=(True, False))
    kept = derive("B", "whole - room", [("whole", whole), ("room", room)], lambda a, b: a - b, rising=(True, False))
    rest = Rest(
        Share(message("row.free"), left, "free"),
        Share(message("chart.short"), lacking, "short"),
        Share(message("chart.unknown"), left, "unknown"),
        Share(message("chart.kept"), kept, "kept"),
    )
    return stacked(label, whole, room, shares, rest, number)


def shares(experts: float, cache: tuple[float, float], overhead: Quantity | None = None) -> list[Share]:
    """Weights of two kinds, a cache, what a runtime takes: GiB."""
    parts: list[tuple[str, Quantity, Fill]] = [
        ("role.experts", figure(experts, experts), "weights"),
        ("role.norm", figure(0.001, 0.001), "weights"),
        ("row.kv", figure(*cache), "cache"),
        ("row.overhead", overhead or figure(0.5, 2), "runtime"),
    ]
    return [Share(message(code), size, fill) for code, size, fill in parts]


def plot(name: str) -> Plot:
    """Sequences by context, three contexts, the last of which only may fit."""
    sequences = [(1024, 40, 64), (2048, 20, 32), (4096, 0, 1)]
    points = tuple(
        Point(x, Quantity(low, "sequence", "derived", low=low, high=high, weakest="assumed", formula="search"))
        for x, low, high in sequences
    )
    return Plot(
        message("chart.frontier", gpu=name),
        Axis(message("chart.axis.context"), "token", "log", 512, 4096, (1024, 2048, 4096)),
        Axis(message("chart.axis.sequences"), "sequence", "log", 0.5, 80, (1, 4, 16, 64)),
        (Series(message("chart.surely"), message("chart.possibly"), points, "step"),),
        (Mark(message("chart.asked", context=2048, sequences=8), 2048, 8),),
    )


def chart(name: str = "Card One") -> Chart:
    """A card with room, two equal ones without, one with an unknown part, one of unknown size."""
    nobody = unknown("B", message("unknown.overhead"))
    unsized = unknown("B", message("unknown.unified_memory", gpu="Card Four"))
    return Chart(
        message("chart.memory"),
        (
            bar(name, figure(24, 24), figure(21, 22), shares(8, (2, 3))),
            bar("Card Two", figure(16, 16), figure(14, 14.5), shares(13, (1, 1)), number=2),
            bar("Card Three", figure(24, 24), figure(21, 22), shares(8, (2, 3), nobody)),
            bar("Card Four", unsized, unsized, shares(8, (2, 3))),
        ),
        (
            plot(name),
            Plot(
                message("chart.frontier", gpu="Card Two"),
                None,
                None,
                (),
                notes=(message("chart.none_fits", context=1024),),
            ),
        ),
    )
