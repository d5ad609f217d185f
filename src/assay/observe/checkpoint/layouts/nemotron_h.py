"""Mamba-2, attention and MLP or experts as layers of their own: Nemotron-H and Nemotron 3."""

from typing import NamedTuple

from assay.observe.checkpoint.fields import MAX_EXPERTS, MAX_LAYERS, Fields
from assay.observe.checkpoint.layouts import blocks
from assay.observe.checkpoint.layouts.blocks import Architecture, Experts, Shape
from assay.observe.checkpoint.layouts.states import element_bytes
from assay.observe.checkpoint.tensors import Builder, Layout
from assay.types.model import LayerGroup

LETTERS = {"M": "mamba", "E": "moe", "*": "attention", "-": "mlp"}
NEWER_NAMES = {"linear_attention": "mamba", "full_attention": "attention"}


class Mamba(NamedTuple):
    """Sizes of a Mamba-2 mixer: heads, elements of a head, groups, elements of the state, taps."""

    heads: int
    head_dim: int
    groups: int
    state: int
    taps: int

    @property
    def inner(self) -> int:
        """Channels of the mixer."""
        return self.heads * self.head_dim

    @property
    def channels(self) -> int:
        """Channels of its convolution: inputs, B and C."""
        return self.inner + 2 * self.groups * self.state

    def state_bytes(self, convolution: int, recurrent: int) -> int:
        """Bytes of one sequence's state in one layer (vLLM's mamba2_state_shape, one card)."""
        return self.channels * (self.taps - 1) * convolution + self.inner * self.state * recurrent


def kinds_of(fields: Fields) -> list[str]:
    """The kind of each layer, from the pattern of letters or from the list of names."""
    pattern = fields.word("hybrid_override_pattern")
    if pattern is not None:
        if len(pattern) > MAX_LAYERS:
            raise fields.broken("hybrid_override_pattern", "out_of_range")
        unknown = sorted(set(pattern) - set(LETTERS))
        if unknown:
            raise blocks.not_understood(fields, f"hybrid_override_pattern: {unknown[0]}")
        if fields.has("num_hidden_layers") and fields.layers() != len(pattern):
            raise fields.broken("hybrid_override_pattern", "wrong_length")
        return [LETTERS[letter] for letter in pattern]
    kinds = fields.words("layers_block_type")
    if not kinds:
        raise fields.broken("layers_block_type", "missing_key")
    if len(kinds) > MAX_LAYERS:
        raise fields.broken("layers_block_type", "out_of_range")
    kinds = [NEWER_NAMES.get(kind, kind) for kind in kinds]
    other = [kind for kind in kinds if kind not in LETTERS.values()]
    if other:
        raise blocks.not_understood(fields, f"layers_block_type: {other[0]}")
    return kinds


def _mamba(builder: Builder, path: str, hidden: int, mamba: Mamba, *, bias: bool, conv_bias: bool) -> None:
    projected = 2 * mamba.inner + 2 * mamba.groups * mamba.state + mamba.heads
    builder.matrix("state", f"{path}.in_proj", projected, hidden, bias=bias)
    builder.vector("state", f"{path}.conv1d", mamba.channels, 1, mamba.taps)
    if conv_bias:
        builder.vector("state", f"{path}.conv1d.bias", mamba.channels)
    for name in ("A_log", "D", "dt_bias"):
        builder.vector("state", f"{path}.{name}", mamba.heads)
    builder.vector("norm", f"{path}.norm", mamba.inner)
    builder.matrix("state", f"{path}.out_proj", hidden, mamba.inner, bias=bias)


def _experts(builder: Builder, path: str, hidden: int, experts: Experts, latent: int) -> None:
    """Plain experts; with `latent` they work in a smaller space, entered and left by two projections."""
    builder.matrix("router", f"{path}.gate", experts.number, hidden, linear=False)
    builder.vector("router", f"{path}.gate.e_score_correction_bias", experts.number, dtype="fp32")
    inner = latent or hidden
    number, chosen, width = experts.number, experts.chosen, experts.width
    builder.matrix("experts", f"{path}.experts.*.up_proj", width, inner, copies=number, chosen=chosen)
    builder.matrix("experts", f"{path}.experts.*.down_proj", inner, width, copies=number, chosen=chosen)
    if latent:
        builder.matrix("mlp", f"{path}.fc1_latent_proj", latent, hidden)
        builder.matrix("mlp", f"{path}.fc2_latent_proj", hidden, latent)
    if experts.shared_width:
        blocks.plain_mlp(builder, "shared_experts", f"{path}.shared_experts", hidden, experts.shared_width)


def _sparse(fields: Fields, kinds: list[str]) -> Experts | None:
    if "moe" not in kinds:
        return None
    number = fields.count("n_routed_experts", high=MAX_EXPERTS)
    shared = fields.count("n_shared_experts", 1, low=0, high=MAX_EXPERTS)
    return Experts(
        number,
        fields.count("num_experts_per_tok", high=number),
        fields.count("moe_intermediate_size"),
        fields.count("moe_shared_expert_intermediate_size") * shared if shared else 0,
    )


def _layer(  # noqa: PLR0913, PLR0917 - the facts of a layer
    builder: Builder,
    fields: Fields,
    kind: str,
    path: str,
    sizes: Shape,
    mamba: Mamba,
    experts: Experts | None,
    state: int,
) -> LayerGroup:
    builder.vector("norm", path.removesuffix("mixer") + "norm", sizes.hidden)
    if kind == "mamba":
        bias = fields.flag("mamba_proj_bias") or fields.flag("use_bias")
        _mamba(builder, path, sizes.hidden, mamba, bias=bias, conv_bias=fields.flag("use_conv_bias", default=True))
        return LayerGroup("mamba", 1, state_size=state)
    if kind == "attention":
        bias = fields.flag("attention_bias")
        blocks.attention(builder, path, sizes, qkv_bias=bias, out_bias=bias)
        return LayerGroup("full", 1, sizes.heads, sizes.kv_heads, sizes.head_dim, sizes.head_dim)
    if experts is not None and kind == "moe":
        _experts(builder, path, sizes.hidden, experts, fields.count("moe_latent_size", 0, low=0))
    else:
        width = fields.count("intermediate_size")
        blocks.plain_mlp(builder, "mlp", path, sizes.hidden, width, bias=fields.flag("mlp_bias"))
    return LayerGroup("none", 1)


def layout(fields: Fields, arch: Architecture) -> Layout:
    """Lay out a hybrid of Mamba-2, attention and MLP layers; prediction layers are not counted.

    Raises:
        MalformedFile, UnsupportedArchitecture.
    """
    kinds = kinds_of(fields)
    heads = fields.count("num_attention_heads")
    kv_heads = fields.count("num_key_value_heads", heads, high=heads)
    head_dim = fields.first(["head_dim", "attention_head_dim"])
    vocabulary = fields.count("vocab_size")
    sizes = Shape(fields.count("hidden_size"), len(kinds), vocabulary, heads, kv_heads, head_dim)
    mamba = Mamba(
        fields.count("mamba_num_heads"),
        fields.count("mamba_head_dim"),
        fields.count("n_groups"),
        fields.count("ssm_state_size"),
        fields.count("conv_kernel", high=1024),
    )
    experts = _sparse(fields, kinds)
    state = mamba.state_bytes(2, element_bytes(fields, "mamba_ssm_cache_dtype"))
    builder = Builder()
    blocks.ends(builder, fields, arch, sizes)
    layers = [
        _layer(builder, fields, kind, f"layers.{index}.mixer", sizes, mamba, experts, state)
        for index, kind in enumerate(kinds)
    ]
    widest = experts.width * experts.chosen + experts.shared_width if experts else fields.count("intermediate_size")
    return Layout(
        builder.tensors,
        layers,
        sizes.hidden,
        vocabulary,
        widest,
        experts.number if experts else 0,
        experts.chosen if experts else 0,
        blocks.max_context(fields),
    )
