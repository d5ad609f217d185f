"""LoRA adapters: adapter_config.json and its tensors, as PEFT and mlx-lm write them.

An adapter is a model of its own here, every tensor in the role `adapter`, without layers: what it is worth depends on
the base model it names. Sources: peft/tuners/lora/config.py, mlx_lm/tuner.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

from assay.errors import UnsupportedFile
from assay.knowledge.catalog import weight_formats
from assay.observe.checkpoint import assemble, files, places, safetensors, torch_zip, unknown_types
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.safetensors import StoredTensor
from assay.types.message import Message, message
from assay.types.model import Model, Role, TensorGroup

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapters.safetensors", "adapter_model.bin")
ARCHITECTURE = "lora"
ROLE: Role = "adapter"
MAX_RANK = 2**16
PAIR = re.compile(r"(.+)\.lora_(?:embedding_)?([ABab])(?:\.[A-Za-z0-9_-]{1,64})?(?:\.weight)?")
READS_HIDDEN = frozenset({"q_proj", "k_proj", "v_proj", "gate_proj", "up_proj"})
WRITES_HIDDEN = frozenset({"o_proj", "down_proj"})
"""Modules of a decoder whose inputs, or outputs, are as many as the hidden size."""
ELSEWHERE = re.compile(r"vision|visual|audio|experts|encoder|mtp")
"""Parts with sizes of their own."""
LAYER = re.compile(r"\.layers\.(\d{1,6})\.")
LISTED = 12
"""Target modules that a note names; the rest are a number."""


class Described(NamedTuple):
    """What an adapter's configuration says.

    Attributes:
        rank: of the low-rank matrices; None when it does not say.
        alpha: their scale is alpha / rank; None when the configuration gives the scale itself.
        targets: names or the pattern of the modules that are adapted.
        base: repository of the base model, or None.
        own_ranks: ranks that single modules have instead.
    """

    rank: int | None
    alpha: float | None
    targets: tuple[str, ...]
    base: str | None
    own_ranks: frozenset[int]


class Base(NamedTuple):
    """What an adapter shows of its base model: the repository it names, its hidden size, its layers at the least.

    None, empty and 0 where it does not show them.
    """

    name: str | None
    hidden_sizes: frozenset[int]
    layers: int


def _number(fields: Fields, key: str) -> float | None:
    value = fields.raw(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**32:
        raise fields.broken(key, "out_of_range")
    return float(value)


def _targets(fields: Fields) -> tuple[str, ...]:
    """`target_modules`: a list of names, one pattern, or nothing."""
    if isinstance(fields.raw("target_modules"), str):
        return (fields.word("target_modules") or "",)
    return tuple(fields.words("target_modules") or ())


def _ranks(fields: Fields) -> frozenset[int]:
    found = fields.nested("rank_pattern")
    return frozenset() if found is None else frozenset(found.count(name, high=MAX_RANK) for name in found.names())


def described(document: dict[str, Any], file: str) -> Described:
    """What adapter_config.json says.

    Raises:
        UnsupportedFile: it is no LoRA adapter.
        MalformedFile: a key has the wrong type.
    """
    fields = Fields(document, file)
    kind = fields.word("peft_type") or fields.word("fine_tune_type") or ""
    if kind.upper() not in ("LORA", "DORA"):
        raise UnsupportedFile(
            message("error.adapter_kind", file=Path(file).name, kind=kind[:64] or "?"),
            message("hint.adapter"),
            file=file,
            field="peft_type",
        )
    inner = fields.nested("lora_parameters")
    if inner is not None:  # mlx-lm: the scale itself instead of alpha
        keys = tuple(inner.words("keys") or ())
        return Described(inner.count("rank", high=MAX_RANK), None, keys, fields.word("model"), frozenset())
    rank = fields.count("r", high=MAX_RANK) if fields.has("r") else None
    base = fields.word("base_model_name_or_path")
    return Described(rank, _number(fields, "lora_alpha"), _targets(fields), base, _ranks(fields))


def _rank_of(match: re.Match[str], tensor: StoredTensor) -> int | None:
    """The rank that a matrix of a pair has; PEFT stores A as (rank, inputs), B as (outputs, rank), mlx-lm turned."""
    if len(tensor.shape) < 2:
        return None
    first = match[2] in ("A", "b")
    if "lora_embedding_" in tensor.name or len(tensor.shape) == 2:
        return tensor.shape[0 if first else 1]
    return tensor.shape[-2 if first else -1]  # stacked experts


def _groups(tensors: list[StoredTensor]) -> tuple[TensorGroup, ...]:
    totals: dict[str, list[int]] = {}
    for tensor in tensors:
        plain = weight_formats.safetensors_types().get(tensor.dtype)
        row = totals.setdefault("unknown" if plain is None else plain[0], [0, 0, 0])
        for index, value in enumerate((tensor.elements, 1, tensor.size)):
            row[index] += value
    return tuple(TensorGroup(ROLE, name, count, count, number, size) for name, (count, number, size) in totals.items())


def _doubts(said: Described, tensors: list[StoredTensor], file: str) -> tuple[Message, ...]:
    """Doubts where tensors and configuration disagree.

    Raises:
        MalformedFile: the file holds no low-rank matrices at all, or one half of a pair only.
    """
    sides: dict[str, set[str]] = {}
    ranks: set[int] = set()
    for tensor in tensors:
        match = PAIR.fullmatch(tensor.name)
        if match is None:
            continue
        sides.setdefault(match[1], set()).add(match[2].upper())
        rank = _rank_of(match, tensor)
        ranks |= set() if rank is None else {rank}
    half = next((name for name, found in sides.items() if len(found) < 2), None)
    if not sides or half is not None:
        field = "lora_A" if half is None else half
        raise files.malformed(file, "not_adapter", field, places.of_field(file, field))
    told = said.own_ranks | (set() if said.rank is None else {said.rank})
    strange = sorted(ranks - told)
    if not strange:
        return ()
    return (message("doubt.adapter_rank", "warning", stored=strange[0], described=said.rank or 0),)


def _notes(said: Described, tensors: list[StoredTensor]) -> tuple[Message, ...]:
    notes = []
    if said.rank is not None and said.alpha is not None:
        notes.append(message("note.adapter_rank_alpha", rank=said.rank, alpha=said.alpha))
    elif said.rank is not None:
        notes.append(message("note.adapter_rank", rank=said.rank))
    if said.targets:
        listed = ", ".join(name[:64] for name in said.targets[:LISTED])
        notes.append(message("note.adapter_targets", modules=listed, number=len(said.targets)))
    whole = sum(1 for tensor in tensors if ".lora_" not in tensor.name)
    if whole:
        notes.append(message("note.adapter_whole", number=whole))
    if said.base:
        notes.append(message("note.adapter_base", base=said.base[:200]))
    return tuple(notes)


def _tensors(path: Path) -> list[StoredTensor]:
    return torch_zip.checkpoint(path).tensors if path.suffix == ".bin" else safetensors.tensors(path)


def _hidden_size(match: re.Match[str], tensor: StoredTensor) -> int | None:
    """The side of a matrix that is as long as the base's hidden size; see `_rank_of` for how they lie."""
    module, half = match[1].rsplit(".", 1)[-1], match[2]
    if len(tensor.shape) != 2 or not (module in READS_HIDDEN or module in WRITES_HIDDEN):
        return None
    if (module in READS_HIDDEN) != (half.upper() == "A"):
        return None
    # PEFT: A is (rank, inputs), B is (outputs, rank); mlx-lm: a is (inputs, rank), b is (rank, outputs).
    return tensor.shape[1 if half in {"A", "b"} else 0]


def base_of(folder: Path) -> Base:
    """The base model of the adapter in a folder, as far as it shows.

    Raises:
        UnreadableFile, MalformedFile, UnsupportedFile: see `read`.
    """
    file = folder / CONFIG
    said = described(files.read_object(file), str(file))
    path = next((folder / one for one in WEIGHTS if files.present(folder / one)), None)
    matched = [(PAIR.fullmatch(tensor.name), tensor) for tensor in ([] if path is None else _tensors(path))]
    pairs = [(match, tensor) for match, tensor in matched if match is not None and not ELSEWHERE.search(match[1])]
    sizes = {_hidden_size(match, tensor) for match, tensor in pairs}
    layers = [int(found[1]) for match, _ in pairs if (found := LAYER.search(match[1])) is not None]
    return Base(said.base, frozenset(size for size in sizes if size is not None), max(layers, default=-1) + 1)


def largest_rank(folder: Path) -> int | None:
    """The largest rank that an adapter's configuration names, whole or for a module; None where it names none.

    Raises:
        UnreadableFile, MalformedFile, UnsupportedFile: see `read`.
    """
    file = folder / CONFIG
    said = described(files.read_object(file), str(file))
    return max((*said.own_ranks, *(() if said.rank is None else (said.rank,))), default=None)


def read(folder: Path, name: str) -> Model:
    """The adapter in a folder.

    Args:
        folder: where adapter_config.json lies.
        name: for display.

    Raises:
        UnreadableFile, MalformedFile: the configuration or the tensors cannot be read, or break their format.
        UnsupportedFile: it is an adapter of another kind (prefix, prompt), or in a container that is not read.
    """
    file = folder / CONFIG
    said = described(files.read_object(file), str(file))
    path = next((folder / one for one in WEIGHTS if files.present(folder / one)), None)
    if path is None:
        raise files.malformed(str(file), "missing_shard", WEIGHTS[0])
    tensors = _tensors(path)
    groups = _groups(tensors)
    return Model(
        name=name,
        architecture=ARCHITECTURE,
        released_format=None,
        requantized_from=None,
        groups=groups,
        layers=(),
        weights=assemble.stored_weights(groups, (path.name,)),
        hidden_size=0,
        vocabulary=0,
        intermediate=0,
        experts=0,
        experts_per_token=0,
        max_context=None,
        container="adapter",
        sources=(path.name,),
        doubts=(
            *_doubts(said, tensors, str(path)),
            *unknown_types.doubts(safetensors.unknown(tensors)),
            message("doubt.adapter_alone", "warning"),
        ),
        notes=_notes(said, tensors),
    )
