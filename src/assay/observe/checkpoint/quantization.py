"""The quantization scheme of a configuration: in which format each matrix is stored."""

from typing import Any

from assay.knowledge.catalog.weight_formats import Storage
from assay.observe.checkpoint import compressed_tensors, quark
from assay.observe.checkpoint.fields import Fields
from assay.observe.checkpoint.matching import UnknownPatternError
from assay.observe.checkpoint.packed import THREES
from assay.observe.checkpoint.schemes import (
    NEVER_BY_DEFAULT,
    PLAIN,
    UNKNOWN,
    Rule,
    Scheme,
    compiled,
    doubt,
    not_understood,
    rule,
    storage,
)
from assay.types.model import Role

REBUILT: frozenset[Role] = frozenset({"experts", "vision"})
"""Roles of which the installed transformers decides whether they are linear layers, which alone it converts."""
SCALES_OF_MODEL = frozenset({"compressed-tensors", "hqq", "quark"})
"""Methods whose scales have the type of the model: 16 bits in every published one."""
WHOLE_ROW = 0
AWQ_WORD = 1024
"""Inputs whose scales AutoAWQ's vector kernels keep together, whatever the size of the group (at most 128)."""
HQQ_BITS = (8, 4, 3, 2, 1)


def _fp8(quantization: Fields) -> Scheme:
    excludes = quantization.words("modules_to_not_convert") or quantization.words("ignored_layers")
    block = quantization.counts("weight_block_size")
    wide = quantization.word("fmt", "e4m3") == "e5m2"
    if block is None:
        stored = storage("fp8_e5m2" if wide else "fp8")
        if quantization.word("activation_scheme") != "static":
            stored = stored._replace(tensor_bytes=4)  # the weight's scale alone
    elif block == [128, 128] and not wide:
        stored = storage("fp8_block128")
    else:
        return not_understood("fp8", "fmt e5m2" if wide else f"weight_block_size {block}")
    return Scheme((rule(stored, excludes),), (), "fp8")


def _fbgemm_fp8(quantization: Fields) -> Scheme:
    # transformers, integrations/fbgemm_fp8.py: an FP32 scale for each output; the activations' bound is not saved.
    stored = storage("fp8_channel")._replace(scale_bits=32)
    return Scheme((rule(stored, quantization.words("modules_to_not_convert")),), (), "fbgemm_fp8")


def _mxfp4(quantization: Fields) -> Scheme:
    excludes = quantization.words("modules_to_not_convert")
    experts: frozenset[Role] = frozenset({"experts"})
    return Scheme((rule(storage("mxfp4"), excludes, roles=experts),), (), "mxfp4")


def _gptq(quantization: Fields) -> Scheme:
    bits = quantization.count("bits", high=8)
    layout = quantization.word("checkpoint_format") or "gptq"
    if bits not in (2, 3, 4, 8):
        return not_understood("gptq", f"{bits} bits")
    if layout not in ("gptq", "gptq_v2") or quantization.word("pack_dtype", "int32") not in ("int32", "torch.int32"):
        return not_understood("gptq", f"checkpoint_format {layout}")  # Marlin, BitBLAS: laid out for one kernel
    own = next((key for key in ("dynamic", "modules_in_block_to_quantize") if quantization.raw(key)), None)
    if own is not None:
        return not_understood("gptq", own)
    group = quantization.count("group_size", low=-1)
    stored = storage(f"gptq_int{bits}")._replace(block_inputs=WHOLE_ROW if group == -1 else group)
    spared = NEVER_BY_DEFAULT - {"head"} if quantization.flag("lm_head") else NEVER_BY_DEFAULT
    return Scheme((rule(stored, quantization.words("modules_to_not_convert"), spared=spared),), (), "gptq")


def _awq(quantization: Fields) -> Scheme:
    bits = quantization.first(["bits", "w_bit"], high=8)
    version = (quantization.word("version", "gemm") or "").lower()
    group = quantization.first(["group_size", "q_group_size"], low=-1)
    # AutoAWQ, awq/modules/linear/gemv.py: groups of any other size have no packing there.
    vector = {"gemv": "awq_gemv_int4", "gemv_fast": "awq_gemv_fast_int4"}.get(version)
    if bits != 4 or (vector is None and version != "gemm") or (vector is not None and group not in (32, 64, 128)):
        return not_understood("awq", f"{version}, {bits} bits, group_size {group}")
    stored = storage(vector or "awq_int4")
    if vector is None:
        stored = stored._replace(block_inputs=WHOLE_ROW if group == -1 else group)
    else:
        groups = AWQ_WORD // group
        stored = stored._replace(block_inputs=AWQ_WORD, scale_bits=groups * stored.scale_bits)
    return Scheme((rule(stored, quantization.words("modules_to_not_convert")),), (), "awq")


def _replaced(stored: Storage, skipped: list[str] | None, method: str) -> Scheme:
    """The scheme of a method that swaps the linear layers of the model class for its own at loading."""
    kept = compiled(skipped)
    rules = (rule(UNKNOWN, kept, roles=REBUILT, spared=frozenset()), rule(stored, kept))
    return Scheme(rules, (), method, (doubt(method, "experts, vision"),))


def _bitsandbytes(quantization: Fields) -> Scheme:
    skipped = quantization.words("llm_int8_skip_modules")
    if quantization.flag("load_in_8bit") or quantization.flag("_load_in_8bit"):
        return _replaced(storage("bnb_int8"), skipped, "bitsandbytes")
    kind = quantization.word("bnb_4bit_quant_type", "fp4")
    four = quantization.flag("load_in_4bit") or quantization.flag("_load_in_4bit")
    if not four or kind not in ("nf4", "fp4"):
        return not_understood("bitsandbytes", "load_in_4bit" if not four else f"bnb_4bit_quant_type {kind}")
    stored = storage(f"bnb_{kind}")
    if quantization.flag("bnb_4bit_use_double_quant"):
        # functional.py: 8 bits for a scale, 32 for 256 of them, and the 256 values that 8 bits stand for.
        stored = stored._replace(flat=((64, 8), (64 * 256, 32)), tensor_bytes=stored.tensor_bytes + 4 * 256 + 80)
    return _replaced(stored, skipped, "bitsandbytes")


def _hqq(quantization: Fields) -> Scheme:
    outer = quantization.nested("quant_config")
    weights = None if outer is None else outer.nested("weight_quant_params")
    if outer is None or weights is None:
        return not_understood("hqq", "dynamic_config")
    other = next((key for key in ("scale_quant_params", "zero_quant_params") if outer.raw(key)), None)
    bits, group = weights.count("nbits", high=8), weights.count("group_size", WHOLE_ROW, low=0)
    axis = weights.count("axis", high=1, low=0)
    if other is not None or bits not in HQQ_BITS or not group or not weights.flag("channel_wise", default=True):
        return not_understood("hqq", other or f"nbits {bits}, group_size {group or None}")
    stored = storage(f"hqq_int{bits}")
    if bits == 3:
        # bitpack.py: ten elements a word down the first axis, which is filled up: groups for axis 1, elements for 0.
        packed = (THREES * group, 32 * group) if axis == 1 else (group, 32 * -(-group // THREES))
        stored = stored._replace(flat=(packed, (group, 32)))
    else:
        stored = stored._replace(flat=((group, 32),))
    return _replaced(stored, quantization.words("skip_modules"), "hqq")


def _exllama(quantization: Fields) -> Scheme:
    """EXL2 and EXL3 reach an average: how many bits each matrix has was measured, and stands in the headers alone."""
    method = quantization.word("quant_method") or "?"
    return not_understood(method, f"bits {quantization.raw('bits')}")


_TORCHAO = {
    "Float8DynamicActivationFloat8WeightConfig": {"torchao_float8": "torchao_float8_w8a8"},
    "Float8WeightOnlyConfig": {"torchao_float8": "torchao_float8_w8a16"},
    "Int8DynamicActivationInt8WeightConfig": {"torchao_int8": "torchao_int8_w8a8"},
    "Int8WeightOnlyConfig": {"torchao_int8": "torchao_int8_w8a16"},
    "NVFP4DynamicActivationNVFP4WeightConfig": {"torchao_nvfp4": "torchao_nvfp4_w4a4"},
    "NVFP4WeightOnlyConfig": {"torchao_nvfp4": "torchao_nvfp4_w4a16"},
}
"""torchao's configuration of all layers -> what its stored formats are then, activations included."""


def _torchao_kind(quantization: Fields) -> str | None:
    kind: Any = quantization.raw("quant_type")
    if isinstance(kind, dict):
        kind = kind.get("default")
    if isinstance(kind, dict):
        kind = kind.get("_type")
    return kind if isinstance(kind, str) else None


def _torchao(quantization: Fields) -> Scheme:
    """What torchao stores depends on its version and on the packing that its kernel asked for."""
    return not_understood("torchao", _torchao_kind(quantization) or "quant_type")


def of_activations(config: Fields) -> dict[str, str]:
    """Formats as headers show them -> the same with what becomes of the activations, which torchao's config tells.

    Args:
        config: the whole config.json.

    Raises:
        MalformedFile: a key has the wrong type.
    """
    quantization = config.nested("quantization_config")
    if quantization is None or quantization.word("quant_method") != "torchao":
        return {}
    return _TORCHAO.get(_torchao_kind(quantization) or "", {})


_MODELOPT = {
    "FP8": "fp8",
    "FP8_PER_CHANNEL_PER_TOKEN": "fp8_channel",
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


def _modelopt_storage(algorithm: str) -> Storage:
    stored = storage(_MODELOPT[algorithm])
    # vLLM, modelopt.py: scales of channels are FP32 there.
    return stored._replace(scale_bits=32) if stored.format == "fp8_channel" else stored


def _modelopt_mixed(layers: dict[str, Any], excludes: list[str] | None, method: str) -> Scheme:
    listed = _listed_layers(layers)
    if listed is None or any(name not in _MODELOPT for name in listed):
        return not_understood(method, "quantized_layers")
    kept = compiled(excludes)
    rules = tuple(rule(_modelopt_storage(name), kept, modules) for name, modules in listed.items())
    return Scheme(rules, (), method)


def _modelopt(quantization: Fields) -> Scheme:
    algorithm = quantization.word("quant_algo") or ""
    excludes = quantization.words("exclude_modules") or quantization.words("ignore")
    layers = quantization.raw("quantized_layers")
    method = f"modelopt {algorithm}"
    if algorithm == "MIXED_PRECISION" and isinstance(layers, dict):
        if quantization.word("quant_method") == "fp8":
            return not_understood(method, "quantized_layers + fp8")
        return _modelopt_mixed(layers, excludes, method)
    if algorithm not in _MODELOPT:
        return not_understood(method, "quant_algo")
    if excludes is None:
        # Published lists always spare something (the head at least): a silent one leaves it open what.
        return not_understood(method, "exclude_modules")
    return Scheme((rule(_modelopt_storage(algorithm), excludes, spared=frozenset({"embedding"})),), (), method)


_METHODS = {
    "fp8": _fp8,
    "fbgemm_fp8": _fbgemm_fp8,
    "mxfp4": _mxfp4,
    "gptq": _gptq,
    "awq": _awq,
    "bitsandbytes": _bitsandbytes,
    "hqq": _hqq,
    "exl2": _exllama,
    "exl3": _exllama,
    "torchao": _torchao,
    "quark": quark.scheme,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
    "compressed-tensors": compressed_tensors.scheme,
}


def _within(found: Rule) -> Rule:
    return found._replace(
        spared=found.spared | {"vision"}, roles=None if found.roles is None else found.roles - {"vision"}
    )


def _text_only(found: Scheme) -> Scheme:
    """A scheme of the text model, written inside its own part of the configuration: the vision tower is outside."""
    return found._replace(rules=tuple(_within(each) for each in found.rules))


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


def _narrow(found: Scheme, config: Fields, text: Fields | None) -> Scheme:
    """The scheme, or that it is open where scales have the type of a model of 32 bits."""
    places = (config,) if text is None else (config, text)
    types = {place.raw(key) for place in places for key in ("torch_dtype", "dtype") if isinstance(place.raw(key), str)}
    if found.method not in SCALES_OF_MODEL or types.isdisjoint(("float32", "torch.float32")):
        return found
    return not_understood(found.method or "?", "float32")


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
            return _text_only(_narrow(_understood(inside), config, text))
    beside = None if separate is None else separate.nested("quantization")
    if beside is not None and beside.has("quant_algo"):
        found = _understood(beside)
        if not found.doubts or inside is None:
            return found
    return PLAIN if inside is None else _narrow(_understood(inside), config, text)
