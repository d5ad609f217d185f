"""The scheme of compressed-tensors: groups of modules, each with its own arguments and its own way of storing.

Sources: compressed_tensors/compressors (one class for each `format`, their `can_compress` where none is written),
quantization/lifecycle/initialize.py (shapes and types of the scales); marlin-24 as in compressed-tensors 0.14.
"""

from typing import NamedTuple

from assay.knowledge.catalog.weight_formats import Storage
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.schemes import MOST_RULES, Rule, Scheme, compiled, not_understood, rule, single, storage
from assay.types.model import Role

METHOD = "compressed-tensors"
EVERY_MATRIX = "Linear"
EMBEDDING: frozenset[Role] = frozenset({"embedding"})
SHAPE_BYTES = 16
"""`weight_shape`: two 64-bit integers, as `torch.tensor` makes them."""


class _Weights(NamedTuple):
    """How the weights of a group are quantized, and what is said of their activations.

    Attributes:
        bits, kind, strategy, size: of the weights; size: inputs of a group, 0 for a whole row.
        symmetric: without zero points.
        ordered: with the group of each input.
        bytes_scale: whether a scale is one byte, a power of two.
        activations: "" when they stay as they are, else `int` or `float`.
        activation_bits: their width.
        static: whether a scale of the activations is stored.
    """

    bits: int
    kind: str
    strategy: str
    size: int
    symmetric: bool
    ordered: bool
    bytes_scale: bool
    activations: str
    activation_bits: int
    static: bool


def _weights(group: Fields) -> _Weights | None:
    weights, inputs = group.nested("weights"), group.nested("input_activations")
    if weights is None:
        return None
    strategy = weights.word("strategy") or ("group" if weights.has("group_size") else "tensor")
    order = weights.raw("actorder")
    # "local": scales of groups at run time, one for the whole tensor from calibration; llm-compressor's NVFP4 has it.
    dynamic = inputs is None or inputs.raw("dynamic") in (True, "local")
    return _Weights(
        weights.count("num_bits", high=16),
        weights.word("type") or "int",
        strategy,
        max(weights.count("group_size", 0, low=-1), 0),
        weights.flag("symmetric", default=True),
        order is True or order == "group",
        weights.word("scale_dtype") == "torch.uint8",
        "" if inputs is None else inputs.word("type") or "int",
        16 if inputs is None else inputs.count("num_bits", 8, high=16),
        not dynamic,
    )


def _inferred(asked: _Weights) -> str:
    """The `format` that the library chooses where none is written."""
    if asked.kind == "float" and asked.bits == 4:
        return {32: "mxfp4-pack-quantized", 16: "nvfp4-pack-quantized"}.get(asked.size, "naive-quantized")
    if asked.kind == "float":
        return "mxfp8-quantized" if asked.size == 32 and asked.bytes_scale else "float-quantized"
    return "int-quantized" if asked.activations else "pack-quantized"


def _blocks(stored: Storage, asked: _Weights, zero_bits: int) -> Storage | None:
    """A storage with the scales and zero points of this strategy, which have 16 bits and `zero_bits`."""
    bits = 16 if asked.symmetric else 16 + zero_bits
    extra = 4 if asked.static else 0
    if asked.ordered:
        stored = stored._replace(input_bytes=4)
    if asked.strategy == "tensor":
        return single(stored, stored.tensor_bytes + extra + 4)
    if asked.strategy not in ("channel", "group") or (asked.strategy == "group" and not asked.size):
        return None
    size = asked.size if asked.strategy == "group" else 0
    return stored._replace(
        block_outputs=1, block_inputs=size, scale_bits=bits, tensor_bytes=stored.tensor_bytes + extra
    )


def _packed_name(asked: _Weights) -> str:
    if not asked.activations:
        return f"int{asked.bits}_w{asked.bits}a16"
    return f"int{asked.bits}_w{asked.bits}a{'fp' if asked.activations == 'float' else ''}{asked.activation_bits}"


def _packed(asked: _Weights, shape_bytes: int) -> Storage | None:
    if asked.kind != "int" or not 1 < asked.bits <= 8 or asked.strategy == "tensor":
        return None
    found = storage(_packed_name(asked))
    return _blocks(found._replace(tensor_bytes=shape_bytes), asked, asked.bits) if found.bits else None


def _whole(asked: _Weights) -> Storage | None:
    """Weights of one byte each: `int-quantized`, `float-quantized`, `naive-quantized`."""
    if asked.bits != 8:
        return None  # narrower integers in bytes of their own have no name yet
    if asked.kind == "int":
        plain = not asked.activations
        if not plain and (asked.activations, asked.activation_bits) != ("int", 8):
            return None
        return _blocks(storage("int8_w8a16" if plain else "int8_w8a8"), asked, 8)
    if asked.strategy == "channel" and not asked.activations:
        return _blocks(storage("fp8_w8a16"), asked, 8)
    if asked.strategy in ("tensor", "channel"):
        stored = storage("fp8" if asked.strategy == "tensor" else "fp8_channel")
        return _blocks(stored._replace(tensor_bytes=0), asked, 8)
    return None


def _float_storage(asked: _Weights, way: str) -> Storage | None:
    if way == "nvfp4-pack-quantized" and (asked.bits, asked.size) == (4, 16):
        return storage("nvfp4" if asked.activations else "nvfp4_w4a16")
    if way == "mxfp4-pack-quantized" and (asked.bits, asked.size) == (4, 32):
        return storage("mxfp4" if asked.activations else "mxfp4_w4a16")
    if way == "mxfp8-quantized" and (asked.bits, asked.size) == (8, 32):
        return storage("mxfp8")
    return None


def _marlin(asked: _Weights) -> Storage | None:
    """2:4 sparse weights for the Marlin kernel: half of the elements, and four bits to place two of four."""
    if asked.kind != "int" or asked.bits not in (4, 8) or not asked.symmetric or asked.size not in (0, 128):
        return None
    return _blocks(storage(f"marlin24_int{asked.bits}"), asked, 0)


def _group(group: Fields, way: str | None, shape_bytes: int) -> Storage | None:
    """The storage of one group, or None when it is none that is known."""
    asked = _weights(group)
    if asked is None:
        return None
    own = group.word("format") or (None if way == "mixed-precision" else way) or _inferred(asked)
    if own == "pack-quantized":
        return _packed(asked, shape_bytes)
    if own == "marlin-24":
        return _marlin(asked)
    if own not in ("int-quantized", "float-quantized", "naive-quantized"):
        return _float_storage(asked, own)
    weights = group.nested("weights")
    structure = None if weights is None or asked.strategy != "block" else weights.counts("block_structure")
    if (asked.bits, asked.kind, structure) == (8, "float", [128, 128]):
        # Scales have the type of the model: at most the 32 bits that others write.
        return storage("fp8_block128")
    return _whole(asked)


def _class_name(target: str) -> bool:
    """Whether a target is a class of modules (`Embedding`), which no name of a module tells."""
    return target[:1].isupper() and "." not in target


def scheme(quantization: Fields) -> Scheme:
    """The scheme of a `quantization_config` of compressed-tensors.

    Raises:
        MalformedFile: a key has the wrong type.
        UnknownPatternError: a pattern that is not understood.
    """
    groups, excludes = quantization.nested("config_groups"), compiled(quantization.words("ignore"))
    status = quantization.word("quantization_status", "compressed")
    if groups is None or status != "compressed" or not groups.names():
        return not_understood(METHOD, "config_groups" if status == "compressed" else f"quantization_status {status}")
    if len(groups.names()) > MOST_RULES:
        return not_understood(METHOD, f"{len(groups.names())} groups")
    sparsity = quantization.nested("sparsity_config")
    if sparsity is not None and sparsity.word("format", "dense") != "dense":
        return not_understood(METHOD, f"sparsity_config {sparsity.word('format')}")
    # Its own key: other writers of this format (Moonshot) leave it out and store the shape as 32-bit integers.
    shape_bytes = SHAPE_BYTES if quantization.raw("version") is not None else SHAPE_BYTES // 2
    named: list[Rule] = []
    usual: list[Rule] = []
    for name in groups.names():
        group = groups.nested(name)
        if group is not None and not group.has("weights"):
            continue  # of caches and activations alone
        stored = None if group is None else _group(group, quantization.word("format"), shape_bytes)
        targets = None if group is None else group.words("targets")
        if stored is None or not targets:
            return not_understood(METHOD, name)
        names = [target for target in targets if target != EVERY_MATRIX]
        if any(_class_name(target) for target in names):
            return not_understood(METHOD, f"targets {names[0]}")
        if names:
            named.append(rule(stored, excludes, names, spared=EMBEDDING))
        if len(names) < len(targets):
            usual.append(rule(stored, excludes, spared=EMBEDDING))
    return Scheme((*named, *usual), (), METHOD)
