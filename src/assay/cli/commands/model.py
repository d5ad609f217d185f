"""`assay model`: what a checkpoint holds."""

import click

from assay.cli.door import Door
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption


@click.command(cls=SpokenCommand, help="help.model")
@click.argument("source")
@click.option("--base", cls=SpokenOption, metavar="MODEL", help="help.model.base")
@click.option("--gpu", "gpus", cls=SpokenOption, multiple=True, metavar="GPU", help="help.model.gpu")
@common
@click.pass_obj
def model(door: Door, source: str, base: str | None, gpus: tuple[str, ...]) -> int:
    """Read a model and show it; of an adapter, what it is to its base model."""
    from assay.answers.model import answer

    if base is not None:
        from assay.answers.adapter import answer as of_adapter

        put(door, "adapter", of_adapter(source, base, gpus))
        return 0
    if gpus:
        from assay.errors import UsageError
        from assay.types.message import message

        raise UsageError(message("error.gpu_without_base"), message("hint.gpu_without_base"))

    found = answer(source)
    put(door, "model", found)
    return 0
