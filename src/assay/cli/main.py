"""The entrance: runs a command and turns whatever happens into Assay's own exit codes and words.

Exit codes: 0 answered, yes; 1 answered, no; 2 bad input; 3 cannot answer; 4 the environment failed or Assay
has a bug; 130 interrupted; 141 the reader of the pipe left. Neither Python's nor click's own exit 1 can look
like a "no".
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from assay.cli.door import Door, open_door

if TYPE_CHECKING:
    from click import Context

INTERRUPTED, BROKEN_PIPE, FAILED = 130, 141, 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    door = Door()
    try:
        door = open_door(given)
        code = _run(given, door)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        return _leave_quietly()
    except BaseException as error:  # noqa: BLE001 -- the last guard: nothing may leave by Python's own exit 1
        return _fail(error, door)
    return code


def _run(arguments: list[str], door: Door) -> int:
    from click.exceptions import Exit

    from assay.cli.commands.root import assay

    if "_ASSAY_COMPLETE" in os.environ:
        from click.shell_completion import shell_complete

        return 0 if shell_complete(assay, {}, "assay", "_ASSAY_COMPLETE", os.environ["_ASSAY_COMPLETE"]) == 0 else 2
    try:
        with assay.make_context("assay", arguments, obj=door) as context:
            code = _followed(assay.invoke, context, door)
    except Exit as leave:
        return leave.exit_code
    return code if isinstance(code, int) else 0


def _followed(invoke: Callable[["Context"], object], context: "Context", door: Door) -> object:
    """What the command returns; on a terminal, slow readings say how far they have come."""
    if sys.stderr is None or not sys.stderr.isatty():
        return invoke(context)
    from assay.cli.progress import shown, wanted

    if not wanted(sys.stderr):
        return invoke(context)
    with shown(sys.stderr, door):
        return invoke(context)


def _leave_quietly() -> int:
    """Nobody reads any more: point standard output elsewhere, or the interpreter complains while it exits."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return BROKEN_PIPE


def _fail(error: BaseException, door: Door) -> int:
    from assay.cli.failure import report_failure

    try:
        code = report_failure(error, door)
    except BrokenPipeError:
        return _leave_quietly()
    except BaseException as second:  # noqa: BLE001 -- the words themselves failed: say so without them
        with suppress(BaseException):
            sys.stderr.write(f"error: internal error: {type(error).__name__} ({type(second).__name__})\n")
        _leave_quietly()
        return FAILED
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        return _leave_quietly()
    except OSError:  # the error document found no room either; the error stands on standard error
        _leave_quietly()
    return code
