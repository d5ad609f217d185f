"""What is asked of a server, as neutral parameters, and the command line of `assay check`."""

from assay.answers.asked import CheckRequest, kv_of
from assay.knowledge.catalog.launch import spellings
from assay.reason.deploy.command import Spelled, one_line, spelled
from assay.reason.memory.cache import FIXED
from assay.reason.memory.fit import Setting
from assay.types.launch import Value
from assay.types.model import Model
from assay.types.plan import Workload

MOST_SLOTS = 256
QUANTIZED_KV = frozenset({"q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"})
"""KV types of llama.cpp whose values need flash attention."""


def container_of(model: Model) -> str:
    """What the weights lie in: MLX packs into safetensors what no other runtime unpacks."""
    packed = any(group.format.startswith("mlx_") for group in model.groups)
    return "mlx" if packed else model.container


def is_converted(request: CheckRequest, setting: Setting) -> bool:
    """Whether the weights asked about are not those of the model that was named."""
    return request.weights is not None and request.weights != setting.model.released_format


def is_missing(request: CheckRequest, setting: Setting) -> bool:
    """Whether the weights asked about are not those of the model that was named, or not in a form the runtime loads."""
    return is_converted(request, setting) or container_of(setting.model) not in setting.runtime.containers


def named(request: CheckRequest, setting: Setting) -> str:
    """The model as the runtime is told: the repository of one of the catalogue, else what was typed."""
    return setting.model.name if setting.model.container == "catalogue" else request.model


def _structure(model: str, setting: Setting, workload: Workload, slots: int) -> dict[str, Value]:
    """The parameters that follow from the plan; a runtime is passed those that it has."""
    found: dict[str, Value] = {
        "model": model,
        "context": workload.context,
        "all_contexts": workload.context * workload.concurrency,
        "concurrency": workload.concurrency,
        "gpu_layers": "all",
    }
    if any(layer.kind in FIXED for layer in setting.model.layers):
        found["slots"] = max(workload.concurrency, min(MOST_SLOTS, slots))
    if setting.card.cards > 1:
        found |= {"tensor_parallel": setting.card.cards, "layer_split": setting.card.cards}
    known = spellings(setting.runtime.id)
    return {name: value for name, value in found.items() if name in known}


def _is_unsaid_default(setting: Setting) -> bool:
    """Whether the KV type is the runtime's default, and the runtime has no word for it."""
    spelling = spellings(setting.runtime.id).get("kv")
    worded = spelling is not None and (not spelling.values or setting.kv.id in spelling.values)
    return not worded and setting.kv.id == kv_of(None, setting.runtime, setting.model).id


def parameters(model: str, request: CheckRequest, setting: Setting, workload: Workload, slots: int) -> dict[str, Value]:
    """What the server is told: the plan's own parameters, then what was asked for.

    `slots` is how many sequences surely fit: a recurrent state is kept for every slot of the scheduler.
    """
    found = _structure(model, setting, workload, slots)
    if request.kv is not None and not _is_unsaid_default(setting):
        found["kv"] = setting.kv.id
    if setting.kv.id in QUANTIZED_KV:
        found["flash_attention"] = "on"
    return found


def arguments(wanted: dict[str, Value], setting: Setting) -> Spelled:
    """The runtime's own words for these parameters."""
    return spelled(spellings(setting.runtime.id), wanted)


def line(request: CheckRequest, setting: Setting, workload: Workload, slots: int) -> str | None:
    """The command that runs these very weights, on one line.

    None where the runtime's command is not known or has no word for what was asked, and where the weights' file is
    yet to be made.
    """
    if is_missing(request, setting):
        return None
    found = arguments(parameters(named(request, setting), request, setting, workload, slots), setting)
    if not found.arguments or found.unspelled or found.config:
        return None
    return one_line(found.arguments)
