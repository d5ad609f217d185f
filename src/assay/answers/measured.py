"""Which card, model, runtime and format a measurement is about: what was named, looked up; nothing is guessed."""

from typing import NamedTuple

from assay.answers.narrower import cost_of
from assay.errors import UnknownGpu, UnknownModel
from assay.knowledge.catalog.models import resolve
from assay.knowledge.catalog.runtimes import runtime
from assay.knowledge.identity.identify import identify
from assay.observe.runtimes.gguf_names import RECIPE, stem, weights_in
from assay.types.measurement import MeasuredCard, MeasuredModel, Measurement, Named
from assay.types.message import Message, message


class Naming(NamedTuple):
    """What the user says of a measurement; None where nothing."""

    gpu: str | None = None
    model: str | None = None
    runtime: str | None = None
    weights: str | None = None


def cards_named(query: str, named_by: Named = "user") -> tuple[MeasuredCard, ...]:
    """The cards of a query such as `2x RTX 4090` or `A + B`; an ambiguous name keeps all its candidates.

    Raises:
        UnknownGpu: a part means no card of the catalogue.
    """
    found = []
    for part in query.split(" + "):
        identified = identify(part.strip())
        if identified.match == "unknown":
            hint = message("hint.suggestions", suggestions=", ".join(identified.suggestions))
            raise UnknownGpu(
                message("error.unknown_gpu", query=part.strip()),
                hint if identified.suggestions else message("hint.unknown_gpu"),
                candidates=identified.suggestions,
            )
        found.append(MeasuredCard(part.strip(), identified.candidates, identified.count, named_by))
    return tuple(found)


def looked_up(card: MeasuredCard) -> MeasuredCard:
    """A card that a file names, as the catalogue knows it; one it does not know stays the name."""
    if card.candidates:
        return card
    identified = identify(card.text)
    return card._replace(candidates=identified.candidates, number=card.number * identified.count)


def _id_of(name: str) -> str | None:
    """The catalogue's model of a name, a path, or a file's name with its recipe; None where it is none or several."""
    last = stem(name)
    for wanted in dict.fromkeys((name, last, RECIPE.sub("", last))):
        try:
            return resolve(wanted)
        except UnknownModel:
            continue
    return None


def model_named(name: str, weights: str | None) -> MeasuredModel:
    """The model that the user names; one that is not in the catalogue stays a name.

    Raises:
        UnknownModel: the name means several models.
    """
    try:
        found = resolve(name)
    except UnknownModel as error:
        if error.message.code == "error.ambiguous_model":
            raise
        return MeasuredModel(name, _id_of(name), weights, "user")
    return MeasuredModel(name, found, weights, "user")


def weights_named(name: str | None) -> str | None:
    """A weight format's id; a recipe of llama-quantize is written as the catalogue writes it.

    Raises:
        UsageError: there is no such format.
    """
    if name is None:
        return None
    if name.lower().startswith("gguf:"):
        return f"gguf:{name[5:].upper()}"
    return name if name in {"bf16", "fp16", "fp32"} else cost_of(name).format


def _file_weights(name: str) -> str | None:
    """The recipe in the name of a GGUF file that a server or a tool gives as its model."""
    return weights_in(stem(name)) if name.endswith(".gguf") else None


def identified(measurement: Measurement, naming: Naming) -> Measurement:
    """A measurement with its card, model, runtime and weights as the catalogue knows them.

    Raises:
        UnknownGpu, UnknownModel, UsageError: what the user names is not known.
    """
    weights = weights_named(naming.weights) or measurement.model.weights or _file_weights(measurement.model.text)
    model = measurement.model._replace(id=_id_of(measurement.model.text), weights=weights)
    if naming.model is not None:
        model = model_named(naming.model, weights)
    cards = tuple(map(looked_up, measurement.cards))
    return measurement._replace(
        cards=cards if naming.gpu is None else cards_named(naming.gpu),
        model=model,
        runtime=measurement.runtime if naming.runtime is None else runtime(naming.runtime).id,
    )


def unidentified(measurement: Measurement) -> tuple[Message, ...]:
    """What is not known of a measurement, so that it corrects no prediction, and what to say to change that."""
    found = []
    for card in measurement.cards:
        if len(card.candidates) > 1:
            names = " | ".join(card.candidates)
            found.append(message("bench.ambiguous_gpu", "warning", name=card.text, candidates=names))
        elif not card.candidates:
            found.append(message("bench.unknown_gpu", "warning", name=card.text))
    if not measurement.cards:
        found.append(message("bench.no_gpu", "warning"))
    if not measurement.model.text:
        found.append(message("bench.no_model", "warning"))
    elif measurement.model.id is None:
        found.append(message("bench.unknown_model", "warning", name=measurement.model.text))
    if measurement.runtime is None:
        found.append(message("bench.no_runtime", "warning"))
    return tuple(found)
