"""Published figures of what quantization costs, as values."""

from functools import cache

from assay.knowledge import store
from assay.types.quality import Measured, Protocol

BILLION = 1e9


@cache
def protocols() -> dict[str, Protocol]:
    """Every protocol by id, in the order of the catalogue."""
    return {
        name: Protocol(name, body["name"], body["metric"]) for name, body in store.entries("quality_protocol").items()
    }


@cache
def figures() -> tuple[Measured, ...]:
    """Every published figure, in the order of the catalogue."""
    return tuple(
        Measured(
            name,
            body["model"],
            body["family"],
            body["parameters"] * BILLION,
            body["active"] * BILLION if "active" in body else None,
            tuple(body.get("formats", ())),
            body.get("kv"),
            body["protocol"],
            body["value"],
            body["baseline"],
            body["baseline_format"],
            body["basis"],
            tuple(body["sources"]),
            body.get("conditions"),
        )
        for name, body in store.entries("quality").items()
    )


@cache
def bounds() -> dict[str, tuple[str, ...]]:
    """By format: the coarser ones that lose at least as much, the nearest first."""
    return {name: tuple(body["by"]) for name, body in store.entries("quality_bound").items()}
