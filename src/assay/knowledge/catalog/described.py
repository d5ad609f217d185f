"""Models of the catalogue as already laid out: what the readers make of each published configuration.

Generated data (`tools/describe_models.py`, compared in the tests): a verdict about a catalogue model is a point query
and needs none of the readers. A model that was added and not yet described is laid out by the readers as before.
"""

from typing import Any

from assay.knowledge import store
from assay.types.message import Message
from assay.types.model import LayerGroup, Model, TensorGroup
from assay.types.quantity import Quantity

KIND = "described_model"
PLAIN = (
    "name",
    "architecture",
    "released_format",
    "requantized_from",
    "hidden_size",
    "vocabulary",
    "intermediate",
    "experts",
    "experts_per_token",
    "max_context",
    "container",
)
"""Fields of a model that are written as they are."""


def _messages(found: tuple[Message, ...]) -> list[Any]:
    return [[what.code, [list(pair) for pair in what.parameters], what.level] for what in found]


def _message(row: list[Any]) -> Message:
    return Message(row[0], tuple((name, value) for name, value in row[1]), row[2])


def _figure(figure: Quantity) -> dict[str, Any]:
    if figure.inputs:
        raise ValueError("the weights of a described model have a formula and no inputs")
    note = _messages((figure.note,))[0] if figure.note else None
    return {
        "value": figure.value,
        "unit": figure.unit,
        "basis": figure.basis,
        "sources": list(figure.sources),
        "low": figure.low,
        "high": figure.high,
        "weakest": figure.weakest,
        "weakest_share": figure.weakest_share,
        "note": note,
        "formula": figure.formula,
    }


def _quantity(body: dict[str, Any]) -> Quantity:
    note = _message(body["note"]) if body["note"] else None
    return Quantity(**{**body, "sources": tuple(body["sources"]), "note": note})


def body_of(model: Model) -> dict[str, Any]:
    """The model as plain JSON values."""
    return {
        **{name: getattr(model, name) for name in PLAIN},
        "groups": [list(group) for group in model.groups],
        "optional": [list(group) for group in model.optional],
        "layers": [list(layer) for layer in model.layers],
        "weights": _figure(model.weights),
        "sources": list(model.sources),
        "doubts": _messages(model.doubts),
        "notes": _messages(model.notes),
    }


def model_of(body: dict[str, Any]) -> Model:
    """The model that `body_of` wrote."""
    return Model(
        **{name: body[name] for name in PLAIN},
        groups=tuple(TensorGroup(*row) for row in body["groups"]),
        optional=tuple(TensorGroup(*row) for row in body["optional"]),
        layers=tuple(LayerGroup(*row) for row in body["layers"]),
        weights=_quantity(body["weights"]),
        sources=tuple(body["sources"]),
        doubts=tuple(map(_message, body["doubts"])),
        notes=tuple(map(_message, body["notes"])),
    )


def described(name: str) -> Model | None:
    """The model with this id, or None when it was not described."""
    body = store.entry(KIND, name)
    return None if body is None else model_of(body)


def all_described() -> dict[str, Model]:
    """All models that were described, in the order of the catalogue."""
    return {name: model_of(body) for name, body in store.entries(KIND).items()}
