"""The parts that decoders are built of: attention, MLP, experts; each adds its tensors to a builder."""

from typing import Any, NamedTuple

from assay.errors import UnsupportedArchitecture
from assay.observe.checkpoint.fields import MAX_EXPERTS, Fields
from assay.observe.checkpoint.files import short
from assay.observe.checkpoint.tensors import Builder
from assay.types.model import Role

Architecture = dict[str, Any]
"""The body of an entry of architectures.toml."""


class Shape(NamedTuple):
    """The sizes that nearly every decoder shares."""

    hidden: int
    layers: int
    vocabulary: int
    heads: int
    kv_heads: int
    head_dim: int


class Experts(NamedTuple):
    """Routed experts: how many, how many a token uses, elements of their width; shared ones beside them."""

    number: int
    chosen: int
    width: int
    shared_width: int


def not_understood(fields: Fields, what: str) -> UnsupportedArchitecture:
    """The refusal that names what is not understood: a key, or `key: value`."""
    return fields.refused(what.partition(":")[0], "error.architecture_detail", detail=short(what))


def shape(fields: Fields) -> Shape:
    """The common sizes; `head_dim` is explicit or hidden size / heads."""
    hidden = fields.count("hidden_size")
    heads = fields.count("num_attention_heads")
    kv_heads = fields.count("num_key_value_heads", heads, high=heads)
    if heads % kv_heads:
        raise fields.broken("num_key_value_heads", "not_divisor")
    if not fields.has("head_dim") and hidden % heads:
        raise fields.broken("num_attention_heads", "not_divisor")
    return Shape(
        hidden,
        fields.layers(),
        fields.count("vocab_size"),
        heads,
        kv_heads,
        fields.count("head_dim", hidden // heads if heads <= hidden else None),
    )


def switched(fields: Fields, arch: Architecture, name: str) -> bool:
    """A fact of the catalogue that is either given or named by the key that turns it on."""
    value = arch.get(name, False)
    return fields.flag(value, default=bool(arch.get(f"{name}_default", False))) if isinstance(value, str) else value


def ends(builder: Builder, fields: Fields, arch: Architecture, sizes: Shape, *, tied: bool | None = None) -> None:
    """The embedding, the last norm and the head; a tied head is the embedding read whole."""
    if tied is None:
        tied = fields.flag("tie_word_embeddings", default=bool(arch.get("tied", False)))
    builder.matrix("embedding", arch.get("embedding", "embed_tokens"), sizes.vocabulary, sizes.hidden, linear=False)
    if not tied:
        builder.tensors[-1] = builder.tensors[-1]._replace(rows_used=1)
        builder.matrix("head", "lm_head", sizes.vocabulary, sizes.hidden)
    builder.vector("norm", arch.get("last_norm", "norm"), sizes.hidden)


def attention(  # noqa: PLR0913 - the facts of an attention block
    builder: Builder,
    path: str,
    sizes: Shape,
    *,
    qkv_bias: bool = False,
    out_bias: bool = False,
    query_factor: int = 1,
    value: bool = True,
) -> None:
    """Query, key, value and output of grouped-query attention; `query_factor` 2: queries carry an output gate."""
    queries = sizes.heads * sizes.head_dim
    keys = sizes.kv_heads * sizes.head_dim
    builder.matrix("attention", f"{path}.q_proj", queries * query_factor, sizes.hidden, bias=qkv_bias)
    builder.matrix("attention", f"{path}.k_proj", keys, sizes.hidden, bias=qkv_bias)
    if value:
        builder.matrix("attention", f"{path}.v_proj", keys, sizes.hidden, bias=qkv_bias)
    builder.matrix("attention", f"{path}.o_proj", sizes.hidden, queries, bias=out_bias)


def qk_norm(builder: Builder, path: str, sizes: Shape, kind: str) -> None:
    """Norms of queries and keys: one weight per element of a head (`head`) or of all heads (`full`)."""
    if kind == "head":
        builder.vector("norm", f"{path}.q_norm", sizes.head_dim)
        builder.vector("norm", f"{path}.k_norm", sizes.head_dim)
    elif kind == "full":
        builder.vector("norm", f"{path}.q_norm", sizes.heads * sizes.head_dim)
        builder.vector("norm", f"{path}.k_norm", sizes.kv_heads * sizes.head_dim)


def gated_mlp(builder: Builder, role: Role, path: str, hidden: int, width: int, *, bias: bool = False) -> None:
    """Gate, up and down projections."""
    builder.matrix(role, f"{path}.gate_proj", width, hidden, bias=bias)
    builder.matrix(role, f"{path}.up_proj", width, hidden, bias=bias)
    builder.matrix(role, f"{path}.down_proj", hidden, width, bias=bias)


def plain_mlp(builder: Builder, role: Role, path: str, hidden: int, width: int, *, bias: bool = False) -> None:
    """Up and down projections."""
    builder.matrix(role, f"{path}.up_proj", width, hidden, bias=bias)
    builder.matrix(role, f"{path}.down_proj", hidden, width, bias=bias)


def gated_experts(  # noqa: PLR0913 - the facts of an expert block
    builder: Builder,
    path: str,
    hidden: int,
    experts: Experts,
    *,
    names: tuple[str, str, str] = ("gate_proj", "up_proj", "down_proj"),
    fused: bool = False,
    bias: bool = False,
) -> None:
    """Routed experts of gated MLPs; `fused`: an unquantized file stacks them into two tensors a layer."""
    gate, up, down = (f"{path}.*.{name}" for name in names)
    number, chosen = experts.number, experts.chosen
    stored = (1, 0, 1) if fused else (None, None, None)
    extents = ((gate, experts.width, hidden), (up, experts.width, hidden), (down, hidden, experts.width))
    for (module, outputs, inputs), files in zip(extents, stored, strict=True):
        builder.matrix("experts", module, outputs, inputs, copies=number, chosen=chosen, bias=bias, stored=files)


def experts_of(fields: Fields, arch: Architecture) -> Experts | None:
    """The routed experts a configuration describes, by the key names of its architecture, or None."""
    key = arch.get("experts_key")
    if key is None:
        return None
    number = fields.first(key, 0, low=0, high=MAX_EXPERTS)
    if number == 0:
        return None
    chosen = fields.first(arch["chosen_key"], high=number)
    width = fields.count(arch["expert_width_key"])
    shared = 0
    if "shared_width_key" in arch:
        shared = fields.count(arch["shared_width_key"], 0, low=0)
    elif "shared_experts_key" in arch:
        shared = fields.count(arch["shared_experts_key"], 0, low=0, high=MAX_EXPERTS) * width
    return Experts(number, chosen, width, shared)


def router(builder: Builder, path: str, hidden: int, experts: Experts, arch: Architecture) -> None:
    """The router, with its bias or score correction."""
    name = f"{path}.{arch.get('router', 'gate')}"
    bias = bool(arch.get("router_bias", False))
    builder.matrix("router", name, experts.number, hidden, bias=bias, linear=False)
    if arch.get("router_correction"):
        builder.vector("router", f"{name}.e_score_correction_bias", experts.number, dtype=arch.get("correction_dtype"))


def max_context(fields: Fields) -> int | None:
    """The tokens a configuration was made for."""
    if not fields.has("max_position_embeddings"):
        return None
    return fields.count("max_position_embeddings", high=2**31)
