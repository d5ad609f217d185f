"""The quantization scheme of a configuration: in which format each matrix is stored.

A scheme is a list of rules; the first that names a matrix gives its format. What the configuration does not say
precisely enough gives the format `unknown`: never the unquantized type, which would be the wrong size.
"""

from typing import Any, NamedTuple

from assay.knowledge.catalog import weight_formats
from assay.knowledge.catalog.weight_formats import Storage
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.matching import Matcher, UnknownPatternError
from assay.observe.checkpoint.tensors import Tensor
from assay.types.message import Message, message
from assay.types.model import Role

UNKNOWN = Storage("unknown", 0)
NEVER_BY_DEFAULT: frozenset[Role] = frozenset({"head", "router", "vision", "embedding"})
"""Roles that schemes leave alone unless their lists say otherwise."""


class Rule(NamedTuple):
    """Matrices named by `targets` (None: all) and not by `excludes` are stored this way."""

    storage: Storage
    targets: Matcher | None
    excludes: Matcher | None
    roles: frozenset[Role] | None
    spared: frozenset[Role]


class Scheme(NamedTuple):
    """How a checkpoint is quantized.

    Attributes:
        rules: first match wins; none: nothing is converted.
        doubts: what was not understood.
        method: the name the configuration gives it, for display; None without one.
    """

    rules: tuple[Rule, ...]
    doubts: tuple[Message, ...] = ()
    method: str | None = None

    def storage_of(self, tensor: Tensor) -> Storage | None:
        """The storage of a matrix, or None when it stays in the model's type."""
        for rule in self.rules:
            if rule.roles is not None and tensor.role not in rule.roles:
                continue
            if rule.targets is None:
                if tensor.role in rule.spared:
                    continue
            else:
                named = rule.targets.matches(tensor.module, tensor.copies)
                if named is None:
                    return UNKNOWN
                if not named:
                    continue
            if rule.excludes is not None:
                excluded = rule.excludes.matches(tensor.module, tensor.copies)
                if excluded is None:
                    return UNKNOWN
                if excluded:
                    continue
            return rule.storage
        return None


PLAIN = Scheme(())


def _storage(name: str) -> Storage:
    found = weight_formats.storage(name)
    return UNKNOWN if found is None else found


def _rule(
    storage: Storage,
    excludes: list[str] | None,
    targets: list[str] | None = None,
    roles: frozenset[Role] | None = None,
    spared: frozenset[Role] = NEVER_BY_DEFAULT,
) -> Rule:
    return Rule(
        storage,
        None if targets is None else Matcher(targets),
        Matcher(excludes) if excludes else None,
        roles,
        spared,
    )


def not_understood(method: str, detail: str) -> Scheme:
    """A scheme whose converted matrices have an unknown format."""
    doubt = message("doubt.quantization_not_understood", "warning", method=method, detail=detail)
    return Scheme((_rule(UNKNOWN, None),), (doubt,), method)


def _fp8(quantization: Fields) -> Scheme:
    excludes = quantization.words("modules_to_not_convert") or quantization.words("ignored_layers")
    block = quantization.counts("weight_block_size")
    if block is None:
        storage = _storage("fp8")
        if quantization.word("activation_scheme") != "static":
            storage = storage._replace(tensor_bytes=4)  # the weight's scale alone
    elif block == [128, 128]:
        storage = _storage("fp8_block128")
    else:
        return not_understood("fp8", f"weight_block_size {block}")
    return Scheme((_rule(storage, excludes),), (), "fp8")


def _mxfp4(quantization: Fields) -> Scheme:
    excludes = quantization.words("modules_to_not_convert")
    experts: frozenset[Role] = frozenset({"experts"})
    return Scheme((_rule(_storage("mxfp4"), excludes, roles=experts),), (), "mxfp4")


def _gptq(quantization: Fields) -> Scheme:
    bits = quantization.count("bits", high=8)
    name = {4: "gptq_int4", 8: "gptq_int8"}.get(bits)
    if name is None or quantization.has("dynamic") or quantization.has("modules_in_block_to_quantize"):
        return not_understood("gptq", f"{bits} bits" if name is None else "dynamic")
    group = quantization.count("group_size", low=-1)
    storage = _storage(name)._replace(block_inputs=0 if group == -1 else group)
    return Scheme((_rule(storage, quantization.words("modules_to_not_convert")),), (), "gptq")


def _awq(quantization: Fields) -> Scheme:
    bits = quantization.first(["bits", "w_bit"], high=8)
    if bits != 4 or (quantization.word("version", "gemm") or "").lower() != "gemm":
        return not_understood("awq", f"{bits} bits")
    group = quantization.first(["group_size", "q_group_size"])
    storage = _storage("awq_int4")._replace(block_inputs=group)
    return Scheme((_rule(storage, quantization.words("modules_to_not_convert")),), (), "awq")


_MODELOPT = {
    "FP8": "fp8",
    "NVFP4": "nvfp4",
    "W4A16_NVFP4": "nvfp4_w4a16",
    "MXFP8": "mxfp8",
    "FP8_PB_WO": "fp8_block128",
}


def _listed_layers(layers: dict[str, Any]) -> dict[str, list[str]] | None:
    """Algorithm -> modules of modelopt's `quantized_layers`; None when it has another form."""
    found: dict[str, list[str]] = {}
    for module, entry in layers.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("quant_algo"), str):
            return None
        if entry.get("group_size") not in (None, 16, 32):
            return None
        found.setdefault(entry["quant_algo"], []).append(module)
    return found


def _modelopt(quantization: Fields) -> Scheme:
    algorithm = quantization.word("quant_algo") or ""
    excludes = quantization.words("exclude_modules") or quantization.words("ignore")
    layers = quantization.raw("quantized_layers")
    method = f"modelopt {algorithm}"
    if algorithm == "MIXED_PRECISION" and isinstance(layers, dict):
        if quantization.word("quant_method") == "fp8":
            return not_understood(method, "quantized_layers + fp8")
        listed = _listed_layers(layers)
        if listed is None or any(name not in _MODELOPT for name in listed):
            return not_understood(method, "quantized_layers")
        rules = tuple(_rule(_storage(_MODELOPT[name]), excludes, modules) for name, modules in listed.items())
        return Scheme(rules, (), method)
    if algorithm not in _MODELOPT:
        return not_understood(method, "quant_algo")
    if excludes is None:
        # Published lists always spare something (the head at least): a silent one leaves it open what.
        return not_understood(method, "exclude_modules")
    return Scheme((_rule(_storage(_MODELOPT[algorithm]), excludes, spared=frozenset({"embedding"})),), (), method)


def _compressed_group(group: Fields) -> Storage | None:  # noqa: PLR0911 - one case a line
    """The storage of one group of compressed-tensors, or None when it is not a common case."""
    weights = group.nested("weights")
    if weights is None:
        return None
    bits, kind = weights.count("num_bits", high=16), weights.word("type")
    strategy = weights.word("strategy", "tensor")
    activations = group.nested("input_activations")
    # "local": scales of groups at run time, one for the whole tensor from calibration; llm-compressor's NVFP4 has it.
    local = activations is not None and activations.raw("dynamic") == "local"
    static = activations is not None and not local and not activations.flag("dynamic", default=False)
    extra = 4 if static and bits == 8 else 0
    if (bits, kind) == (8, "float"):
        if strategy == "tensor":
            return _storage("fp8")._replace(tensor_bytes=4 + extra)
        if strategy == "channel":
            return _storage("fp8_channel" if activations is not None else "fp8_w8a16")
        if strategy == "block" and weights.counts("block_structure") == [128, 128]:
            return _storage("fp8_block128")
        return None
    if (bits, kind) == (8, "int") and strategy == "channel":
        return _storage("int8_w8a8" if activations is not None else "int8_w8a16")
    if (bits, kind) == (4, "float") and strategy == "tensor_group" and weights.count("group_size") == 16:
        return _storage("nvfp4" if activations is not None else "nvfp4_w4a16")
    if (bits, kind) == (4, "int") and strategy in ("group", "channel") and activations is None:
        symmetric = weights.flag("symmetric", default=True)
        size = weights.count("group_size", low=-1) if strategy == "group" else 0
        return _storage("int4_w4a16")._replace(block_inputs=max(size, 0), scale_bits=16 if symmetric else 20)
    return None


def _compressed(quantization: Fields) -> Scheme:
    groups = quantization.nested("config_groups")
    excludes = quantization.words("ignore")
    status = quantization.word("quantization_status", "compressed")
    if groups is None or status != "compressed" or not groups.names():
        return not_understood("compressed-tensors", "config_groups")
    rules = []
    for name in groups.names():
        group = groups.nested(name)
        storage = None if group is None else _compressed_group(group)
        if group is None or storage is None:
            return not_understood("compressed-tensors", name)
        targets = group.words("targets")
        everything = targets == ["Linear"]
        rules.append(_rule(storage, excludes, None if everything else targets, spared=frozenset({"embedding"})))
    return Scheme(tuple(rules), (), "compressed-tensors")


_METHODS = {
    "fp8": _fp8,
    "mxfp4": _mxfp4,
    "gptq": _gptq,
    "awq": _awq,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
    "compressed-tensors": _compressed,
}


def _text_only(found: Scheme) -> Scheme:
    """A scheme of the text model, written inside its own part of the configuration: the vision tower is outside."""
    return found._replace(rules=tuple(rule._replace(spared=rule.spared | {"vision"}) for rule in found.rules))


def _understood(quantization: Fields) -> Scheme:
    try:
        return _parse(quantization)
    except UnknownPatternError as error:
        return not_understood("patterns", str(error))


def _parse(quantization: Fields) -> Scheme:
    method = quantization.word("quant_method")
    if quantization.has("quant_algo") or quantization.has("quantized_layers"):
        return _modelopt(quantization)
    if method is None:
        return not_understood("?", "quant_method")
    reader = _METHODS.get(method)
    return not_understood(method, "quant_method") if reader is None else reader(quantization)


def scheme(config: Fields, separate: Fields | None) -> Scheme:
    """The scheme of a configuration and of a `hf_quant_config.json` beside it, which is the more exact one.

    Args:
        config: the whole config.json.
        separate: the whole hf_quant_config.json, if there is one.

    Raises:
        MalformedFile: a key has the wrong type.
    """
    text = config.nested("text_config")
    inside = config.nested("quantization_config")
    if inside is None and text is not None:
        inside = text.nested("quantization_config")
        if inside is not None:
            return _text_only(_understood(inside))
    beside = None if separate is None else separate.nested("quantization")
    if beside is not None and beside.has("quant_algo"):
        found = _understood(beside)
        if not found.doubts or inside is None:
            return found
    return PLAIN if inside is None else _understood(inside)
