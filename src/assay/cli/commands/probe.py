"""`assay probe`: what this machine's card does, measured."""

from pathlib import Path

import click

from assay.cli.door import Door
from assay.cli.numbers import AT_LEAST_ONE
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenGroup, SpokenOption
from assay.errors import UsageError
from assay.types.message import message


def _device(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """`auto`, `cpu`, or an index.

    Raises:
        UsageError: something else.
    """
    if value in {"auto", "cpu"} or (value.isdecimal() and value.isascii()):
        return value
    raise UsageError(message("error.probe_device", name=value), message("hint.probe_device"))


@click.group(cls=SpokenGroup, help="help.probe", invoke_without_command=True)
@click.option("--device", cls=SpokenOption, default="auto", callback=_device, metavar="D", help="help.probe.device")
@click.option("--quick", cls=SpokenOption, is_flag=True, help="help.probe.quick")
@click.option("--seconds", cls=SpokenOption, type=AT_LEAST_ONE, metavar="S", help="help.probe.seconds")
@click.option("--force", cls=SpokenOption, is_flag=True, help="help.probe.force")
@click.option("--zeros", cls=SpokenOption, is_flag=True, help="help.probe.zeros")
@click.option("--record", cls=SpokenOption, metavar="FILE", help="help.probe.record")
@click.option("--replay", cls=SpokenOption, metavar="FILE", help="help.probe.replay")
@click.option("--no-store", cls=SpokenOption, is_flag=True, help="help.probe.no_store")
@common
@click.pass_context
def probe(  # noqa: PLR0917 -- click passes by name
    context: click.Context,
    device: str,
    quick: bool,
    seconds: int | None,
    force: bool,
    zeros: bool,
    record: str | None,
    replay: str | None,
    no_store: bool,
) -> int:
    """Measure, or replay a recording.

    Raises:
        UsageError: a recording is to be replayed and written at once.
    """
    if context.invoked_subcommand is not None:
        return 0
    if record is not None and replay is not None:
        raise UsageError(message("error.several_forms", names="--record, --replay"), message("hint.probe_record"))
    from assay.answers.probe import Request, answer

    request = Request(
        device, quick, seconds, force, zeros, Path(record) if record else None, Path(replay) if replay else None,
        keep=not no_store,
    )  # fmt: skip
    found = answer(request)
    put(context.obj, "probe", found)
    return found.exit_code


@probe.command(cls=SpokenCommand, help="help.probe.compare")
@click.argument("first")
@click.argument("second")
@common
@click.pass_obj
def compare(door: Door, first: str, second: str) -> int:
    """Two probes side by side."""
    from assay.answers.probe_compare import answer

    found = answer(first, second)
    put(door, "probe_compare", found)
    return found.exit_code
