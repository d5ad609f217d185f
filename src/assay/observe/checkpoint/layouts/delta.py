"""Gated delta networks between full attention layers: Qwen3.5 and Qwen3.6, dense and with experts."""

from typing import NamedTuple

from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.layouts import blocks, windows
from assay.observe.checkpoint.layouts.blocks import Architecture, Experts, Shape
from assay.observe.checkpoint.layouts.states import element_bytes
from assay.observe.checkpoint.layouts.windows import Span
from assay.observe.checkpoint.tensors import Builder, Layout
from assay.types.model import LayerGroup


class Delta(NamedTuple):
    """Sizes of a gated delta network: heads, elements of a head, taps of its convolution."""

    key_heads: int
    value_heads: int
    key_dim: int
    value_dim: int
    taps: int

    @property
    def channels(self) -> int:
        """Channels of the convolution: queries, keys and values."""
        return 2 * self.key_heads * self.key_dim + self.value_heads * self.value_dim

    def state_bytes(self, convolution: int, recurrent: int) -> int:
        """Bytes of one sequence's state in one layer, from the bytes of an element of its two parts.

        vLLM's gated_delta_net_state_shape: the last taps - 1 inputs of the convolution, and one matrix of
        value_dim x key_dim for each value head.
        """
        matrices = self.value_heads * self.value_dim * self.key_dim
        return self.channels * (self.taps - 1) * convolution + matrices * recurrent


def sizes_of(fields: Fields) -> Delta:
    """The sizes that a configuration gives."""
    return Delta(
        fields.count("linear_num_key_heads"),
        fields.count("linear_num_value_heads"),
        fields.count("linear_key_head_dim"),
        fields.count("linear_value_head_dim"),
        fields.count("linear_conv_kernel_dim", high=1024),
    )


def _delta(builder: Builder, path: str, hidden: int, delta: Delta) -> None:
    values = delta.value_heads * delta.value_dim
    builder.matrix("state", f"{path}.in_proj_qkv", delta.channels, hidden)
    builder.matrix("state", f"{path}.in_proj_z", values, hidden)
    builder.matrix("state", f"{path}.in_proj_b", delta.value_heads, hidden)
    builder.matrix("state", f"{path}.in_proj_a", delta.value_heads, hidden)
    builder.vector("state", f"{path}.conv1d", delta.channels, 1, delta.taps)
    builder.vector("state", f"{path}.dt_bias", delta.value_heads)
    builder.vector("state", f"{path}.A_log", delta.value_heads)
    builder.vector("norm", f"{path}.norm", delta.value_dim)
    builder.matrix("state", f"{path}.out_proj", hidden, values)


def _full(builder: Builder, path: str, sizes: Shape, *, gate: bool, bias: bool) -> None:
    blocks.attention(builder, path, sizes, query_factor=2 if gate else 1, qkv_bias=bias, out_bias=bias)
    blocks.qk_norm(builder, path, sizes, "head")


def _mlp(builder: Builder, fields: Fields, path: str, hidden: int, experts: Experts | None) -> int:
    if experts is None:
        width = fields.count("intermediate_size")
        blocks.gated_mlp(builder, "mlp", path, hidden, width)
        return width
    blocks.router(builder, path, hidden, experts, {})
    blocks.gated_experts(builder, f"{path}.experts", hidden, experts, fused=True)
    if experts.shared_width:
        blocks.gated_mlp(builder, "shared_experts", f"{path}.shared_expert", hidden, experts.shared_width)
        builder.matrix("shared_experts", f"{path}.shared_expert_gate", 1, hidden)
    return experts.width * experts.chosen + experts.shared_width


def _prediction(builder: Builder, fields: Fields, sizes: Shape, experts: Experts | None, *, gate: bool) -> None:
    """Multi-token prediction: one joining matrix, then layers of full attention; the embedding is shared."""
    number = fields.prediction("mtp_num_hidden_layers", sizes.layers)
    if not number:
        return
    if fields.flag("mtp_use_dedicated_embeddings"):
        raise blocks.not_understood(fields, "mtp_use_dedicated_embeddings")
    part = Builder()
    part.matrix("mtp", "mtp.fc", sizes.hidden, 2 * sizes.hidden)
    for norm in ("pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm"):
        part.vector("mtp", f"mtp.{norm}", sizes.hidden)
    for index in range(number):
        path = f"mtp.layers.{index}"
        _full(part, f"{path}.self_attn", sizes, gate=gate, bias=False)
        _mlp(part, fields, f"{path}.mlp", sizes.hidden, experts)
        part.vector("mtp", f"{path}.input_layernorm", sizes.hidden)
        part.vector("mtp", f"{path}.post_attention_layernorm", sizes.hidden)
    builder.tensors += [tensor._replace(role="mtp") for tensor in part.tensors]


def _spans(fields: Fields, arch: Architecture, layers: int) -> list[Span]:
    """The configuration's list of layers; without one, every `full_attention_interval`-th layer sees all tokens."""
    if fields.has("layer_types"):
        return windows.spans(fields, arch, layers)
    every = fields.count("full_attention_interval", 4)
    return [Span("full" if (index + 1) % every == 0 else "linear") for index in range(layers)]


def layout(fields: Fields, arch: Architecture) -> Layout:
    """Lay out a hybrid of gated delta networks and full attention.

    Raises:
        MalformedFile, UnsupportedArchitecture.
    """
    sizes = blocks.shape(fields)
    delta = sizes_of(fields)
    experts = blocks.experts_of(fields, arch)
    if experts is not None and fields.counts("mlp_only_layers"):
        raise blocks.not_understood(fields, "mlp_only_layers")
    spans = _spans(fields, arch, sizes.layers)
    gate = fields.flag("attn_output_gate", default=True)
    bias = fields.flag("attention_bias")
    state = delta.state_bytes(2, element_bytes(fields, "mamba_ssm_dtype"))
    builder = Builder()
    blocks.ends(builder, fields, arch, sizes)
    layers = []
    widest = 0
    for index, span in enumerate(spans):
        path = f"layers.{index}"
        if span.kind == "linear":
            _delta(builder, f"{path}.linear_attn", sizes.hidden, delta)
            layers.append(LayerGroup("linear", 1, state_size=state))
        else:
            _full(builder, f"{path}.self_attn", sizes, gate=gate, bias=bias)
            layers.append(
                LayerGroup(span.kind, 1, sizes.heads, sizes.kv_heads, sizes.head_dim, sizes.head_dim, span.window)
            )
        builder.vector("norm", f"{path}.input_layernorm", sizes.hidden)
        builder.vector("norm", f"{path}.post_attention_layernorm", sizes.hidden)
        widest = max(widest, _mlp(builder, fields, f"{path}.mlp", sizes.hidden, experts))
    _prediction(builder, fields, sizes, experts, gate=gate)
    return Layout(
        builder.tensors,
        layers,
        sizes.hidden,
        sizes.vocabulary,
        widest,
        experts.number if experts else 0,
        experts.chosen if experts else 0,
        blocks.max_context(fields),
    )
