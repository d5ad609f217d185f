"""`assay formats`: which number formats a card multiplies."""

import click

from assay.cli.defaults import default_cards
from assay.cli.door import Door
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption


@click.command(cls=SpokenCommand, help="help.formats")
@click.argument("gpus", nargs=-1, metavar="GPU...")
@click.option("--runtime", cls=SpokenOption, metavar="R", help="help.formats.runtime")
@common
@click.pass_obj
def formats(door: Door, gpus: tuple[str, ...], runtime: str | None) -> int:
    """Formats of each card."""
    from assay.answers.formats import answer

    found = answer(gpus or default_cards(), runtime)
    put(door, "formats", found)
    return 0
