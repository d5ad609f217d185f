"""GPUs of the catalogue, by id."""

from typing import Any

from assay.errors import UnknownGpu
from assay.knowledge import store
from assay.knowledge.catalog.figures import quantity, text
from assay.types.gpu import Gpu, PciId, Peak, RateFactor
from assay.types.message import message


def _pci(rows: list[dict[str, Any]]) -> tuple[PciId, ...]:
    return tuple(PciId(row["device"], row.get("subsystem"), row.get("revision")) for row in rows)


def _peak(row: dict[str, Any]) -> Peak:
    return Peak(
        format=row["format"],
        accumulate=row.get("accumulate", "unstated"),
        sparsity=row.get("sparsity", "dense"),
        unit=row.get("unit", "matrix"),
        rate=quantity(row, row["u"], "unknown.peak"),
    )


def _factor(row: dict[str, Any]) -> RateFactor:
    return RateFactor(
        formats=tuple(row["formats"]),
        accumulate=row["accumulate"],
        factor=None if row.get("unknown") else row["factor"],
        sources=tuple(row["sources"]),
        basis=row["basis"],
        note=row.get("note"),
    )


def gpu(name: str) -> Gpu:
    """The product with this id.

    Raises:
        UnknownGpu: no such id.
    """
    body = store.entry("gpu", name)
    if body is None:
        raise UnknownGpu(message("error.unknown_gpu", query=name), message("hint.unknown_gpu"))
    pcie = body.get("pcie")
    return Gpu(
        id=name,
        name=body["name"],
        vendor=body["vendor"],
        architecture=body["architecture"],
        isa=body.get("isa"),
        status=body.get("status", "released"),
        pci=_pci(body.get("pci", [])),
        driver_names=tuple(body.get("driver_names", [])),
        tells_apart=tuple(body.get("tells_apart", [])),
        unified_memory=bool(body.get("memory_type", {}).get("unified", False)),
        multiprocessors=quantity(body.get("multiprocessors"), "multiprocessor", "unknown.multiprocessors"),
        memory_sold=quantity(body.get("memory_sold"), "B", "unknown.memory_sold"),
        memory_driver=quantity(body.get("memory_driver"), "B", "unknown.memory_driver"),
        bandwidth=quantity(body.get("bandwidth"), "B/s", "unknown.bandwidth"),
        boost_clock=quantity(body.get("boost_clock"), "Hz", "unknown.boost_clock"),
        power_limit=quantity(body.get("power_limit"), "W", "unknown.power_limit"),
        l2_cache=quantity(body.get("l2_cache"), "B", "unknown.l2_cache"),
        pcie=f"{pcie['generation']}.0 x{pcie['lanes']}" if pcie else None,
        link_bandwidth=quantity(body.get("nvlink"), "B/s", "unknown.link"),
        launched=(body.get("launched") or {}).get("date"),
        published_peaks=tuple(_peak(row) for row in body.get("peaks", [])),
        rate_factors=tuple(_factor(row) for row in body.get("rate_factors", [])),
        note=text(body["usable_note"]) if "usable_note" in body else None,
    )


IDENTITY_FIELDS = (
    "name",
    "vendor",
    "architecture",
    "status",
    "driver_names",
    "aliases",
    "pci",
    "memory_sold",
    "memory_driver",
    "memory_type",
)


def identities() -> dict[str, dict[str, Any]]:
    """What tells one GPU from another, for every GPU by id, the figures left unparsed."""
    return store.fields("gpu", IDENTITY_FIELDS)
