"""Commands, options and groups whose help is a message code and comes out in the caller's language."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from assay.cli.door import Door
from assay.errors import UsageError
from assay.report.words import say
from assay.types.message import message


def _say(code: str, context: click.Context) -> str:
    door = context.find_root().obj
    return say(message(code), door.language if isinstance(door, Door) else "en")


def _show_help(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(context.get_help())
        context.exit(0)


class SpokenOption(click.Option):
    """An option whose `help` is a message code."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Click's record with the code replaced by its words."""
        record = super().get_help_record(ctx)
        if record is None or self.help is None:
            return record
        return record[0], record[1].replace(self.help, _say(self.help, ctx))


class SpokenCommand(click.Command):
    r"""A command whose `help` is a message code; a paragraph that begins with `\b` keeps its lines."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._spoken_help: SpokenOption | None = None

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """--help with a message code. click would look for a translation of its own at every call: 2 ms."""
        names = self.get_help_option_names(ctx)
        if self._spoken_help is None and names and self.add_help_option:
            self._spoken_help = SpokenOption(
                list(names),
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_show_help,
                help="help.option.help",
            )
        return self._spoken_help

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Usage, text, options: click's layout under headings in the caller's language."""
        pieces = " ".join(self.collect_usage_pieces(ctx))
        for english, code in (("OPTIONS", "options"), ("COMMAND", "command"), ("ARGS", "arguments")):
            pieces = pieces.replace(english, _say(f"help.metavar.{code}", ctx))
        formatter.write_usage(ctx.command_path, pieces, prefix=_say("help.usage", ctx) + " ")
        if self.help:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(_say(self.help, ctx))
        self.format_commands(ctx, formatter)
        options = [item for item in self.get_params(ctx) if isinstance(item, click.Option)]
        records = [record for item in options if (record := item.get_help_record(ctx))]
        with formatter.section(_say("help.options", ctx)):
            formatter.write_dl(records)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """A plain command has none."""


class SpokenGroup(SpokenCommand, click.Group):
    """A group that loads a command's module when it is called; `lazy` names the commands in their order."""

    def __init__(self, *arguments: Any, lazy: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._lazy = tuple(lazy)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """The names in the order in which a user meets them."""
        return [*self._lazy, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, its module loaded now."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        found = getattr(import_module(f"assay.cli.commands.{cmd_name}"), cmd_name)
        return found if isinstance(found, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first argument names.

        Raises:
            UsageError: there is none; the hint names the nearest.
        """
        name = args[0]
        if not name.startswith("-") and name not in self.list_commands(ctx):
            from difflib import get_close_matches

            near = get_close_matches(name, self.list_commands(ctx), n=2)
            hint = message("hint.did_you_mean", names=", ".join(near)) if near else None
            raise UsageError(
                message("error.no_such_command", command=name),
                hint or message("hint.see_help", command=f"{ctx.command_path} --help"),
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands with one line each, none of them loaded."""
        prefix = "help.short." if ctx.parent is None else f"help.short.{self.name}."
        records = [(name, _say(prefix + name, ctx)) for name in self.list_commands(ctx)]
        with formatter.section(_say("help.commands", ctx)):
            formatter.write_dl(records)
