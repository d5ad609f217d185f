"""Model architectures of the catalogue, by the `model_type` of a configuration or by GGUF's name."""

from typing import Any

from assay.knowledge import store

KIND = "architecture"
OWN_KEYS = ("gguf", "note")


def architecture(model_type: str) -> dict[str, Any] | None:
    """The entry of a model type with its aliases followed: {id, layout, …}; None when it is not known.

    An entry with `like` takes the keys of the architecture it points at and overlays its own; without a name of its
    own it is only another spelling.
    """
    body = store.entry(KIND, model_type)
    if body is None:
        return None
    overlay = {key: value for key, value in body.items() if key != "like"}
    if "like" in body:
        base = store.entry(KIND, body["like"])
        own = model_type if "name" in body else body["like"]
        if base is None:
            return None
        if "name" in body:  # what llama.cpp calls the other one is not this one's name
            base = {key: value for key, value in base.items() if key not in OWN_KEYS}
        return {**base, **overlay, "id": own}
    return {"id": model_type, **body}


def of_gguf(name: str) -> dict[str, Any] | None:
    """The architecture that llama.cpp calls by this name, or None."""
    for model_type, body in store.entries(KIND).items():
        if name in body.get("gguf", ()):
            return architecture(model_type)
    return None


def known() -> list[str]:
    """All model types that are understood, aliases included, in the order of the catalogue."""
    return [name for name in store.entries(KIND) if "refused" not in (architecture(name) or {})]
