"""A server to start: what each runtime calls a parameter, and the command that comes out."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

Item = tuple[tuple[str, str], ...]
"""One thing of a list, as (name, text) pairs: an adapter's name and path."""
Value = str | int | float | tuple[Item, ...]
Role = Literal["server", "generator", "embedder", "reranker"]


class Spelling(NamedTuple):
    """How one runtime takes one neutral parameter.

    Attributes:
        words: what stands on the command line, with {value}; {values} stands for all of a list, {joined} for the same
            with commas. Empty where only the runtime's YAML file has it.
        config: dotted key of that YAML file, or None.
        values: the runtime's own words for some values; where there are any, others are not spelled.
        item: how one thing of a list is written, or None.
        plus: added to a number, where the runtime counts differently.
        why: the reason, a sentence of the catalogue.
        sources: where the flag is defined.
    """

    words: tuple[str, ...]
    config: str | None
    values: Mapping[str, str]
    item: str | None
    plus: int
    why: str
    sources: tuple[str, ...]


class ServerFacts(NamedTuple):
    """What is known of a runtime's server beside its parameters.

    Attributes:
        port: where it listens unless told otherwise; health: the path that answers once it is ready.
        image: container image for NVIDIA's cards; `image_amd` the one for AMD's, or None where it is not known.
        vendors: whose cards it is known to run on.
        probe: program that its image can ask the health path with.
        program: where its image has the program, or None where it is found by its name.
        config_file, config_words: name of its YAML file and how it is passed; None where it takes none.
    """

    port: int
    health: str
    image: str
    image_amd: str | None
    vendors: tuple[str, ...]
    probe: str
    program: str | None
    config_file: str | None
    config_words: tuple[str, ...]
    sources: tuple[str, ...]


class Visibility(NamedTuple):
    """How a process is shown only some cards of a vendor, and the command that prints their UUIDs."""

    variable: str
    finder: str
    why: str
    sources: tuple[str, ...]


class FlagRecord(NamedTuple):
    """The flags that a version takes, as extracted from its source; `choices` limits the values of some."""

    version: str
    origin: str
    flags: frozenset[str]
    choices: Mapping[str, tuple[str, ...]]


class Argument(NamedTuple):
    """One neutral parameter as it stands in a command: its words, or its key in the YAML file, and the reason.

    `said` is the code of a reason that holds for this value instead of `why`, the catalogue's for the parameter.
    """

    parameter: str
    words: tuple[str, ...]
    config: str | None
    why: str
    sources: tuple[str, ...]
    said: str | None = None


class Server(NamedTuple):
    """One server to start.

    Attributes:
        role: `server`, or its part in a pipeline.
        runtime, version: what runs it; `version` of the flags.
        arguments: in order; the first holds the program.
        config: (dotted key, value) pairs of its YAML file.
        environment: variables that it is started with.
        devices: UUIDs of its cards, or placeholders.
        host, port, health: where it answers.
        facts: of its runtime.
        vendor: of its cards.
        mounts: (path as it was typed, absolute path) of what a container must be shown.
    """

    role: Role
    runtime: str
    version: str | None
    arguments: tuple[Argument, ...]
    config: tuple[tuple[str, Value], ...]
    environment: tuple[tuple[str, str], ...]
    devices: tuple[str, ...]
    host: str
    port: int
    health: str
    facts: ServerFacts
    vendor: str
    mounts: tuple[tuple[str, str], ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The command line, unquoted, without its YAML file."""
        return tuple(word for argument in self.arguments for word in argument.words)
