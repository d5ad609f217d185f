"""Bytes of each block of a GGUF, from its tensors: what a runtime that places whole blocks can move."""

from collections.abc import Iterable

from assay.types.model import BlockBytes, Role


def block_bytes(tensors: Iterable[tuple[int | None, Role, int]]) -> tuple[BlockBytes, ...]:
    """Bytes of each block, first to last.

    Args:
        tensors: (number of its block, role, bytes) of each tensor; None or a negative number for what stands in none,
            prediction layers are left out.

    Returns:
        One entry for each block; nothing where a number is left out: then the file is not what it seems.
    """
    found: dict[int, list[int]] = {}
    for block, role, size in tensors:
        if block is None or block < 0 or role == "mtp":
            continue
        row = found.setdefault(block, [0, 0, 0, 0])
        place = 0 if role == "experts" else 1
        row[place] += size
        row[place + 2] = max(row[place + 2], size)
    if sorted(found) != list(range(len(found))):
        return ()
    return tuple(BlockBytes(*found[number]) for number in range(len(found)))
