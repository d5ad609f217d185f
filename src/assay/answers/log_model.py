"""Which model and which cards a log means: by names of the catalogue only; a path that a log names is never opened."""

from typing import NamedTuple

from assay.answers.asked import MAX_CARDS
from assay.answers.model import answer as read_model
from assay.answers.weights import by_recipe
from assay.errors import AssayError
from assay.observe.checkpoint.read import from_catalogue
from assay.observe.runtimes.gguf_names import RECIPE, stem, weights_in
from assay.types.log import ServerLog
from assay.types.message import Message, message
from assay.types.model import Model


class Named(NamedTuple):
    """The model that a log means, or None and why not."""

    model: Model | None
    messages: tuple[Message, ...] = ()


def _from_file_name(path: str) -> Model:
    """`Qwen3-30B-A3B-Q4_K_M.gguf`: the catalogue's model by that recipe."""
    name = stem(path)
    weights = weights_in(name)
    if weights is None:
        return from_catalogue(name)
    model = from_catalogue(RECIPE.sub("", name))
    return by_recipe(model, model.name, weights)


def _from_name(name: str) -> Model:
    """A repository's name, or the last part of a folder's path."""
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return from_catalogue(name)
    return from_catalogue(stem(name))


def model_of(asked: str | None, log: ServerLog) -> Named:
    """The model that was asked for, else the one of the catalogue that the log's name means.

    Raises:
        AssayError: the model that was asked for cannot be read.
    """
    if asked is not None:
        return Named(read_model(asked))
    if log.model is None:
        return Named(None, (message("diagnose.no_model"),))
    reader = _from_file_name if log.runtime == "llama.cpp" else _from_name
    try:
        model = reader(log.model.text)
    except AssayError:
        return Named(None, (message("diagnose.unknown_model", name=log.model.text, line=log.model.line),))
    said = message("diagnose.model_by_name", name=log.model.text, model=model.name, line=log.model.line)
    return Named(model, (said,))


def cards_of(asked: tuple[str, ...], log: ServerLog) -> tuple[str, ...]:
    """The queries that name the cards: what was asked for, else the devices of the log, as many as it uses.

    vLLM and SGLang name one device of equals; the ranks of tensor parallelism say how many there are.
    """
    if asked:
        return asked
    names = [device.text for device in log.devices]
    if not names:
        return ()
    if log.runtime != "llama.cpp" and len(names) == 1 and log.tensor_parallel is not None:
        names *= max(1, min(MAX_CARDS, round(log.tensor_parallel.value)))
    counted = {name: names.count(name) for name in names}
    return (" + ".join(f"{number}x {name}" if number > 1 else name for name, number in counted.items()),)
