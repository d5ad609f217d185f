"""Whether the files hold every matrix that the configuration describes, each with its elements, and no larger ones.

A sum says little: a lost matrix is a hair of a large model, and a cache that is described too small changes no sum at
all. Savers join and rename modules, so what no name matches is compared by layer: whatever stands there must come to
what is described there.
"""

import re
from collections import Counter
from typing import NamedTuple

from assay.observe.checkpoint import names
from assay.observe.checkpoint.stored import Matrix
from assay.observe.checkpoint.tensors import Layout, Tensor
from assay.types.message import Message, message

_LAYER = re.compile(r"(?:^|\.)(?:layers|blocks|h)\.(\d{1,6})\.")
_SELDOM = 200
"""One part in so many of a vision tower's elements are buffers that only some savers write."""
_JOINED = frozenset(("qkv_proj", "query_key_value", "wqkv", "Wqkv", "c_attn", "W_pack"))
_PARTS = ("q_proj", "k_proj", "v_proj")
_RENAMED = {
    "attention.wq": "self_attn.q_proj",
    "attention.wk": "self_attn.k_proj",
    "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj",
}
"""The names that Meta and Mistral give the matrices of a layer."""


Named = tuple[str, Matrix]
"""A stored matrix under the name that layouts use: `*` stands for an expert's number."""


class _Compared(NamedTuple):
    """What names matched, and what they did not.

    Attributes:
        wanted: what is described, by module; a bias belongs to its matrix.
        held: elements that are stored for a module, of all copies.
        strange: modules in a format that is not known: how many elements they hold cannot be said.
        others: stored under other names.
        misshapen: a described matrix and its stored shape, where only the elements agree.
    """

    wanted: dict[str, Tensor]
    held: dict[str, int]
    strange: set[str]
    others: list[Named]
    misshapen: tuple[Tensor, tuple[int, ...]] | None


def _renamed(module: str, wanted: dict[str, Tensor]) -> str:
    head, _, last = module.rpartition(".")
    head, _, parent = head.rpartition(".")
    name = f"{head}.{_RENAMED.get(f'{parent}.{last}', '')}"
    return name if name in wanted else module


def _described(layout: Layout) -> dict[str, Tensor]:
    """The first tensor of each module that a runtime always loads: the others are biases."""
    found: dict[str, Tensor] = {}
    for tensor in layout.tensors:
        if tensor.role != "mtp":
            found.setdefault(tensor.module.removesuffix(".bias"), tensor)
    return found


def _compared(stored: list[Named], layout: Layout) -> _Compared:
    wanted = _described(layout)
    shapes = {module: tensor.shape for module, tensor in wanted.items()}
    # Most are plain and as described: counted at once, since a checkpoint may have 100,000 of them.
    same = Counter([module for module, matrix in stored if matrix.shape == shapes.get(module)])
    held = {}
    for module, number in same.items():
        tensor = wanted[module]
        most = tensor.copies if len(tensor.shape) == 1 else number  # the bias of a norm is as long as the norm
        held[module] = min(number, most) * tensor.elements
    strange: set[str] = set()
    others: list[Named] = []
    misshapen = None
    for module, matrix in [one for one in stored if one[1].shape != shapes.get(one[0])]:
        if not matrix.tensors:
            continue
        name = module if module in wanted else _renamed(module, wanted)
        described = wanted.get(name)
        if described is None:
            others.append((name, matrix))
            continue
        rank = len(matrix.shape)
        if rank == 1 and len(described.shape) > 1:
            continue  # a bias
        held[name] = held.get(name, 0) + matrix.parameters
        if matrix.format == "unknown":
            strange.add(name)
        elif rank == len(described.shape) == 2 and matrix.shape != described.shape and misshapen is None:
            misshapen = (described, matrix.shape)
    return _Compared(wanted, held, strange, others, misshapen)


def _place(module: str, role: str) -> str:
    """The part of the model that a module belongs to: a layer's number, the tower, or the ends."""
    if role == "vision":
        return role
    found = _LAYER.search(module)
    return "" if found is None else found[1]


def _optional(tensor: Tensor) -> bool:
    """What a configuration that follows a pattern leaves open is counted at its largest: it may be missing."""
    return len(tensor.shape) == 1 or tensor.shape[0] == 1 or tensor.role == "head"


def _differs(tensor: Tensor, found: int) -> Message:
    described = tensor.elements * tensor.copies
    return message("doubt.weight_differs", "warning", tensor=tensor.module, found=found, described=described)


def _joined(compared: _Compared, missing: list[Tensor]) -> Message | None:
    """The first joined query, key and value of another size than the three described."""
    apart: dict[str, int] = {}
    for tensor in missing:
        if tensor.module.endswith(_PARTS) and tensor.role != "vision":
            place = _place(tensor.module, tensor.role)
            apart[place] = apart.get(place, 0) + tensor.elements
    for module, matrix in compared.others:
        if module.rpartition(".")[2] not in _JOINED or len(matrix.shape) == 1 or matrix.format == "unknown":
            continue
        role = names.role(module)
        described = None if role == "vision" else apart.get(_place(module, role))
        if described is not None and described != matrix.parameters:
            return message(
                "doubt.weight_differs", "warning", tensor=module, found=matrix.parameters, described=described
            )
    return None


def _by_place(compared: _Compared, missing: list[Tensor], layout: Layout) -> Message | None:
    """The first place where what no name matched is less, or its matrices more, than what is described there."""
    tied = all(tensor.role != "head" for tensor in layout.tensors)
    lacking: dict[str, list[Tensor]] = {}
    for tensor in missing:
        lacking.setdefault(_place(tensor.module, tensor.role), []).append(tensor)
    found: dict[str, list[int]] = {}
    for module, matrix in compared.others:
        role = names.role(module)
        if role == "mtp" or (tied and role == "head"):
            continue
        row = found.setdefault(_place(module, role), [0, 0, 0])
        row[0] += matrix.parameters
        row[1] += matrix.parameters if len(matrix.shape) != 1 else 0
        row[2] += matrix.format == "unknown"
    biases = _biases(layout, lacking)
    for place, tensors in lacking.items():
        described = sum(tensor.elements * tensor.copies for tensor in tensors)
        every, matrices, strange = found.get(place, (0, 0, 0))
        spare = described // _SELDOM if place == "vision" else 0
        if every < described - spare and not strange:
            return message("doubt.weight_missing", "warning", tensor=tensors[0].module)
        if matrices > described + biases.get(place, 0) + spare and not strange:
            return _differs(tensors[0]._replace(shape=(described,), copies=1), matrices)
    return None


def _biases(layout: Layout, lacking: dict[str, list[Tensor]]) -> dict[str, int]:
    """Elements of the biases described in these places: stacked ones are stored as matrices."""
    if not lacking:
        return {}
    seen: set[str] = set()
    found: dict[str, int] = {}
    for tensor in layout.tensors:
        module = tensor.module.removesuffix(".bias")
        if module in seen:
            place = _place(module, tensor.role)
            found[place] = found.get(place, 0) + tensor.elements * tensor.copies
        seen.add(module)
    return found


def doubts(stored: list[Named], layout: Layout, *, alike: bool) -> list[Message]:
    """What is described and not stored, or stored in another size: the first of each kind.

    Args:
        stored: what the files hold.
        layout: what the configuration describes.
        alike: the architecture is taken to be like a known one, with all that its keys leave open.
    """
    compared = _compared(stored, layout)
    missing = [tensor for module, tensor in compared.wanted.items() if module not in compared.held]
    if alike:
        missing = [tensor for tensor in missing if not _optional(tensor)]
    found: list[Message] = []
    if missing:
        first = _by_place(compared, missing, layout) or _joined(compared, missing)
        found += [] if first is None else [first]
    for module, elements in compared.held.items():
        tensor = compared.wanted[module]
        if elements != tensor.elements * tensor.copies and module not in compared.strange:
            found.append(_differs(tensor, elements))
            break
    else:
        if compared.misshapen is not None:
            tensor, shape = compared.misshapen
            described, stands = (" x ".join(map(str, extents)) for extents in (tensor.shape, shape))
            told = {"tensor": tensor.module, "found": stands, "described": described}
            found.append(message("doubt.weight_shape", "warning", **told))
    return found
