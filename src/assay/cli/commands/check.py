"""`assay check`: does a model fit, how far, how fast, and what executes."""

import click

from assay.cli.defaults import default_cards
from assay.cli.door import Door
from assay.cli.numbers import AT_LEAST_ZERO
from assay.cli.options import common, planned
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption


@click.command(cls=SpokenCommand, help="help.check")
@click.argument("model")
@planned("check")
@click.option(
    "--adapters",
    cls=SpokenOption,
    type=AT_LEAST_ZERO,
    default=0,
    metavar="N",
    help="help.check.adapters",
)
@common
@click.pass_obj
def check(  # noqa: PLR0917 -- click passes by name
    door: Door,
    model: str,
    gpus: tuple[str, ...],
    runtime: str | None,
    weights: str | None,
    kv: str | None,
    context: int | None,
    concurrency: int,
    adapters: int,
    offload: bool,
) -> int:
    """The verdict for each set of cards."""
    from assay.answers.asked import CheckRequest
    from assay.answers.check import answer

    request = CheckRequest(
        model=model,
        gpus=gpus or default_cards(),
        runtime=runtime,
        weights=weights,
        kv=kv,
        context=context,
        concurrency=concurrency,
        adapters=adapters,
        offload=offload,
    )
    found = answer(request)
    put(door, "check", found)
    return found.exit_code
