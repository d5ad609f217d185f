"""Small changes to valid files, driven by any source of choices: hypothesis's, which shrinks them, or a generator."""

import json
from random import Random
from typing import Any

from targets import Target

NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**62, 2**63)
JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 3, 2**31, 2**63, -(2**63), 10**40, 0.5, 1e308, float("nan"), float("inf"), "", "a",
    "*", "re:.*", "re:(a|a)*", "../x", "/etc/passwd", "a\x00b", "\ud800", "я", "x" * 300, "1" * 5000, [], [1], [None],
    [[]], ["a"] * 70, {}, {"a": 1}, {"": None}, [-1], [2**40, 2**40], "config.json", ".", "F32", "float16", "fp8",
)  # fmt: skip
MOST = 2**16


def _spot(choose: Random, content: bytearray) -> int:
    return choose.randrange(len(content) + 1)


def _bytes(choose: Random, content: bytearray, other: bytes) -> None:
    """One change of some bytes."""
    at = _spot(choose, content)
    kind = choose.randrange(8)
    length = choose.choice((1, 1, 2, 4, 8, 16, 64))
    if kind == 0 and content:
        content[at % len(content)] ^= 1 << choose.randrange(8)
    elif kind == 1:
        del content[at : at + length]
    elif kind == 2:
        content[at:at] = bytes(choose.randrange(256) for _ in range(min(length, 8)))
    elif kind == 3:
        width = choose.choice((1, 2, 4, 8))
        value = choose.choice(NUMBERS) - choose.randrange(2)
        content[at : at + width] = (value % 256**width).to_bytes(width, "little")
    elif kind == 4:
        del content[at:]
    elif kind == 5:
        content[at:at] = content[_spot(choose, content) :][:length]
    elif kind == 6 and other:
        start = choose.randrange(len(other))
        content[at : at + length] = other[start : start + length]
    elif content:
        content[at % len(content)] = choose.randrange(256)


def _other_value(choose: Random, value: Any) -> Any:
    """Something else in the place of a value: a number near it, or anything."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**200 and choose.randrange(2):
        return choose.choice((value + 1, value - 1, -value, value * 2, value * 2**20, float(value), str(value)))
    return choose.choice(JUNK)


def _changed_list(choose: Random, value: list[Any], depth: int) -> list[Any]:
    at = choose.randrange(len(value))
    kind = choose.randrange(4)
    if kind == 0:
        return value[:at] + value[at + 1 :]
    if kind == 1 and len(value) < 64:
        return value * choose.choice((2, 40))
    return [*value[:at], _changed(choose, value[at], depth + 1), *value[at + 1 :]]


def _changed(choose: Random, value: Any, depth: int = 0) -> Any:
    """A JSON value with one place changed."""
    if depth > 12 or not isinstance(value, dict | list) or not value or choose.randrange(6) == 0:
        return _other_value(choose, value)
    if isinstance(value, list):
        return _changed_list(choose, value, depth)
    key = choose.choice(sorted(value))
    kind = choose.randrange(8)
    if kind == 0:
        return {name: item for name, item in value.items() if name != key}
    if kind == 1:
        return {**value, choose.choice(("", "a", "0", "__metadata__", "weight", key + "x")): value[key]}
    return {**value, key: _changed(choose, value[key], depth + 1)}


def _document(content: bytes) -> tuple[bytes, Any] | None:
    """(what stands before it, the JSON document) of a file that is one, or a header of safetensors."""
    for skipped in (0, 8):
        try:
            return content[:skipped], json.loads(content[skipped:])
        except (ValueError, RecursionError):
            continue
    return None


def changed_document(choose: Random, content: bytes) -> bytes | None:
    """A JSON file, or a header of safetensors, with one to four places changed; None for anything else."""
    found = _document(content)
    if found is None:
        return None
    head, document = found
    for _ in range(choose.randrange(1, 5)):
        document = _changed(choose, document)
    body = json.dumps(document).encode()
    return (len(body).to_bytes(8, "little") if head else b"") + body


def mutated(choose: Random, target: Target) -> bytes:
    """A valid input of a reader after one to four changes."""
    content = choose.choice(target.seeds)
    found = changed_document(choose, content) if choose.randrange(4) else None
    if found is not None:
        content = found
        if choose.randrange(4):
            return content[:MOST]
    changing = bytearray(content)
    for _ in range(choose.randrange(1, 5)):
        _bytes(choose, changing, choose.choice(target.seeds))
    return bytes(changing[:MOST])
