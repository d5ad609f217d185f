"""Attention in words: which backend attends with a KV type, on what that depends, what is picked without it."""

from collections.abc import Iterable
from itertools import groupby

from assay.types.execution import AttentionChoice, AttentionPath
from assay.types.message import Message, message


def choice_words(one: AttentionChoice) -> list[Message]:
    """The backend, or the words of the refusal; then each condition; then what is picked without them."""
    if one.backend is None:
        return [message("execution.attention_refused", kv=one.kv, words=one.refused or "–")]
    told = [message("execution.attention", backend=one.backend, kv=one.kv), *one.needs]
    if one.otherwise is not None:
        told.append(message("attends.otherwise", backend=one.otherwise))
    return told


def attention_words(found: AttentionPath | None, kv: str) -> list[Message]:
    """What attends with this KV type; nothing where that was not read."""
    one = None if found is None else found.choice(kv)
    return [] if one is None else choice_words(one)


def attention_lines(kind: str, architecture: str | None, path: AttentionPath) -> Iterable[Message]:
    """A row of the catalogue: KV types with the same answer in one line, then what it depends on."""
    for _, grouped in groupby(path.choices, key=lambda one: one._replace(kv="")):
        alike = list(grouped)
        first, kv = alike[0], ", ".join(one.kv for one in alike)
        said = first.backend or first.refused or "–"
        if architecture is None:
            code = "attends.line.refused" if first.backend is None else "attends.line"
            yield message(code, kind=f"attends.kind.{kind}", kv=kv, said=said)
        else:
            code = "attends.line_of.refused" if first.backend is None else "attends.line_of"
            yield message(code, kind=f"attends.kind.{kind}", architecture=architecture, kv=kv, said=said)
        yield from choice_words(first)[1:]
