"""llama-quantize's recipes, and what they are applied to: the tensors of a GGUF before quantization."""

from collections.abc import Mapping
from typing import NamedTuple

from assay.types.model import Role


class Block(NamedTuple):
    """A tensor type: elements and bytes of its block."""

    elements: int
    size: int


class Weight(NamedTuple):
    """A tensor of a GGUF before quantization.

    Attributes:
        name: llama.cpp's name; it decides which rules apply.
        shape: dimensions, inputs (a row's elements) first, as GGUF stores them.
        role: what it does.
        active: elements that one token touches.
        kept: the type it has when no recipe converts it (F32 for what the converter keeps exact).
    """

    name: str
    shape: tuple[int, ...]
    role: Role
    active: int
    kept: str = "F32"

    @property
    def elements(self) -> int:
        """Elements of the whole tensor."""
        product = 1
        for extent in self.shape:
            product *= extent
        return product

    @property
    def block(self) -> int:
        """The number of its block, -1 for what belongs to none."""
        part = self.name.split(".", 2)
        return int(part[1]) if part[0] == "blk" and len(part) == 3 and part[1].isdigit() else -1


class Rule(NamedTuple):
    """A type for one kind of tensor when all conditions hold."""

    when: tuple[str, ...]
    type: str


class Recipe(NamedTuple):
    """A recipe of llama-quantize; see `gguf_recipes.toml` for the meaning of each part."""

    id: str
    default: str
    head: str
    rules: Mapping[str, tuple[Rule, ...]]
    plain: bool = False
    raises: bool = False
    stacked: str | None = None
    flat: str | None = None
    needs_matrix: frozenset[str] = frozenset()
    sources: tuple[str, ...] = ()


class Common(NamedTuple):
    """What all recipes share, and the blocks of every tensor type."""

    fallback: Mapping[str, str]
    last_fallback: str
    head_fallback: str
    raised_of_70b: Mapping[str, str]
    raised_of_eight_experts: str
    types_of_70b: tuple[str, ...]
    kept: tuple[str, ...]
    blocks: Mapping[str, Block]
    sources: tuple[str, ...] = ()


class Facts(NamedTuple):
    """What the rules ask of a model beside its tensors.

    Attributes:
        architecture: llama.cpp's name.
        blocks: blocks of the file, with those of multi-token prediction that the converter writes.
        experts: routed experts of a layer, 0 for a dense model.
        query_heads, kv_heads: heads of the first block; no key heads count as no grouping.
        unseen_blocks: blocks among them whose tensors are not listed (they come last).
    """

    architecture: str
    blocks: int
    experts: int
    query_heads: int
    kv_heads: int
    unseen_blocks: int = 0

    @property
    def grouping(self) -> int:
        """Query heads of a key head."""
        return self.query_heads // self.kv_heads if self.kv_heads else 0


class How(NamedTuple):
    """How llama-quantize runs: with an importance matrix; an older release, with other rules for fused matrices."""

    matrix: bool = False
    older: bool = False


PRESENT = How()
"""The present release, without an importance matrix."""


class Choice(NamedTuple):
    """A tensor with the type that the recipe gives it, its bytes, and the type that did not fit its rows, if any."""

    weight: Weight
    type: str
    size: int
    wanted: str | None = None
