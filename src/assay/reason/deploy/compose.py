"""Servers as a compose file (Compose Specification): one service each, its cards reserved by UUID, its health asked."""

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from assay.reason.deploy.yaml import document, nested
from assay.types.launch import Argument, Server, Value

HUB = "/huggingface"
CACHE = f"${{HF_HOME:-~/.cache/huggingface}}:{HUB}"
"""The host's cache of the hub, where `HF_HOME` points to in the container, whoever its user is."""
EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside its container; the published port is on the loopback
START_PERIOD = "30m"
HOLD_PATHS = frozenset({"model", "adapters", "chat_template"})
AMD_DEVICES = ("/dev/kfd", "/dev/dri")


def _inside(server: Server) -> dict[str, str]:
    """Where local paths, as they were typed, appear in the container."""
    return {
        typed: f"/models/{place}/{PurePosixPath(absolute).name}"
        for place, (typed, absolute) in enumerate(server.mounts)
    }


def _escaped(text: str) -> str:
    """Compose reads `$` as the begin of a variable."""
    return text.replace("$", "$$")


def _shown(word: str, inside: dict[str, str]) -> str:
    """A word that holds paths (`path`, `name=path`, `path,path`) with each path as the container sees it."""
    parts = []
    for part in word.split(","):
        name, equals, path = part.rpartition("=")
        parts.append(inside.get(part) or (f"{name}{equals}{inside[path]}" if path in inside else part))
    return ",".join(parts)


def contained(argument: Argument) -> Argument:
    """An argument as the file has it: in a container a server listens everywhere, and is reached where published."""
    if argument.parameter != "host" or not argument.words:
        return argument
    return argument._replace(words=(*argument.words[:-1], EVERYWHERE), said="launch.host_contained")


def _command(server: Server) -> list[str]:
    inside = _inside(server)
    found: list[str] = []
    for argument in server.arguments:
        words = contained(argument).words
        found += [_shown(word, inside) for word in words] if argument.parameter in HOLD_PATHS else words
    if server.config and server.facts.config_file is not None:
        found += [word.replace("{value}", f"/{server.facts.config_file}") for word in server.facts.config_words]
    return [_escaped(word) for word in found]


def _file(server: Server) -> str:
    """The runtime's YAML file, its paths as the container sees them."""
    inside = _inside(server)
    shown: list[tuple[str, Value]] = []
    for key, value in server.config:
        paths = value if isinstance(value, tuple) else ()
        seen: Value = tuple((("text", _shown(dict(item)["text"], inside)),) for item in paths)
        shown.append((key, seen if paths else value))
    return _escaped(document(nested(tuple(shown))))


def _probe(server: Server) -> list[str]:
    url = f"http://127.0.0.1:{server.port}{server.health}"
    if server.facts.probe == "curl":
        return ["CMD", "curl", "--fail", "--silent", url]
    return ["CMD", "python3", "-c", f"import urllib.request; urllib.request.urlopen('{url}')"]


def _cards(server: Server) -> dict[str, Any]:
    """How the container is given its cards."""
    if server.vendor == "AMD":
        return {"devices": [f"{path}:{path}" for path in AMD_DEVICES], "group_add": ["video", "render"]}
    devices = [{"driver": "nvidia", "device_ids": list(server.devices), "capabilities": ["gpu"]}]
    return {"deploy": {"resources": {"reservations": {"devices": devices}}}}


def image(server: Server) -> str | None:
    """The container image for this server's cards; None where it is not known."""
    found = {"NVIDIA": server.facts.image, "AMD": server.facts.image_amd}.get(server.vendor)
    return None if found is None else found.replace("{version}", server.version or "latest")


def _service(server: Server, name: str) -> dict[str, Any]:
    program, *rest = _command(server)
    body: dict[str, Any] = {"image": image(server), "entrypoint": [server.facts.program or program], "command": rest}
    # The cards are reserved below; a container counts only those it was given.
    chosen = {key: _escaped(value) for key, value in server.environment if server.vendor == "AMD"}
    body["environment"] = {"HF_HOME": HUB, **chosen}
    inside = _inside(server)
    mounts = [
        {"type": "bind", "source": _escaped(absolute), "target": _escaped(inside[typed]), "read_only": True}
        for typed, absolute in server.mounts
    ]
    body["volumes"] = [CACHE, *mounts]
    host = f"[{server.host}]" if ":" in server.host else server.host
    body["ports"] = [f"{host}:{server.port}:{server.port}"]
    body["ipc"] = "host"
    if server.config and server.facts.config_file is not None:
        body["configs"] = [{"source": f"{name}-config", "target": f"/{server.facts.config_file}"}]
    body["healthcheck"] = {"test": _probe(server), "interval": "5s", "start_period": START_PERIOD}
    return body | _cards(server)


def _names(servers: Iterable[Server]) -> list[str]:
    """A name for each service: its role, numbered where there are several."""
    roles = [server.role for server in servers]
    return [
        role if roles.count(role) == 1 else f"{role}-{roles[: at + 1].count(role)}" for at, role in enumerate(roles)
    ]


def compose(servers: tuple[Server, ...]) -> str:
    """A compose file; servers that share a card start one after the other, because each measures what is free."""
    services: dict[str, Any] = {}
    configs: dict[str, Any] = {}
    names = _names(servers)
    for place, (name, server) in enumerate(zip(names, servers, strict=True)):
        body = _service(server, name)
        before = [
            other for other, one in zip(names[:place], servers, strict=False) if set(one.devices) & set(server.devices)
        ]
        if before:
            body["depends_on"] = {before[-1]: {"condition": "service_healthy"}}
        services[name] = body
        if server.config:
            configs[f"{name}-config"] = {"content": _file(server)}
    return document({"services": services} | ({"configs": configs} if configs else {}))
