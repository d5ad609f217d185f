"""Errors as people and programs read them: `error: …` and `hint: …` on standard error; a document in JSON."""

import os
import sys
from contextlib import suppress
from typing import NamedTuple

from assay.cli.door import Door
from assay.errors import AssayError, Kind, MissingExtra, NetworkFailure
from assay.report.json import error as wire
from assay.report.lines import clean
from assay.report.place import placed
from assay.report.screen import encodes
from assay.report.words import say
from assay.types.message import Message, message

NEAR = 0.75
"""click suggests from 0.6 on: `--gpu` for `--bogus` helps nobody."""


class _Failure(NamedTuple):
    kind: Kind
    message: Message
    hint: Message
    exit_code: int


def report_failure(error: BaseException, door: Door) -> int:
    """Say what happened; returns the exit code."""
    if isinstance(error, AssayError):
        failure = _Failure(error.kind, error.message, error.hint, error.exit_code)
        document = wire.document_of(error, door.language)
    else:
        failure = _other(error)
        document = wire.document(*failure, door.language)
    if door.as_json:
        from assay.cli.output import print_json

        with suppress(OSError):  # a full disk: the words below still reach standard error
            print_json(document)
    _traceback(error)
    # An encoding without Cyrillic would show escapes.
    language = door.language if door.language == "en" or sys.stderr is None or encodes(sys.stderr, "Ы") else "en"
    said = say(failure.message, language)
    _tell(f"error: {clean(placed(said, error, language) if isinstance(error, AssayError) else said)}")
    if isinstance(error, (MissingExtra, NetworkFailure)) and error.candidates:
        # A name spelt like one of the catalogue may need neither the network nor what is not installed.
        near = message("hint.did_you_mean", names=", ".join(error.candidates))
        _tell(f"hint: {clean(say(near, language))}")
    _tell(f"hint: {clean(say(failure.hint, language))}")
    return failure.exit_code


def _tell(line: str) -> None:
    """One line on standard error; without one, or with a full one, the exit code still says it."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        with suppress(OSError):  # or the interpreter fails once more while it exits, with a code of its own
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _traceback(error: BaseException) -> None:
    if os.environ.get("ASSAY_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)


def _other(error: BaseException) -> _Failure:
    from click.exceptions import Abort, ClickException

    if isinstance(error, (KeyboardInterrupt, Abort)):
        return _Failure("interrupted", message("error.interrupted"), message("hint.interrupted"), 130)
    if isinstance(error, ClickException):
        complaint, hint = _usage(error)
        return _Failure("usage", complaint, hint, 2)
    if isinstance(error, OSError) and error.filename is None and error.errno is not None:
        # Nothing that Assay opens fails without a name: this is standard output (a full disk).
        reason = error.strerror or type(error).__name__
        return _Failure("permission", message("error.output", reason=reason), message("hint.output"), 4)
    words = f"{type(error).__name__}: {error}".rstrip(": ")
    return _Failure("bug", message("error.bug", what=words), message("hint.bug"), 4)


def _usage(error: Exception) -> tuple[Message, Message]:
    """Click's own complaints in Assay's words, its suggestions kept."""
    from click import exceptions as complaint

    context = getattr(error, "ctx", None)
    help_hint = message("hint.see_help", command=f"{context.command_path if context is not None else 'assay'} --help")
    if isinstance(error, complaint.NoSuchOption):
        from difflib import get_close_matches

        near = get_close_matches(error.option_name, sorted(error.possibilities or ()), n=3, cutoff=NEAR)
        hint = message("hint.did_you_mean", names=", ".join(near)) if near else help_hint
        return message("error.no_such_option", option=error.option_name), hint
    choices = getattr(getattr(getattr(error, "param", None), "type", None), "choices", None)
    if isinstance(error, complaint.BadParameter) and choices and not isinstance(error, complaint.MissingParameter):
        hint = message("hint.choose", names=", ".join(map(str, choices)))
        return message("error.bad_choice", name=_parameter_name(error)), hint
    return _complaint(error), help_hint


def _complaint(error: Exception) -> Message:
    from click import exceptions as complaint

    text = error.format_message().rstrip(".") if isinstance(error, complaint.ClickException) else str(error)
    if isinstance(error, complaint.MissingParameter):
        return message("error.missing_argument", name=_parameter_name(error))
    if isinstance(error, complaint.BadParameter):
        return message("error.bad_value", name=_parameter_name(error), reason=error.message.rstrip("."))
    if isinstance(error, complaint.BadOptionUsage) and "requires" in text:
        return message("error.option_needs_value", option=error.option_name)
    if text.startswith("Got unexpected extra argument") and text.endswith(")"):
        return message("error.extra_argument", names=text.partition("(")[2][:-1])
    return message("error.usage", reason=text)


def _parameter_name(error: Exception) -> str:
    parameter = getattr(error, "param", None)
    if parameter is None:
        return str(getattr(error, "param_hint", None) or "?")
    if parameter.param_type_name == "option":
        return str(max(parameter.opts, key=len))
    return str(parameter.metavar or parameter.name or "?").upper()
