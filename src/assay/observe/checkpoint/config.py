"""A model from its configuration: architecture, layout, quantization scheme, bytes."""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from assay.knowledge.catalog import architectures, weight_formats
from assay.observe.checkpoint import assemble, files, likeness, quantization
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.layouts import blocks
from assay.observe.checkpoint.layouts.blocks import Architecture
from assay.observe.checkpoint.schemes import Scheme
from assay.observe.checkpoint.tensors import Layout, joined
from assay.types.message import Message, message
from assay.types.model import Model, TensorGroup
from assay.types.quantity import Quantity

LAYOUTS = "assay.observe.checkpoint.layouts"
QUANTIZED_NAMES = frozenset(
    ("nvfp4", "mxfp4", "fp4", "fp8", "mxfp8", "int8", "int4", "w4a16", "w8a8", "w8a16", "w4a8", "awq", "gptq")
) | frozenset(("4bit", "8bit", "3bit", "2bit", "bnb", "nf4", "exl2", "exl3", "hqq", "aqlm", "quip", "torchao"))


class Origin(NamedTuple):
    """Where a configuration comes from and what is known beside it.

    Attributes:
        name: for display.
        file: what errors name.
        container: `config` or `catalogue`.
        sources: ids of sources of its figures.
        released_format, requantized_from: see `Model`.
        plain_format: format of unconverted tensors, where the publisher says it elsewhere.
    """

    name: str
    file: str
    container: str
    sources: tuple[str, ...]
    released_format: str | None = None
    requantized_from: str | None = None
    plain_format: str | None = None


class Parts(NamedTuple):
    """A configuration understood, before formats and bytes."""

    architecture: Architecture
    layout: Layout
    config: Fields


def understand(config: Fields, *, alike: bool = False) -> Parts:
    """Architecture and layout of a configuration.

    Args:
        config: the whole configuration.
        alike: an unknown architecture may be taken to be like a known one, which the body's `like` names; who asks
            for it passes the model through `likeness.applied`.

    Raises:
        UnsupportedArchitecture: its model_type is not in the catalogue, or a detail is not understood.
        MalformedFile: a key is missing or wrong.
    """
    model_type = config.word("model_type")
    if model_type is None:
        raise config.broken("model_type", "missing_key")
    body = architectures.architecture(model_type)
    if body is None:
        followed = likeness.follow(config, model_type) if alike else None
        if followed is not None:
            return Parts(*followed, config)
        raise config.refused("model_type", "error.unsupported_architecture", architecture=files.short(model_type))
    if "refused" in body:
        detail = f"{model_type}: {body['refused']}"
        raise config.refused("model_type", "error.architecture_detail", detail=files.short(detail))
    text = config
    if "text" in body:
        text = config.nested(body["text"]) or config
    if "defaults" in body:
        text = text.with_defaults(body["defaults"])
    module = import_module(f"{LAYOUTS}.{body['layout']}")
    layout: Layout = module.layout(text, body)
    if "audio_config" in body.get("refuse", ()) and config.has("audio_config"):
        raise blocks.not_understood(config, "audio_config")
    if "vision" in body:
        vision = config.nested("vision_config")
        if vision is not None:
            tower = import_module(f"{LAYOUTS}.vision")
            layout.tensors.extend(tower.tensors(vision, body["vision"], layout.hidden_size))
    return Parts(body, layout, config)


class Plain(NamedTuple):
    """The format of unconverted tensors: `unknown` where nothing says it, with what is to be said about it."""

    format: str
    assumed: str | None = None
    doubt: Message | None = None
    note: Message | None = None


def _spelt_format(config: Fields) -> tuple[str | None, bool]:
    """(format that the configuration names or None, whether it names any)."""
    text = config.nested("text_config")
    for fields in (config, text):
        for key in ("torch_dtype", "dtype"):
            spelling = None if fields is None else fields.word(key)
            if spelling is not None:
                return weight_formats.config_types().get(spelling.removeprefix("torch.")), True
    return None, False


def _plain(config: Fields, body: Architecture, origin: Origin, scheme: Scheme) -> Plain:
    """The format of unconverted tensors: from the configuration, else from what the publisher says elsewhere."""
    named, said = _spelt_format(config)
    hint = None if scheme.rules or origin.container == "catalogue" else _named_quantized(origin.name)
    if hint is not None:
        return Plain("unknown", doubt=message("doubt.name_says_quantized", "warning", word=hint))
    if not said:
        named = origin.plain_format or body.get("plain_format")
    if named is not None:
        return Plain(named)
    if scheme.rules and not said:
        # Every published quantized checkpoint keeps the rest in 16 bits; the figure says that it was assumed.
        return Plain("bf16", assumed="bf16", note=message("note.plain_type_assumed", format="bf16"))
    return Plain("unknown", doubt=message("doubt.type_missing", "warning"))


def _named_quantized(name: str) -> str | None:
    """A part of a repository's name that says it is quantized; a reason to doubt, never to conclude."""
    words = name.lower().replace("/", "-").replace("_", "-").replace(".", "-").split("-")
    return next((word for word in words if word in QUANTIZED_NAMES), None)


def _tower_missing(config: Fields, body: Architecture) -> bool:
    """Whether the model class has a vision tower that the configuration does not describe."""
    if "vision" not in body or config.has("vision_config"):
        return False
    classes = config.words("architectures") or ()
    return any(name.endswith("ForConditionalGeneration") for name in classes)


def split(found: tuple[TensorGroup, ...]) -> tuple[tuple[TensorGroup, ...], tuple[TensorGroup, ...]]:
    """(groups that a runtime loads, multi-token prediction layers that it loads on request)."""
    return (
        tuple(group for group in found if group.role != "mtp"),
        tuple(group for group in found if group.role == "mtp"),
    )


def model(config: dict[str, Any], separate: dict[str, Any] | None, origin: Origin) -> Model:
    """The model that a configuration describes.

    Args:
        config: the content of config.json.
        separate: the content of hf_quant_config.json, if there is one.
        origin: where they come from.

    Raises:
        UnsupportedArchitecture, MalformedFile: see `understand`.
    """
    beside = str(Path(origin.file).with_name("hf_quant_config.json"))
    return of_fields(Fields(config, origin.file), None if separate is None else Fields(separate, beside), origin)


def built(
    described: tuple[str, Layout, Origin],
    groups: tuple[tuple[TensorGroup, ...], tuple[TensorGroup, ...]],
    weights: Quantity,
    doubts: Iterable[Message] = (),
    notes: Iterable[Message] = (),
) -> Model:
    """A model of these weights with everything else from its layout.

    Args:
        described: architecture id, layout, and where they come from.
        groups: the groups that a runtime loads, and the optional ones, as `split` tells them apart.
        weights: bytes that a runtime loads.
        doubts: what was not understood.
        notes: what to know.
    """
    architecture, layout, origin = described
    loaded, optional = groups
    return Model(
        name=origin.name,
        architecture=architecture,
        released_format=origin.released_format,
        requantized_from=origin.requantized_from,
        groups=loaded,
        layers=joined(layout.layers),
        weights=weights,
        hidden_size=layout.hidden_size,
        vocabulary=layout.vocabulary,
        intermediate=layout.intermediate,
        experts=layout.experts,
        experts_per_token=layout.experts_per_token,
        max_context=layout.max_context,
        container=origin.container,
        sources=origin.sources,
        doubts=tuple(doubts),
        notes=tuple(notes),
        optional=optional,
    )


def of_fields(config: Fields, separate: Fields | None, origin: Origin) -> Model:
    """`model` of objects that remember which keys were read."""
    body, layout, _ = understand(config, alike=True)
    alike = "like" in body
    scheme = likeness.scheme(config, separate, layout) if alike else quantization.scheme(config, separate)
    plain = _plain(config, body, origin, scheme)
    loaded, optional = split(assemble.groups(layout.tensors, scheme, plain.format))
    left = scheme.open if any(group.format == "unknown" for group in loaded) else ()
    doubts = [*scheme.doubts, *left, *([plain.doubt] if plain.doubt else [])]
    if _tower_missing(config, body):
        loaded = (*loaded, TensorGroup("vision", "unknown", 0, 0, 0, 0))
        doubts.append(message("doubt.vision_not_described", "warning"))
    notes = [plain.note] if plain.note else []
    if "note" in body:
        notes.append(message("text", text=body["note"]))
    weights = assemble.weights(loaded, origin.sources, assumed=plain.assumed)
    found = built((body["id"], layout, origin), (loaded, optional), weights, doubts, notes)
    return likeness.applied(found, body)
