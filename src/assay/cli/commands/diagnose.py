"""`assay diagnose`: what a server's start-up log shows against what was predicted."""

import click

from assay.cli.door import Door
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption


@click.command(cls=SpokenCommand, help="help.diagnose")
@click.option("--log", "file", cls=SpokenOption, metavar="FILE", help="help.diagnose.log")
@click.option("--bench", cls=SpokenOption, metavar="FILE|ID", help="help.diagnose.bench")
@click.option("--model", cls=SpokenOption, metavar="MODEL", help="help.diagnose.model")
@click.option("--gpu", "gpus", cls=SpokenOption, multiple=True, metavar="GPU", help="help.diagnose.gpu")
@click.option("--runtime", cls=SpokenOption, metavar="R", help="help.bench.runtime")
@click.option("--weights", cls=SpokenOption, metavar="F", help="help.bench.weights")
@common
@click.pass_obj
def diagnose(  # noqa: PLR0917 -- click passes by name
    door: Door,
    file: str | None,
    bench: str | None,
    model: str | None,
    gpus: tuple[str, ...],
    runtime: str | None,
    weights: str | None,
) -> int:
    """Compare a log with the prediction for its workload, or a measurement with its own."""
    if bench is not None and file is None:
        return _compare(door, bench, gpus, (model, runtime, weights))
    from assay.errors import UsageError
    from assay.types.message import message

    if file is None or bench is not None or runtime is not None or weights is not None:
        raise UsageError(message("error.log_or_bench"), message("hint.log_or_bench"))
    from assay.answers.diagnose import DiagnoseRequest, answer

    found = answer(DiagnoseRequest(file, model, gpus))
    put(door, "diagnose", found)
    return found.exit_code


def _compare(door: Door, bench: str, gpus: tuple[str, ...], named: tuple[str | None, str | None, str | None]) -> int:
    """A measurement against its prediction; it ran on one set of cards.

    Raises:
        UsageError: several sets were named.
    """
    from assay.answers.measured import Naming
    from assay.answers.shortfall import ShortfallRequest, answer
    from assay.errors import UsageError
    from assay.types.message import message

    if len(gpus) > 1:
        raise UsageError(message("error.one_set_of_cards"), message("hint.one_set_of_cards"))
    found = answer(ShortfallRequest(bench, Naming(gpus[0] if gpus else None, *named)))
    put(door, "shortfall", found)
    return found.exit_code
