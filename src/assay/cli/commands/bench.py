"""`assay bench`: measurements of the owner's own, imported from other tools or made at a server."""

import click

from assay.cli.door import Door
from assay.cli.numbers import AT_LEAST_ONE, TOKENS, Ladder
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenGroup, SpokenOption


@click.group(cls=SpokenGroup, help="help.bench", invoke_without_command=True)
@common
@click.pass_context
def bench(context: click.Context) -> int:
    """Import, make and show measurements."""
    return 0 if context.invoked_subcommand is not None else int(context.invoke(list_))


@bench.command("import", cls=SpokenCommand, help="help.bench.import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--weights", cls=SpokenOption, metavar="F", help="help.bench.weights")
@click.option("--runtime", cls=SpokenOption, metavar="R", help="help.bench.runtime")
@click.option("--model", cls=SpokenOption, metavar="MODEL", help="help.bench.model")
@click.option("--gpu", cls=SpokenOption, metavar="GPU", help="help.bench.gpu")
@common
@click.pass_obj
def import_(
    door: Door, files: tuple[str, ...], gpu: str | None, model: str | None, runtime: str | None, weights: str | None
) -> int:
    """Store what benchmark files say."""
    from assay.answers.bench import import_files
    from assay.answers.measured import Naming

    put(door, "bench", import_files(files, Naming(gpu, model, runtime, weights)))
    return 0


@bench.command(cls=SpokenCommand, help="help.bench.run")
@click.option("--url", cls=SpokenOption, required=True, metavar="URL", help="help.bench.url")
@click.option("--gpu", cls=SpokenOption, metavar="GPU", help="help.bench.gpu")
@click.option("--model", cls=SpokenOption, metavar="MODEL", help="help.bench.run_model")
@click.option("--runtime", cls=SpokenOption, metavar="R", help="help.bench.run_runtime")
@click.option("--weights", cls=SpokenOption, metavar="F", help="help.bench.weights")
@click.option(
    "--concurrency", cls=SpokenOption, type=Ladder(), default="1,2,4,8", metavar="C,C", help="help.bench.concurrency"
)
@click.option("--prompt", cls=SpokenOption, type=TOKENS, default=512, metavar="T", help="help.bench.prompt")
@click.option("--output", cls=SpokenOption, type=TOKENS, default=128, metavar="T", help="help.bench.output")
@click.option("--seconds", cls=SpokenOption, type=AT_LEAST_ONE, default=20, metavar="S", help="help.bench.seconds")
@click.option("--max-requests", cls=SpokenOption, type=AT_LEAST_ONE, default=256, metavar="N", help="help.bench.most")
@click.option("--timeout", cls=SpokenOption, type=AT_LEAST_ONE, default=60, metavar="S", help="help.bench.timeout")
@click.option("--no-save", cls=SpokenOption, is_flag=True, help="help.bench.no_save")
@common
@click.pass_obj
def run(
    door: Door,
    *,
    url: str,
    gpu: str | None,
    model: str | None,
    runtime: str | None,
    weights: str | None,
    concurrency: tuple[int, ...],
    prompt: int,
    output: int,
    seconds: int,
    max_requests: int,
    timeout: int,
    no_save: bool,
) -> int:
    """Measure a server."""
    from assay.answers.bench_run import RunRequest
    from assay.answers.bench_run import run as measure
    from assay.answers.measured import Naming

    naming = Naming(gpu, model, runtime, weights)
    asked = RunRequest(url, naming, concurrency, prompt, output, seconds, max_requests, timeout, save=not no_save)
    found = measure(asked)
    put(door, "bench", found)
    return found.exit_code


@bench.command("list", cls=SpokenCommand, help="help.bench.list")
@common
@click.pass_obj
def list_(door: Door) -> int:
    """Show what is stored."""
    from assay.answers.bench import stored

    put(door, "bench", stored())
    return 0


@bench.command(cls=SpokenCommand, help="help.bench.forget")
@click.argument("number", metavar="ID", type=AT_LEAST_ONE)
@common
@click.pass_obj
def forget(door: Door, number: int) -> int:
    """Remove a measurement."""
    from assay.answers.bench import forget as forgotten

    put(door, "bench", forgotten(number))
    return 0
