"""What really executes: one weight format under one runtime on one instruction set."""

from typing import Literal, NamedTuple

from assay.types.message import Message
from assay.types.quantity import Basis

Path = Literal["native", "converted", "weight-only", "refused", "unknown"]
"""`native`: multiplied in the stored element type. `converted`: turned into another low-precision type and multiplied
as that. `weight-only`: unpacked to 16 bits before multiplying. `refused`: does not load, or raises."""
Unit = Literal["tensor", "dp4a", "fma", "unknown"]


class Regime(NamedTuple):
    """What is multiplied at some batch sizes.

    Attributes:
        batch: tokens in one step: `1`, `1..8`, `9..`, or `any`.
        path: of this regime; regimes of one cell may differ.
        multiplies: number-format id of the factors (`int8`, `bf16`), or `unknown`.
        activations: what they are turned into first (`q8_1`, `fp8_e4m3`, `bf16`), or `unknown`.
        unit: which unit multiplies.
        kernel: the kernel's name in the runtime, or "".
    """

    batch: str
    path: Path
    multiplies: str
    activations: str
    unit: Unit
    kernel: str


class PathEvidence(NamedTuple):
    """What states a path: its basis, the place in the source, and the id of that source."""

    basis: Basis
    statement: str
    source: str


class ExecutionPath(NamedTuple):
    """One weight format under one runtime on one instruction set.

    Attributes:
        runtime, version: of the runtime that was read.
        weight_format: weight-format id.
        isa: instruction set.
        path: that of most regimes; where they differ, that of large batches.
        regimes: by batch, in order; empty for a refused or unknown cell.
        evidence: what states it.
        notes: what to know: what it means at batch 1 and 64, which flag changes it.
        refusal: the words a user sees, where it is refused.
    """

    runtime: str
    version: str
    weight_format: str
    isa: str
    path: Path
    regimes: tuple[Regime, ...] = ()
    evidence: tuple[PathEvidence, ...] = ()
    notes: tuple[Message, ...] = ()
    refusal: str | None = None


class AttentionChoice(NamedTuple):
    """What attends with one KV type, or why it raises.

    Attributes:
        kv: KV type.
        backend: the backend that is picked, or None where it is refused.
        refused: the words of the refusal, or None.
        needs: what the choice depends on besides the card.
        otherwise: the backend that is picked without that, or None where it is not known or none is.
    """

    kv: str
    backend: str | None
    refused: str | None = None
    needs: tuple[Message, ...] = ()
    otherwise: str | None = None


class AttentionPath(NamedTuple):
    """Which attention backend a runtime picks on an instruction set.

    Attributes:
        runtime, isa: ids.
        choices: by KV type, each once.
        evidence: what states it.
    """

    runtime: str
    isa: str
    choices: tuple[AttentionChoice, ...]
    evidence: tuple[PathEvidence, ...]

    @property
    def backends(self) -> tuple[tuple[str, str], ...]:
        """(KV type, name of the backend that takes it)."""
        return tuple((one.kv, one.backend) for one in self.choices if one.backend is not None)

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """(KV type, the words of the refusal)."""
        return tuple((one.kv, one.refused) for one in self.choices if one.refused is not None)

    def choice(self, kv: str) -> AttentionChoice | None:
        """What attends with a KV type; None where that was not read."""
        return next((one for one in self.choices if one.kv == kv), None)
