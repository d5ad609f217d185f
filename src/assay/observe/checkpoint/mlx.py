"""MLX folders: weights packed into 32-bit words with scales and biases, as mlx-lm writes them.

The key `quantization` of config.json gives group size, bits and mode, and may give a module its own; what the files
hold decides. Sources: mlx.core.quantize (modes affine, mxfp4, mxfp8, nvfp4), mlx_lm/utils.py.
"""

from pathlib import Path
from typing import Any, NamedTuple

from assay.knowledge.catalog import weight_formats
from assay.knowledge.catalog.weight_formats import Storage
from assay.observe.checkpoint import assemble, config, files, gathered, places, safetensors
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.matching import bare
from assay.observe.checkpoint.safetensors import StoredTensor
from assay.observe.checkpoint.stored import Matrix
from assay.observe.checkpoint.tensors import Tensor
from assay.types.message import Message, message
from assay.types.model import Model

KEY = "quantization"
FLOATING = {"mxfp4": ("mlx_mxfp4", 32, 4), "mxfp8": ("mlx_mxfp8", 32, 8), "nvfp4": ("mlx_nvfp4", 16, 4)}
"""Modes without biases: format, elements that share a scale, bits."""
AFFINE_BITS = (2, 3, 4, 5, 6, 8)
GROUPS = (32, 64, 128)
WORD = 32
LARGEST_GROUP = 4096
NAMES = {"switch_mlp.": "experts.", "switch_glu.": "experts."}
"""mlx-lm stacks the experts of a layer below these names."""


class Setting(NamedTuple):
    """How one module is converted: elements that share a scale, bits of an element, mode."""

    group: int
    bits: int
    mode: str

    @property
    def format(self) -> str:
        """Weight-format id, or `unknown`."""
        if self.mode in FLOATING:
            name, group, bits = FLOATING[self.mode]
            return name if (group, bits) == (self.group, self.bits) else "unknown"
        known = self.mode == "affine" and self.bits in AFFINE_BITS and self.group in GROUPS
        return f"mlx_int{self.bits}" if known else "unknown"


class Scheme(NamedTuple):
    """The setting of all modules, and of those that have their own (None: not converted)."""

    usual: Setting | None
    own: dict[str, Setting | None]

    def of(self, module: str) -> Setting | None:
        """The setting of a module, named without the model's prefixes."""
        return self.own.get(module, self.usual)


def _setting(fields: Fields) -> Setting:
    """What is not said is the mode's own default, for one module as well: MLX gives it none of the model's."""
    mode = fields.word("mode") or "affine"
    _, group, bits = FLOATING.get(mode, ("", 64, 4))
    return Setting(fields.count("group_size", group, high=LARGEST_GROUP), fields.count("bits", bits, high=8), mode)


def recognised(document: dict[str, Any]) -> bool:
    """Whether a config.json is one that mlx-lm wrote for converted weights."""
    found = document.get(KEY)
    return isinstance(found, dict) and "bits" in found and "group_size" in found


def scheme(document: dict[str, Any], file: str) -> Scheme:
    """How the configuration says that modules are converted.

    Raises:
        MalformedFile: a key has the wrong type.
    """
    fields = Fields(document, file).nested(KEY)
    if fields is None:
        return Scheme(None, {})
    usual = _setting(fields)
    own: dict[str, Setting | None] = {}
    for name in fields.names():
        if name in ("group_size", "bits", "mode", "quant_method", "linear_class", "quantize_embeddings"):
            continue
        if isinstance(document[KEY][name], bool):
            own[_module(name)] = usual if document[KEY][name] else None
        else:
            inner = fields.nested(name)
            own[_module(name)] = usual if inner is None else _setting(inner)
    return Scheme(usual, own)


def _module(name: str) -> str:
    module = bare(name)
    for theirs, usual in NAMES.items():
        module = module.replace(theirs, usual)
    return module


def _holder(paths: list[Path], tensor: StoredTensor) -> str:
    """The file that holds a tensor: looked up once an error needs it."""
    return str(next(path for path in paths if tensor in safetensors.tensors(path)))


def _packed(
    module: str, parts: dict[str, StoredTensor], setting: Setting | None, file: str, paths: list[Path]
) -> Matrix:
    """A converted weight: its bits follow from the width of its words and of its scales.

    Raises:
        MalformedFile: words and scales do not describe the same matrix, or not with this size of a group.
    """
    weight, scales = parts["weight"], parts["scales"]
    size = sum(part.size for part in parts.values())
    if len(weight.shape) < 2 or weight.shape[:-1] != scales.shape[:-1] or not scales.elements or not weight.elements:
        holder = _holder(paths, scales)
        raise files.malformed(holder, "size_mismatch", scales.name, places.of_field(holder, scales.name))
    if setting is None:
        return Matrix(module, "unknown", weight.elements * WORD // 8, size)
    inputs = scales.shape[-1] * setting.group
    bits, rest = divmod(weight.shape[-1] * WORD, inputs)
    if rest or not 1 <= bits <= 8:
        raise files.malformed(file, "group_size", weight.name, places.of_field(file, f"{KEY}.group_size"))
    biased = "biases" in parts and parts["biases"].shape == scales.shape
    told = setting._replace(bits=bits)
    name = told.format if biased == (setting.mode == "affine") else "unknown"
    return Matrix(module, name, weight.elements // weight.shape[-1] * inputs, size)


def matrices(tensors: list[StoredTensor], found: Scheme, file: str, paths: list[Path]) -> list[Matrix]:
    """All weights of the files, each with its scales and biases, in their order.

    Args:
        tensors: what the files hold.
        found: what the configuration says.
        file: where it does.
        paths: the files.

    Raises:
        MalformedFile: see `_packed`.
    """
    gathered_parts: dict[str, dict[str, StoredTensor]] = {}
    for tensor in tensors:
        module, _, part = tensor.name.rpartition(".")
        if part not in ("weight", "scales", "biases"):
            module, part = tensor.name, "weight"
        gathered_parts.setdefault(module, {})[part] = tensor
    result = []
    for owner, parts in gathered_parts.items():
        module = _module(owner.removesuffix(".bias"))
        if "scales" in parts and "weight" in parts and parts["weight"].dtype == "U32":
            result.append(_packed(module, parts, found.of(module), file, paths))
            continue
        for tensor in parts.values():
            plain = weight_formats.safetensors_types().get(tensor.dtype)
            name = "unknown" if plain is None else plain[0]
            result.append(Matrix(module, name, tensor.elements, tensor.size, shape=tensor.shape))
    return result


def of_tensors(
    tensors: list[StoredTensor], document: dict[str, Any], origin: config.Origin, paths: list[Path]
) -> Model:
    """The model of the tensors in these files of an MLX folder, with the layers of this configuration.

    Raises:
        UnsupportedArchitecture, MalformedFile.
    """
    found = matrices(tensors, scheme(document, origin.file), origin.file, paths)
    return gathered.model(found, document, origin, unknown=safetensors.unknown(tensors))


def _storage(setting: Setting) -> Storage:
    """How a matrix of this setting is stored; biases have the type of the scales."""
    base = weight_formats.storage(setting.format)
    if base is None:
        return Storage("unknown", 0)
    return base._replace(block_inputs=setting.group)


class _Described:
    """The scheme as `assemble.groups` asks for it: mlx-lm converts every matrix whose rows are whole groups."""

    rules = (True,)

    def __init__(self, found: Scheme) -> None:
        self._found = found

    def storage_of(self, tensor: Tensor) -> Storage | None:
        """The storage of a matrix, or None when it stays in the model's type."""
        if tensor.role == "vision":
            return Storage("unknown", 0)  # converters differ: only the headers tell
        setting = self._found.of(tensor.module.replace(".experts.*.", ".experts."))
        return None if setting is None or tensor.shape[-1] % setting.group else _storage(setting)


def _kept(document: dict[str, Any]) -> tuple[str, bool]:
    """(format of what is not converted, whether the configuration says it)."""
    spelling = document.get("torch_dtype") or document.get("dtype")
    if not isinstance(spelling, str):
        return "bf16", False
    return weight_formats.config_types().get(spelling.removeprefix("torch."), "unknown"), True


def from_config(document: dict[str, Any], origin: config.Origin) -> Model:
    """The model that a config.json alone describes.

    Raises:
        UnsupportedArchitecture, MalformedFile: see `config.understand`.
    """
    plain = {key: value for key, value in document.items() if key not in (KEY, "quantization_config")}
    body, layout, _ = config.understand(Fields(plain, origin.file))
    kept, said = _kept(document)
    described: Any = _Described(scheme(document, origin.file))
    converted = [
        tensor._replace(linear=len(tensor.shape) == 2 and tensor.dtype is None and tensor.role != "norm")
        for tensor in layout.tensors
    ]
    found = assemble.groups(converted, described, kept)
    loaded, _ = config.split(found)
    doubts: tuple[Message, ...] = ()
    if any(group.format == "unknown" for group in loaded):
        doubts = (message("doubt.quantization_not_understood", "warning", method="MLX", detail=KEY),)
    weights = assemble.weights(loaded, origin.sources, assumed=None if said else kept)
    notes = () if said else (message("note.plain_type_assumed", format=kept),)
    return gathered.of_layout((body["id"], layout, origin), found, weights, doubts, notes)
