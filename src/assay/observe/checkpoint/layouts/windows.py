"""Which layers see all tokens and which only a window, from a configuration."""

from typing import NamedTuple

from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.layouts.blocks import Architecture, not_understood
from assay.types.model import LayerKind

KINDS: dict[str, LayerKind] = {
    "full_attention": "full",
    "sliding_attention": "sliding",
    "chunked_attention": "chunked",
    "linear_attention": "linear",
}


class Span(NamedTuple):
    """What one layer sees: a kind and, where it is bounded, the tokens of its window."""

    kind: LayerKind
    window: int | None = None


def _by_rule(fields: Fields, rule: str, pattern: int, layers: int) -> list[LayerKind]:
    """Kinds by an architecture's rule, where the configuration does not list them."""
    if rule == "none" or not fields.has("sliding_window"):
        return ["full"] * layers
    if rule == "flag":
        # Qwen: a window is written down and switched off; only layers from max_window_layers on would have it.
        if not fields.flag("use_sliding_window"):
            return ["full"] * layers
        start = fields.count("max_window_layers", 0, low=0)
        return ["full" if index < start else "sliding" for index in range(layers)]
    if rule == "all":
        return ["sliding"] * layers
    every = fields.count("sliding_window_pattern", pattern) if rule == "every" else pattern
    return ["full" if (index + 1) % every == 0 else "sliding" for index in range(layers)]


def spans(fields: Fields, arch: Architecture, layers: int) -> list[Span]:
    """One span for each layer: the configuration's own list, else the architecture's rule.

    Raises:
        UnsupportedArchitecture: a kind of layer that is not known.
        MalformedFile: a window without its size.
    """
    rule = str(arch.get("window", "none"))
    listed = fields.words("layer_types", layers)
    if rule == "flag" and not fields.flag("use_sliding_window"):
        listed = None
    if listed is None:
        kinds = _by_rule(fields, rule, int(arch.get("window_pattern", 1)), layers)
    else:
        unknown = [name for name in listed if name not in KINDS]
        if unknown:
            raise not_understood(fields, f"layer_types: {unknown[0]}")
        kinds = [KINDS[name] for name in listed]
    found = []
    for kind in kinds:
        if kind == "sliding":
            found.append(Span(kind, fields.count("sliding_window", high=2**31)))
        elif kind == "chunked":
            found.append(Span(kind, fields.count("attention_chunk_size", high=2**31)))
        else:
            found.append(Span(kind))
    return found
