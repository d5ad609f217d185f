"""An exact product: a card, a module or an accelerator, and what is known of it."""

from typing import Literal, NamedTuple

from assay.types.message import Message
from assay.types.quantity import Basis, Quantity

Sparsity = Literal["dense", "2:4"]
Status = Literal["released", "announced", "rumoured"]
Match = Literal["exact", "ambiguous", "unknown"]


class PciId(NamedTuple):
    """A PCI id, lower-case hex: device `10de:2bb1`, subsystem `10de:204b` (`*` for any vendor), revision `c8`."""

    device: str
    subsystem: str | None = None
    revision: str | None = None


class Peak(NamedTuple):
    """A peak rate of one number format.

    `rate` is in FLOP/s (OP/s for integers), a multiply-add counted as two; `accumulate` is the accumulator's format;
    `unit` is `matrix` (tensor core, matrix core) or `vector`.
    """

    format: str
    accumulate: str
    sparsity: Sparsity
    unit: str
    rate: Quantity


class RateFactor(NamedTuple):
    """The share of its instruction set's per-multiprocessor rate that a product is given; None = not known."""

    formats: tuple[str, ...]
    accumulate: str
    factor: float | None
    sources: tuple[str, ...]
    basis: Basis
    note: str | None = None


class Gpu(NamedTuple):
    """One product of the catalogue.

    Figures in base units: `memory_sold` and `memory_driver` in B (binary), `bandwidth` in B/s (decimal),
    `boost_clock` in Hz, `power_limit` in W.
    """

    id: str
    name: str
    vendor: str
    architecture: str
    isa: str | None
    status: Status
    pci: tuple[PciId, ...]
    driver_names: tuple[str, ...]
    tells_apart: tuple[str, ...]
    unified_memory: bool
    multiprocessors: Quantity
    memory_sold: Quantity
    memory_driver: Quantity
    bandwidth: Quantity
    boost_clock: Quantity
    power_limit: Quantity
    l2_cache: Quantity
    pcie: str | None
    link_bandwidth: Quantity
    launched: str | None
    published_peaks: tuple[Peak, ...]
    rate_factors: tuple[RateFactor, ...]
    note: Message | None


class InstructionRate(NamedTuple):
    """Dense operations per multiprocessor per clock (a multiply-add is two) for one format and accumulator."""

    format: str
    accumulate: str
    unit: str
    per_clock: float
    sources: tuple[str, ...]
    basis: Basis


class FormatSupport(NamedTuple):
    """What a document says of a number format on an instruction set."""

    format: str
    verdict: str
    instruction: str | None
    statement: str
    sources: tuple[str, ...]
    basis: Basis


class InstructionSet(NamedTuple):
    """An instruction set (`sm_120a`, `gfx942`) with its documented rates and formats."""

    id: str
    name: str
    vendor: str
    multiprocessor: str
    compute_capability: str | None
    rates: tuple[InstructionRate, ...]
    support: tuple[FormatSupport, ...]


class Identification(NamedTuple):
    """The answer to "which card is this?".

    `candidates` holds one id for an exact match, several for an ambiguous one; `distinguish` says what tells them
    apart; `suggestions` are near names for an unknown query and never an answer.
    """

    query: str
    match: Match
    count: int  # type: ignore[assignment]  # a tuple has a method of that name, which nobody needs here
    candidates: tuple[str, ...]
    distinguish: tuple[Message, ...] = ()
    suggestions: tuple[str, ...] = ()
    notes: tuple[Message, ...] = ()
