"""`assay prove`: what a compiler's output shows of a card's number formats."""

import click

from assay.cli.defaults import default_cards
from assay.cli.door import Door
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption


@click.command(cls=SpokenCommand, help="help.prove")
@click.argument("gpus", nargs=-1, metavar="GPU|ISA...")
@click.option("--format", "names", cls=SpokenOption, multiple=True, metavar="F", help="help.prove.format")
@click.option("--all", "every", cls=SpokenOption, is_flag=True, help="help.prove.all")
@click.option("--show", cls=SpokenOption, is_flag=True, help="help.prove.show")
@common
@click.pass_obj
def prove(door: Door, gpus: tuple[str, ...], names: tuple[str, ...], every: bool, show: bool) -> int:
    """Prove the formats of each card."""
    from assay.answers.prove import Request, answer

    found = answer(Request(gpus or default_cards(), names, every, show))
    put(door, "prove", found)
    return found.exit_code
