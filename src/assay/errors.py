"""Everything Assay raises, in one tree; each error carries what failed and what to do next.

AssayError
├── BadInput                exit 2
│   ├── UsageError          unknown option or argument
│   ├── UnknownGpu          no such card in the catalogue (suggestions only suggest)
│   ├── UnknownModel        no such model, file or folder
│   ├── UnreadableFile      exists and cannot be opened
│   └── MalformedFile       was read and breaks its format (file, field, offset)
├── CannotAnswer            exit 3
│   ├── UnsupportedArchitecture
│   ├── UnsupportedFile     a known container that Assay refuses by name (big-endian GGUF), or larger than it reads
│   ├── MissingKnowledge    the catalogue has no such fact
│   ├── MissingExtra        an optional dependency is not installed
│   └── NoGpu               this machine shows no GPU
└── EnvironmentFailure      exit 4
    ├── CorruptCatalogue
    ├── PermissionRefused
    ├── ToolFailed          a compiler's tool does not run, or answers nothing that is understood
    ├── DeviceFailed        a card is busy, was lost, or its driver refuses
    └── NetworkFailure
"""

from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

from assay.types.message import Message

Kind = Literal[
    "usage",
    "unknown-gpu",
    "unknown-model",
    "unreadable-file",
    "malformed-file",
    "unsupported-architecture",
    "unsupported-file",
    "missing-knowledge",
    "missing-extra",
    "no-gpu",
    "corrupt-catalogue",
    "permission",
    "tool",
    "device",
    "network",
    "interrupted",
    "bug",
]
KINDS: tuple[str, ...] = get_args(Kind)


class AssayError(Exception):
    """Base of all errors: a message, a hint, and the object that failed."""

    exit_code: ClassVar[int] = 4
    kind: ClassVar[Kind] = "bug"

    def __init__(
        self,
        message: Message,
        hint: Message,
        *,
        file: str | None = None,
        field: str | None = None,
        offset: int | None = None,
        candidates: Sequence[str] = (),
    ) -> None:
        super().__init__(message.code, dict(message.parameters))
        self.message = message
        self.hint = hint
        self.file = file
        self.field = field
        self.offset = offset
        self.candidates = tuple(candidates)


class BadInput(AssayError):
    """What was given cannot be used."""

    exit_code = 2
    kind: ClassVar[Kind] = "usage"


class UsageError(BadInput):
    """An unknown option or argument, or a value out of range."""

    kind = "usage"


class UnknownGpu(BadInput):
    """No card of the catalogue matches; near names are suggestions and never answers."""

    kind = "unknown-gpu"


class UnknownModel(BadInput):
    """Neither a file, nor a folder, nor a name of the catalogue."""

    kind = "unknown-model"


class UnreadableFile(BadInput):
    """The file exists and cannot be opened or is not a regular file."""

    kind = "unreadable-file"


class MalformedFile(BadInput):
    """The file was read and breaks its format; `field` and `offset` say where."""

    kind = "malformed-file"


class CannotAnswer(AssayError):
    """Knowledge or evidence is missing."""

    exit_code = 3
    kind: ClassVar[Kind] = "missing-knowledge"


class UnsupportedArchitecture(CannotAnswer):
    """The model's architecture is not in the catalogue."""

    kind = "unsupported-architecture"


class UnsupportedFile(CannotAnswer):
    """A container that Assay knows and refuses by name, or a file larger than it reads."""

    kind = "unsupported-file"


class MissingKnowledge(CannotAnswer):
    """The catalogue has no such fact."""

    kind = "missing-knowledge"


class MissingExtra(CannotAnswer):
    """An optional dependency is not installed; the hint is its exact install line."""

    kind = "missing-extra"


class NoGpu(CannotAnswer):
    """This machine shows no GPU."""

    kind = "no-gpu"


class EnvironmentFailure(AssayError):
    """The machine failed, not the question."""

    exit_code = 4


class CorruptCatalogue(EnvironmentFailure):
    """The compiled catalogue cannot be read or built."""

    kind = "corrupt-catalogue"


class PermissionRefused(EnvironmentFailure):
    """The system refused access."""

    kind = "permission"


class ToolFailed(EnvironmentFailure):
    """A tool outside Assay does not run, hangs, or answers nothing that is understood."""

    kind = "tool"


class DeviceFailed(EnvironmentFailure):
    """A card is busy, was lost, or its driver refuses."""

    kind = "device"


class NetworkFailure(EnvironmentFailure):
    """The network or the far side failed."""

    kind = "network"
