"""What was typed for a server, refused where a command could not hold it: hosts, names, files, control characters."""

import ipaddress
import re
import shlex
import unicodedata
from pathlib import Path

from assay.answers.serving import LaunchRequest
from assay.errors import UsageError
from assay.types.message import message

CONTROL = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Categories of Unicode that steer a terminal, or turn and break its lines."""
LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
LONGEST_NAME = 253
LISTED = re.compile("[,=]")
"""Runtimes take adapters as `name=path` and `path,path`."""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host  # a zone may hold anything


def _is_name(host: str) -> bool:
    """A host name; one whose last label is a number would be an address, and it is none."""
    labels = host.split(".")
    return len(host) <= LONGEST_NAME and all(map(LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def _printable(option: str, text: str | None) -> None:
    if text is not None and any(unicodedata.category(character) in CONTROL for character in text):
        raise UsageError(message("error.control_characters", option=option), message("hint.control_characters"))
    if text is not None and not text.strip():
        raise UsageError(message("error.empty_option", option=option), message("hint.empty_option"))


def checked(request: LaunchRequest) -> None:
    """Refuse what no command can hold.

    Raises:
        UsageError: control characters, an empty name, a host that is none or that no compose file can hold, a template
            that is no file, or an adapter's path that a runtime would take apart.
    """
    _printable("MODEL", request.check.model)
    _printable("--name", request.served_name)
    _printable("--host", request.host)
    _printable("--chat-template", request.chat_template)
    if request.pipeline is not None:
        _printable("--embedder", request.pipeline.embedder)
        _printable("--reranker", request.pipeline.reranker)
    for path in request.adapters:
        _printable("--lora", path)
        if LISTED.search(path) or LISTED.search(Path(path).expanduser().resolve().name):
            raise UsageError(message("error.adapter_path", path=path), message("hint.adapter_path", path=path))
    if not (_is_address(request.host) or _is_name(request.host)):
        raise UsageError(message("error.host", host=shlex.quote(request.host)), message("hint.host"))
    if request.compose and not _is_address(request.host):
        # Compose refuses a name ("invalid IP address", docker/compose issue 12815), and before version 2 it published
        # such a port to every network (issue 2493).
        raise UsageError(message("error.compose_host", host=request.host), message("hint.compose_host"))
    template = request.chat_template
    if template is not None and not Path(template).expanduser().is_file():
        raise UsageError(message("error.chat_template", path=template), message("hint.chat_template"))
