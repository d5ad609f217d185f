"""The options that every command takes, before it or behind it. `cli.door` has already read them."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from assay.cli.spoken import SpokenOption
from assay.report.numbers import LANGUAGES

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def common(function: Decorated) -> Decorated:
    """--json, --explain, --lang."""
    for option in (
        click.option(
            "--lang",
            cls=SpokenOption,
            type=click.Choice(LANGUAGES),
            expose_value=False,
            help="help.option.lang",
        ),
        click.option("--explain", cls=SpokenOption, is_flag=True, expose_value=False, help="help.option.explain"),
        click.option("--json", cls=SpokenOption, is_flag=True, expose_value=False, help="help.option.json"),
    ):
        function = option(function)
    return function
