"""What a layout says about a model: its tensors with role and shape, and its layers with the state they keep."""

import math
from typing import NamedTuple

from assay.types.model import LayerGroup, Role


class Tensor(NamedTuple):
    """One tensor, or the same tensor of every expert of a layer.

    Attributes:
        role: what it does.
        module: dotted path of its module without the model's own prefix (`layers.3.mlp.experts.*.up_proj`; `*` is
            the expert's number): what exclude lists of quantization schemes name.
        shape: dimensions of one copy; a matrix is (outputs, inputs).
        copies: how many experts have one.
        chosen: how many of the copies one token uses.
        linear: a matrix that quantization schemes convert.
        dtype: the type the publisher keeps it in whatever the model's type is, or None.
        rows_used: for an embedding, the rows one token reads; None: all.
        stored: tensors in an unquantized file, where several copies are stored as one; None: one per copy.
    """

    role: Role
    module: str
    shape: tuple[int, ...]
    copies: int = 1
    chosen: int = 1
    linear: bool = False
    dtype: str | None = None
    rows_used: int | None = None
    stored: int | None = None

    @property
    def elements(self) -> int:
        """Elements of one copy."""
        return math.prod(self.shape)


class Layout(NamedTuple):
    """A model laid out from its configuration, before its formats are known.

    Attributes:
        tensors: every tensor of the published checkpoint.
        layers: one group for each layer, in order (`count` 1), before equal ones are joined.
        hidden_size, vocabulary: elements.
        intermediate: widest MLP row that a token computes in one layer, in elements.
        experts, experts_per_token: routed experts of a layer (0 for a dense model).
        max_context: tokens, or None.
    """

    tensors: list[Tensor]
    layers: list[LayerGroup]
    hidden_size: int
    vocabulary: int
    intermediate: int
    experts: int
    experts_per_token: int
    max_context: int | None


def joined(layers: list[LayerGroup]) -> tuple[LayerGroup, ...]:
    """Equal layers as one group with their number, in order of first appearance."""
    counts: dict[LayerGroup, int] = {}
    for layer in layers:
        counts[layer] = counts.get(layer, 0) + layer.count
    return tuple(layer._replace(count=count) for layer, count in counts.items())


class Builder:
    """Collects the tensors of a layout."""

    __slots__ = ("tensors",)

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []

    def matrix(  # noqa: PLR0913 - the facts of a matrix
        self,
        role: Role,
        module: str,
        outputs: int,
        inputs: int,
        *,
        copies: int = 1,
        chosen: int = 1,
        bias: bool = False,
        linear: bool = True,
        stored: int | None = None,
        dtype: str | None = None,
    ) -> None:
        """A weight of `outputs` x `inputs` elements, with a bias of `outputs` elements if it has one."""
        shape = (outputs, inputs)
        self.tensors.append(Tensor(role, module, shape, copies, chosen, linear, dtype, None, stored))
        if bias:
            self.tensors.append(Tensor(role, module, (outputs,), copies, chosen, stored=stored))

    def vector(self, role: Role, module: str, *shape: int, dtype: str | None = None) -> None:
        """A tensor that no scheme converts: a norm's weight, a bias, a convolution."""
        self.tensors.append(Tensor(role, module, shape, dtype=dtype))
