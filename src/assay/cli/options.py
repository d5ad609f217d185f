"""Options that commands share: those that every command takes, and those that say what runs."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from assay.cli.numbers import AT_LEAST_ONE, TOKENS
from assay.cli.spoken import SpokenOption
from assay.report.numbers import LANGUAGES

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def common(function: Decorated) -> Decorated:
    """--json, --explain, --lang: before the command or behind it; `cli.door` has already read them."""
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


def workload(runtime: str | None) -> Callable[[Decorated], Decorated]:
    """--gpu, --runtime (`runtime` unless said), --context, --concurrency: on what, and how much at once."""

    def decorate(function: Decorated) -> Decorated:
        for option in (
            click.option(
                "--concurrency",
                cls=SpokenOption,
                type=AT_LEAST_ONE,
                default=1,
                metavar="C",
                help="help.check.concurrency",
            ),
            click.option("--context", cls=SpokenOption, type=TOKENS, metavar="T", help="help.check.context"),
            click.option("--runtime", cls=SpokenOption, default=runtime, metavar="R", help="help.check.runtime"),
            click.option("--gpu", "gpus", cls=SpokenOption, multiple=True, metavar="GPU", help="help.check.gpu"),
        ):
            function = option(function)
        return function

    return decorate


def planned(command: str) -> Callable[[Decorated], Decorated]:
    """What `check` and `launch` plan: the workload, --weights, --kv, --offload; help of `command` where it differs."""

    def decorate(function: Decorated) -> Decorated:
        for option in (
            click.option("--offload", cls=SpokenOption, is_flag=True, help=f"help.{command}.offload"),
            click.option("--kv", cls=SpokenOption, metavar="F", help="help.check.kv"),
            click.option("--weights", cls=SpokenOption, metavar="F", help=f"help.{command}.weights"),
        ):
            function = option(function)
        return workload(runtime=None)(function)

    return decorate
