"""Neutral parameters -> the arguments of one runtime, by its spellings; and as a line to copy."""

import ipaddress
import shlex
from collections.abc import Mapping
from typing import NamedTuple

from assay.types.launch import Argument, Item, Server, Spelling, Value

MODEL = "model"


class Spelled(NamedTuple):
    """The arguments that came out, the entries of the YAML file, and the parameters this runtime has no words for."""

    arguments: tuple[Argument, ...]
    config: tuple[tuple[str, Value], ...]
    unspelled: tuple[str, ...]


def _number(value: float) -> str:
    """A fraction with its digits, without a tail of zeros."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def _text(value: str | float) -> str:
    return _number(value) if isinstance(value, float) else str(value)


def _items(spelling: Spelling, value: tuple[Item, ...]) -> list[str]:
    return [(spelling.item or "").format_map(dict(item)) for item in value]


def _words(spelling: Spelling, value: Value) -> tuple[str, ...]:
    """The words of one parameter.

    Templates are filled by hand: what a user typed may hold braces.
    """
    if isinstance(value, tuple):
        listed = _items(spelling, value)
        found: list[str] = []
        for word in spelling.words:
            found += listed if word == "{values}" else [",".join(listed) if word == "{joined}" else word]
        return tuple(found)
    text = spelling.values.get(str(value), _text(value))
    return tuple(word.replace("{value}", text) for word in spelling.words)


def _adjusted(spelling: Spelling, value: Value) -> Value:
    if spelling.plus and isinstance(value, int):
        return value + spelling.plus
    return value


def _in_config(spelling: Spelling, value: Value) -> Value:
    if isinstance(value, tuple):
        return tuple((("text", text),) for text in _items(spelling, value))
    return spelling.values.get(str(value), value)


def spelled(spellings: Mapping[str, Spelling], wanted: Mapping[str, Value]) -> Spelled:
    """The arguments for what is wanted, in the order of `wanted`.

    A parameter without a spelling, or with a value that the runtime has no word for, is not guessed: it is returned
    among `unspelled`.
    """
    arguments: list[Argument] = []
    config: list[tuple[str, Value]] = []
    unspelled: list[str] = []
    for name, given in wanted.items():
        spelling = spellings.get(name)
        if spelling is None or (spelling.values and str(given) not in spelling.values):
            unspelled.append(name)
            continue
        value = _adjusted(spelling, given)
        words = _words(spelling, value)
        if spelling.config is not None:
            config.append((spelling.config, _in_config(spelling, value)))
        arguments.append(Argument(name, words, spelling.config, spelling.why, spelling.sources))
    return Spelled(tuple(arguments), tuple(config), tuple(unspelled))


def one_line(arguments: tuple[Argument, ...]) -> str:
    """The command on one line, quoted for a POSIX shell."""
    return shlex.join(word for argument in arguments for word in argument.words)


def _file(server: Server) -> list[str]:
    """The YAML file that the runtime is passed, written by the shell."""
    from assay.reason.deploy.yaml import document, nested  # noqa: PLC0415 - `assay check` prints no files

    if not server.config or server.facts.config_file is None:
        return []
    name = shlex.quote(server.facts.config_file)
    return [f"cat > {name} <<'END'", *document(nested(server.config)).splitlines(), "END"]


def shell(server: Server) -> str:
    """The command for a POSIX shell, one parameter a line, its environment before it, its YAML file written first."""
    groups = [argument.words for argument in server.arguments if argument.words]
    if server.config and server.facts.config_file is not None:
        groups.append(tuple(word.replace("{value}", server.facts.config_file) for word in server.facts.config_words))
    lines = [f"{name}={shlex.quote(value)}" for name, value in server.environment]
    lines += [shlex.join(group) for group in groups]
    return "\n".join([*_file(server), " \\\n  ".join(lines)])


def health_line(server: Server) -> str:
    """Waits until the server answers, and shows nothing until then."""
    return f"until curl --fail --silent {shlex.quote(address(server) + server.health)}; do sleep 2; done"


def is_loopback(host: str) -> bool:
    """Whether a server there is reached from its own machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def address(server: Server) -> str:
    """Where this machine reaches the server; one that listens everywhere is asked on the loopback."""
    try:
        listens = ipaddress.ip_address(server.host)
    except ValueError:
        return f"http://{server.host}:{server.port}"
    loopback = "127.0.0.1" if listens.version == 4 else "::1"
    host = loopback if listens.is_unspecified else server.host
    return f"http://{f'[{host}]' if ':' in host else host}:{server.port}"
