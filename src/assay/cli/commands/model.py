"""`assay model`: what a checkpoint holds."""

import click

from assay.cli.door import Door
from assay.cli.options import common
from assay.cli.output import print_json, print_report
from assay.cli.spoken import SpokenCommand


@click.command(cls=SpokenCommand, help="help.model")
@click.argument("source")
@common
@click.pass_obj
def model(door: Door, source: str) -> int:
    """Read a model and show it."""
    from assay.answers.model import answer

    found = answer(source)
    if door.as_json:
        from assay.report.json.model import document

        print_json(document(found, door.language))
    else:
        from assay.report.layout.model import layout

        print_report(layout(found), door)
    return 0
