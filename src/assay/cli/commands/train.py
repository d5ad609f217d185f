"""`assay train`: whether training a model fits, and what would make it fit."""

import click

from assay.cli.defaults import default_cards
from assay.cli.door import Door
from assay.cli.numbers import AT_LEAST_ONE, BILLIONS, TOKENS
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption
from assay.types.training import LOSSES, METHODS, OPTIMIZERS, PRECISIONS, SHARDS, TARGETS, Training


def _choice(name: str, values: tuple[str, ...], default: str) -> click.Option:
    return SpokenOption([f"--{name}"], type=click.Choice(values), default=default, help=f"help.train.{name}")


def _number(name: str, kind: click.ParamType, default: int) -> click.Option:  # type: ignore[type-arg,unused-ignore]
    words = f"help.train.{name.replace('-', '_')}"
    return SpokenOption([f"--{name}"], type=kind, default=default, metavar="N", help=words)


@click.command(
    cls=SpokenCommand,
    help="help.train",
    params=[
        SpokenOption(["--gpu", "names"], multiple=True, metavar="GPU", help="help.check.gpu"),
        _number("gpus", AT_LEAST_ONE, 1),
        _choice("method", METHODS, "lora"),
        _choice("optimizer", OPTIMIZERS, "adamw"),
        _choice("precision", PRECISIONS, "mixed"),
        _number("rank", AT_LEAST_ONE, 16),
        _choice("targets", TARGETS, "all-linear"),
        _number("sequence", TOKENS, 4096),
        _number("micro-batch", AT_LEAST_ONE, 1),
        SpokenOption(["--no-checkpointing"], is_flag=True, help="help.train.no_checkpointing"),
        _choice("loss", LOSSES, "full"),
        _choice("shard", SHARDS, "fsdp"),
        SpokenOption(["--tokens"], type=BILLIONS, metavar="N", help="help.train.tokens"),
        SpokenOption(["--mfu"], type=float, metavar="SHARE", help="help.train.mfu"),
    ],
)
@click.argument("model")
@common
@click.pass_obj
def train(  # noqa: PLR0917 -- click passes by name
    door: Door,
    model: str,
    names: tuple[str, ...],
    gpus: int,
    method: str,
    optimizer: str,
    precision: str,
    rank: int,
    targets: str,
    sequence: int,
    micro_batch: int,
    no_checkpointing: bool,
    loss: str,
    shard: str,
    tokens: int | None,
    mfu: float | None,
) -> int:
    """The verdict for each set of cards."""
    from assay.answers.train import TrainRequest, answer

    training = Training(
        method=method,  # type: ignore[arg-type]  # click.Choice admits these words only
        optimizer=optimizer,  # type: ignore[arg-type]
        precision=precision,  # type: ignore[arg-type]
        rank=rank,
        targets=targets,  # type: ignore[arg-type]
        sequence=sequence,
        micro_batch=micro_batch,
        checkpointing=not no_checkpointing,
        loss=loss,  # type: ignore[arg-type]
        shard=shard,  # type: ignore[arg-type]
    )
    found = answer(TrainRequest(model, names or default_cards(), training, gpus, tokens, mfu))
    put(door, "train", found)
    return found.exit_code
