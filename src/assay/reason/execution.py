"""The joint truth of a path: what a runtime's kernel multiplies, and whether the card has an instruction for it."""

from assay.types.execution import Path, Regime
from assay.types.message import Message, message

BATCH_ONE, BATCH_MANY = 1, 64
"""Sequences at once that answers speak of: one person, and a busy server."""
WORTH = 0.005
"""Of the work of one token: what does less (norms, a router) is worth no line of its own and is no reason for doubt."""


def contradicted(regimes: tuple[Regime, ...], lacking: frozenset[str]) -> tuple[str, ...]:
    """Number formats that a regime multiplies on matrix units and the card has no matrix instruction for.

    Args:
        regimes: of a cell.
        lacking: ids of the formats that are emulated or absent on the card.
    """
    return tuple(dict.fromkeys(one.multiplies for one in regimes if one.unit == "tensor" and one.multiplies in lacking))


def joint(path: Path, regimes: tuple[Regime, ...], lacking: frozenset[str]) -> tuple[Path, tuple[Message, ...]]:
    """(the path that kernel and card agree on, what to say where they do not): unknown if they disagree."""
    wrong = contradicted(regimes, lacking)
    if not wrong:
        return path, ()
    return "unknown", tuple(message("execution.contradiction", "warning", format=name) for name in wrong)


def covers(regime: Regime, batch: int) -> bool:
    """Whether a regime holds for this many tokens in one step; `small` and `large` have no sourced limit."""
    if regime.batch in ("any", "small", "large"):
        return regime.batch == "any" or (regime.batch == "small") == (batch < BATCH_MANY)
    first, _, last = regime.batch.partition("..")
    if ".." not in regime.batch:
        return batch == int(first)
    return int(first) <= batch and (not last or batch <= int(last))


def at(regimes: tuple[Regime, ...], batch: int) -> Regime | None:
    """The regime that holds for this many tokens in one step, or None where none is known."""
    return next((one for one in regimes if covers(one, batch)), None)
