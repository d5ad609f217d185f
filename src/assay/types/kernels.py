"""What a runtime's kernels reach on a card: the fitted parameters of each kind of kernel, and what they work on.

A share is a share of the catalogue's figure for that card: of its bandwidth, or of its dense peak in the number format
that the kernel multiplies in. Seconds are seconds of one launch.
"""

from typing import Generic, NamedTuple, TypeVar


class Rates(NamedTuple):
    """What the shares are shares of: bytes/s of the card's memory, dense FLOP/s of the format multiplied in."""

    bandwidth: float
    peak: float


class MatrixKernel(NamedTuple):
    """A product of m activations and an n x k weight, with the kernel that quantizes the activations, if any.

    Attributes:
        start: seconds of a product however small.
        bandwidth_share, peak_share: of the card's figures.
        depth: seconds for each element of k, which one tile walks through in order.
        row: seconds for each of the m rows.
        element: seconds for each of the m x k elements of the activations.
    """

    start: float
    bandwidth_share: float
    peak_share: float
    depth: float
    row: float
    element: float


class ExpertsKernel(NamedTuple):
    """The routed experts of one layer.

    Attributes:
        start: seconds of a layer however few the tokens.
        bandwidth_share, peak_share: of the card's figures.
        expert: seconds for each distinct expert that is touched.
        element: seconds for each element of the hidden rows, a row for each (token, expert).
    """

    start: float
    bandwidth_share: float
    peak_share: float
    expert: float
    element: float


class DecodeKernel(NamedTuple):
    """Attention of one new token of each sequence over its cache.

    Attributes:
        start: seconds of a layer however short the context.
        bandwidth_share, peak_share: of the card's figures.
        position: seconds for each position of the context.
        head: seconds for each (sequence, key-value head).
    """

    start: float
    bandwidth_share: float
    peak_share: float
    position: float
    head: float


class PrefillKernel(NamedTuple):
    """Attention of whole prompts over themselves.

    Attributes:
        start: seconds of a layer however short the prompts.
        bandwidth_share, peak_share: of the card's figures.
        position: seconds for each position of a prompt.
    """

    start: float
    bandwidth_share: float
    peak_share: float
    position: float


class Collective(NamedTuple):
    """An all-reduce between the cards of one node.

    Attributes:
        start: seconds of a message however small.
        bandwidth: bytes of the message per second.
    """

    start: float
    bandwidth: float


class Experts(NamedTuple):
    """What a step multiplies with the routed experts of one layer, on one card.

    Attributes:
        rows: tokens times experts of a token.
        distinct: experts that at least one token chose.
        hidden, width: elements of a hidden row; of an expert's inner row, the card's part of it.
        expert_bytes: stored bytes of one expert's three matrices, the card's part of them.
    """

    rows: float
    distinct: float
    hidden: float
    width: float
    expert_bytes: float


class Attention(NamedTuple):
    """What one layer's attention works on, on one card.

    Attributes:
        sequences: how many.
        positions: of the context (decode) or of each prompt (prefill).
        heads, kv_heads: of queries, of keys and values (1 for a latent cache).
        key, value: elements of a head's key and of its value; of a latent cache, what each is multiplied with.
        kv_bytes: stored bytes of one position of one key-value head, keys and values together.
    """

    sequences: float
    positions: float
    heads: float
    kv_heads: float
    key: float
    value: float
    kv_bytes: float


Kernel = TypeVar("Kernel")


class Fitted(NamedTuple, Generic[Kernel]):
    """Fitted parameters, and how far from them the shapes lay that were kept out of the fit.

    Attributes:
        kernel: the parameters.
        mean_error, median_error: absolute relative errors of the held-out rows, as shares.
        rows: how many rows were held out.
        version: the runtime's version that was measured.
        source: id of the catalogue's source.
        borrowed: the format whose parameters stand for those that its own table does not show, or "".
    """

    kernel: Kernel
    mean_error: float
    median_error: float
    rows: int
    version: str
    source: str
    borrowed: str = ""
