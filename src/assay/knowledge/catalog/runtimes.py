"""Runtimes and KV formats of the catalogue."""

from functools import cache
from typing import Any

from assay.errors import UsageError
from assay.knowledge import store
from assay.knowledge.catalog.figures import quantity
from assay.types.message import message
from assay.types.quantity import Quantity
from assay.types.runtime import Activation, Bounds, ComputeBuffer, KvFormat, Runtime, RuntimeMemory


def _bounds(values: list[float], factor: float = 1.0) -> Bounds:
    low, typical, high = values
    return low * factor, typical * factor, high * factor


def _activation(body: dict[str, Any] | None) -> Activation | None:
    if body is None:
        return None
    return Activation(_bounds(body["hidden"]), _bounds(body["width"]), _bounds(body["logits"]), tuple(body["sources"]))


def _compute(body: dict[str, Any] | None) -> ComputeBuffer | None:
    if body is None:
        return None
    return ComputeBuffer(
        _bounds(body["share"]),
        _bounds(body["fixed_mib"], 2**20),
        _bounds(body["recurrent_rows"]),
        tuple(body["sources"]),
    )


def _memory(body: dict[str, Any] | None) -> RuntimeMemory | None:
    if body is None:
        return None
    batched = body.get("batched_tokens", [0, 0])
    sequences = body.get("sequences", [0, 0])
    return RuntimeMemory(
        fraction=quantity(body["fraction"], "ratio", "unknown.fraction") if "fraction" in body else None,
        sliding=body["sliding"],
        block_tokens=body.get("block_tokens", 1),
        cell_padding=body.get("cell_padding", 1),
        batched_tokens=(batched[0], batched[1]),
        sequences=(sequences[0], sequences[1]),
        ubatch_tokens=body.get("ubatch_tokens", 0),
        large_from=body.get("large_from_gib", 0) * 2**30,
        large_except=tuple(body.get("large_except", [])),
        grouped=bool(body.get("grouped", False)),
        hybrid_padding=body.get("hybrid_padding", 1.0),
        loaded={name: quantity(term, "ratio", "unknown.term") for name, term in body.get("loaded", {}).items()},
        video_architectures=frozenset(body.get("video_architectures", [])),
        terms={name: quantity(term, "B", "unknown.term") for name, term in body.get("terms", {}).items()},
        activation=_activation(body.get("activation")),
        compute=_compute(body.get("compute")),
        sources=tuple(body.get("sources", [])),
        host={name: quantity(term, "B", "unknown.term") for name, term in body.get("host", {}).items()},
    )


def runtime(name: str) -> Runtime:
    """The runtime with this id.

    Raises:
        UsageError: no such runtime.
    """
    return _read(name.strip().lower())


@cache
def _read(name: str) -> Runtime:
    body = store.entry("runtime", name)
    if body is None:
        known = ", ".join(store.names("runtime"))
        raise UsageError(message("error.unknown_runtime", name=name), message("hint.unknown_runtime", known=known))
    return Runtime(
        id=name,
        name=body["name"],
        version=body.get("version"),
        containers=tuple(body["containers"]),
        kv_default=body["kv_default"],
        kv_types=tuple(body["kv_types"]),
        split=body.get("split"),
        needs_hardware=frozenset(body.get("needs_hardware", [])),
        memory=_memory(body.get("memory")),
        sources=tuple(body.get("sources", [])),
    )


def kv_format(name: str) -> KvFormat:
    """The KV element format with this id.

    Raises:
        UsageError: no such format.
    """
    body = store.entry("kv_format", name)
    if body is None:
        known = ", ".join(store.names("kv_format"))
        raise UsageError(message("error.unknown_kv_format", name=name), message("hint.unknown_kv_format", known=known))
    return KvFormat(name, body["block"], body["block_bytes"])


def term(kind: str, name: str) -> Quantity:
    """A general term of the memory plan (`memory_term`) or the roofline (`speed_term`)."""
    body = store.entry(kind, name)
    if body is None:  # a checkout whose data lacks a term is a bug of the data, not of the user
        raise KeyError(name)
    return quantity(body["value"], body["value"]["u"], "unknown.term")
