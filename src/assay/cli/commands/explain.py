"""`assay explain`: the reasons behind an answer, in prose."""

import click

from assay.cli.defaults import default_cards
from assay.cli.door import Door
from assay.cli.numbers import TOKENS
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption


@click.command(cls=SpokenCommand, help="help.explain")
@click.argument("topic")
@click.argument("model", required=False)
@click.option("--context", cls=SpokenOption, type=TOKENS, metavar="T", help="help.check.context")
@click.option("--runtime", cls=SpokenOption, metavar="R", help="help.check.runtime")
@click.option("--gpu", "gpus", cls=SpokenOption, multiple=True, metavar="GPU", help="help.explain.gpu")
@common
@click.pass_obj
def explain(
    door: Door, topic: str, model: str | None, gpus: tuple[str, ...], runtime: str | None, context: int | None
) -> int:
    """Explain number formats on the cards named, or one token's way through a model."""
    from assay.answers import explain as formats
    from assay.answers import story
    from assay.errors import UsageError
    from assay.types.message import message

    if topic == "model":
        if model is None:
            raise UsageError(message("error.no_model_to_explain"), message("hint.no_model_to_explain"))
        put(door, "story", story.answer(model, gpus or default_cards(), runtime, context))
        return 0
    if model is not None or runtime is not None or context is not None:
        raise UsageError(message("error.topic_takes_no_model", topic=topic), message("hint.topic_takes_no_model"))
    put(door, "explain", formats.answer(topic, gpus or default_cards()))
    return 0
