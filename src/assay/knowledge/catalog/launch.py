"""How runtimes are started: the one table of parameters, and the flags that were found in each runtime's source."""

from functools import cache
from typing import Any

from assay.errors import MissingKnowledge
from assay.knowledge import store
from assay.types.launch import FlagRecord, ServerFacts, Spelling, Visibility
from assay.types.message import message

KIND, RECORD = "launch", "flag_record"
OTHER_TABLES = frozenset({"server", "visible"})


def _spelling(body: dict[str, Any]) -> Spelling:
    return Spelling(
        words=tuple(body.get("words", ())),
        config=body.get("config"),
        values=body.get("values", {}),
        item=body.get("item"),
        plus=body.get("plus", 0),
        why=body["why"],
        sources=tuple(body["sources"]),
    )


@cache
def spellings(runtime: str) -> dict[str, Spelling]:
    """Neutral parameter -> how this runtime (or tool) takes it; empty for one that is not known to be started."""
    tables = store.entries(KIND)
    return {
        name: _spelling(body[runtime]) for name, body in tables.items() if name not in OTHER_TABLES and runtime in body
    }


def server_facts(runtime: str) -> ServerFacts:
    """The server of a runtime.

    Raises:
        MissingKnowledge: how this runtime is started is not known.
    """
    body = (store.entry(KIND, "server") or {}).get(runtime)
    if body is None:
        known = ", ".join(sorted(store.entry(KIND, "server") or {}))
        raise MissingKnowledge(message("error.no_launch", runtime=runtime), message("hint.no_launch", known=known))
    return ServerFacts(
        port=body["port"],
        health=body["health"],
        image=body["image"],
        image_amd=body.get("image_amd"),
        vendors=tuple(body["vendors"]),
        probe=body["probe"],
        program=body.get("program"),
        config_file=body.get("config_file"),
        config_words=tuple(body.get("config_words", ())),
        sources=tuple(body["sources"]),
    )


def visibility(vendor: str) -> Visibility | None:
    """How a process is shown only some cards of this vendor; None where that is not known."""
    body = (store.entry(KIND, "visible") or {}).get(vendor)
    return None if body is None else Visibility(body["variable"], body["finder"], body["why"], tuple(body["sources"]))


def flag_record(runtime: str) -> FlagRecord | None:
    """The flags that were extracted from this runtime's source, or None."""
    body = store.entry(RECORD, runtime)
    if body is None:
        return None
    choices = {flag: tuple(values) for flag, values in body["choices"].items()}
    return FlagRecord(body["version"], body["origin"], frozenset(body["flags"]), choices)
