"""What a card's own words give away before anything runs: relabelled, held back, in a narrow slot, an old driver."""

import re
from collections.abc import Iterator, Mapping

from assay.types.gpu import Gpu
from assay.types.message import Message, message
from assay.types.probe import Identity

HARMLESS = frozenset({"idle", "none", "applications_clocks"})
PTX_OF_CUDA = (
    ((11, 1), (7, 1)), ((11, 4), (7, 4)), ((11, 8), (7, 8)), ((12, 0), (8, 0)), ((12, 1), (8, 1)), ((12, 2), (8, 2)),
    ((12, 3), (8, 3)), ((12, 4), (8, 4)), ((12, 5), (8, 5)), ((12, 7), (8, 6)), ((12, 8), (8, 7)), ((12, 9), (8, 8)),
    ((13, 0), (9, 0)),
)  # fmt: skip
"""The newest PTX that a driver of a CUDA version reads: release notes in NVIDIA's PTX ISA document."""
SLOT = re.compile(r"(\d)(?:\.0)?\s*x\s*(\d+)", re.IGNORECASE)
CAPABILITY = re.compile(r"sm_(\d+)(\d)[af]?\Z")


def capability_of(isa: str | None) -> tuple[int, int] | None:
    """`sm_120a` as (12, 0); None for another maker's."""
    found = CAPABILITY.match(isa or "")
    return (int(found[1]), int(found[2])) if found else None


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _identity(identity: Identity, gpu: Gpu) -> Iterator[Message]:
    expected, own = capability_of(gpu.isa), identity.capability
    if expected is not None and own is not None and expected != own:
        yield message(
            "probe.finding.capability", "warning", name=gpu.name, expected=_dotted(expected), shown=_dotted(own)
        )
    count = gpu.multiprocessors.value
    if not identity.mig and count is not None and identity.multiprocessors not in {None, int(count)}:
        yield message(
            "probe.finding.multiprocessors",
            "warning",
            name=gpu.name,
            expected=int(count),
            shown=identity.multiprocessors,
        )


def _link(identity: Identity, gpu: Gpu | None) -> Iterator[Message]:
    """A card's link is as narrow as its slot: NVML's own maximum is that of card and slot together."""
    found = SLOT.search(gpu.pcie or "") if gpu is not None else None
    generation, width = (int(found[1]), int(found[2])) if found else (None, None)
    width = width or identity.pcie_width_max
    if width is not None and identity.pcie_width is not None and identity.pcie_width < width:
        yield message("probe.finding.width", "warning", shown=identity.pcie_width, expected=width)
    most = identity.pcie_generation_max  # the present one falls while the card idles
    if generation is not None and most is not None and most < generation:
        yield message("probe.finding.generation", "warning", shown=most, expected=generation)


def _held_back(identity: Identity) -> Iterator[Message]:
    reasons = [one for one in identity.throttle if one not in HARMLESS]
    if reasons:
        yield message("probe.finding.throttle", "warning", reasons=", ".join(reasons))
    limit, usual = identity.power_limit_w, identity.power_default_w
    if limit is not None and usual is not None and limit < usual:
        yield message("probe.finding.power", "warning", limit=round(limit), usual=round(usual))
    if identity.ecc:
        yield message("probe.finding.ecc")
    if identity.mig:
        yield message("probe.finding.mig", "warning")


def driver_ptx(cuda: str | None) -> tuple[int, int] | None:
    """The newest PTX that a driver of this CUDA version (`12.4`) reads; None where it is not known."""
    parts = (cuda or "").split(".")
    if len(parts) < 2 or not all(part.isdecimal() for part in parts[:2]):
        return None
    version = (int(parts[0]), int(parts[1]))
    return max((ptx for needed, ptx in PTX_OF_CUDA if needed <= version), default=None)


def _driver(identity: Identity, needed: Mapping[str, tuple[int, int]]) -> Iterator[Message]:
    reads = driver_ptx(identity.cuda)
    if reads is None:
        return
    by_version: dict[tuple[int, int], list[str]] = {}
    for name, ptx in needed.items():
        if ptx > reads:
            by_version.setdefault(ptx, []).append(name)
    for ptx, names in sorted(by_version.items()):
        least = min((cuda for cuda, has in PTX_OF_CUDA if has >= ptx), default=None)
        yield message(
            "probe.finding.driver",
            "warning",
            cuda=identity.cuda,
            formats=", ".join(names),
            needed=_dotted(least) if least else "?",
        )


def findings(identity: Identity, gpu: Gpu | None, needed: Mapping[str, tuple[int, int]]) -> tuple[Message, ...]:
    """Everything worth knowing before a figure of this card is believed.

    Args:
        identity: what it says of itself.
        gpu: the product it was identified as, or None.
        needed: by number format that the product has, the PTX version that introduced its instruction.
    """
    found = [] if gpu is None else list(_identity(identity, gpu))
    if None not in (identity.torch_capability, identity.capability) and (
        identity.torch_capability != identity.capability
    ):
        found.append(
            message(
                "probe.finding.torch",
                "warning",
                torch=_dotted(identity.torch_capability or (0, 0)),
                shown=_dotted(identity.capability or (0, 0)),
            )
        )
    return (*found, *_link(identity, gpu), *_held_back(identity), *_driver(identity, needed))
