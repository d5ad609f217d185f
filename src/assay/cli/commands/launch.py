"""`assay launch`: the command that runs a model on a card, as shell lines or as a compose file."""

from typing import Literal

import click

from assay.cli.defaults import default_cards
from assay.cli.door import Door
from assay.cli.numbers import AT_LEAST_ONE
from assay.cli.options import common, planned
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption


@click.command(cls=SpokenCommand, help="help.launch")
@click.argument("model")
@planned("launch")
@click.option("--lora", "adapters", cls=SpokenOption, multiple=True, metavar="DIR", help="help.launch.lora")
@click.option("--rag", cls=SpokenOption, is_flag=True, help="help.launch.rag")
@click.option("--embedder", cls=SpokenOption, metavar="MODEL", help="help.launch.embedder")
@click.option("--reranker", cls=SpokenOption, metavar="MODEL", help="help.launch.reranker")
@click.option("--vectors", cls=SpokenOption, type=AT_LEAST_ONE, metavar="N", help="help.launch.vectors")
@click.option("--index", cls=SpokenOption, type=click.Choice(["flat", "hnsw"]), help="help.launch.index")
@click.option("--dimension", cls=SpokenOption, type=AT_LEAST_ONE, metavar="D", help="help.launch.dimension")
@click.option("--compose", cls=SpokenOption, is_flag=True, help="help.launch.compose")
@click.option("--host", cls=SpokenOption, default="127.0.0.1", metavar="ADDRESS", help="help.launch.host")
@click.option("--port", cls=SpokenOption, type=AT_LEAST_ONE, metavar="N", help="help.launch.port")
@click.option("--name", cls=SpokenOption, metavar="NAME", help="help.launch.name")
@click.option("--chat-template", cls=SpokenOption, metavar="FILE", help="help.launch.chat_template")
@common
@click.pass_obj
def launch(  # noqa: PLR0917 -- click passes by name
    door: Door,
    model: str,
    gpus: tuple[str, ...],
    runtime: str | None,
    context: int | None,
    concurrency: int,
    weights: str | None,
    kv: str | None,
    adapters: tuple[str, ...],
    offload: bool,
    rag: bool,
    embedder: str | None,
    reranker: str | None,
    vectors: int | None,
    index: Literal["flat", "hnsw"] | None,
    dimension: int | None,
    compose: bool,
    host: str,
    port: int | None,
    name: str | None,
    chat_template: str | None,
) -> int:
    """The servers for each set of cards."""
    from assay.answers.asked import CheckRequest
    from assay.answers.launch import answer
    from assay.answers.profile import load
    from assay.answers.serving import LaunchRequest, PipelineRequest
    from assay.errors import UsageError
    from assay.types.message import message

    if not rag and any(given is not None for given in (embedder, reranker, vectors, index, dimension)):
        raise UsageError(message("error.rag_parts"), message("hint.rag_parts"))
    pipeline = PipelineRequest(embedder, reranker, vectors, index or "flat", dimension) if rag else None
    check = CheckRequest(
        model=model,
        gpus=gpus or default_cards(),
        runtime=runtime,
        weights=weights,
        kv=kv,
        context=context,
        concurrency=concurrency,
    )
    asked = LaunchRequest(check, adapters, offload, host, port, name, chat_template, compose, pipeline)
    found = answer(asked._replace(ram=load().ram) if offload else asked)
    put(door, "launch", found)
    return found.exit_code
