"""Compact figures of the compiled catalogue back into quantities."""

from typing import Any

from assay.types.message import Message, message
from assay.types.quantity import Quantity, unknown


def text(words: str) -> Message:
    """A note that is data of the catalogue and is printed as it stands."""
    return message("text", text=words)


def quantity(body: dict[str, Any] | None, unit: str, missing: str) -> Quantity:
    """A compact figure as a `Quantity` in its base unit; unknown, for the reason `missing`, when there is none."""
    if body is None:
        return unknown(unit, message(missing))
    value = body["v"]
    return Quantity(
        value=int(value) if float(value).is_integer() else value,
        unit=unit,
        basis=body["b"],
        sources=tuple(body["s"]),
        low=body.get("lo"),
        high=body.get("hi"),
        note=text(body["n"]) if "n" in body else None,
    )
