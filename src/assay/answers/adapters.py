"""LoRA adapters for a server: their ranks and sizes, the slots that fit, and what a runtime is told of them."""

from pathlib import Path
from typing import NamedTuple

from assay.errors import MissingKnowledge, UnknownModel, UsageError
from assay.knowledge.catalog.launch import flag_record, spellings
from assay.observe.checkpoint import adapter
from assay.reason.deploy.adapters import rank_for, slot, slots
from assay.reason.memory.fit import Setting
from assay.types.launch import Value
from assay.types.message import Message, message
from assay.types.model import Model
from assay.types.plan import Fit
from assay.types.quantity import Quantity, exact, total

GGUF = ".gguf"


class Adapter(NamedTuple):
    """An adapter as it was named: what clients call it, its path as typed, its rank, its bytes; `gguf` if it is one.

    `base` is what it shows of the model it was made for; None for GGUF.
    """

    name: str
    path: str
    rank: int | None
    size: Quantity
    gguf: bool
    base: adapter.Base | None = None


class Room(NamedTuple):
    """What the memory plan leaves for adapters.

    Attributes:
        each: bytes of one slot at the rank asked of the runtime, or of all adapters where all are loaded.
        slots: adapters in device memory at once; None where that is not known.
        rank: asked of the runtime; 0 where none is.
        notes: what to know.
    """

    each: Quantity
    slots: int | None
    rank: int
    notes: tuple[Message, ...]


def _one(path: str) -> Adapter:
    place = Path(path).expanduser()
    if place.suffix == GGUF and place.is_file():
        size = exact(place.stat().st_size, "B", "documented", place.name)
        return Adapter(place.stem, path, None, size, gguf=True)
    if not place.is_dir():
        raise UnknownModel(message("error.no_adapter", path=path), message("hint.adapter_folder"), file=path)
    found = adapter.read(place, place.resolve().name)
    return Adapter(
        found.name, path, adapter.largest_rank(place), found.weights, gguf=False, base=adapter.base_of(place)
    )


def read(paths: tuple[str, ...]) -> tuple[Adapter, ...]:
    """The adapters at these paths: folders of PEFT or mlx-lm, or GGUF files.

    Raises:
        BadInput: a path holds no adapter, or one that breaks its format.
        UsageError: two have one name.
    """
    found = tuple(_one(path) for path in paths)
    names = [each.name for each in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(message("error.adapter_twice", name=twice), message("hint.adapter_twice"))
    return found


def _bare(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1].casefold()


def _is_of(base: str, model: Model, typed: str) -> bool:
    """Whether a base model's name is the one launched; files of GGUF add their format to it."""
    named = {_bare(name) for name in (model.name, typed, model.requantized_from or "") if name}
    if model.container == "gguf":
        return any(name.startswith(_bare(base)) for name in named)
    return _bare(base) in named


def other_shapes(found: tuple[Adapter, ...], model: Model) -> tuple[Message, ...]:
    """Adapters whose matrices do not have the model's shapes."""
    said: list[Message] = []
    layers = sum(layer.count for layer in model.layers)
    for one in found:
        if one.base is None:
            continue
        strange = sorted(one.base.hidden_sizes - {model.hidden_size}) if model.hidden_size else []
        if strange:
            said.append(
                message(
                    "launch.adapter_shape",
                    "warning",
                    name=one.name,
                    size=strange[0],
                    model=model.name,
                    hidden=model.hidden_size,
                )
            )
        elif one.base.layers > layers > 0 and not model.optional:
            said.append(
                message(
                    "launch.adapter_layers",
                    "warning",
                    name=one.name,
                    layers=one.base.layers,
                    model=model.name,
                    total=layers,
                )
            )
    return tuple(said)


def other_bases(found: tuple[Adapter, ...], model: Model, typed: str) -> tuple[Message, ...]:
    """Adapters that name another base model than the one launched."""
    named = [(one.name, one.base.name) for one in found if one.base is not None and one.base.name]
    return tuple(
        message("launch.adapter_base", "warning", name=name, base=base[:200], model=model.name)
        for name, base in named
        if not _is_of(base, model, typed)
    )


def _rank(found: tuple[Adapter, ...], runtime: str) -> int:
    """The rank that the runtime is asked for.

    Raises:
        MissingKnowledge: an adapter does not say its rank, or the runtime takes none so large.
    """
    unsaid = next((each.name for each in found if each.rank is None), None)
    if unsaid is not None:
        raise MissingKnowledge(message("error.adapter_rank", name=unsaid), message("hint.adapter_rank"))
    needed = max(each.rank or 0 for each in found)
    record = flag_record(runtime)
    rank = rank_for(needed, record.choices.get("--max-lora-rank", ()) if record is not None else ())
    if rank is None:
        raise MissingKnowledge(
            message("error.adapter_rank_large", rank=needed, runtime=runtime), message("hint.adapter_rank_large")
        )
    return rank


def room(found: tuple[Adapter, ...], setting: Setting, plan: Fit) -> Room:
    """How many adapters fit beside the plan.

    A runtime with slots keeps as many as fit and exchanges the others; llama.cpp loads them all, as they are stored.
    """
    if "adapter_slots" not in spellings(setting.runtime.id):
        each = total("B", [(one.name, one.size) for one in found])
        fits = slots(plan.memory.free, each, 1)
        return Room(each, None if fits is None else len(found) * fits, 0, ())
    rank = _rank(found, setting.runtime.id)
    each = slot(setting.model, rank)
    fits = slots(plan.memory.free, each, len(found))
    notes: list[Message] = []
    if fits is not None and 0 < fits < len(found):
        notes.append(message("launch.adapters_exchanged", "warning", slots=fits, adapters=len(found)))
    return Room(each, fits, rank, tuple(notes))


def told_path(one: Adapter, runtime: str) -> str:
    """The path that a server is told: llama.cpp is told of the file that is made from a folder.

    Raises:
        MissingKnowledge: a GGUF adapter, and a runtime that reads none.
    """
    if one.gguf != (runtime == "llama.cpp"):
        if one.gguf:
            raise MissingKnowledge(message("error.adapter_gguf", name=one.name), message("hint.adapter_gguf"))
        return f"{one.name}{GGUF}"
    return one.path


def parameters(found: tuple[Adapter, ...], room_found: Room, runtime: str) -> dict[str, Value]:
    """What the server is told of its adapters."""
    items = tuple((("name", one.name), ("path", told_path(one, runtime))) for one in found)
    told: dict[str, Value] = {"adapters": items}
    if not room_found.rank:
        return told
    slots_found = max(1, room_found.slots or 1)
    told |= {"adapter_slots": slots_found, "max_rank": room_found.rank}
    if slots_found < len(found):
        told["adapters_kept"] = len(found)
    return told
