"""A measurement as the store keeps it: JSON with the names of its fields, and back."""

import json
from typing import Any

from assay.types.measurement import (
    Figures,
    MeasuredCard,
    MeasuredModel,
    Measurement,
    Origin,
    Percentiles,
    Workload,
)
from assay.types.message import Message, Parameter


def _plain_message(said: Message) -> dict[str, Any]:
    return {"code": said.code, "parameters": dict(said.parameters), "level": said.level}


def _message(body: dict[str, Any]) -> Message:
    parameters: dict[str, Parameter] = body["parameters"]
    return Message(body["code"], tuple(parameters.items()), body["level"])


def dumped(measurement: Measurement) -> str:
    """The measurement as compact JSON."""
    figures = measurement.figures
    body = measurement._asdict() | {
        "cards": [card._asdict() for card in measurement.cards],
        "model": measurement.model._asdict(),
        "workload": measurement.workload._asdict(),
        "figures": figures._asdict() | {"ttft": figures.ttft._asdict(), "itl": figures.itl._asdict()},
        "origin": measurement.origin._asdict(),
        "partial": None if measurement.partial is None else _plain_message(measurement.partial),
        "notes": [_plain_message(note) for note in measurement.notes],
    }
    del body["id"]
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _card(body: dict[str, Any]) -> MeasuredCard:
    return MeasuredCard(**body | {"candidates": tuple(body["candidates"])})


def _figures(body: dict[str, Any]) -> Figures:
    return Figures(**body | {"ttft": Percentiles(**body["ttft"]), "itl": Percentiles(**body["itl"])})


def loaded(text: str, number: int) -> Measurement:
    """The measurement that `dumped` wrote, with its number in the store.

    Raises:
        ValueError: the text was not written by `dumped`.
    """
    try:
        body = json.loads(text)
        return Measurement(
            **body
            | {
                "cards": tuple(map(_card, body["cards"])),
                "model": MeasuredModel(**body["model"]),
                "workload": Workload(**body["workload"]),
                "figures": _figures(body["figures"]),
                "origin": Origin(**body["origin"]),
                "settings": tuple((name, value) for name, value in body["settings"]),
                "partial": None if body["partial"] is None else _message(body["partial"]),
                "notes": tuple(map(_message, body["notes"])),
                "id": number,
            }
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
