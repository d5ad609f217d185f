"""`assay model`: what a checkpoint holds."""

import click

from assay.cli.door import Door
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand


@click.command(cls=SpokenCommand, help="help.model")
@click.argument("source")
@common
@click.pass_obj
def model(door: Door, source: str) -> int:
    """Read a model and show it."""
    from assay.answers.model import answer

    found = answer(source)
    put(door, "model", found)
    return 0
