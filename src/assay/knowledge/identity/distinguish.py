"""What tells candidates apart, from the catalogue's own figures that differ among them."""

from collections.abc import Callable, Sequence

from assay.knowledge.catalog.gpus import gpu
from assay.types.gpu import Gpu
from assay.types.message import Message, message

FEW = 8
"""Up to so many candidates their PCI ids, driver names and features are listed one by one."""

_FIGURES: tuple[tuple[str, Callable[[Gpu], float | None]], ...] = (
    ("gpu.distinguish.memory", lambda card: _scaled(card.memory_sold.value, 2**30)),
    ("gpu.distinguish.bandwidth", lambda card: _scaled(card.bandwidth.value, 1e9)),
    ("gpu.distinguish.power", lambda card: card.power_limit.value),
    ("gpu.distinguish.multiprocessors", lambda card: card.multiprocessors.value),
)


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value / factor


def _joined(values: Sequence[float | None]) -> str | None:
    """Distinct values in rising order, `?` for an unknown one; None where they do not differ."""
    known = sorted({value for value in values if value is not None})
    if len(known) < 2:
        return None
    return " / ".join([*(f"{value:.6g}" for value in known), *(["?"] if None in values else [])])


def _texts(code: str, cards: Sequence[Gpu], of: Callable[[Gpu], str]) -> list[Message]:
    values = list(dict.fromkeys(filter(None, map(of, cards))))
    return [message(code, values=" / ".join(values))] if len(values) > 1 else []


def _pci(card: Gpu) -> str:
    ids = [" ".join(filter(None, (p.device, p.subsystem, p.revision and f"rev {p.revision}"))) for p in card.pci]
    return ", ".join(ids)


def distinguish(candidates: Sequence[str]) -> tuple[Message, ...]:
    """Messages on what differs among the candidates; empty for fewer than two."""
    if len(candidates) < 2:
        return ()
    cards = [gpu(name) for name in candidates]
    messages = []
    for code, read in _FIGURES:
        values = _joined([read(card) for card in cards])
        if values is not None:
            messages.append(message(code, values=values))
    messages += _texts("gpu.distinguish.architecture", cards, lambda card: card.architecture)
    if len(cards) > FEW:
        return tuple(messages)
    for card in cards:
        text = ", ".join(card.tells_apart)
        if text and card.pci:
            messages.append(message("gpu.distinguish.card", gpu=card.id, name=card.name, text=text, ids=_pci(card)))
        elif text:
            messages.append(message("gpu.distinguish.feature", gpu=card.id, name=card.name, text=text))
        elif card.pci:
            messages.append(message("gpu.distinguish.pci", gpu=card.id, name=card.name, ids=_pci(card)))
    return tuple(messages)
