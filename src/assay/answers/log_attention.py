"""The attention backend that a log names, against the one predicted for the model, the card and the KV type."""

import re
from typing import Literal, NamedTuple

from assay.answers.execution import attention_of
from assay.answers.log_setting import Asked
from assay.knowledge.catalog.runtimes import runtime
from assay.types.execution import AttentionChoice
from assay.types.log import Selection, ServerLog

AttentionOutcome = Literal["held", "differs", "held_elsewhere", "differs_elsewhere", "unknown"]
"""`…_elsewhere`: the log is of another version than the source that was read, or does not say of which."""
VERSION = re.compile(r"FlashAttention \d")
STATES = frozenset({"hybrid linear"})
"""What runs the layers that attend to nothing."""
FLASH = "flash attention"
"""What llama.cpp calls its own in a log."""


class AttentionRow(NamedTuple):
    """What attends.

    Attributes:
        seen: the backends that the log names, and FlashAttention's version where it says it.
        predicted: the backend predicted, or the refusal; None where nothing was predicted.
        outcome: whether they agree.
        sources: who says what was predicted.
    """

    seen: tuple[Selection, ...]
    predicted: AttentionChoice | None
    outcome: AttentionOutcome
    sources: tuple[str, ...]


def same_version(log: ServerLog) -> bool:
    """Whether the log is of the version whose source was read; one that does not say is not."""
    known = runtime(log.runtime).version
    if not known or log.version is None:
        return False
    return re.search(rf"(?<![\d.]){re.escape(known)}(?!\w)", log.version.text) is not None


def _name(backend: str) -> str:
    """The catalogue's name without what it says of the kernels: `FLASH_ATTN (FlashAttention 2)`."""
    return FLASH if FLASH in backend else backend.partition(" (")[0]


def named(seen: tuple[Selection, ...], backend: str, *, alone: bool) -> bool:
    """Whether a log names a backend, and if `alone` no other; where both say FlashAttention's version, that as well."""
    names = {one.name for one in seen if not VERSION.fullmatch(one.name)}
    versions = {one.name for one in seen if VERSION.fullmatch(one.name)}
    asked = VERSION.search(backend)
    if asked is not None and versions and asked[0] not in versions:
        return False
    return names == {_name(backend)} if alone else _name(backend) in names


def _predicted(log: ServerLog, asked: Asked | None, isa: str | None) -> tuple[AttentionChoice | None, tuple[str, ...]]:
    # E5M2 goes other ways than E4M3, and the catalogue's KV types do not tell them apart.
    if asked is None or not asked.kv_known or (log.kv_type is not None and "e5m2" in log.kv_type.text):
        return None, ()
    path = attention_of(asked.setting.model, log.runtime, isa)
    if path is None:
        return None, ()
    return path.choice(asked.setting.kv.id), tuple(dict.fromkeys(one.source for one in path.evidence))


def attention_row(log: ServerLog, asked: Asked | None, isa: str | None) -> AttentionRow | None:
    """The row of a log that names what attends; None for one that does not.

    A backend that is refused says so only after it was chosen: the log must show that the start went on.
    """
    seen = tuple(one for one in log.selections if one.role == "attention" and not one.target and one.name not in STATES)
    if all(VERSION.fullmatch(one.name) for one in seen):
        return None
    predicted, sources = _predicted(log, asked, isa)
    outcome: AttentionOutcome = "unknown"
    if predicted is not None and predicted.backend is not None:
        agrees = named(seen, predicted.backend, alone="speculative" not in log.flags)
        outcome = "held" if agrees else "differs"
    elif predicted is not None and log.kv_tokens is not None:
        outcome = "differs"
    if outcome != "unknown" and not same_version(log):
        outcome = "held_elsewhere" if outcome == "held" else "differs_elsewhere"
    return AttentionRow(seen, predicted, outcome, sources)


def attention_circumstances(row: AttentionRow, log: ServerLog) -> set[str]:
    """What may be the cause of another backend than the one predicted."""
    found = set(log.flags)
    if not same_version(log):
        found.add("other_version")
    if row.predicted is not None and row.predicted.otherwise and named(row.seen, row.predicted.otherwise, alone=False):
        found.add("attention_otherwise")
    if any(one.name == f"no {FLASH}" for one in row.seen):
        found.add("no_flash")
    return found
