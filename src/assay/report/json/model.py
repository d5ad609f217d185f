"""`assay model --json` (`assay.model/1`)."""

from typing import Any, NotRequired, TypedDict

from assay.report.figures import fixed_state, group_size, token_cache
from assay.report.json.envelope import Envelope, Letter, Q
from assay.report.numbers import Language
from assay.types.model import LayerGroup, LayerKind, Model, Role

SCHEMA = "assay.model/1"


class ParametersBody(TypedDict):
    """Logical parameters: all, and those that one token touches."""

    total: int
    active: int


class GroupBody(TypedDict):
    """Tensors of one role stored in one weight format."""

    format: str
    bytes: Q
    parameters: int
    active: int
    tensors: int
    role: Role


class LayerBody(TypedDict):
    """Layers that keep the same state; keys that do not apply to the kind are absent."""

    kind: LayerKind
    count: int
    query_heads: NotRequired[int]
    kv_heads: NotRequired[int]
    key_dim: NotRequired[int]
    value_dim: NotRequired[int]
    window: NotRequired[int]
    latent_dim: NotRequired[int]
    rope_dim: NotRequired[int]
    index_dim: NotRequired[int]
    state_bytes: NotRequired[int]


class ModelBody(TypedDict):
    """A model as its checkpoint describes it; `kv_per_token` is at 16 bits, `state` is bytes per sequence."""

    name: str
    architecture: str
    container: str
    released_format: str | None
    requantized_from: str | None
    parameters: ParametersBody
    weights: Q
    groups: list[GroupBody]
    optional: list[GroupBody]
    layers: list[LayerBody]
    experts: int
    experts_per_token: int
    kv_per_token: Q
    state: Q | None
    max_context: int | None
    doubts: list[str]


class Document(Envelope, ModelBody):
    """A model."""


def _layer(layers: LayerGroup) -> dict[str, Any]:
    optional = {
        "query_heads": layers.query_heads,
        "kv_heads": layers.kv_heads,
        "key_dim": layers.key_dim,
        "value_dim": layers.value_dim,
        "window": layers.window,
        "latent_dim": layers.latent_dim,
        "rope_dim": layers.rope_dim,
        "index_dim": layers.index_dim,
        "state_bytes": layers.state_size,
    }
    return {"kind": layers.kind, "count": layers.count, **{key: value for key, value in optional.items() if value}}


def model_body(model: Model, letter: Letter) -> dict[str, Any]:
    """The model's own keys, for its own document and within a verdict."""
    state = fixed_state(model)

    def groups(of: tuple[Any, ...]) -> list[dict[str, Any]]:
        return [
            {
                "format": group.format,
                "bytes": letter.q(group_size(model, group)),
                "parameters": group.parameters,
                "active": group.active,
                "tensors": group.tensors,
                "role": group.role,
            }
            for group in of
        ]

    return {
        "name": model.name,
        "architecture": model.architecture,
        "container": model.container,
        "released_format": model.released_format,
        "requantized_from": model.requantized_from,
        "parameters": {"total": model.parameters, "active": model.active_parameters},
        "weights": letter.q(model.weights),
        "groups": groups(model.groups),
        "optional": groups(model.optional),
        "layers": [_layer(layers) for layers in model.layers],
        "experts": model.experts,
        "experts_per_token": model.experts_per_token,
        "kv_per_token": letter.q(token_cache(model)),
        "state": None if state is None else letter.q(state),
        "max_context": model.max_context,
        "doubts": [letter.text(doubt) for doubt in model.doubts],
    }


def document(model: Model, language: Language) -> dict[str, Any]:
    """The document of a model."""
    letter = Letter(language)
    body = model_body(model, letter)
    letter.cite(model.sources)
    return letter.close(SCHEMA, body, (*model.doubts, *model.notes))
