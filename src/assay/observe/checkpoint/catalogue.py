"""A model of the catalogue, laid out by the readers from its published configuration."""

from assay.knowledge.catalog.models import Entry
from assay.observe.checkpoint import config
from assay.types.model import Model


def laid_out(entry: Entry) -> Model:
    """The model that the readers make of an entry of the catalogue."""
    origin = config.Origin(
        entry.id,
        entry.id,
        "catalogue",
        entry.sources,
        entry.released_format,
        entry.requantized_from,
        entry.plain_format,
    )
    return config.model(entry.config, entry.separate, origin)
