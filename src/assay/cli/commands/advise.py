"""`assay advise`: quantize or not, and what would change the answer."""

import click

from assay.cli.defaults import default_cards
from assay.cli.door import Door
from assay.cli.numbers import AT_LEAST_ONE, LOSS, RATE, TOKENS
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption

PURPOSES = ("chat", "long-context", "batch", "agents", "rag", "training")


@click.command(cls=SpokenCommand, help="help.advise")
@click.argument("model")
@click.option("--gpu", "gpus", cls=SpokenOption, multiple=True, metavar="GPU", help="help.check.gpu")
@click.option("--for", "purpose", cls=SpokenOption, type=click.Choice(PURPOSES), default="chat", help="help.advise.for")
@click.option("--users", cls=SpokenOption, type=AT_LEAST_ONE, metavar="N", help="help.advise.users")
@click.option("--context", cls=SpokenOption, type=TOKENS, metavar="T", help="help.advise.context")
@click.option("--min-tok-s", "rate", cls=SpokenOption, type=RATE, metavar="X", help="help.advise.rate")
@click.option("--max-loss", "loss", cls=SpokenOption, type=LOSS, metavar="[PROTOCOL:]Y", help="help.advise.loss")
@click.option("--runtime", "runtimes", cls=SpokenOption, multiple=True, metavar="R", help="help.advise.runtime")
@common
@click.pass_obj
def advise(  # noqa: PLR0917 -- click passes by name
    door: Door,
    model: str,
    gpus: tuple[str, ...],
    purpose: str,
    users: int | None,
    context: int | None,
    rate: float | None,
    loss: tuple[str | None, float] | None,
    runtimes: tuple[str, ...],
) -> int:
    """What to run, for each set of cards."""
    from assay.answers.advise import AdviseRequest, answer
    from assay.types.decide import Limit

    found = answer(
        AdviseRequest(
            model=model,
            gpus=gpus or default_cards(),
            purpose=purpose,  # type: ignore[arg-type]  # click lets no other word through
            users=users,
            context=context,
            min_rate=rate,
            most_lost=None if loss is None else Limit(loss[1], loss[0]),
            runtimes=runtimes,
        )
    )
    put(door, "advise", found)
    return found.exit_code
