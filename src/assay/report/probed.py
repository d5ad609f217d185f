"""Measured rates as figures with a basis, for the page and the document of a probe."""

from assay.answers.probe import ProbeAnswer
from assay.types.message import Message, message
from assay.types.probe import Identity, RateUnit, Regime
from assay.types.quantity import Basis, Quantity, exact, unknown

SMI_FIELDS = (
    "name", "pci.bus_id", "pci.device_id", "pci.sub_device_id", "uuid", "driver_version", "vbios_version",
    "ecc.mode.current", "mig.mode.current", "power.limit", "power.default_limit", "power.min_limit",
    "power.max_limit", "clocks.sm", "clocks.max.sm", "clocks.mem", "clocks.max.mem", "clocks_event_reasons.active",
    "pcie.link.gen.current", "pcie.link.gen.max", "pcie.link.width.current", "pcie.link.width.max", "memory.total",
    "memory.used", "temperature.gpu", "utilization.gpu", "compute_cap",
)  # fmt: skip
"""What `nvidia-smi` prints of the same."""


def smi_line(identity: Identity) -> str | None:
    """The command that shows by hand what the identity holds; None for a processor."""
    if identity.kind == "cpu":
        return None
    which = f" -i {identity.uuid}" if identity.uuid else ""
    return f"nvidia-smi{which} --query-gpu={','.join(SMI_FIELDS)} --format=csv"


def basis_of(answer: ProbeAnswer) -> Basis:
    """What figures of this run rest on: made-up ones are never measured."""
    return "assumed" if answer.run.synthetic else "measured"


def rate(answer: ProbeAnswer, unit: RateUnit, regime: Regime | None) -> Quantity:
    """A regime's rate with its slowest and fastest window, or unknown."""
    if regime is None:
        return unknown(unit, message("unknown.not_measured"))
    low, high = min(regime.low, regime.rate), max(regime.high, regime.rate)
    return Quantity(regime.rate, unit, basis_of(answer), low=low, high=high)


def plain_rate(answer: ProbeAnswer, unit: RateUnit, regime: Regime | None) -> Quantity | None:
    """The same without its windows, for a narrow column; None where there is none."""
    return None if regime is None else exact(regime.rate, unit, basis_of(answer))


def sampled(answer: ProbeAnswer, value: float | None, unit: str) -> Quantity | None:
    """A clock or a power, None where nothing told it."""
    return None if value is None else exact(value, unit, basis_of(answer))


def why_not(words: str | None, why: str | None) -> Message:
    """Why a cell or a measurement has no rate."""
    code = f"probe.why.{why or 'time'}"
    return message(code, words=words) if words else message(f"{code}.plain")
