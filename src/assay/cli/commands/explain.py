"""`assay explain`: the reasons behind an answer, in prose."""

import click

from assay.cli.defaults import default_cards
from assay.cli.door import Door
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption


@click.command(cls=SpokenCommand, help="help.explain")
@click.argument("topic")
@click.option("--gpu", "gpus", cls=SpokenOption, multiple=True, metavar="GPU", help="help.explain.gpu")
@common
@click.pass_obj
def explain(door: Door, topic: str, gpus: tuple[str, ...]) -> int:
    """Explain a topic of the cards named."""
    from assay.answers.explain import answer

    put(door, "explain", answer(topic, gpus or default_cards()))
    return 0
