"""Runtimes and KV formats of the catalogue."""

import re
from functools import cache
from typing import Any

from assay.errors import UsageError
from assay.knowledge import store
from assay.knowledge.catalog.figures import quantity
from assay.types.message import message
from assay.types.quantity import Quantity
from assay.types.runtime import (
    Activation,
    BlockPool,
    Bounds,
    ComputeBuffer,
    IndexWorkspace,
    KvFormat,
    Runtime,
    RuntimeMemory,
    StaticReserve,
    Tier,
)

NUMBERS = re.compile(r"\d+")


def _bounds(values: list[float], factor: float = 1.0) -> Bounds:
    low, typical, high = values
    return low * factor, typical * factor, high * factor


def _activation(body: dict[str, Any] | None) -> Activation | None:
    if body is None:
        return None
    hidden, width, logits, kept = (_bounds(body[name]) for name in ("hidden", "width", "logits", "kept"))
    return Activation(hidden, width, logits, kept, tuple(body["sources"]))


def _index(body: dict[str, Any] | None) -> IndexWorkspace | None:
    if body is None:
        return None
    return IndexWorkspace(_bounds(body["per_token"]), _bounds(body["fixed_gib"], 2**30), tuple(body["sources"]))


def _compute(body: dict[str, Any] | None) -> ComputeBuffer | None:
    if body is None:
        return None
    return ComputeBuffer(
        _bounds(body["share"]),
        _bounds(body["fixed_mib"], 2**20),
        _bounds(body["recurrent_rows"]),
        tuple(body["sources"]),
    )


def _tier(body: dict[str, Any]) -> Tier:
    sequences = body["sequences"]
    return Tier(
        from_bytes=body.get("from_gib", 0) * 2**30,
        excepted=tuple(body.get("except", [])),
        batched_tokens=body["batched_tokens"],
        sequences=sequences,
        wide_sequences=body.get("wide_sequences", sequences),
        graphs=body.get("graphs", 0),
    )


def _pool(body: dict[str, Any] | None) -> BlockPool | None:
    if body is None:
        return None
    return BlockPool(body["tokens"], body["near"], body["states"], body["batches"], body["printed"])


def _reserve(body: dict[str, Any] | None) -> StaticReserve | None:
    if body is None:
        return None
    return StaticReserve(
        fixed=body["fixed_mib"] * 2**20,
        per_token=body["per_token_mib"] * 2**20,
        tokens=body["tokens"],
        per_card=body["per_card_mib"] * 2**20,
        per_sequence=body["per_sequence_mib"] * 2**20,
        per_graph=body["per_graph_mib"] * 2**20,
        latent=body["latent_mib"] * 2**20,
        floor=body["floor_gib"] * 2**30,
        floor_from=body["floor_from_gib"] * 2**30,
        vision=_bounds(body["vision"]),
    )


def _memory(body: dict[str, Any] | None) -> RuntimeMemory | None:
    if body is None:
        return None
    return RuntimeMemory(
        fraction=quantity(body["fraction"], "ratio", "unknown.fraction") if "fraction" in body else None,
        fraction_of=body.get("fraction_of", "all"),
        sliding=body["sliding"],
        cell_padding=body.get("cell_padding", 1),
        ubatch_tokens=body.get("ubatch_tokens", 0),
        tiers=tuple(map(_tier, body.get("tiers", []))),
        whole_prompts=bool(body.get("whole_prompts", False)),
        pool=_pool(body.get("pool")),
        graphs_counted=bool(body.get("graphs_counted", True)),
        reserve=_reserve(body.get("reserve")),
        loaded={name: quantity(term, "ratio", "unknown.term") for name, term in body.get("loaded", {}).items()},
        video_architectures=frozenset(body.get("video_architectures", [])),
        fast_links=tuple(body.get("fast_links", [])),
        encoder_tokens=body.get("encoder_tokens", 0),
        terms={name: quantity(term, "B", "unknown.term") for name, term in body.get("terms", {}).items()},
        activation=_activation(body.get("activation")),
        workspace=_index(body.get("workspace")),
        compute=_compute(body.get("compute")),
        sources=tuple(body.get("sources", [])),
        host={name: quantity(term, "B", "unknown.term") for name, term in body.get("host", {}).items()},
    )


def _release(version: str) -> tuple[int, ...]:
    """The numbers of a version, for comparison; a development build counts as the release it leads to."""
    return tuple(int(number) for number in NUMBERS.findall(version)[:3])


def memory_at(name: str, version: str) -> RuntimeMemory | None:
    """What an earlier release of a runtime does with memory: the present one's entry with what was otherwise then.

    Raises:
        UsageError: no such runtime.
    """
    runtime(name)
    body = (store.entry("runtime", name.strip().lower()) or {}).get("memory")
    if body is None:
        return None
    asked = _release(version)
    for change in body.get("before", []):  # newest first, each holds for every earlier release
        if asked and asked < _release(change["version"]):
            deeper = {name: body.get(name, {}) | change[name] for name in ("pool", "activation") if name in change}
            body = body | {key: value for key, value in change.items() if key != "version"} | deeper
    return _memory(body)


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
        not_loaded=tuple(body.get("not_loaded", {}).items()),
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
    """A general term of the memory plan (`memory_term`)."""
    body = store.entry(kind, name)
    if body is None:  # a checkout whose data lacks a term is a bug of the data, not of the user
        raise KeyError(name)
    return quantity(body["value"], body["value"]["u"], "unknown.term")
