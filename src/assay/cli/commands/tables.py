"""`assay tables`: every model of the catalogue on a card."""

import click

from assay.answers.tables import SORTS
from assay.cli.defaults import default_cards
from assay.cli.door import Door
from assay.cli.numbers import TOKENS
from assay.cli.options import common, workload
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenOption
from assay.errors import UsageError
from assay.types.message import message


def _one_form(door: Door, *, as_csv: bool, as_markdown: bool) -> None:
    """Refuse two forms at once: a program would be given one that it cannot read.

    Raises:
        UsageError: more than one of --json, --csv and --md.
    """
    asked = [name for name, wanted in (("--json", door.as_json), ("--csv", as_csv), ("--md", as_markdown)) if wanted]
    if len(asked) > 1:
        raise UsageError(message("error.several_forms", names=", ".join(asked)), message("hint.several_forms"))


@click.command(cls=SpokenCommand, help="help.tables")
@workload(runtime="vllm")
@click.option("--fits", cls=SpokenOption, is_flag=True, help="help.tables.fits")
@click.option("--family", cls=SpokenOption, metavar="NAME", help="help.tables.family")
@click.option("--min-context", cls=SpokenOption, type=TOKENS, metavar="T", help="help.tables.min_context")
@click.option("--sort", cls=SpokenOption, type=click.Choice(SORTS), default="family", help="help.tables.sort")
@click.option("--csv", "as_csv", cls=SpokenOption, is_flag=True, help="help.tables.csv")
@click.option("--md", "as_markdown", cls=SpokenOption, is_flag=True, help="help.tables.md")
@common
@click.pass_obj
def tables(  # noqa: PLR0917 -- click passes by name
    door: Door,
    gpus: tuple[str, ...],
    runtime: str,
    context: int | None,
    concurrency: int,
    fits: bool,
    family: str | None,
    min_context: int | None,
    sort: str,
    as_csv: bool,
    as_markdown: bool,
) -> int:
    """Every model of the catalogue on each set of cards."""
    _one_form(door, as_csv=as_csv, as_markdown=as_markdown)
    from assay.answers.tables import TablesRequest, answer

    request = TablesRequest(
        gpus or default_cards(), runtime, context, concurrency, fits, family, min_context, sort  # type: ignore[arg-type]
    )  # fmt: skip
    found = answer(request)
    if as_csv:
        from assay.report.spreadsheet import text

        click.echo(text(found), nl=False)
    elif as_markdown:
        from assay.report.layout.tables import layout
        from assay.report.markdown import markdown

        click.echo(markdown(layout(found), door.language), nl=False)
    else:
        put(door, "tables", found)
    return 0
