"""What went wrong with a server, in one line; the figures that were measured before it are kept."""

from assay.errors import AssayError, BadInput, NetworkFailure, PermissionRefused
from assay.types.message import Message, message

HINTS = {
    "refused": "hint.bench.refused",
    "unreachable": "hint.bench.refused",
    "key": "hint.bench.key",
    "rejected": "hint.bench.rejected",
    "missing": "hint.bench.rejected",
    "stalled": "hint.bench.stalled",
    "late": "hint.bench.late",
}
ERRORS: dict[str, type[AssayError]] = {"key": PermissionRefused, "rejected": BadInput, "missing": BadInput}


class Trouble(Exception):
    """A request that failed; `code` is the last part of a message code."""

    def __init__(self, code: str, **parameters: str | float | None) -> None:
        super().__init__(code)
        self.code = code
        self.parameters = parameters

    @property
    def message(self) -> Message:
        """What happened."""
        return message(f"bench.trouble.{self.code}", "warning", **self.parameters)

    def error(self) -> AssayError:
        """The same where nothing was measured."""
        kind = ERRORS.get(self.code, NetworkFailure)
        return kind(self.message, message(HINTS.get(self.code, "hint.bench.server")))
