"""`assay pack`: which models fit together, how many instances of one, and what to give up where they do not."""

import click

from assay.cli.defaults import default_cards
from assay.cli.door import Door
from assay.cli.numbers import AT_LEAST_ONE, TOKENS
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption


@click.command(cls=SpokenCommand, help="help.pack")
@click.argument("models", nargs=-1, required=True, metavar="MODEL[:SETTINGS]…")
@click.option("--gpu", "gpus", cls=SpokenOption, multiple=True, metavar="GPU", help="help.pack.gpu")
@click.option("--runtime", cls=SpokenOption, metavar="R", help="help.check.runtime")
@click.option("--context", cls=SpokenOption, type=TOKENS, metavar="T", help="help.check.context")
@click.option("--users", cls=SpokenOption, type=AT_LEAST_ONE, default=1, metavar="N", help="help.pack.users")
@click.option("--kv", cls=SpokenOption, metavar="F", help="help.check.kv")
@common
@click.pass_obj
def pack(  # noqa: PLR0917 -- click passes by name
    door: Door,
    models: tuple[str, ...],
    gpus: tuple[str, ...],
    runtime: str | None,
    context: int | None,
    users: int,
    kv: str | None,
) -> int:
    """The verdict for all models together on all cards."""
    from assay.answers.pack import answer
    from assay.answers.packed import PackItem, PackRequest
    from assay.cli.specs import item_of

    defaults = PackItem("", context, users, kv, runtime)
    items = tuple(item_of(spec, defaults) for spec in models)
    found = answer(PackRequest(items, gpus or default_cards()))
    put(door, "pack", found)
    return found.exit_code
