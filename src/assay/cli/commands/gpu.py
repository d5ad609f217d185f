"""`assay gpu`: what exactly a card is."""

import click

from assay.cli.door import Door
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand


@click.command(cls=SpokenCommand, help="help.gpu")
@click.argument("query", nargs=-1)
@common
@click.pass_obj
def gpu(door: Door, query: tuple[str, ...]) -> int:
    """Identify a card; several words are one name, so that nobody has to quote."""
    from assay.answers.gpu import answer

    found = answer(" ".join(query) if query else None)
    put(door, "gpu", found)
    return 0 if all(result.gpu is not None for result in found.results) else 2
