"""Whether an adapter can be merged into the stored weights, and what is lost by it.

A merged weight is W + scale x B A, computed in FP32 and stored in W's own type. It is a sum of a 16-bit number and an
arbitrary one, so that it is rounded in general: merging gives no weights that compute bit for bit what weights and
adapter compute side by side. Into a quantized type the sum must be quantized again, which moves all of a block.
"""

from typing import Literal, NamedTuple

from assay.types.model import Model, Role

Merge = Literal["rounds", "requantizes", "unknown"]
SIGNIFICAND: dict[str, int] = {"fp32": 24, "fp16": 11, "bf16": 8}
"""Bits of the significand, the implicit one counted: rounding to nearest errs by at most 2 ** -bits of a normal value.

FP16 has no normal values below 2 ** -14, where it errs by up to 2 ** -25 whatever the value.
"""
ADAPTED: frozenset[Role] = frozenset({"attention", "mlp", "experts", "shared_experts", "state"})
"""Roles of matrices that adapters usually have."""


class MergeInto(NamedTuple):
    """What merging into the weights of one role and format means.

    `roundoff` is the largest relative error of a merged weight, 2 ** -bits of its significand: half a unit in the last
    place. An update smaller than that share of its weight may be lost whole. None where the format has no such bound.
    """

    role: Role
    format: str
    size: int
    merge: Merge
    roundoff: float | None


def merge_into(format_id: str) -> tuple[Merge, float | None]:
    """What merging into a weight format means, and the bound of its rounding."""
    bits = SIGNIFICAND.get(format_id)
    if bits is not None:
        return "rounds", 2.0**-bits
    return ("unknown" if format_id == "unknown" else "requantizes"), None


def merges(base: Model) -> tuple[MergeInto, ...]:
    """One row for each role and format of the base model's matrices."""
    return tuple(
        MergeInto(group.role, group.format, group.size, *merge_into(group.format))
        for group in base.groups
        if group.role in ADAPTED
    )
