"""`assay formats`: which number formats a card multiplies."""

import click

from assay.cli.door import Door
from assay.cli.options import common
from assay.cli.output import print_json, print_report
from assay.cli.spoken import SpokenCommand, SpokenOption


@click.command(cls=SpokenCommand, help="help.formats")
@click.argument("gpus", nargs=-1, metavar="GPU...")
@click.option("--runtime", cls=SpokenOption, metavar="R", help="help.formats.runtime")
@common
@click.pass_obj
def formats(door: Door, gpus: tuple[str, ...], runtime: str | None) -> int:
    """Formats of each card."""
    from assay.answers.formats import answer
    from assay.answers.profile import default_cards

    found = answer(gpus or default_cards(), runtime)
    if door.as_json:
        from assay.report.json.formats import document

        print_json(document(found, door.language))
    else:
        from assay.report.layout.formats import layout

        print_report(layout(found), door)
    return 0
