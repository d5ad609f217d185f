"""`assay`: the group of all commands; alone it prints its short help."""

import click

from assay.cli.options import common
from assay.cli.spoken import SpokenGroup, SpokenOption
from assay.version import __version__

COMMANDS = (
    "gpu", "formats", "prove", "probe", "explain", "model", "check", "advise", "pack", "launch", "train", "diagnose",
    "bench", "tables", "profile",
)  # fmt: skip


def _version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(f"assay {__version__}")
        context.exit(0)


@click.group(cls=SpokenGroup, lazy=COMMANDS, help="help.assay", invoke_without_command=True)
@click.option(
    "--version",
    cls=SpokenOption,
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="help.option.version",
)
@common
@click.pass_context
def assay(context: click.Context) -> int:
    """What your exact card really does with a model's weights."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
    return 0
