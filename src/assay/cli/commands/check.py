"""`assay check`: does a model fit, how far, how fast, and what executes."""

from typing import Literal

import click

from assay.cli.defaults import default_cards
from assay.cli.door import Door
from assay.cli.numbers import AT_LEAST_ZERO
from assay.cli.options import common, planned
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption

CHARTS = ("memory", "speed")


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
@click.option("--chart", cls=SpokenOption, type=click.Choice(CHARTS), help="help.check.chart")
@click.option("--svg", cls=SpokenOption, metavar="FILE", help="help.check.svg")
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
    chart: Literal["memory", "speed"] | None,
    svg: str | None,
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
        explained=door.explain,
        picture=chart or ("memory" if svg is not None else None),
    )
    if svg is None:
        found = answer(request)
        put(door, "check", found if chart else found.undrawn())
        return found.exit_code
    from assay.cli.picture import STANDARD_OUTPUT, refuse_unusable, write

    refuse_unusable(svg, door)
    found = answer(request)
    write(svg, "check", found, door.language)
    if svg != STANDARD_OUTPUT:
        put(door, "check", found if chart else found.undrawn())
    return found.exit_code
