"""`assay diagnose`: what a server's start-up log shows against what was predicted."""

import click

from assay.cli.door import Door
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption


@click.command(cls=SpokenCommand, help="help.diagnose")
@click.option("--log", "file", cls=SpokenOption, required=True, metavar="FILE", help="help.diagnose.log")
@click.option("--model", cls=SpokenOption, metavar="MODEL", help="help.diagnose.model")
@click.option("--gpu", "gpus", cls=SpokenOption, multiple=True, metavar="GPU", help="help.diagnose.gpu")
@common
@click.pass_obj
def diagnose(door: Door, file: str, model: str | None, gpus: tuple[str, ...]) -> int:
    """Compare a log with the prediction for its workload."""
    from assay.answers.diagnose import DiagnoseRequest, answer

    found = answer(DiagnoseRequest(file, model, gpus))
    put(door, "diagnose", found)
    return found.exit_code
