"""Doubts about tensors of types that are not known: a newer library wrote them, and a verdict must not rest on them."""

from collections import Counter
from collections.abc import Iterable

from assay.types.message import Message, message

MAX_NAMED = 4
MAX_TYPE_LENGTH = 32


def doubts(types: Iterable[str]) -> tuple[Message, ...]:
    """One doubt for each type, the commonest first, and a last one for those that are not named any more.

    Args:
        types: of each such tensor what its file calls the type (`57`, `F128`).
    """
    counted = Counter(name[:MAX_TYPE_LENGTH] for name in types).most_common()
    named = [
        message("doubt.unknown_tensor_type", "warning", type=name, tensors=number)
        for name, number in counted[:MAX_NAMED]
    ]
    rest = counted[MAX_NAMED:]
    if rest:
        left = sum(number for _, number in rest)
        named.append(message("doubt.unknown_tensor_types", "warning", types=len(rest), tensors=left))
    return tuple(named)
