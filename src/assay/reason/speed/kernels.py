"""Seconds of one kernel from its fitted parameters.

Reading, multiplying and walking through the depth overlap: together they take the root of the sum of their squares,
which is the longest of them when one is by far the longest. What stands outside the root does not overlap. The
formulas hold for arrays as well, so that what fits the parameters and what uses them is one text.
"""

from assay.types.kernels import (
    Attention,
    Collective,
    DecodeKernel,
    Experts,
    ExpertsKernel,
    MatrixKernel,
    PrefillKernel,
    Rates,
)

ACTIVATION_BYTES = 2
"""Bytes of an element of activations as they come and go: 16 bits."""


def _together(first: float, second: float, third: float = 0.0) -> float:
    """The root of the sum of squares: a smooth maximum."""
    total: float = (first * first + second * second + third * third) ** 0.5
    return total


def matrix_seconds(kernel: MatrixKernel, rates: Rates, rows: float, shape: tuple[float, float], size: float) -> float:
    """Seconds of `rows` x k activations times an n x k weight.

    start + |(bytes / (bandwidth x share), 2mnk / (peak x share), depth x k)| + row x m + element x mk

    Args:
        kernel: the fitted parameters.
        rates: what its shares are shares of.
        rows: m, tokens of the step.
        shape: (n, k), outputs and inputs of the weight on this card.
        size: stored bytes of the weight on this card, scales included.
    """
    outputs, inputs = shape
    read = (size + ACTIVATION_BYTES * rows * (inputs + outputs)) / (rates.bandwidth * kernel.bandwidth_share)
    multiply = 2.0 * rows * outputs * inputs / (rates.peak * kernel.peak_share)
    overlapped = _together(read, multiply, kernel.depth * inputs)
    return kernel.start + overlapped + kernel.row * rows + kernel.element * rows * inputs


def experts_seconds(kernel: ExpertsKernel, rates: Rates, work: Experts) -> float:
    """Seconds of one layer's routed experts, routing and the sum of their outputs included.

    start + |(distinct x bytes / (bandwidth x share), 6 x rows x hidden x width / (peak x share))| + expert x distinct
    + element x rows x hidden. Six: three matrices (gate, up, down), a multiply-add counted as two.
    """
    read = work.distinct * work.expert_bytes / (rates.bandwidth * kernel.bandwidth_share)
    multiply = 6.0 * work.rows * work.hidden * work.width / (rates.peak * kernel.peak_share)
    apart = kernel.expert * work.distinct + kernel.element * work.rows * work.hidden
    return kernel.start + _together(read, multiply) + apart


def decode_seconds(kernel: DecodeKernel, rates: Rates, work: Attention) -> float:
    """Seconds of one layer's attention in a decode step.

    start + |(cache bytes / (bandwidth x share), 2 x heads x positions x (key + value) / (peak x share),
    position x positions)| + head x sequences x kv_heads
    """
    pairs = work.sequences * work.positions
    read = pairs * work.kv_heads * work.kv_bytes / (rates.bandwidth * kernel.bandwidth_share)
    multiply = 2.0 * pairs * work.heads * (work.key + work.value) / (rates.peak * kernel.peak_share)
    overlapped = _together(read, multiply, kernel.position * work.positions)
    return kernel.start + overlapped + kernel.head * work.sequences * work.kv_heads


def prefill_seconds(kernel: PrefillKernel, rates: Rates, work: Attention) -> float:
    """Seconds of one layer's causal attention over whole prompts; half of the positions are masked.

    start + bytes of queries, keys, values and outputs / (bandwidth x share)
    + |(heads x positions^2 x (key + value) / (peak x share), position x positions)|
    """
    rows = work.sequences * work.positions
    moved = ACTIVATION_BYTES * rows * (work.heads + work.kv_heads) * (work.key + work.value)
    multiply = rows * work.positions * work.heads * (work.key + work.value) / (rates.peak * kernel.peak_share)
    overlapped = _together(multiply, kernel.position * work.positions)
    return kernel.start + moved / (rates.bandwidth * kernel.bandwidth_share) + overlapped


def collective_seconds(kernel: Collective, size: float) -> float:
    """Seconds of an all-reduce of a message of `size` bytes: start + bytes / bandwidth."""
    return kernel.start + size / kernel.bandwidth
