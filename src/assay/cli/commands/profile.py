"""`assay profile`: what the user says once instead of every time."""

import click

from assay.cli.door import Door
from assay.cli.options import common
from assay.cli.output import put
from assay.cli.spoken import SpokenCommand, SpokenGroup


@click.group(cls=SpokenGroup, help="help.profile", invoke_without_command=True)
@common
@click.pass_context
def profile(context: click.Context) -> int:
    """Show or change the profile."""
    if context.invoked_subcommand is None:
        return int(context.invoke(show))
    return 0


@profile.command(cls=SpokenCommand, help="help.profile.show")
@common
@click.pass_obj
def show(door: Door) -> int:
    """Every setting."""
    from assay.answers import profile as answers

    put(door, "profile", answers.show())
    return 0


@profile.command("set", cls=SpokenCommand, help="help.profile.set", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("value", nargs=-1, required=True)
@common
@click.pass_obj
def set_(door: Door, name: str, value: tuple[str, ...]) -> int:
    """Change one setting. A negative number is a value, wrong as it is, and no option.

    Raises:
        NoSuchOption: something else that begins with a hyphen.
    """
    for word in value:
        if word.startswith("-") and not word[1:2].isdigit():
            raise click.NoSuchOption(word)
    from assay.answers import profile as answers

    put(door, "profile", answers.change(name, " ".join(value)))
    return 0


@profile.command(cls=SpokenCommand, help="help.profile.unset")
@click.argument("name")
@common
@click.pass_obj
def unset(door: Door, name: str) -> int:
    """Forget one setting."""
    from assay.answers import profile as answers

    put(door, "profile", answers.remove(name))
    return 0


@profile.command(cls=SpokenCommand, help="help.profile.path")
@common
@click.pass_obj
def path(door: Door) -> int:
    """Where the file lies."""
    if door.as_json:
        from assay.answers import profile as answers

        put(door, "profile", answers.show())
        return 0
    from assay.observe.profile import profile_path

    click.echo(str(profile_path()))
    return 0
