"""What a quantization is once it is understood: rules that give each matrix its format.

A scheme is a list of rules; the first that names a matrix gives its format. What the configuration does not say
precisely enough gives the format `unknown`: never the unquantized type, which would be the wrong size.
"""

from typing import NamedTuple

from assay.knowledge.catalog import weight_formats
from assay.knowledge.catalog.weight_formats import Storage
from assay.observe.checkpoint.matching import Matcher
from assay.observe.checkpoint.tensors import Tensor
from assay.types.message import Message, message
from assay.types.model import Role

UNKNOWN = Storage("unknown", 0)
KEPT = Storage("kept", 0)
"""Of a rule that names matrices in order not to convert them."""
MOST_RULES = 32
"""Each is compared with every matrix. Published configurations have up to three groups."""
NEVER_BY_DEFAULT: frozenset[Role] = frozenset({"head", "router", "vision", "embedding"})
"""Roles that schemes leave alone unless their lists say otherwise."""


class Rule(NamedTuple):
    """Matrices named by `targets` (None: all) and not by `excludes` are stored this way."""

    storage: Storage
    targets: Matcher | None
    excludes: Matcher | None
    roles: frozenset[Role] | None
    spared: frozenset[Role]


class Scheme(NamedTuple):
    """How a checkpoint is quantized.

    Attributes:
        rules: first match wins; none: nothing is converted.
        doubts: what was not understood.
        open: what to say where a rule leaves a matrix of the model unknown.
        method: the name the configuration gives it, for display; None without one.
    """

    rules: tuple[Rule, ...]
    doubts: tuple[Message, ...] = ()
    method: str | None = None
    open: tuple[Message, ...] = ()

    def storage_of(self, tensor: Tensor) -> Storage | None:
        """The storage of a matrix, or None when it stays in the model's type."""
        for each in self.rules:
            if each.roles is not None and tensor.role not in each.roles:
                continue
            if each.targets is None:
                if tensor.role in each.spared:
                    continue
            else:
                named = each.targets.matches(tensor.module, tensor.copies)
                if named is None:
                    return UNKNOWN
                if not named:
                    continue
            if each.excludes is not None:
                excluded = each.excludes.matches(tensor.module, tensor.copies)
                if excluded is None:
                    return UNKNOWN
                if excluded:
                    continue
            return None if each.storage is KEPT else each.storage
        return None


PLAIN = Scheme(())


def storage(name: str) -> Storage:
    """The storage of a weight format of the catalogue."""
    found = weight_formats.storage(name)
    return UNKNOWN if found is None else found


def compiled(names: list[str] | None) -> Matcher | None:
    """A list of names and patterns, ready to be compared; None where it is empty or missing.

    Raises:
        UnknownPatternError: a pattern that is not understood.
    """
    return Matcher(names) if names else None


def rule(
    stored: Storage,
    excludes: list[str] | Matcher | None,
    targets: list[str] | None = None,
    roles: frozenset[Role] | None = None,
    spared: frozenset[Role] = NEVER_BY_DEFAULT,
) -> Rule:
    """A rule of names and patterns; lists that several rules share are compiled once, by `compiled`.

    Raises:
        UnknownPatternError: a pattern that is not understood.
    """
    return Rule(
        stored,
        None if targets is None else Matcher(targets),
        compiled(excludes) if isinstance(excludes, list) else excludes,
        roles,
        spared,
    )


def single(stored: Storage, tensor_bytes: int) -> Storage:
    """The storage with scales for the whole matrix alone, which have this many bytes."""
    return stored._replace(block_outputs=None, block_inputs=None, scale_bits=0, tensor_bytes=tensor_bytes)


def doubt(method: str, detail: str) -> Message:
    """What is said of a quantization, or of a part of it, whose storage the configuration leaves open."""
    return message("doubt.quantization_not_understood", "warning", method=method, detail=detail)


def not_understood(method: str, detail: str) -> Scheme:
    """A scheme whose converted matrices have an unknown format."""
    return Scheme((rule(UNKNOWN, None),), (doubt(method, detail),), method)
