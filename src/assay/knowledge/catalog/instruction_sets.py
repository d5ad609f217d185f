"""Instruction sets and number formats of the catalogue."""

from typing import Any, NamedTuple

from assay.knowledge import store
from assay.types.gpu import FormatSupport, InstructionRate, InstructionSet


class NumberFormat(NamedTuple):
    """A number format: its id, its name, bits per element, and how it is scaled."""

    id: str
    name: str
    bits: float
    element: str
    scale: str | None
    kind: str


def instruction_set(name: str) -> InstructionSet | None:
    """The instruction set with this id, or None when the catalogue has none."""
    body = store.entry("instruction_set", name)
    if body is None:
        return None
    return InstructionSet(
        id=name,
        name=body["name"],
        vendor=body["vendor"],
        multiprocessor=body.get("multiprocessor", "SM"),
        compute_capability=body.get("compute_capability"),
        rates=tuple(_rate(row) for row in body.get("rates", [])),
        support=tuple(_support(row) for row in body.get("support", [])),
    )


def _rate(row: dict[str, Any]) -> InstructionRate:
    return InstructionRate(
        format=row["format"],
        accumulate=row["accumulate"],
        unit=row.get("unit", "matrix"),
        per_clock=row["flop_per_clock"],
        sources=tuple(row["sources"]),
        basis="derived" if "derived_from" in row else row["basis"],
    )


def _support(row: dict[str, Any]) -> FormatSupport:
    return FormatSupport(
        format=row["format"],
        verdict=row["verdict"],
        instruction=row.get("instruction"),
        statement=row.get("statement", ""),
        sources=tuple(row["sources"]),
        basis=row["basis"],
    )


def number_formats() -> tuple[NumberFormat, ...]:
    """All number formats, in the order of the catalogue."""
    return tuple(
        NumberFormat(name, body["name"], body["bits"], body.get("element", ""), body.get("scale"), body.get("kind", ""))
        for name, body in store.entries("number_format").items()
    )
